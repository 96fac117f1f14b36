// SPDX-License-Identifier: MIT
// Stored events are forever: the bytes of each type as version 1 wrote them, put together by hand from the schema, read
// and written. Whoever changes a byte here changes every event ever stored.
#include <criterion/criterion.h>

#include "../domain/event_equal.h"
#include "lumin/infrastructure/codec/codec.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define EMAIL(spelled, keyed)                                                                                          \
  { .text = SPAN_LITERAL(spelled), .key = SPAN_LITERAL(keyed) }

static struct arena *arena;
static void setup(void) { cr_assert((arena = arena_create(1U << 20))); }
static void teardown(void) { arena_destroy(arena); }
TestSuite(event_bytes, .init = setup, .fini = teardown);

static const struct golden {
  struct event event;
  struct span bytes;
} goldens[] = {
    {{.type = EVENT_USER_CREATED,
      .user_created = {SPAN_LITERAL("Ada"), SPAN_LITERAL("\xc5\x81ukasz"), EMAIL("Ada@example.com", "ada@example.com"),
                       .phone = SPAN_LITERAL("+4930123456")}},
     SPAN_LITERAL("\x0a\x03"
                  "Ada\x12\x07\xc5\x81ukasz\x1a\x0f"
                  "Ada@example.com\"\x0b+4930123456")},
    {{.type = EVENT_USER_CREATED,
      .user_created = {SPAN_LITERAL("Ada"), .email = EMAIL("a@example.com", "a@example.com")}},
     SPAN_LITERAL("\x0a\x03"
                  "Ada\x1a\x0d"
                  "a@example.com")},
    {{.type = EVENT_USER_CREATED, .user_created = {SPAN_LITERAL("Ada"), .phone = SPAN_LITERAL("+4930123456")}},
     SPAN_LITERAL("\x0a\x03"
                  "Ada\"\x0b+4930123456")},
    {{.type = EVENT_USERNAME_CHANGED, .username_changed = {SPAN_LITERAL("Ada"), SPAN_LITERAL("Lovelace")}},
     SPAN_LITERAL("\x0a\x03"
                  "Ada\x12\x08Lovelace")},
    {{.type = EVENT_USERNAME_CHANGED, .username_changed = {SPAN_LITERAL("Ada"), SPAN_LITERAL("")}},
     SPAN_LITERAL("\x0a\x03"
                  "Ada")},
    {{.type = EVENT_EMAIL_CHANGED, .email_changed = {EMAIL("Ada@example.com", "ada@example.com")}},
     SPAN_LITERAL("\x0a\x0f"
                  "Ada@example.com")},
    {{.type = EVENT_EMAIL_CHANGED}, SPAN_LITERAL("")},
    {{.type = EVENT_USER_DELETED}, SPAN_LITERAL("")},
    // with the fields that came later
    {{.type = EVENT_USER_CREATED,
      .user_created = {.first_name = SPAN_LITERAL("Ada"),
                       .phone = SPAN_LITERAL("+4930123456"),
                       .profile = {.language_code = SPAN_LITERAL("pt-BR"),
                                   .bio = SPAN_LITERAL("Sings.\n"),
                                   .birth_date = SPAN_LITERAL("1915-12-10"),
                                   .avatar_url = SPAN_LITERAL("https://a.example"),
                                   .privacy = {{3, 3, 2, 1, 1, 3}}}}},
     SPAN_LITERAL("\x0a\x03"
                  "Ada\"\x0b+4930123456*\x05pt-BR2\x07Sings.\n:\x0a"
                  "1915-12-10"
                  "B\x11https://a.exampleJ\x0c\x08\x03\x10\x03\x18\x02 \x01(\x01"
                  "0\x03")},
    {{.type = EVENT_USER_CREATED, .user_created = {.first_name = SPAN_LITERAL("Ada"), .profile.privacy = {{0, 1}}}},
     SPAN_LITERAL("\x0a\x03"
                  "AdaJ\x02\x10\x01")},
    {{.type = EVENT_USER_ACTIVATED}, SPAN_LITERAL("")},
    {{.type = EVENT_USER_DEACTIVATED}, SPAN_LITERAL("")},
    {{.type = EVENT_USER_BLOCKED, .user_blocked = {SPAN_LITERAL("spam"), 0}}, SPAN_LITERAL("\x0a\x04spam")},
    {{.type = EVENT_USER_BLOCKED, .user_blocked = {SPAN_LITERAL("spam"), 1700000000123456789}},
     SPAN_LITERAL("\x0a\x04spam\x12\x0b\x08\x80\xe2\xcf\xaa\x06\x10\x95\x9a\xef:")},
    {{.type = EVENT_PHONE_CHANGED, .phone_changed = {SPAN_LITERAL("+4930123456")}},
     SPAN_LITERAL("\x0a\x0b+4930123456")},
    {{.type = EVENT_PHONE_CHANGED}, SPAN_LITERAL("")},
    {{.type = EVENT_BIO_CHANGED, .bio_changed = {SPAN_LITERAL("Sings.\n")}}, SPAN_LITERAL("\x0a\x07Sings.\n")},
    {{.type = EVENT_BIO_CHANGED}, SPAN_LITERAL("")},
    {{.type = EVENT_BIRTH_DATE_CHANGED, .birth_date_changed = {SPAN_LITERAL("1915-12-10")}},
     SPAN_LITERAL("\x0a\x0a"
                  "1915-12-10")},
    {{.type = EVENT_BIRTH_DATE_CHANGED}, SPAN_LITERAL("")},
    {{.type = EVENT_AVATAR_URL_CHANGED, .avatar_url_changed = {SPAN_LITERAL("https://a.example")}},
     SPAN_LITERAL("\x0a\x11https://a.example")},
    {{.type = EVENT_AVATAR_URL_CHANGED}, SPAN_LITERAL("")},
    {{.type = EVENT_LANGUAGE_CODE_CHANGED, .language_code_changed = {SPAN_LITERAL("pt-BR")}},
     SPAN_LITERAL("\x0a\x05pt-BR")},
    {{.type = EVENT_LANGUAGE_CODE_CHANGED}, SPAN_LITERAL("")},
    {{.type = EVENT_PRIVACY_SETTINGS_CHANGED, .privacy_settings_changed = {{{1, 2, 3, 1, 2, 3}}}},
     SPAN_LITERAL("\x0a\x0c\x08\x01\x10\x02\x18\x03 \x01(\x02"
                  "0\x03")},
    {{.type = EVENT_EMAIL_CONFIRMED, .email_confirmed = {EMAIL("Ada@example.com", "ada@example.com")}},
     SPAN_LITERAL("\x0a\x0f"
                  "Ada@example.com")},
    {{.type = EVENT_PHONE_CONFIRMED, .phone_confirmed = {SPAN_LITERAL("+4930123456")}},
     SPAN_LITERAL("\x0a\x0b+4930123456")},
    {{.type = EVENT_PROFILE_VIEWED,
      .profile_viewed = {{{0xaa, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 0, 1}}}},
     SPAN_LITERAL("\x0a$aa010203-0405-4607-8809-0a0b0c0d0001")},
};

