// SPDX-License-Identifier: MIT
// Replies as their callers read them: bytes put together by hand from the schema. Refusals are stored in these bytes
// too, and must come back as they were (guarantee 2).
#include <criterion/criterion.h>

#include "lumin/infrastructure/codec/codec.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define COMMAND_ID                                                                                                     \
  {                                                                                                                    \
    { 0xcc, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 0, 1 }                                                    \
  }
#define USER_ID                                                                                                        \
  {                                                                                                                    \
    { 0xaa, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 0, 1 }                                                    \
  }
#define TIME 1700000000000000000

static struct arena *arena;
static void setup(void) { cr_assert((arena = arena_create(1U << 20))); }
static void teardown(void) { arena_destroy(arena); }
TestSuite(reply_bytes, .init = setup, .fini = teardown);

static const struct refusal whole_refusal = {.reason = LUMIN_INVALID_STATE,
                                             .message = SPAN_LITERAL("no"),
                                             .field = SPAN_LITERAL("f"),
                                             .allowed = SPAN_LITERAL("x"),
                                             .current_status = USER_BLOCKED,
                                             .current_version = 7};

static const struct {
  struct outcome outcome;
  struct span bytes;
} outcomes[] = {
    {{.command_id = COMMAND_ID,
      .user_id = USER_ID,
      .status = OUTCOME_APPLIED,
      .version = 300,
      .stream_seq = 70000,
      .stream_ts_ns = TIME + 123456789},
     SPAN_LITERAL("\x0a$cc010203-0405-4607-8809-0a0b0c0d0001\x12$aa010203-0405-4607-8809-0a0b0c0d0001\x18\x01 \xac\x02"
                  "0\xf0\xa2\x04:\x0b\x08\x80\xe2\xcf\xaa\x06\x10\x95\x9a\xef:")},
    {{.command_id = COMMAND_ID, .user_id = USER_ID, .status = OUTCOME_UNCHANGED, .version = 2, .stream_seq = 9},
     SPAN_LITERAL("\x0a$cc010203-0405-4607-8809-0a0b0c0d0001\x12$aa010203-0405-4607-8809-0a0b0c0d0001\x18\x02 \x02"
                  "0\x09:\x00")},
    {{.command_id = COMMAND_ID,
      .user_id = USER_ID,
      .status = OUTCOME_REJECTED,
      .version = 7,
      .refusal = {LUMIN_INVALID_STATE, SPAN_LITERAL("no"), SPAN_LITERAL("f"), SPAN_LITERAL("x"), USER_BLOCKED, 7},
      .stream_seq = 1,
      .stream_ts_ns = TIME},
     SPAN_LITERAL("\x0a$cc010203-0405-4607-8809-0a0b0c0d0001\x12$aa010203-0405-4607-8809-0a0b0c0d0001\x18\x03 "
                  "\x07*\x10\x08\x06\x12\x02no\x1a\x01"
                  "f\"\x01x(\x04"
                  "0\x07"
                  "0\x01:\x06\x08\x80\xe2\xcf\xaa\x06")},
    // no user; a time before 1970; a reason that never leaves the process
    {{.command_id = COMMAND_ID,
      .status = OUTCOME_DEAD,
      .refusal = {.reason = LUMIN_NO_MEMORY, .message = SPAN_LITERAL("no")},
      .stream_seq = 1,
      .stream_ts_ns = -1},
     SPAN_LITERAL("\x0a$cc010203-0405-4607-8809-0a0b0c0d0001\x18\x04*\x06\x08\x0e\x12\x02no0\x01:"
                  "\x11\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\xff\x93\xeb\xdc\x03")},
};

Test(reply_bytes, outcomes) {
  for (size_t i = 0; i < COUNT(outcomes); i++) {
    struct span bytes = SPAN_EMPTY;
    cr_assert_eq(codec_encode_outcome(&outcomes[i].outcome, arena, &bytes), LUMIN_OK);
    cr_expect(span_equal(bytes, outcomes[i].bytes), "case %zu", i);
  }
}

