// SPDX-License-Identifier: MIT
// Stored events are forever: the bytes of each type as version 1 wrote them, put together by hand from the schema, read
// and written. Whoever changes a byte here changes every event ever stored.
#include <criterion/criterion.h>

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
                       SPAN_LITERAL("+4930123456")}},
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
};

// The numbers that the table's `type` column holds.
Test(event_bytes, numbers_are_as_stored) {
  cr_expect(EVENT_USER_CREATED == 1 && EVENT_USERNAME_CHANGED == 2 && EVENT_EMAIL_CHANGED == 3 &&
            EVENT_USER_DELETED == 4);
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

static bool email_is(const struct email *a, const struct email *b) {
  return span_equal(a->text, b->text) && span_equal(a->key, b->key);
}

static bool event_is(const struct event *a, const struct event *b) {
  if (a->type != b->type || a->version != b->version || a->time_ns != b->time_ns)
    return false;
  if (a->type == EVENT_USER_CREATED)
    return span_equal(a->user_created.first_name, b->user_created.first_name) &&
           span_equal(a->user_created.last_name, b->user_created.last_name) &&
           email_is(&a->user_created.email, &b->user_created.email) &&
           span_equal(a->user_created.phone, b->user_created.phone);
  if (a->type == EVENT_USERNAME_CHANGED)
    return span_equal(a->username_changed.first_name, b->username_changed.first_name) &&
           span_equal(a->username_changed.last_name, b->username_changed.last_name);
  return a->type != EVENT_EMAIL_CHANGED || email_is(&a->email_changed.email, &b->email_changed.email);
}

Test(event_bytes, are_read) {
  for (size_t i = 0; i < COUNT(goldens); i++) {
    struct event event = {0};
    cr_assert_eq(codec_decode_event(goldens[i].event.type, goldens[i].bytes, arena, &event), LUMIN_OK);
    cr_expect(event_is(&event, &goldens[i].event), "case %zu", i);
  }
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
      cr_expect(event_is(&event, &goldens[i].event), "case %zu with addition %zu", i, j);
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
  static const int types[] = {EVENT_NONE, 5, 99, -1, INT16_MAX};
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
      cr_expect(status == LUMIN_NO_MEMORY || (status == LUMIN_OK && event_is(&event, &goldens[i].event)));
      cr_expect(limit < 2048 || status == LUMIN_OK);
      arena_destroy(small);
    }
}