// The numbers that the table's `type` column holds.
Test(event_bytes, numbers_are_as_stored) {
  cr_expect(EVENT_USER_CREATED == 1 && EVENT_USERNAME_CHANGED == 2 && EVENT_EMAIL_CHANGED == 3 &&
            EVENT_USER_DELETED == 4);
  cr_expect(EVENT_USER_ACTIVATED == 5 && EVENT_USER_DEACTIVATED == 6 && EVENT_USER_BLOCKED == 7);
  cr_expect(EVENT_PHONE_CHANGED == 8 && EVENT_BIO_CHANGED == 9 && EVENT_BIRTH_DATE_CHANGED == 10 &&
            EVENT_AVATAR_URL_CHANGED == 11 && EVENT_LANGUAGE_CODE_CHANGED == 12 &&
            EVENT_PRIVACY_SETTINGS_CHANGED == 13);
  cr_expect(EVENT_EMAIL_CONFIRMED == 14 && EVENT_PHONE_CONFIRMED == 15 && EVENT_PROFILE_VIEWED == 16);
}

Test(event_bytes, every_type_has_its_golden_bytes) {
  static const enum event_type types[] = {
#define EVENT(symbol, number, name) EVENT_##symbol,
#include "lumin/domain/events.def"
#undef EVENT
  };
  for (size_t i = 0; i < COUNT(types); i++) {
    size_t rows = 0;
    for (size_t j = 0; j < COUNT(goldens); j++)
      rows += goldens[j].event.type == types[i];
    cr_expect_gt(rows, 0, "%s", event_name(types[i]));
  }
}

Test(event_bytes, are_written) {
  for (size_t i = 0; i < COUNT(goldens); i++) {
    struct event event = goldens[i].event;
    struct span bytes = SPAN_EMPTY;
    event.version = 7; // neither is in the body
    event.time_ns = 8;
    cr_assert_eq(codec_encode_event(&event, arena, &bytes), LUMIN_OK);
    cr_expect(span_equal(bytes, goldens[i].bytes), "case %zu", i);
  }
}

