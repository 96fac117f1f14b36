// SPDX-License-Identifier: MIT
// Every command against every state and every bad field: the reason, the field and the state that the sender reads, and
// that nothing but the outcome was recorded (section 2, "Replies"; guarantee 10).
#include "rig.h"

// The user before the command.
enum before { NOBODY, LIVING, LIVING_BY_PHONE, GONE };

static const struct step lives[] = {
    [LIVING] = {METHOD_create, 1, "Ada", .email = "a@example.com", APPLIED(1)},
    [LIVING_BY_PHONE] = {METHOD_create, 1, "Ada", .phone = "+4930123456", APPLIED(1)},
    [GONE] = {METHOD_create, 1, "Ada", .email = "a@example.com", APPLIED(1)},
};
static const struct step death = {METHOD_delete, 1, APPLIED(2)};

// 64 characters are the most a name may have.
#define NAME_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define EMAIL_LOCAL_65 NAME_64 "x@example.com"

// Every command but create and upsert: of nobody, and of somebody who is gone.
#define STATES(method, bytes)                                                                                          \
  {NOBODY, {method, 1, .payload = SPAN_LITERAL(bytes), REFUSED(NOT_FOUND, 0)}, "", 0}, {                               \
    GONE, {method, 1, .payload = SPAN_LITERAL(bytes), REFUSED(DELETED, 2)}, "", USER_DELETED                           \
  }
#define UPSERT SPAN_LITERAL("\x12\x01x\"\x0d\x61@example.com")