static const struct {
  struct user user;
  struct span bytes;
} users[] = {
    {{.id = USER_ID,
      .version = 9,
      .status = USER_ACTIVE,
      .first_name = SPAN_LITERAL("Ada"),
      .last_name = SPAN_LITERAL("Lovelace"),
      .email = {SPAN_LITERAL("Ada@example.com"), SPAN_LITERAL("ada@example.com")},
      .email_verified = true,
      .phone = SPAN_LITERAL("+4930123456"),
      .phone_verified = true,
      .created_ns = TIME + 1,
      .updated_ns = TIME + 1000000000},
     SPAN_LITERAL("\x0a$aa010203-0405-4607-8809-0a0b0c0d0001\x10\x09\x18\x02\"\x03"
                  "Ada*\x08Lovelace2\x0f"
                  "Ada@example.com8\x01"
                  "B\x0b+4930123456H\x01R\x08\x08\x80\xe2\xcf\xaa\x06\x10\x01Z\x06\x08\x81\xe2\xcf\xaa\x06")},
    {{.id = USER_ID,
      .version = 1,
      .status = USER_PENDING,
      .first_name = SPAN_LITERAL("Ada"),
      .phone = SPAN_LITERAL("+4930123456"),
      .created_ns = TIME,
      .updated_ns = TIME},
     SPAN_LITERAL("\x0a$aa010203-0405-4607-8809-0a0b0c0d0001\x10\x01\x18\x01\"\x03"
                  "AdaB\x0b+4930123456R\x06\x08\x80\xe2\xcf\xaa\x06Z\x06\x08\x80\xe2\xcf\xaa\x06")},
    {{.id = USER_ID,
      .version = 3,
      .status = USER_BLOCKED,
      .profile = {.language_code = SPAN_LITERAL("pt-BR"),
                  .bio = SPAN_LITERAL("Sings."),
                  .birth_date = SPAN_LITERAL("1915-12-10"),
                  .avatar_url = SPAN_LITERAL("https://a.example"),
                  .privacy = {{1, 2, 3, 1, 2, 3}}},
      .profile_views = 300,
      .status_before_block = USER_ACTIVE,
      .block_reason = SPAN_LITERAL("spam"),
      .blocked_until_ns = TIME + 1},
     SPAN_LITERAL("\x0a$aa010203-0405-4607-8809-0a0b0c0d0001\x10\x03\x18\x04R\x00Z\x00"
                  "b\x05pt-BRj\x06Sings.r\x0a"
                  "1915-12-10z\x11https://a.example\x82\x01\x0c\x08\x01\x10\x02\x18\x03 \x01(\x02"
                  "0\x03\x88\x01\xac\x02\x92\x01\x04spam\x9a\x01\x08\x08\x80\xe2\xcf\xaa\x06\x10\x01")},
};

Test(reply_bytes, users) {
  for (size_t i = 0; i < COUNT(users); i++) {
    struct span bytes = SPAN_EMPTY;
    cr_assert_eq(codec_encode_user(&users[i].user, arena, &bytes), LUMIN_OK);
    cr_expect(span_equal(bytes, users[i].bytes), "case %zu", i);
  }
}

// Down to the bytes that are made of it once more.
Test(reply_bytes, users_come_back) {
  for (size_t i = 0; i < COUNT(users); i++) {
    struct user user = {0};
    struct span again = SPAN_EMPTY;
    cr_assert_eq(codec_decode_user(users[i].bytes, arena, &user), LUMIN_OK, "case %zu", i);
    cr_expect(uuid_equal(&user.id, &users[i].user.id));
    cr_expect_eq(user.status, users[i].user.status);
    cr_expect_eq(user.updated_ns, users[i].user.updated_ns);
    cr_assert_eq(codec_encode_user(&user, arena, &again), LUMIN_OK);
    cr_expect(span_equal(again, users[i].bytes), "case %zu", i);
  }
  struct user untouched = {.version = 77};
  cr_expect_eq(codec_decode_user(SPAN_LITERAL("\x0a\xff"), arena, &untouched), LUMIN_INTERNAL);
  cr_expect_eq(untouched.version, 77);
}

static void refusals_match(const struct refusal *a, const struct refusal *b) {
  cr_expect_eq(a->reason, b->reason);
  cr_expect(span_equal(a->message, b->message) && span_equal(a->field, b->field) && span_equal(a->allowed, b->allowed));
  cr_expect_eq(a->current_status, b->current_status);
  cr_expect_eq(a->current_version, b->current_version);
}

Test(reply_bytes, refusals) {
  struct span bytes = SPAN_EMPTY;
  struct refusal refusal = {0};
  cr_assert_eq(codec_encode_refusal(&whole_refusal, arena, &bytes), LUMIN_OK);
  cr_expect(span_equal(bytes, SPAN_LITERAL("\x08\x06\x12\x02no\x1a\x01"
                                           "f\"\x01x(\x04"
                                           "0\x07")));
  cr_assert_eq(codec_decode_refusal(bytes, arena, &refusal), LUMIN_OK);
  refusals_match(&refusal, &whole_refusal);
}

