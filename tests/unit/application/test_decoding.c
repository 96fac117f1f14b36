// SPDX-License-Identifier: MIT
// From a message to a typed command: subjects, headers and payloads as they may come, each with its own fault and
// nobody else's (guarantee 10); the partition check, which keeps one writer a user (guarantee 4).
#include "rig.h"

#include "lumin/application/tokens.h"

#define USER_1 "aa010203-0405-4607-8809-0a0b0c0d0001"
#define PARTITION_1 "3" // of user 1, among FAKE_PARTITIONS

// Decodes the step alone; what it gives lives until the rig's next.
static struct command decode(struct rig *rig, const struct step *step) {
  static struct inbound message; // the command points to it
  static struct arena *handle;
  arena_destroy(handle);
  arena_reset(rig->arena);
  message = message_make(rig, step);
  handle = message.handle;
  struct batch *batch = batch_create(&rig->pipeline, rig->arena, &message, 1);
  cr_assert(batch);
  cr_assert_eq(batch_decode(batch), LUMIN_OK);
  size_t count = 0;
  const struct command *commands = batch_commands(batch, &count);
  cr_assert_eq(count, 1);
  return commands[0];
}

static const struct step good = {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1};

Test(decoding, a_good_command) {
  struct rig *rig = rig_plain();
  struct step step = good;
  step.expected = "7";
  step.headers = (struct metadata){
      .actor = SPAN_LITERAL("ops"),
      .reply_to = SPAN_LITERAL("lumin.user.v1.reply.Ab-3_x.1"),
      .traceparent = SPAN_LITERAL("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
      .tracestate = SPAN_LITERAL("a=b"),
  };
  struct command command = decode(rig, &step);
  struct uuid user = user_numbered(1), id = command_numbered(1);
  cr_expect(command.fault.reason == LUMIN_OK && !command.dead && !command.poisoned && !command.wrong_partition);
  cr_expect_eq(command.method, &methods[METHOD_create]);
  cr_expect(span_equal(command.method_token, SPAN_LITERAL("create")));
  cr_expect(span_equal(command.user_token, SPAN_LITERAL(USER_1)));
  cr_expect(uuid_equal(&command.user_id, &user) && uuid_equal(&command.command_id, &id));
  cr_expect(command.has_expected_version && command.expected_version == 7);
  cr_expect(span_equal(command.actor, step.headers.actor) && span_equal(command.reply_to, step.headers.reply_to));
  cr_expect(span_equal(command.traceparent, step.headers.traceparent));
  cr_expect(span_equal(command.tracestate, step.headers.tracestate));
  cr_expect(!command.json && command.message);
  rig_destroy(rig);
}

static const struct bad_subject {
  const char *subject;
  enum lumin_status reason;
  const char *method_token, *user_token;
  bool wrong_partition;
} bad_subjects[] = {
    {"lumin.user.v1.command." PARTITION_1 ".dance." USER_1, LUMIN_UNIMPLEMENTED, "dance", USER_1, false},
    {"lumin.user.v1.command." PARTITION_1 ".get." USER_1, LUMIN_UNIMPLEMENTED, "get", USER_1, false}, // a query
    {"lumin.user.v1.command." PARTITION_1 ".Create." USER_1, LUMIN_UNIMPLEMENTED, "Create", USER_1, false},
    {"lumin.user.v1.command." PARTITION_1 ".cre\r\nate." USER_1, LUMIN_UNIMPLEMENTED, "unknown", USER_1, false},
    {"lumin.user.v1.command." PARTITION_1 ".." USER_1, LUMIN_UNIMPLEMENTED, "unknown", USER_1, false},
    {"lumin.user.v1.command." PARTITION_1 ".create.nobody", LUMIN_INVALID_ARGUMENT, "create", "nobody", false},
    {"lumin.user.v1.command." PARTITION_1 ".create.", LUMIN_INVALID_ARGUMENT, "create", "unknown", false},
    {"lumin.user.v1.command." PARTITION_1 ".create", LUMIN_INVALID_ARGUMENT, "create", "unknown", false},
    {"lumin.user.v1.command." PARTITION_1 ".create." USER_1 ".more", LUMIN_INVALID_ARGUMENT, "create", "unknown",
     false},
    {"lumin.user.v1.command." PARTITION_1 ".create.AA010203-0405-4607-8809-0A0B0C0D0001", LUMIN_INVALID_ARGUMENT,
     "create", "AA010203-0405-4607-8809-0A0B0C0D0001", false},
    {"lumin.user.v1.command." PARTITION_1 ".create.00000000-0000-0000-0000-000000000000", LUMIN_INVALID_ARGUMENT,
     "create", "00000000-0000-0000-0000-000000000000", false},
    {"lumin.user.v1.command.0.create." USER_1, LUMIN_INVALID_ARGUMENT, "create", USER_1, true},
    {"lumin.user.v1.command.7.create." USER_1, LUMIN_INVALID_ARGUMENT, "create", USER_1, true}, // 3 modulo 4
    {"lumin.user.v1.command.4294967299.create." USER_1, LUMIN_INVALID_ARGUMENT, "create", USER_1, true},
    {"lumin.user.v1.command.x.create." USER_1, LUMIN_INVALID_ARGUMENT, "create", USER_1, true},
    {"lumin.user.v1.command..create." USER_1, LUMIN_INVALID_ARGUMENT, "create", USER_1, true},
    {"lumin.user.v1.command", LUMIN_UNIMPLEMENTED, "unknown", "unknown", false},
};

// An operator's matter: dead, and what is said of them is fit to be part of a subject.
Test(decoding, a_bad_subject_is_dead) {
  for (size_t i = 0; i < COUNT(bad_subjects); i++) {
    const struct bad_subject *bad = &bad_subjects[i];
    struct rig *rig = rig_plain();
    struct step step = good;
    step.subject = bad->subject;
    struct command command = decode(rig, &step);
    cr_expect(command.dead, "%s", bad->subject);
    cr_expect_eq(command.fault.reason, bad->reason, "%s", bad->subject);
    cr_expect(span_equal(command.fault.field, SPAN_LITERAL("subject")));
    cr_expect(span_equal(command.method_token, span_from_text(bad->method_token)), "%s", bad->subject);
    cr_expect(span_equal(command.user_token, span_from_text(bad->user_token)), "%s", bad->subject);
    cr_expect_eq(command.wrong_partition, bad->wrong_partition, "%s", bad->subject);
    rig_destroy(rig);
  }
}

// A subject that fits, taken by the cursor of another partition: the second writer that must not be.
Test(decoding, the_partition_that_took_it_counts) {
  struct rig *rig = rig_plain();
  struct inbound message = message_make(rig, &good);
  cr_assert_eq(message.partition, partition_of(SPAN_LITERAL(USER_1), FAKE_PARTITIONS));
  message.partition ^= 1;
  struct result result;
  rig_apply(rig, &message, 1, &result);
  cr_expect(result.outcome.status == OUTCOME_DEAD && result.outcome.refusal.reason == LUMIN_INVALID_ARGUMENT);
  cr_expect_eq(rig->fake->tables.user_count, 0);
  cr_expect_eq(rig->fake->tables.dead[0].partition, message.partition);
  arena_destroy(message.handle);
  rig_destroy(rig);
}

// Published past the mapping, to a partition that is not the user's, and taken there: a caller may not choose the
// writer.
Test(decoding, a_user_has_one_partition) {
  struct rig *rig = rig_plain();
  struct step step = good;
  step.subject = "lumin.user.v1.command.0.create." USER_1;
  struct inbound message = message_make(rig, &step);
  cr_assert_neq(message.partition, 0);
  message.partition = 0;
  struct result result;
  rig_apply(rig, &message, 1, &result);
  cr_expect(result.outcome.status == OUTCOME_DEAD && result.outcome.refusal.reason == LUMIN_INVALID_ARGUMENT);
  cr_expect_eq(rig->fake->tables.user_count, 0);
  arena_destroy(message.handle);
  rig_destroy(rig);
}

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define TEXT_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define TEXT_256 TEXT_64 TEXT_64 TEXT_64 TEXT_64

static const struct header_case {
  const char *field; // of the refusal; NULL: none
  struct metadata headers;
  const char *expected;
} header_cases[] = {
    {NULL, {.actor = SPAN_LITERAL(TEXT_256)}, NULL},
    {"Lumin-Actor", {.actor = SPAN_LITERAL(TEXT_256 "x")}, NULL},
    {"Lumin-Actor", {.actor = SPAN_LITERAL("a\nb")}, NULL},
    {"Lumin-Actor", {.actor = SPAN_LITERAL("a\0b")}, NULL},
    {"Lumin-Actor", {.actor = SPAN_LITERAL("\x7f")}, NULL},
    {"Lumin-Actor", {.actor = SPAN_LITERAL("\xc3\xa4")}, NULL},
    {.expected = "18446744073709551615"},
    {.field = "Lumin-Expected-Version", .expected = "18446744073709551616"},
    {.field = "Lumin-Expected-Version", .expected = "-1"},
    {.field = "Lumin-Expected-Version", .expected = " 1"},
    {.field = "Lumin-Expected-Version", .expected = "1.0"},
    {NULL, {.reply_to = SPAN_LITERAL("lumin.user.v1.reply.a")}, NULL},
    {NULL, {.reply_to = SPAN_LITERAL("lumin.user.v1.door.a.b")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply.")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply.a.")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply..a")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply.*")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply.>")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply.a b")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply.a\r\nPUB x 0")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.event.user_created.a")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1x.reply.a")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v2.reply.a")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("_INBOX.a")}, NULL},
    {"Lumin-Reply-To", {.reply_to = SPAN_LITERAL("lumin.user.v1.reply." TEXT_64 "x")}, NULL},
    {NULL, {.reply_to = SPAN_LITERAL("lumin.user.v1.reply." TEXT_64)}, NULL},
    {"Lumin-Reply-To",
     {.reply_to = SPAN_LITERAL("lumin.user.v1.reply." TEXT_64 "." TEXT_64 "." TEXT_64 "." TEXT_64)},
     NULL},
    {NULL, {.traceparent = SPAN_LITERAL("nonsense"), .tracestate = SPAN_LITERAL("\n")}, NULL},
};