static const struct refused {
  enum before before;
  struct step step;
  const char *field;
  int current_status;
} cases[] = {
    // create
    {LIVING, {METHOD_create, 1, "Ada", .email = "a@example.com", REFUSED(ALREADY_EXISTS, 1)}, "", USER_PENDING},
    {LIVING, {METHOD_create, 1, "Eve", .email = "e@example.com", REFUSED(ALREADY_EXISTS, 1)}, "", USER_PENDING},
    {LIVING_BY_PHONE, {METHOD_create, 1, "Eve", .phone = "+4930123456", REFUSED(ALREADY_EXISTS, 1)}, "", USER_PENDING},
    {GONE, {METHOD_create, 1, "Ada", .email = "a@example.com", REFUSED(DELETED, 2)}, "", USER_DELETED},
    {NOBODY, {METHOD_create, 1, "Ada", REFUSED(INVALID_ARGUMENT, 0)}, "email", 0},
    {NOBODY, {METHOD_create, 1, .email = "a@example.com", REFUSED(INVALID_ARGUMENT, 0)}, "first_name", 0},
    {NOBODY, {METHOD_create, 1, " \t", .email = "a@example.com", REFUSED(INVALID_ARGUMENT, 0)}, "first_name", 0},
    {NOBODY, {METHOD_create, 1, NAME_64 "x", .email = "a@example.com", REFUSED(INVALID_ARGUMENT, 0)}, "first_name", 0},
    {NOBODY, {METHOD_create, 1, "A\x01", .email = "a@example.com", REFUSED(INVALID_ARGUMENT, 0)}, "first_name", 0},
    {NOBODY, {METHOD_create, 1, "Ada", .email = "a.example.com", REFUSED(INVALID_ARGUMENT, 0)}, "email", 0},
    {NOBODY, {METHOD_create, 1, "Ada", .email = EMAIL_LOCAL_65, REFUSED(INVALID_ARGUMENT, 0)}, "email", 0},
    {NOBODY, {METHOD_create, 1, "Ada", .phone = "030 123456", REFUSED(INVALID_ARGUMENT, 0)}, "phone", 0},
    {NOBODY,
     {METHOD_create, 1, "Ada", .email = "a@example.com", .phone = "+0", REFUSED(INVALID_ARGUMENT, 0)},
     "phone",
     0},
    {NOBODY,
     {METHOD_create, 1,
      .payload = SPAN_LITERAL("\x12\x01"
                              "A\x1a\x01\x7f\x22\x0d"
                              "a@example.com"),
      REFUSED(INVALID_ARGUMENT, 0)},
     "last_name",
     0},
    {LIVING, {METHOD_create, 1, "Ada", REFUSED(INVALID_ARGUMENT, 1)}, "email", 0}, // the fields come first
    // change_username
    {NOBODY, {METHOD_change_username, 1, "Eve", REFUSED(NOT_FOUND, 0)}, "", 0},
    {GONE, {METHOD_change_username, 1, "Eve", REFUSED(DELETED, 2)}, "", USER_DELETED},
    {LIVING, {METHOD_change_username, 1, REFUSED(INVALID_ARGUMENT, 1)}, "first_name", 0},
    {LIVING, {METHOD_change_username, 1, NAME_64 "x", REFUSED(INVALID_ARGUMENT, 1)}, "first_name", 0},
    {LIVING,
     {METHOD_change_username, 1,
      .payload = SPAN_LITERAL("\x12\x01"
                              "A\x1a\x01\x7f"),
      REFUSED(INVALID_ARGUMENT, 1)},
     "last_name",
     0},
    {NOBODY, {METHOD_change_username, 1, "\n", REFUSED(INVALID_ARGUMENT, 0)}, "first_name", 0},
    // change_email
    {NOBODY, {METHOD_change_email, 1, .email = "e@example.com", REFUSED(NOT_FOUND, 0)}, "", 0},
    {NOBODY, {METHOD_change_email, 1, REFUSED(NOT_FOUND, 0)}, "", 0},
    {GONE, {METHOD_change_email, 1, .email = "a@example.com", REFUSED(DELETED, 2)}, "", USER_DELETED},
    {LIVING, {METHOD_change_email, 1, .email = "@", REFUSED(INVALID_ARGUMENT, 1)}, "email", 0},
    {LIVING, {METHOD_change_email, 1, .email = "a@example.com\r\n", REFUSED(INVALID_ARGUMENT, 1)}, "email", 0},
    {LIVING, {METHOD_change_email, 1, REFUSED(INVALID_ARGUMENT, 1)}, "email", 0}, // the only address
    // the others, by the state of the user
    STATES(METHOD_change_phone, "\x12\x0b+4930123456"),
    STATES(METHOD_change_bio, "\x12\x01x"),
    STATES(METHOD_change_birth_date, "\x12\x0a\x31\x39\x37\x35-01-01"),
    STATES(METHOD_change_avatar_url, "\x12\x0bhttps://x.y"),
    STATES(METHOD_change_language_code, "\x12\x02\x64\x65"),
    STATES(METHOD_change_privacy_settings, "\x12\x02\x18\x01"),
    STATES(METHOD_confirm_email, "\x12\x0d\x61@example.com"),
    STATES(METHOD_confirm_phone, "\x12\x0b+4930123456"),
    STATES(METHOD_activate, ""),
    STATES(METHOD_deactivate, ""),
    STATES(METHOD_block, "\x12\x04spam"),
    STATES(METHOD_update, "\x12\x05\x0a\x03\x62ioB\x01x"),
    STATES(METHOD_record_profile_view, "\x12$\x61\x61\x30\x31\x30\x32\x30\x33-0405-4607-8809-0a0b0c0d0002"),
    {GONE, {METHOD_upsert, 1, .payload = UPSERT, REFUSED(DELETED, 2)}, "", USER_DELETED},
    {NOBODY, {METHOD_upsert, 1, .payload = SPAN_LITERAL(""), REFUSED(INVALID_ARGUMENT, 0)}, "first_name", 0},
    // ... by the status
    {LIVING,
     {METHOD_record_profile_view, 1,
      .payload = SPAN_LITERAL("\x12$\x61\x61\x30\x31\x30\x32\x30\x33-0405-4607-8809-0a0b0c0d0002"),
      REFUSED(INVALID_STATE, 1)},
     "",
     USER_PENDING},
    // ... and by bad values
    {LIVING, {METHOD_change_phone, 1, .payload = SPAN_LITERAL("\x12\x01x"), REFUSED(INVALID_ARGUMENT, 1)}, "phone", 0},
    {LIVING_BY_PHONE, {METHOD_change_phone, 1, .payload = SPAN_LITERAL(""), REFUSED(INVALID_ARGUMENT, 1)}, "phone", 0},
    {LIVING, {METHOD_change_bio, 1, .payload = SPAN_LITERAL("\x12\x01\t"), REFUSED(INVALID_ARGUMENT, 1)}, "bio", 0},
    {LIVING,
     {METHOD_change_birth_date, 1, .payload = SPAN_LITERAL("\x12\x01x"), REFUSED(INVALID_ARGUMENT, 1)},
     "birth_date",
     0},
    {LIVING,
     {METHOD_change_avatar_url, 1, .payload = SPAN_LITERAL("\x12\x01x"), REFUSED(INVALID_ARGUMENT, 1)},
     "avatar_url",
     0},
    {LIVING,
     {METHOD_change_language_code, 1, .payload = SPAN_LITERAL("\x12\x01x"), REFUSED(INVALID_ARGUMENT, 1)},
     "language_code",
     0},
    {LIVING,
     {METHOD_change_privacy_settings, 1, .payload = SPAN_LITERAL("\x12\x02\x18\x07"), REFUSED(INVALID_ARGUMENT, 1)},
     "privacy_settings.birth_date",
     0},
    {LIVING,
     {METHOD_confirm_email, 1, .payload = SPAN_LITERAL("\x12\x0d\x62@example.com"), REFUSED(INVALID_ARGUMENT, 1)},
     "email",
     0},
    {LIVING, {METHOD_block, 1, .payload = SPAN_LITERAL(""), REFUSED(INVALID_ARGUMENT, 1)}, "reason", 0},
    {LIVING, {METHOD_block, 1, .payload = SPAN_LITERAL("\x12\x01x\x1a\x00"), REFUSED(INVALID_ARGUMENT, 1)}, "until", 0},
    {LIVING, {METHOD_update, 1, .payload = SPAN_LITERAL(""), REFUSED(INVALID_ARGUMENT, 1)}, "update_mask", 0},
    {LIVING,
     {METHOD_record_profile_view, 1, .payload = SPAN_LITERAL(""), REFUSED(INVALID_ARGUMENT, 1)},
     "viewer_id",
     0},
    // delete
    {NOBODY, {METHOD_delete, 1, REFUSED(NOT_FOUND, 0)}, "", 0},
    {GONE, {METHOD_delete, 1, REFUSED(DELETED, 2)}, "", USER_DELETED},
    // probe asks for no user, and has no version but 0
    {LIVING, {METHOD_probe, 1, .expected = "1", REFUSED(VERSION_MISMATCH, 0)}, "Lumin-Expected-Version", 0},
    // the payload's user id, whatever the command
    {NOBODY,
     {METHOD_create, 1, "Ada", .email = "a@example.com", .payload_user = "AA010203-0405-4607-8809-0a0b0c0d0001",
      REFUSED(INVALID_ARGUMENT, 0)},
     "user_id",
     0},
    {LIVING,
     {METHOD_delete, 1, .payload_user = "aa010203-0405-4607-8809-0a0b0c0d0002", REFUSED(INVALID_ARGUMENT, 0)},
     "user_id",
     0},
    {LIVING, {METHOD_change_email, 1, .payload_user = "1", REFUSED(INVALID_ARGUMENT, 0)}, "user_id", 0},
    {LIVING, {METHOD_change_username, 1, "Eve", .payload_user = "1", REFUSED(INVALID_ARGUMENT, 0)}, "user_id", 0},
    {LIVING, {METHOD_probe, 1, .payload_user = "1", REFUSED(INVALID_ARGUMENT, 0)}, "user_id", 0},
};

