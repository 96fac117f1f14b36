// SPDX-License-Identifier: MIT
// Commands one after the other, in one batch or in several: each decides on the state its predecessor left, and what is
// recorded is dense and moves on (guarantee 3).
#include "rig.h"

static struct span key_of(const char *text) { return span_from_text(text); }

static const struct user *row_of(const struct rig *rig, unsigned number) {
  struct uuid id = user_numbered(number);
  return fake_user_find(rig->fake, &id);
}

static const struct step a_whole_life[] = {
    {METHOD_create, 1, "Ada", .email = "a@example.com", .phone = "+4930123456", APPLIED(1)},
    {METHOD_change_username, 1, "Augusta", APPLIED(2)},
    {METHOD_change_email, 1, .email = "b@example.com", APPLIED(3)},
    {METHOD_change_email, 1, APPLIED(4)}, // none: there is a phone
    {METHOD_delete, 1, APPLIED(5)},
    {METHOD_change_username, 1, "Ada", REFUSED(DELETED, 5)},
    {METHOD_delete, 1, REFUSED(DELETED, 5)},
    {METHOD_create, 1, "Ada", .email = "a@example.com", REFUSED(DELETED, 5)},
};

static void life_check(struct rig *rig) {
  static const enum event_type types[] = {EVENT_USER_CREATED, EVENT_USERNAME_CHANGED, EVENT_EMAIL_CHANGED,
                                          EVENT_EMAIL_CHANGED, EVENT_USER_DELETED};
  cr_expect_eq(rig->fake->tables.event_count, COUNT(types));
  for (size_t i = 0; i < COUNT(types); i++)
    cr_expect_eq(rig->fake->tables.events[i].type, types[i]);
  const struct user *row = row_of(rig, 1);
  cr_assert(row);
  cr_expect(row->status == USER_DELETED && row->first_name.len == 0 && row->phone.len == 0);
  cr_expect_eq(rig->fake->tables.identifier_count, 0);
  cr_expect_eq(rig->fake->tables.outcome_count, COUNT(a_whole_life));
  rig_check_tables(rig);
}

// The e-mail that came and went within the batch was never read, and no insert would show that it is another's: one
// more look, as anybody's doubt.
Test(sequences, a_life_in_one_batch) {
  struct rig *rig = rig_plain();
  rig_expect(rig, a_whole_life, COUNT(a_whole_life));
  life_check(rig);
  cr_expect_eq(rig->conflicts, 1);
  cr_expect_eq(rig->fake->records, 1);
  cr_expect_eq(rig->fake->loads, 1);
  rig_destroy(rig);
}

Test(sequences, a_life_cut_anywhere) {
  for (size_t cut = 1; cut < COUNT(a_whole_life); cut++)
    for (size_t memory = 0; memory < 2; memory++) {
      struct rig *rig = rig_create(memory << 20, BATCH_MEMORY);
      rig_expect(rig, a_whole_life, cut);
      rig_expect(rig, a_whole_life + cut, COUNT(a_whole_life) - cut);
      life_check(rig);
      rig_destroy(rig);
    }
}

static const struct step some_users[] = {
    {METHOD_create, 1, "Ada", .email = "a@example.com", APPLIED(1)},
    {METHOD_create, 2, "Bob", .email = "b@example.com", APPLIED(1)},
    {METHOD_create, 3, "Eve", .email = "e@example.com", APPLIED(1)},
};

static const struct step turns[] = {
    {METHOD_change_username, 2, "Bert", APPLIED(2)},   {METHOD_change_username, 1, "Anna", APPLIED(2)},
    {METHOD_change_username, 2, "Bill", APPLIED(3)},   {METHOD_change_username, 3, "Emma", APPLIED(2)},
    {METHOD_change_username, 2, "Bill", UNCHANGED(3)},
};

// What memory holds is not read, and what it does not is read once, however often the batch names it.
Test(sequences, only_unknown_users_are_read) {
  struct rig *remembers = rig_plain(), *forgets = rig_create(0, BATCH_MEMORY);
  struct rig *const rigs[] = {remembers, forgets};
  for (size_t i = 0; i < 2; i++) {
    rig_expect(rigs[i], some_users, COUNT(some_users));
    cr_expect_eq(rigs[i]->fake->loads, 0, "a new user is taken not to exist");
    rig_expect(rigs[i], turns, COUNT(turns));
    cr_expect_eq(rigs[i]->fake->loads, i);
    cr_expect_eq(rigs[i]->fake->last_load.user_count, 3 * i);
    cr_expect_eq(rigs[i]->fake->last_load.key_count, 0);
    cr_expect_eq(rigs[i]->fake->last_load.command_count, 0);
    cr_expect_eq(rigs[i]->fake->records, 2);
    rig_check_tables(rigs[i]);
    rig_destroy(rigs[i]);
  }
}