// By name and number the same on both sides, and each comes back; those of the process itself become INTERNAL.
Test(reply_bytes, reasons) {
  static const struct {
    enum lumin_status status;
    Lumin__User__V1__Reason reason;
  } reasons[] = {
      {LUMIN_INVALID_ARGUMENT, LUMIN__USER__V1__REASON__REASON_INVALID_ARGUMENT},
      {LUMIN_NOT_FOUND, LUMIN__USER__V1__REASON__REASON_NOT_FOUND},
      {LUMIN_ALREADY_EXISTS, LUMIN__USER__V1__REASON__REASON_ALREADY_EXISTS},
      {LUMIN_EMAIL_TAKEN, LUMIN__USER__V1__REASON__REASON_EMAIL_TAKEN},
      {LUMIN_PHONE_TAKEN, LUMIN__USER__V1__REASON__REASON_PHONE_TAKEN},
      {LUMIN_INVALID_STATE, LUMIN__USER__V1__REASON__REASON_INVALID_STATE},
      {LUMIN_DELETED, LUMIN__USER__V1__REASON__REASON_DELETED},
      {LUMIN_VERSION_MISMATCH, LUMIN__USER__V1__REASON__REASON_VERSION_MISMATCH},
      {LUMIN_COMMAND_ID_REUSED, LUMIN__USER__V1__REASON__REASON_COMMAND_ID_REUSED},
      {LUMIN_RESOURCE_EXHAUSTED, LUMIN__USER__V1__REASON__REASON_RESOURCE_EXHAUSTED},
      {LUMIN_UNAVAILABLE, LUMIN__USER__V1__REASON__REASON_UNAVAILABLE},
      {LUMIN_DEADLINE_EXCEEDED, LUMIN__USER__V1__REASON__REASON_DEADLINE_EXCEEDED},
      {LUMIN_UNIMPLEMENTED, LUMIN__USER__V1__REASON__REASON_UNIMPLEMENTED},
      {LUMIN_INTERNAL, LUMIN__USER__V1__REASON__REASON_INTERNAL},
  };
  for (size_t i = 0; i < COUNT(reasons); i++) {
    struct refusal refusal = {.reason = reasons[i].status}, back = {0};
    struct span bytes = SPAN_EMPTY;
    cr_expect_eq((int)reasons[i].status, (int)reasons[i].reason);
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&lumin__user__v1__reason__descriptor, (int)reasons[i].status);
    cr_assert(value);
    cr_expect_str_eq(value->name + sizeof "REASON_" - 1, status_name(reasons[i].status));
    cr_assert_eq(codec_encode_refusal(&refusal, arena, &bytes), LUMIN_OK);
    cr_assert_eq(codec_decode_refusal(bytes, arena, &back), LUMIN_OK);
    cr_expect_eq(back.reason, reasons[i].status);
  }
  for (int status = LUMIN_NO_MEMORY; status <= LUMIN_STOPPED; status++) {
    struct refusal refusal = {.reason = (enum lumin_status)status};
    struct span bytes = SPAN_EMPTY;
    cr_assert_eq(codec_encode_refusal(&refusal, arena, &bytes), LUMIN_OK);
    cr_expect(span_equal(bytes, SPAN_LITERAL("\x08\x0e")), "%s", status_name((enum lumin_status)status));
  }
}

Test(reply_bytes, broken_refusals_are_an_internal_error) {
  static const struct span broken[] = {SPAN_LITERAL("\xff"), SPAN_LITERAL("\x12\x05no"), SPAN_LITERAL("\x0a\x01x")};
  for (size_t i = 0; i < COUNT(broken); i++) {
    struct refusal refusal = {.reason = LUMIN_DELETED};
    cr_expect_eq(codec_decode_refusal(broken[i], arena, &refusal), LUMIN_INTERNAL);
    cr_expect_eq(refusal.reason, LUMIN_DELETED, "untouched");
  }
}

Test(reply_bytes, want_memory) {
  for (size_t limit = 16; limit <= 1024; limit += 16) {
    struct arena *small = arena_create(limit);
    struct span bytes = SPAN_EMPTY;
    enum lumin_status status = codec_encode_outcome(&outcomes[2].outcome, small, &bytes);
    cr_expect(status == LUMIN_NO_MEMORY || (status == LUMIN_OK && span_equal(bytes, outcomes[2].bytes)));
    arena_reset(small);
    status = codec_encode_user(&users[0].user, small, &bytes);
    cr_expect(status == LUMIN_NO_MEMORY || (status == LUMIN_OK && span_equal(bytes, users[0].bytes)));
    cr_expect(limit < 1024 || status == LUMIN_OK);
    arena_destroy(small);
  }
}