// As stored, of the last message.
static const struct outcome *outcome_last(const struct rig *rig) {
  const struct fake_tables *tables = &rig->fake->tables;
  for (size_t i = 0; i < tables->outcome_count; i++)
    if (tables->outcomes[i].stream_seq == rig->seq)
      return &tables->outcomes[i];
  return NULL;
}

static void refusal_check(const struct rig *rig, const struct refused *expected, size_t i) {
  const struct outcome *outcome = outcome_last(rig);
  cr_assert(outcome);
  const struct refusal *refusal = &outcome->refusal;
  cr_expect_eq(refusal->reason, expected->step.reason, "case %zu", i);
  cr_expect(span_equal(refusal->field, span_from_text(expected->field)), "case %zu: field '%.*s'", i,
            SPAN_ARGS(refusal->field));
  cr_expect_eq(refusal->allowed.len > 0, refusal->field.len > 0, "case %zu", i);
  cr_expect_gt(refusal->message.len, 0, "case %zu", i);
  cr_expect_eq(refusal->current_status, expected->current_status, "case %zu", i);
  cr_expect_eq(refusal->current_version, expected->current_status ? expected->step.version : 0, "case %zu", i);
}

// Alone and in one batch with what went before, remembered and read.
Test(refusals, each_says_why) {
  for (size_t i = 0; i < COUNT(cases); i++)
    for (int memory = 0; memory < 2; memory++)
      for (int together = 0; together < 2; together++) {
        const struct refused *expected = &cases[i];
        struct step steps[3];
        size_t count = 0;
        if (expected->before != NOBODY)
          steps[count++] = lives[expected->before];
        if (expected->before == GONE)
          steps[count++] = death;
        struct rig *rig = rig_create((size_t)memory << 20, BATCH_MEMORY);
        steps[count] = expected->step;
        if (!together)
          rig_expect(rig, steps, count);
        rig_expect(rig, together ? steps : &steps[count], together ? count + 1 : 1);
        cr_expect_eq(rig->fake->tables.event_count, count, "case %zu", i);
        cr_expect_eq(rig->fake->tables.outcome_count, count + 1, "case %zu", i);
        cr_expect_eq(rig->fake->tables.dead_count, 0, "case %zu", i);
        refusal_check(rig, expected, i);
        rig_check_tables(rig);
        rig_destroy(rig);
      }
}