// Users that the lane has forgotten, after a restart say: the guess that they are new is corrected.
Test(sequences, a_wrong_guess_of_a_new_user_is_corrected) {
  const struct step steps[] = {
      {METHOD_create, 1, "Adam", .email = "x@example.com", REFUSED(ALREADY_EXISTS, 1)},
      {METHOD_create, 2, "", .email = "y@example.com", REFUSED(INVALID_ARGUMENT, 1)}, // nothing is inserted
      {METHOD_change_username, 1, "Anna", APPLIED(2)},
      {METHOD_change_username, 2, "Bert", APPLIED(2)},
      {METHOD_create, 4, "Zoe", .email = "x@example.com", APPLIED(1)},
  };
  struct rig *rig = rig_create(0, BATCH_MEMORY);
  rig_expect(rig, some_users, COUNT(some_users));
  rig_expect(rig, steps, COUNT(steps));
  cr_expect_eq(rig->conflicts, 1);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// Where nothing comes of the create, no insert shows that the guess was wrong.
Test(sequences, a_refused_create_hides_nobody) {
  const struct step steps[] = {
      {METHOD_create, 1, "", .email = "y@example.com", REFUSED(INVALID_ARGUMENT, 1)},
      {METHOD_change_username, 1, "Anna", APPLIED(2)},
  };
  struct rig *rig = rig_create(0, BATCH_MEMORY);
  rig_expect(rig, some_users, 1);
  rig_expect(rig, steps, COUNT(steps));
  cr_expect_eq(rig->conflicts, 1);
  rig_destroy(rig);
}

Test(sequences, a_change_to_what_already_is_makes_no_event) {
  const struct step steps[] = {
      {METHOD_change_username, 1, "Ada", UNCHANGED(1)},
      {METHOD_change_username, 1, " Ada\n", UNCHANGED(1)},
      {METHOD_change_email, 1, .email = "a@EXAMPLE.com", UNCHANGED(1)},
      {METHOD_change_email, 1, .email = "A@example.com", APPLIED(2)}, // another spelling of the same key
      {METHOD_change_email, 1, .email = "A@example.com", UNCHANGED(2)},
      {METHOD_probe, 1, UNCHANGED(0)},
      {METHOD_probe, 9, UNCHANGED(0)},
  };
  struct rig *rig = rig_plain();
  rig_expect(rig, some_users, 1);
  rig_expect(rig, steps, COUNT(steps));
  cr_expect_eq(rig->fake->tables.event_count, 2);
  cr_expect_eq(rig->conflicts, 0);
  const struct identifier *row = fake_key_find(rig->fake, IDENTIFIER_EMAIL, key_of("a@example.com"));
  cr_expect(row && row->user_id.bytes[15] == 1);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// Checked against what the predecessors in the batch left.
Test(sequences, an_expected_version_is_checked) {
  const struct step steps[] = {
      {METHOD_create, 1, "Ada", .email = "a@example.com", .expected = "1", REFUSED(VERSION_MISMATCH, 0)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", .expected = "0", APPLIED(1)},
      {METHOD_change_username, 1, "Anna", .expected = "1", APPLIED(2)},
      {METHOD_change_username, 1, "Alma", .expected = "1", REFUSED(VERSION_MISMATCH, 2)},
      {METHOD_change_username, 1, "Anna", .expected = "18446744073709551615", REFUSED(VERSION_MISMATCH, 2)},
      {METHOD_change_username, 1, "Anna", .expected = "2", UNCHANGED(2)},
      {METHOD_change_username, 1, "Alma", .expected = "2", APPLIED(3)},
      {METHOD_delete, 1, .expected = "2", REFUSED(VERSION_MISMATCH, 3)},
      {METHOD_delete, 1, .expected = "3", APPLIED(4)},
      {METHOD_change_username, 7, "Anna", .expected = "1", REFUSED(VERSION_MISMATCH, 0)},
      {METHOD_change_username, 7, "Anna", .expected = "0", REFUSED(NOT_FOUND, 0)},
  };
  for (size_t cut = 0; cut < COUNT(steps); cut++) {
    struct rig *rig = rig_create((cut % 2) << 20, BATCH_MEMORY);
    rig_expect(rig, steps, cut);
    rig_expect(rig, steps + cut, COUNT(steps) - cut);
    struct result result;
    rig_steps(rig, &steps[3], 1, &result);
    cr_expect_eq(result.outcome.refusal.current_version, 4);
    cr_expect(span_equal(result.outcome.refusal.field, SPAN_LITERAL("Lumin-Expected-Version")));
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

// A broker's clock steps back; a user's does not (section 3).
Test(sequences, time_never_goes_back) {
  const int64_t t = 1700000000000000000;
  const struct step steps[] = {
      {METHOD_create, 1, "Ada", .email = "a@example.com", .ts_ns = t, APPLIED(1)},
      {METHOD_change_username, 1, "Anna", .ts_ns = t - 5, APPLIED(2)},
      {METHOD_change_username, 1, "Alma", .ts_ns = t + 7, APPLIED(3)},
      {METHOD_change_username, 1, "Adele", .ts_ns = t + 6, APPLIED(4)},
      {METHOD_delete, 1, .ts_ns = t + 1, APPLIED(5)},
  };
  static const int64_t times[] = {0, 0, 7, 7, 7};
  for (size_t cut = 0; cut < COUNT(steps); cut++)
    for (size_t memory = 0; memory < 2; memory++) {
      struct rig *rig = rig_create(memory << 20, BATCH_MEMORY);
      rig_expect(rig, steps, cut);
      rig_expect(rig, steps + cut, COUNT(steps) - cut);
      for (size_t i = 0; i < COUNT(times); i++)
        cr_expect_eq(rig->fake->tables.events[i].time_ns, t + times[i]);
      cr_expect(row_of(rig, 1)->created_ns == t && row_of(rig, 1)->updated_ns == t + 7);
      rig_destroy(rig);
    }
}

// The position is the message's own time, even where the user's is later; partitions without a message stay.
Test(sequences, positions_move_to_the_last_message) {
  struct rig *rig = rig_plain();
  struct result results[COUNT(some_users) + 1];
  rig_steps(rig, some_users, COUNT(some_users), results);
  const struct step back = {METHOD_change_username, 1, "Anna", .ts_ns = 1600000000000000000};
  rig_steps(rig, &back, 1, &results[3]);
  for (uint16_t partition = 0; partition < FAKE_PARTITIONS; partition++) {
    uint64_t seq = 0;
    int64_t ts_ns = 0;
    for (size_t i = 0; i < COUNT(results); i++) {
      char text[UUID_TEXT_LEN + 1];
      uuid_format(&results[i].outcome.user_id, text);
      if (partition_of(span_of(text, UUID_TEXT_LEN), FAKE_PARTITIONS) == partition) {
        seq = results[i].outcome.stream_seq;
        ts_ns = results[i].outcome.stream_ts_ns;
      }
    }
    const struct partition_mark *row = &rig->fake->tables.partitions[partition];
    cr_expect(rig->truths[partition].input_seq == seq && rig->truths[partition].input_ts_ns == ts_ns);
    cr_expect(row->new_seq == seq && row->new_ts_ns == ts_ns);
  }
  rig_destroy(rig);
}

// What was not committed is nowhere: not in the truths, not in memory.
Test(sequences, a_failed_record_leaves_no_trace) {
  static const enum lumin_status failures[] = {LUMIN_NOT_OWNER, LUMIN_POSITION_MOVED, LUMIN_BAD_DATA,
                                               LUMIN_RETRY,     LUMIN_DEADLOCK,       LUMIN_CONNECTION_LOST};
  for (size_t i = 0; i < COUNT(failures); i++) {
    struct rig *rig = rig_plain();
    rig_expect(rig, some_users, COUNT(some_users));
    struct partition_truth before[FAKE_PARTITIONS];
    memcpy(before, rig->truths, sizeof before);
    const enum lumin_status script[] = {LUMIN_OK, failures[i]};
    rig->fake->script = script;
    rig->fake->script_count = COUNT(script);
    struct inbound message = message_make(rig, &turns[0]);
    struct batch *batch = batch_create(&rig->pipeline, rig->arena, &message, 1);
    cr_assert(batch);
    cr_assert_eq(batch_decode(batch), LUMIN_OK);
    cr_assert_eq(batch_load(batch), LUMIN_OK);
    cr_assert_eq(batch_decide(batch), LUMIN_OK);
    cr_expect_eq(batch_record(batch), failures[i]);
    cr_expect(memcmp(before, rig->truths, sizeof before) == 0);
    struct uuid bob = user_numbered(2);
    cr_expect_eq(memory_get(rig->pipeline.memory, &bob)->version, 1);
    arena_reset(rig->arena);
    arena_destroy(message.handle);
    rig_destroy(rig);
  }
}

// Of a user that was taken to be new this may be a wrong guess: CONFLICT. Of one that was read, somebody else wrote.
Test(sequences, a_taken_version_is_a_conflict_only_once) {
  static const enum lumin_status script[] = {LUMIN_VERSION_TAKEN, LUMIN_VERSION_TAKEN};
  struct rig *rig = rig_plain();
  rig->fake->script = script;
  rig->fake->script_count = COUNT(script);
  struct inbound message = message_make(rig, &some_users[0]);
  struct batch *batch = batch_create(&rig->pipeline, rig->arena, &message, 1);
  cr_assert(batch);
  cr_expect_eq(rig_commit(rig, batch), LUMIN_VERSION_TAKEN);
  cr_expect_eq(rig->conflicts, 1);
  cr_expect_eq(rig->fake->records, 2);
  arena_destroy(message.handle);
  rig_destroy(rig);
}

Test(sequences, a_halved_batch_is_its_first_half) {
  static const enum lumin_status script[] = {LUMIN_BAD_DATA};
  struct rig *rig = rig_plain();
  rig->fake->script = script;
  rig->fake->script_count = 1;
  struct inbound messages[COUNT(turns)];
  for (size_t i = 0; i < 3; i++)
    messages[i] = message_make(rig, &some_users[i]);
  for (size_t i = 3; i < COUNT(turns); i++)
    messages[i] = message_make(rig, &turns[i]);
  struct batch *batch = batch_create(&rig->pipeline, rig->arena, messages, COUNT(turns));
  cr_assert(batch);
  cr_expect_eq(rig_commit(rig, batch), LUMIN_BAD_DATA);
  cr_expect_eq(batch_halve(batch), COUNT(turns) / 2);
  cr_assert_eq(batch_load(batch), LUMIN_OK);
  cr_assert_eq(batch_decide(batch), LUMIN_OK);
  cr_assert_eq(batch_record(batch), LUMIN_OK);
  cr_expect_eq(rig->fake->tables.user_count, 2);
  struct result results[COUNT(turns)];
  rig_apply(rig, messages + 2, COUNT(turns) - 2, results);
  cr_expect_eq(rig->fake->tables.user_count, 3);
  rig_check_tables(rig);
  for (size_t i = 0; i < COUNT(turns); i++)
    arena_destroy(messages[i].handle);
  rig_destroy(rig);
}

// The one command that the database does not take dies, is kept with its place, and its companions live.
Test(sequences, a_poisonous_command_dies_alone) {
  const struct step steps[] = {
      {METHOD_create, 1, "Ada", .email = "a@example.com", APPLIED(1)},
      {METHOD_create, 2, "Bane", .email = "b@example.com", .id = 2, DEAD(INTERNAL)},
      {METHOD_create, 3, "Eve", .email = "e@example.com", APPLIED(1)},
      {METHOD_create, 4, "Zoe", .email = "b@example.com", APPLIED(1)},
      {METHOD_change_username, 2, "Bob", REFUSED(NOT_FOUND, 0)},
      {METHOD_create, 5, "Bane", .email = "a@example.com", REFUSED(EMAIL_TAKEN, 0)}, // the guess was to blame
  };
  struct rig *rig = rig_plain();
  rig->fake->poison = "Bane";
  rig_expect(rig, steps, COUNT(steps));
  struct uuid id = command_numbered(2);
  const struct fake_tables *tables = &rig->fake->tables;
  cr_assert_eq(tables->dead_count, 1);
  cr_expect(uuid_equal(&tables->dead[0].command_id, &id));
  cr_expect(tables->dead[0].stream_seq == 2 && tables->dead[0].position == 1);
  cr_expect_eq(rig->truths[tables->dead[0].partition].dead_position, 1);
  rig_check_tables(rig);
  rig_destroy(rig);
}

Test(sequences, who_asked_is_recorded_with_the_events) {
  const struct step step = {
      METHOD_create, 1, "Ada", .email = "a@example.com", .id = 5, .headers = {.actor = SPAN_LITERAL("admin:7")},
      APPLIED(1)};
  struct rig *rig = rig_plain();
  rig_expect(rig, &step, 1);
  const struct fake_event *event = &rig->fake->tables.events[0];
  struct uuid id = command_numbered(5);
  cr_expect(span_equal(event->actor, SPAN_LITERAL("admin:7")));
  cr_expect(uuid_equal(&event->command_id, &id));
  rig_destroy(rig);
}