// A sender's matter: refused, not dead; and what was refused is not used.
Test(decoding, headers) {
  for (size_t i = 0; i < COUNT(header_cases); i++) {
    const struct header_case *header = &header_cases[i];
    struct rig *rig = rig_plain();
    struct step step = good;
    step.headers = header->headers;
    step.expected = header->expected;
    struct command command = decode(rig, &step);
    cr_expect(!command.dead, "case %zu", i);
    cr_expect_eq(command.fault.reason, header->field ? LUMIN_INVALID_ARGUMENT : LUMIN_OK, "case %zu", i);
    cr_expect(span_equal(command.fault.field, span_from_text(header->field)), "case %zu", i);
    cr_expect_eq(command.fault.allowed.len > 0, header->field != NULL, "case %zu", i);
    cr_expect_eq(command.reply_to.len > 0, !header->field && header->headers.reply_to.len > 0, "case %zu", i);
    cr_expect_eq(command.actor.len > 0, !header->field && header->headers.actor.len > 0, "case %zu", i);
    cr_expect_eq(command.has_expected_version, !header->field && header->expected != NULL, "case %zu", i);
    cr_expect(command.traceparent.len == 0 && command.tracestate.len == 0, "case %zu", i);
    rig_destroy(rig);
  }
}

static const struct {
  struct span payload, content_type;
  enum lumin_status reason;
  const char *field;
  bool json;
} payload_cases[] = {
    {SPAN_LITERAL("\xff"), SPAN_EMPTY, LUMIN_INVALID_ARGUMENT, "payload", false},
    {SPAN_LITERAL("\x12\x05"
                  "Ada"),
     SPAN_EMPTY, LUMIN_INVALID_ARGUMENT, "payload", false},
    {SPAN_LITERAL("\x12\x02"
                  "A\0"),
     SPAN_EMPTY, LUMIN_INVALID_ARGUMENT, "first_name", false},
    {SPAN_LITERAL("\x22\x01\xc0"), SPAN_EMPTY, LUMIN_INVALID_ARGUMENT, "email", false},
    {SPAN_LITERAL("{}"), SPAN_EMPTY, LUMIN_OK, "", true},
    {SPAN_LITERAL("{}"), SPAN_LITERAL("application/protobuf"), LUMIN_OK, "", true},
    {SPAN_LITERAL(" {\"firstName\":\"Ada\"}"), SPAN_LITERAL("Application/JSON ; charset=utf-8"), LUMIN_OK, "", true},
    {SPAN_LITERAL("{\"adress\":1}"), SPAN_EMPTY, LUMIN_INVALID_ARGUMENT, "adress", true},
    {SPAN_LITERAL("[]"), SPAN_LITERAL("application/json"), LUMIN_INVALID_ARGUMENT, "payload", true},
    {SPAN_LITERAL(""), SPAN_LITERAL("application/json"), LUMIN_INVALID_ARGUMENT, "payload", true},
    {SPAN_LITERAL(""), SPAN_LITERAL("application/json+x"), LUMIN_OK, "", false},
    {SPAN_LITERAL(""), SPAN_LITERAL("application/jsonl"), LUMIN_OK, "", false},
    {SPAN_LITERAL("\x12\x01"
                  "A"),
     SPAN_LITERAL("application/json; charset=utf-8"), LUMIN_INVALID_ARGUMENT, "payload", true},
    {SPAN_LITERAL("\x12\x01"
                  "A"),
     SPAN_LITERAL("application/x-protobuf"), LUMIN_OK, "", false},
    {SPAN_LITERAL(""), SPAN_EMPTY, LUMIN_OK, "", false},
};

