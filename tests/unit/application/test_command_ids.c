// SPDX-License-Identifier: MIT
// One command id, one outcome: in one batch, in several, and where the id comes back with something else (guarantee 2).
#include "rig.h"

#include "lumin/application/command_id.h"

static const struct step ada = {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, APPLIED(1)};

static struct outcome stored(const struct rig *rig, unsigned id) {
  struct uuid command_id = command_numbered(id);
  const struct outcome *row = fake_outcome_find(rig->fake, &command_id);
  cr_assert(row);
  return *row;
}

static void outcomes_match(const struct outcome *a, const struct outcome *b) {
  cr_expect(uuid_equal(&a->command_id, &b->command_id) && uuid_equal(&a->user_id, &b->user_id));
  cr_expect_eq(a->status, b->status);
  cr_expect_eq(a->version, b->version);
  cr_expect_eq(a->stream_seq, b->stream_seq);
  cr_expect_eq(a->stream_ts_ns, b->stream_ts_ns);
  cr_expect_eq(a->refusal.reason, b->refusal.reason);
  cr_expect(span_equal(a->refusal.message, b->refusal.message));
  cr_expect_eq(memcmp(a->content_hash, b->content_hash, CONTENT_HASH_LEN), 0);
}

// Repeats stand between other commands, whose effects they must not see.
static const struct step repeats[] = {
    {METHOD_change_username, 1, "Anna", .id = 2, REFUSED(NOT_FOUND, 0)},
    {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, APPLIED(1)},
    {METHOD_change_username, 1, "Anna", .id = 2, REFUSED(NOT_FOUND, 0)},
    {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, APPLIED(1)},
    {METHOD_change_username, 1, "Anna", .id = 3, APPLIED(2)},
    {METHOD_change_username, 1, "Anna", .id = 4, UNCHANGED(2)},
    {METHOD_change_username, 1, "Ada", .id = 5, APPLIED(3)},
    {METHOD_change_username, 1, "Anna", .id = 4, UNCHANGED(2)},
    {METHOD_change_username, 1, "Anna", .id = 3, APPLIED(2)},
    {METHOD_delete, 1, .id = 6, APPLIED(4)},
    {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, APPLIED(1)},
    {METHOD_delete, 1, .id = 6, APPLIED(4)},
};

Test(command_ids, a_repeat_gets_the_first_outcome) {
  for (size_t cut = 0; cut < COUNT(repeats); cut++)
    for (size_t memory = 0; memory < 2; memory++) {
      struct rig *rig = rig_create(memory << 20, BATCH_MEMORY);
      rig_expect(rig, repeats, cut);
      rig_expect(rig, repeats + cut, COUNT(repeats) - cut);
      cr_expect_eq(rig->fake->tables.event_count, 4);
      cr_expect_eq(rig->fake->tables.outcome_count, 6);
      rig_check_tables(rig);
      rig_destroy(rig);
    }
}

// ... to the letter, its place in the stream too, and is not recorded once more.
Test(command_ids, a_repeat_differs_in_nothing) {
  const struct step pair[] = {ada, ada};
  struct result results[3];
  struct rig *rig = rig_plain();
  rig_steps(rig, pair, 2, results);
  cr_expect(!results[0].unrecorded && results[1].unrecorded);
  cr_expect_eq(rig->conflicts, 0, "within a batch nothing need be read");
  rig_steps(rig, pair, 1, &results[2]);
  cr_expect(results[2].unrecorded);
  cr_expect_eq(rig->conflicts, 1, "the primary key of the outcomes says it");
  const struct outcome row = stored(rig, 1);
  for (size_t i = 0; i < 3; i++)
    outcomes_match(&results[i].outcome, &row);
  cr_expect_eq(row.stream_seq, 1);
  rig_destroy(rig);
}