Test(event_bytes, are_read) {
  for (size_t i = 0; i < COUNT(goldens); i++) {
    struct event event = {0};
    cr_assert_eq(codec_decode_event(goldens[i].event.type, goldens[i].bytes, arena, &event), LUMIN_OK);
    cr_expect(event_equal(&event, &goldens[i].event), "case %zu", i);
  }
}

// A viewer that is no UUID, and a setting that only a later release knows: the strictest is meant then.
Test(event_bytes, from_elsewhere) {
  struct event event = {0};
  cr_expect_eq(codec_decode_event(EVENT_PROFILE_VIEWED, SPAN_LITERAL("\x0a\x03who"), arena, &event), LUMIN_INTERNAL);
  cr_assert_eq(
      codec_decode_event(EVENT_PRIVACY_SETTINGS_CHANGED, SPAN_LITERAL("\x0a\x04\x08\x04\x10\x01"), arena, &event),
      LUMIN_OK);
  const struct privacy expected = {{VISIBILITY_NOBODY, VISIBILITY_EVERYONE}};
  cr_expect(privacy_equal(event.privacy_settings_changed.privacy, expected));
}

// What a later version adds is passed over.
Test(event_bytes, with_fields_to_come_are_read) {
  static const struct span additions[] = {SPAN_LITERAL("\xfa\x01\x03new"), SPAN_LITERAL("\xf8\x01\x07"),
                                          SPAN_LITERAL("\xfd\x01"
                                                       "1234"),
                                          SPAN_LITERAL("\xf9\x01"
                                                       "12345678")};
  for (size_t i = 0; i < COUNT(goldens); i++)
    for (size_t j = 0; j < COUNT(additions); j++) {
      struct span bytes = arena_printf(arena, "%.*s%.*s", SPAN_ARGS(additions[j]), SPAN_ARGS(goldens[i].bytes));
      struct event event = {0};
      cr_assert_eq(codec_decode_event(goldens[i].event.type, bytes, arena, &event), LUMIN_OK);
      cr_expect(event_equal(&event, &goldens[i].event), "case %zu with addition %zu", i, j);
    }
}

// A table that holds such rows is broken: nobody's argument is to blame.
Test(event_bytes, that_are_none_are_an_internal_error) {
  static const struct span broken[] = {SPAN_LITERAL("\xff"),
                                       SPAN_LITERAL("\x0a\x05"
                                                    "Ada"),
                                       SPAN_LITERAL("\x08\x01"), SPAN_LITERAL("\x0a")};
  for (size_t i = 0; i < COUNT(broken); i++) {
    struct event event = {.type = EVENT_USER_DELETED, .version = 5};
    cr_expect_eq(codec_decode_event(EVENT_USERNAME_CHANGED, broken[i], arena, &event), LUMIN_INTERNAL, "case %zu", i);
    cr_expect(event.type == EVENT_USER_DELETED && event.version == 5, "untouched");
  }
  static const int types[] = {EVENT_NONE, 17, 99, -1, INT16_MAX};
  for (size_t i = 0; i < COUNT(types); i++) {
    struct event event = {.type = (enum event_type)types[i]};
    struct span bytes = SPAN_EMPTY;
    cr_expect_eq(codec_decode_event(event.type, SPAN_EMPTY, arena, &event), LUMIN_INTERNAL, "type %d", types[i]);
    cr_expect_eq(codec_encode_event(&event, arena, &bytes), LUMIN_INTERNAL, "type %d", types[i]);
  }
}

Test(event_bytes, want_memory) {
  for (size_t i = 0; i < COUNT(goldens); i++)
    for (size_t limit = 16; limit <= 2048; limit += 16) {
      struct arena *small = arena_create(limit);
      struct span bytes = SPAN_EMPTY;
      struct event event = {0};
      enum lumin_status status = codec_encode_event(&goldens[i].event, small, &bytes);
      cr_expect(status == LUMIN_NO_MEMORY || (status == LUMIN_OK && span_equal(bytes, goldens[i].bytes)));
      arena_reset(small);
      status = codec_decode_event(goldens[i].event.type, goldens[i].bytes, small, &event);
      cr_expect(status == LUMIN_NO_MEMORY || (status == LUMIN_OK && event_equal(&event, &goldens[i].event)));
      cr_expect(limit < 2048 || status == LUMIN_OK);
      arena_destroy(small);
    }
}