Test(decoding, payloads) {
  for (size_t i = 0; i < COUNT(payload_cases); i++) {
    struct rig *rig = rig_plain();
    struct step step = good;
    step.payload = payload_cases[i].payload;
    step.headers.content_type = payload_cases[i].content_type;
    struct command command = decode(rig, &step);
    cr_expect_eq(command.fault.reason, payload_cases[i].reason, "case %zu", i);
    cr_expect(span_equal(command.fault.field, span_from_text(payload_cases[i].field)), "case %zu", i);
    cr_expect_eq(command.dead, payload_cases[i].reason != LUMIN_OK, "case %zu", i);
    cr_expect_eq(command.json, payload_cases[i].json, "case %zu", i);
    cr_expect_eq(command.message != NULL, payload_cases[i].reason == LUMIN_OK, "case %zu", i);
    rig_destroy(rig);
  }
}

// The first fault is the one that is told; a dead one before a refused one.
Test(decoding, one_fault_is_told) {
  struct rig *rig = rig_plain();
  struct step step = good;
  step.subject = "lumin.user.v1.command.0.create." USER_1;
  step.headers.actor = SPAN_LITERAL("\n");
  step.payload = SPAN_LITERAL("\xff");
  struct command command = decode(rig, &step);
  cr_expect(command.dead && command.wrong_partition && span_equal(command.fault.field, SPAN_LITERAL("subject")));
  step.subject = NULL;
  command = decode(rig, &step);
  cr_expect(!command.dead && span_equal(command.fault.field, SPAN_LITERAL("Lumin-Actor")));
  rig_destroy(rig);
}