// The table above is whole: no command without a refusal in each state that refuses it.
Test(refusals, every_command_is_in_the_table) {
  for (size_t method = 0; method < METHOD_COUNT; method++) {
    if (methods[method].kind != METHOD_COMMAND)
      continue;
    size_t rows = 0;
    for (size_t i = 0; i < COUNT(cases); i++)
      rows += cases[i].step.method == method;
    cr_expect_gt(rows, 1, "%s", methods[method].name);
  }
}

// ---- what an internal failure comes to: no refusal of the sender's, but DEAD, and nobody else is harmed

static enum lumin_status encode_fails(void *self, const struct event *event, struct arena *arena,
                                      struct span *ret_body) {
  (void)self;
  (void)event;
  (void)arena;
  (void)ret_body;
  return LUMIN_NO_MEMORY;
}

// What the memory of a batch cannot hold goes back to the lane, whose smaller batch can.
Test(refusals, short_memory_blames_nobody) {
  struct rig *rig = rig_plain();
  struct inbound message = message_make(rig, &lives[LIVING]);
  rig->pipeline.codec.encode_event = encode_fails;
  struct batch *batch = batch_create(&rig->pipeline, rig->arena, &message, 1);
  cr_assert(batch);
  cr_expect_eq(rig_commit(rig, batch), LUMIN_NO_MEMORY);
  cr_expect_eq(rig->fake->records, 0);
  arena_destroy(message.handle);
  rig_destroy(rig);
}

// Every arena limit from nothing up: a batch ends in NO_MEMORY or in its outcomes, never in between.
Test(refusals, any_size_of_memory_will_do) {
  bool done = false;
  for (size_t limit = 256; !done; limit += 256) {
    struct rig *rig = rig_create(1U << 20, limit);
    struct inbound messages[2] = {message_make(rig, &lives[LIVING]), message_make(rig, &death)};
    struct batch *batch = batch_create(&rig->pipeline, rig->arena, messages, 2);
    if (batch) {
      enum lumin_status status = rig_commit(rig, batch);
      done = status == LUMIN_OK;
      cr_assert(done || status == LUMIN_NO_MEMORY, "%zu bytes: %s", limit, status_name(status));
      cr_expect_eq(rig->fake->tables.outcome_count, done ? 2 : 0);
    }
    arena_destroy(messages[0].handle);
    arena_destroy(messages[1].handle);
    rig_destroy(rig);
    cr_assert_lt(limit, 1U << 20);
  }
}