static const struct reuse {
  const char *what;
  struct step step;
} reuses[] = {
    {"another content", {METHOD_create, 1, "Eve", .email = "a@example.com", .id = 1, REFUSED(COMMAND_ID_REUSED, 0)}},
    {"another user", {METHOD_create, 2, "Ada", .email = "a@example.com", .id = 1, REFUSED(COMMAND_ID_REUSED, 0)}},
    {"another method", {METHOD_delete, 1, .id = 1, REFUSED(COMMAND_ID_REUSED, 0)}},
    {"an expected version",
     {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .expected = "0", REFUSED(COMMAND_ID_REUSED, 0)}},
    {"an expected version that is none",
     {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .expected = "one", REFUSED(COMMAND_ID_REUSED, 0)}},
    {"an actor that is none",
     {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .headers = {.actor = SPAN_LITERAL("\n")},
      REFUSED(COMMAND_ID_REUSED, 0)}},
    {"a reply subject that is none",
     {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .headers = {.reply_to = SPAN_LITERAL("x")},
      REFUSED(COMMAND_ID_REUSED, 0)}},
    {"a bad field", {METHOD_create, 1, "", .email = "a@example.com", .id = 1, REFUSED(COMMAND_ID_REUSED, 0)}},
    {"no field", {METHOD_create, 1, .id = 1, REFUSED(COMMAND_ID_REUSED, 0)}},
};

static void reuse_check(const struct rig *rig, const struct reuse *reuse, const struct result *result,
                        uint64_t stream_seq) {
  struct uuid user = user_numbered(reuse->step.user), id = command_numbered(1);
  const struct outcome *outcome = &result->outcome;
  cr_expect_eq(outcome->status, OUTCOME_REJECTED, "%s", reuse->what);
  cr_expect_eq(outcome->refusal.reason, LUMIN_COMMAND_ID_REUSED, "%s", reuse->what);
  cr_expect(span_equal(outcome->refusal.field, SPAN_LITERAL("Lumin-Command-Id")));
  cr_expect(outcome->refusal.allowed.len > 0 && outcome->version == 0);
  cr_expect(uuid_equal(&outcome->user_id, &user) && uuid_equal(&outcome->command_id, &id));
  cr_expect_eq(outcome->stream_seq, stream_seq);
  cr_expect(result->unrecorded);
  const struct outcome first = stored(rig, 1);
  cr_expect(first.status == OUTCOME_APPLIED && first.stream_seq == 1);
  cr_expect_eq(rig->fake->tables.event_count, 1);
}

Test(command_ids, an_id_with_something_else_is_refused) {
  for (size_t i = 0; i < COUNT(reuses); i++)
    for (int together = 0; together < 2; together++) {
      const struct step steps[] = {ada, reuses[i].step, ada};
      struct result results[3];
      struct rig *rig = rig_plain();
      if (together)
        rig_steps(rig, steps, 3, results);
      for (size_t j = 0; !together && j < 3; j++)
        rig_steps(rig, &steps[j], 1, &results[j]);
      reuse_check(rig, &reuses[i], &results[1], 2);
      cr_expect_eq(results[2].outcome.status, OUTCOME_APPLIED);
      rig_check_tables(rig);
      rig_destroy(rig);
    }
}

// What the same id may differ in: how the bytes say it, where they come from, who sends them.
Test(command_ids, the_same_content_said_otherwise_is_the_same) {
  char user_text[UUID_TEXT_LEN + 1];
  struct uuid user = user_numbered(1);
  uuid_format(&user, user_text);
  const struct step steps[] = {
      ada,
      {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .payload_user = user_text, APPLIED(1)},
      // first name and e-mail the other way round, an unknown field, a field twice
      {METHOD_create, 1,
       .payload = SPAN_LITERAL("\x22\x0d"
                               "a@example.com\xa2\x06\x01?\x12\x03"
                               "Eve\x12\x03"
                               "Ada"),
       .id = 1, APPLIED(1)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .headers = {.actor = SPAN_LITERAL("ops")},
       APPLIED(1)},
  };
  for (size_t cut = 0; cut < COUNT(steps); cut++) {
    struct rig *rig = rig_plain();
    rig_expect(rig, steps, cut);
    rig_expect(rig, steps + cut, COUNT(steps) - cut);
    cr_expect_eq(rig->fake->tables.event_count, 1);
    rig_destroy(rig);
  }
}