static const struct {
  struct span text;
  bool valid;
} traces[] = {
    {SPAN_LITERAL(TRACE), true},
    {SPAN_LITERAL("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), true},
    {SPAN_LITERAL("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), false},
    {SPAN_LITERAL("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), false},
    {SPAN_LITERAL("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"), false},
    {SPAN_LITERAL("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x"), false},
    {SPAN_LITERAL("00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01"), false},
    {SPAN_LITERAL("00-0af7651916cd43dd8448eb211c8031\0c-b7ad6b7169203331-01"), false},
    {SPAN_LITERAL("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01"), false},
    {SPAN_LITERAL("00-00000000000000000000000000000000-b7ad6b7169203331-01"), false},
    {SPAN_LITERAL("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"), false},
    {SPAN_LITERAL("00-00000000000000000000000000000001-1000000000000000-00"), true},
    {SPAN_LITERAL(""), false},
};

Test(decoding, trace_contexts) {
  for (size_t i = 0; i < COUNT(traces); i++)
    cr_expect_eq(trace_parent_is_valid(traces[i].text), traces[i].valid, "case %zu", i);
  cr_expect(trace_state_is_valid(SPAN_LITERAL("vendor=1,other=2")));
  cr_expect(trace_state_is_valid(SPAN_LITERAL(TEXT_256 TEXT_256)));
  cr_expect(!trace_state_is_valid(SPAN_LITERAL(TEXT_256 TEXT_256 "x")));
  cr_expect(!trace_state_is_valid(SPAN_LITERAL("a\tb")));
  cr_expect(!trace_state_is_valid(SPAN_EMPTY));
}

Test(decoding, tokens) {
  for (int c = 0; c < 256; c++) {
    char text[] = {'a', (char)c, 'z'};
    bool safe = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", c) && c;
    cr_expect_eq(token_is_safe(span_of(text, 3)), safe, "byte %d", c);
  }
  cr_expect(token_is_safe(SPAN_LITERAL(TEXT_64)));
  cr_expect(!token_is_safe(SPAN_LITERAL(TEXT_64 "x")));
  cr_expect(!token_is_safe(SPAN_EMPTY));
}