// A refusal is final for its id: with the header mended, or left out, it is another command.
Test(command_ids, a_refused_header_is_part_of_the_content) {
  static const struct step bad[] = {
      {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .expected = "one", REFUSED(INVALID_ARGUMENT, 0)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .headers = {.actor = SPAN_LITERAL("\n")},
       REFUSED(INVALID_ARGUMENT, 0)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, .headers = {.reply_to = SPAN_LITERAL("x")},
       REFUSED(INVALID_ARGUMENT, 0)},
  };
  struct step mended = ada;
  mended.status = OUTCOME_REJECTED;
  mended.reason = LUMIN_COMMAND_ID_REUSED;
  mended.version = 0;
  for (size_t i = 0; i < COUNT(bad); i++)
    for (size_t cut = 0; cut < 3; cut++) {
      const struct step steps[] = {bad[i], bad[i], mended};
      struct rig *rig = rig_plain();
      rig_expect(rig, steps, cut);
      rig_expect(rig, steps + cut, 3 - cut);
      cr_expect_eq(rig->fake->tables.outcome_count, 1);
      cr_expect_eq(rig->fake->tables.event_count, 0);
      rig_destroy(rig);
    }
}

// Only DEAD may be decided anew: here the sender mends what could not be decoded.
Test(command_ids, a_dead_outcome_is_replaced) {
  const struct step bad = {METHOD_create, 1, .payload = SPAN_LITERAL("\xff\xff"), .id = 1, DEAD(INVALID_ARGUMENT)};
  const struct step steps[] = {
      bad, bad, ada, ada, {METHOD_create, 1, .payload = bad.payload, .id = 1, REFUSED(COMMAND_ID_REUSED, 0)}};
  for (size_t cut = 0; cut < COUNT(steps); cut++) {
    struct rig *rig = rig_plain();
    rig_expect(rig, steps, cut);
    rig_expect(rig, steps + cut, COUNT(steps) - cut);
    const struct outcome row = stored(rig, 1);
    cr_expect(row.status == OUTCOME_APPLIED && row.stream_seq == 3);
    cr_expect_eq(rig->fake->tables.outcome_count, 1);
    cr_expect_eq(rig->fake->tables.dead_count, 2, "each dead message is kept with its place");
    for (size_t i = 0; i < 2; i++)
      cr_expect(rig->fake->tables.dead[i].stream_seq == i + 1 && rig->fake->tables.dead[i].position == i + 1);
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

Test(command_ids, a_dead_outcome_stands_until_then) {
  const struct step bad = {METHOD_create, 1, .payload = SPAN_LITERAL("\xff\xff"), .id = 1, DEAD(INVALID_ARGUMENT)};
  struct rig *rig = rig_plain();
  rig_expect(rig, &bad, 1);
  cr_expect_eq(stored(rig, 1).stream_seq, 1);
  rig_expect(rig, &bad, 1);
  cr_expect_eq(stored(rig, 1).stream_seq, 2);
  cr_expect(stored(rig, 1).status == OUTCOME_DEAD && rig->fake->tables.outcome_count == 1);
  rig_destroy(rig);
}

// The database comes to take what it did not.
Test(command_ids, a_poisoned_command_may_be_sent_again) {
  const struct step poisoned = {METHOD_create, 1, "Ada", .email = "a@example.com", .id = 1, DEAD(INTERNAL)};
  struct rig *rig = rig_plain();
  rig->fake->poison = "Ada";
  rig_expect(rig, &poisoned, 1);
  rig->fake->poison = NULL;
  rig_expect(rig, &ada, 1);
  cr_expect_eq(stored(rig, 1).status, OUTCOME_APPLIED);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// Without a command id: by Nats-Msg-Id whatever its form, else each message is a command of its own.
Test(command_ids, messages_without_an_id_get_one) {
  const struct metadata order_7 = {.msg_id = SPAN_LITERAL("order 7")}, order_8 = {.msg_id = SPAN_LITERAL("order 8")};
  const struct step steps[] = {
      {METHOD_create, 1, "Ada", .email = "a@example.com", .headers = order_7, APPLIED(1)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", .headers = order_7, APPLIED(1)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", .headers = order_8, REFUSED(ALREADY_EXISTS, 1)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", REFUSED(ALREADY_EXISTS, 1)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", REFUSED(ALREADY_EXISTS, 1)},
  };
  struct rig *rig = rig_plain();
  rig_expect(rig, steps, COUNT(steps));
  cr_expect_eq(rig->fake->tables.outcome_count, 4);
  rig_destroy(rig);
}

Test(command_ids, an_id_has_no_case) {
  const struct step upper = {METHOD_create,
                             1,
                             "Ada",
                             .email = "a@example.com",
                             .headers = {.command_id = SPAN_LITERAL("CC010203-0405-4607-8809-0A0B0C0D0001")},
                             APPLIED(1)};
  const struct step steps[] = {ada, upper};
  struct rig *rig = rig_plain();
  rig_expect(rig, steps, 2);
  cr_expect_eq(rig->fake->tables.outcome_count, 1);
  rig_destroy(rig);
}

// An id that is none is refused under the id of the message's place.
Test(command_ids, what_is_no_id_is_refused) {
  static const char *const texts[] = {"7", "cc010203040546078809-0a0b0c0d0001", "CC010203-0405-4607-8809-0A0B0C0D000",
                                      "{c010203-0405-4607-8809-0A0B0C0D0001}", " "};
  for (size_t i = 0; i < COUNT(texts); i++) {
    const struct step steps[] = {{METHOD_create, 1, "Ada", .email = "a@example.com",
                                  .headers = {.command_id = span_from_text(texts[i])}, REFUSED(INVALID_ARGUMENT, 0)},
                                 {METHOD_create, 1, "Ada", .email = "a@example.com",
                                  .headers = {.command_id = span_from_text(texts[i])}, REFUSED(INVALID_ARGUMENT, 0)}};
    struct rig *rig = rig_plain();
    rig_expect(rig, steps, 2);
    cr_expect_eq(rig->fake->tables.outcome_count, 2);
    cr_expect(span_equal(rig->fake->tables.outcomes[0].refusal.field, SPAN_LITERAL("Lumin-Command-Id")));
    rig_destroy(rig);
  }
}

// Derived ids are forever: made by other means (Python's uuid.uuid5), they are the same.
Test(command_ids, derived_ids_are_known) {
  struct uuid id;
  char text[UUID_TEXT_LEN + 1];
  cr_assert_eq(command_id_of_msg_id(SPAN_LITERAL("order 7"), &id), LUMIN_OK);
  uuid_format(&id, text);
  cr_expect_str_eq(text, "0206a608-5a15-5609-a296-59a3d28df01d");
  cr_assert_eq(command_id_of_place(0x0102030405060708, 1700000000123456789,
                                   SPAN_LITERAL("lumin.user.v1.command.3.delete.x"), SPAN_LITERAL("\0\1"), &id),
               LUMIN_OK);
  uuid_format(&id, text);
  cr_expect_str_eq(text, "7f3d261d-62d6-5208-85cb-3b519503b444");
  struct uuid command = command_numbered(1);
  cr_assert_eq(command_user_id(&command, &id), LUMIN_OK);
  uuid_format(&id, text);
  cr_expect_str_eq(text, "9439868f-11af-5569-82cb-949084d42474");
}
