// SPDX-License-Identifier: MIT
// Addresses that are taken, given up, handed on and fought for: a free key is assumed, a refusal needs a row that was
// read (guarantee 7).
#include "rig.h"

static const struct step users[] = {
    {METHOD_create, 1, "Ada", .email = "a@example.com", .phone = "+4930123456", APPLIED(1)},
    {METHOD_create, 2, "Bob", .email = "b@example.com", .phone = "+4930654321", APPLIED(1)},
    {METHOD_create, 3, "Eve", .email = "e@example.com", APPLIED(1)},
};

// Who holds the key: the user's number, 0 for nobody.
static unsigned holder(const struct rig *rig, enum identifier_kind kind, const char *key) {
  const struct identifier *row = fake_key_find(rig->fake, kind, span_from_text(key));
  return row ? row->user_id.bytes[15] : 0;
}

static struct rig *rig_with_users(size_t memory_limit) {
  struct rig *rig = rig_create(memory_limit, BATCH_MEMORY);
  rig_expect(rig, users, COUNT(users));
  cr_assert(rig->conflicts == 0 && rig->fake->records == 1);
  return rig;
}

// Taken to be free, refused by the primary key, read, and refused with its reason.
Test(identifiers, a_taken_address_is_read_before_it_is_refused) {
  static const struct {
    struct step step;
    const char *field;
  } cases[] = {
      {{METHOD_change_email, 2, .email = "a@example.com", REFUSED(EMAIL_TAKEN, 1)}, "email"},
      {{METHOD_change_email, 2, .email = "A@Example.COM", REFUSED(EMAIL_TAKEN, 1)}, "email"},
      {{METHOD_create, 9, "Zoe", .email = "a@example.com", REFUSED(EMAIL_TAKEN, 0)}, "email"},
      {{METHOD_create, 9, "Zoe", .phone = "+49 (30) 123-456", REFUSED(PHONE_TAKEN, 0)}, "phone"},
      {{METHOD_create, 9, "Zoe", .email = "z@example.com", .phone = "+4930123456", REFUSED(PHONE_TAKEN, 0)}, "phone"},
      {{METHOD_create, 9, "Zoe", .email = "a@example.com", .phone = "+4930123456", REFUSED(EMAIL_TAKEN, 0)}, "email"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct rig *rig = rig_with_users(1U << 20);
    rig_expect(rig, &cases[i].step, 1);
    cr_expect_eq(rig->conflicts, 1);
    cr_expect_eq(rig->fake->loads, 1);
    cr_expect(rig->fake->last_load.key_count > 0 && rig->fake->last_load.command_count == 1);
    const struct outcome *row = &rig->fake->tables.outcomes[rig->fake->tables.outcome_count - 1];
    cr_expect(span_equal(row->refusal.field, span_from_text(cases[i].field)));
    cr_expect(row->refusal.message.len > 0 && row->refusal.allowed.len > 0);
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

// What this batch itself has given away needs no look.
Test(identifiers, the_first_of_a_batch_gets_it) {
  const struct step steps[] = {
      {METHOD_create, 1, "Ada", .email = "a@example.com", APPLIED(1)},
      {METHOD_create, 2, "Bob", .email = "A@example.com", .phone = "+4930654321", REFUSED(EMAIL_TAKEN, 0)},
      {METHOD_create, 3, "Eve", .phone = "+4930654321", APPLIED(1)},
      {METHOD_create, 4, "Zoe", .phone = "+4930654321", REFUSED(PHONE_TAKEN, 0)},
      {METHOD_create, 5, "Max", .email = "m@example.com", .phone = "+4930654321", REFUSED(PHONE_TAKEN, 0)},
      {METHOD_create, 6, "Tim", .email = "m@example.com", APPLIED(1)},
      {METHOD_create, 2, "Bob", .email = "b@example.com", APPLIED(1)},
      {METHOD_create, 4, "Zoe", .email = "z@example.com", APPLIED(1)},
      {METHOD_create, 5, "Max", .email = "x@example.com", APPLIED(1)},
  };
  struct rig *rig = rig_plain();
  rig_expect(rig, steps, COUNT(steps));
  cr_expect(rig->conflicts == 0 && rig->fake->loads == 0);
  cr_expect_eq(holder(rig, IDENTIFIER_EMAIL, "m@example.com"), 6);
  rig_check_tables(rig);
  rig_destroy(rig);
}

static const struct {
  const char *what;
  struct step steps[5];
  size_t count;
  unsigned conflicts; // with a memory that holds the users
  unsigned a, b, c;   // who holds a@, b@ and c@ in the end
} moves[] = {
    {"hand on",
     {{METHOD_change_email, 1, .email = "c@example.com", APPLIED(2)},
      {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)}},
     2,
     0,
     2,
     0,
     1},
    {"hand on by deletion",
     {{METHOD_delete, 1, APPLIED(2)}, {METHOD_create, 9, "Zoe", .email = "a@example.com", APPLIED(1)}},
     2,
     0,
     9,
     2,
     0},
    {"too early",
     {{METHOD_change_email, 2, .email = "a@example.com", REFUSED(EMAIL_TAKEN, 1)},
      {METHOD_change_email, 1, .email = "c@example.com", APPLIED(2)},
      {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)}},
     3,
     1,
     2,
     0,
     1},
    {"swap by way of a third",
     {{METHOD_change_email, 1, .email = "c@example.com", APPLIED(2)},
      {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)},
      {METHOD_change_email, 1, .email = "b@example.com", APPLIED(3)}},
     3,
     1,
     2,
     1,
     0},
    {"swap by way of none",
     {{METHOD_change_email, 1, .email = "", APPLIED(2)},
      {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)},
      {METHOD_change_email, 1, .email = "b@example.com", APPLIED(3)}},
     3,
     0,
     2,
     1,
     0},
    {"take and let go",
     {{METHOD_change_email, 1, .email = "c@example.com", APPLIED(2)},
      {METHOD_change_email, 1, .email = "a@example.com", APPLIED(3)}},
     2,
     1,
     1,
     2,
     0},
    {"take, let go, taken by another",
     {{METHOD_change_email, 1, .email = "c@example.com", APPLIED(2)},
      {METHOD_change_email, 1, .email = "a@example.com", APPLIED(3)},
      {METHOD_change_email, 2, .email = "c@example.com", APPLIED(2)}},
     3,
     0,
     1,
     0,
     2},
    {"to and fro",
     {{METHOD_change_email, 1, .email = "", APPLIED(2)},
      {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)},
      {METHOD_change_email, 2, .email = "b@example.com", APPLIED(3)},
      {METHOD_change_email, 1, .email = "a@example.com", APPLIED(3)}},
     4,
     0,
     1,
     2,
     0},
    {"take of a third, let go",
     {{METHOD_change_email, 1, .email = "e@example.com", REFUSED(EMAIL_TAKEN, 1)},
      {METHOD_change_email, 1, .email = "c@example.com", APPLIED(2)}},
     2,
     1,
     0,
     2,
     1},
    {"another spelling, and on",
     {{METHOD_change_email, 1, .email = "A@example.com", APPLIED(2)},
      {METHOD_change_email, 2, .email = "a@example.com", REFUSED(EMAIL_TAKEN, 1)},
      {METHOD_change_email, 1, .email = "c@example.com", APPLIED(3)},
      {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)}},
     4,
     1,
     2,
     0,
     1},
    {"refused twice, each for a key seen only then",
     {{METHOD_change_email, 2, .email = "a@example.com", REFUSED(EMAIL_TAKEN, 1)},
      {METHOD_change_email, 2, .email = "e@example.com", .expected = "1", REFUSED(EMAIL_TAKEN, 1)}},
     2,
     2,
     1,
     2,
     0},
};

Test(identifiers, moves) {
  for (size_t i = 0; i < COUNT(moves); i++)
    for (size_t cut = 0; cut < moves[i].count; cut++)
      for (size_t memory = 0; memory < 2; memory++) {
        struct rig *rig = rig_with_users(memory << 20);
        rig_expect(rig, moves[i].steps, cut);
        rig_expect(rig, moves[i].steps + cut, moves[i].count - cut);
        cr_expect_eq(holder(rig, IDENTIFIER_EMAIL, "a@example.com"), moves[i].a, "%s", moves[i].what);
        cr_expect_eq(holder(rig, IDENTIFIER_EMAIL, "b@example.com"), moves[i].b, "%s", moves[i].what);
        cr_expect_eq(holder(rig, IDENTIFIER_EMAIL, "c@example.com"), moves[i].c, "%s", moves[i].what);
        cr_expect(cut > 0 || memory == 0 || rig->conflicts == moves[i].conflicts, "%s: %u conflicts", moves[i].what,
                  rig->conflicts);
        rig_check_tables(rig);
        rig_destroy(rig);
      }
}

// What a batch takes and gives back is not written at all: lanes wait for each other at these rows.
Test(identifiers, only_what_has_changed_is_written) {
  const struct step to_and_fro[] = {
      {METHOD_change_email, 1, .email = "c@example.com", APPLIED(2)},
      {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)},
      {METHOD_change_email, 2, .email = "b@example.com", APPLIED(3)},
      {METHOD_change_email, 1, .email = "a@example.com", APPLIED(3)},
  };
  struct rig *rig = rig_with_users(1U << 20);
  size_t before = rig->fake->keys_written;
  cr_expect_eq(before, 5);
  rig_expect(rig, to_and_fro, COUNT(to_and_fro));
  cr_expect_eq(rig->fake->keys_written, before);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// What a refused create has taken before the phone refused it is free again, for others and for itself.
Test(identifiers, a_refused_command_takes_nothing) {
  const struct step steps[] = {
      {METHOD_create, 8, "Zoe", .email = "z@example.com", .phone = "+4930123456", REFUSED(PHONE_TAKEN, 0)},
      {METHOD_create, 9, "Max", .email = "z@example.com", APPLIED(1)},
      {METHOD_create, 8, "Zoe", .email = "z@example.com", REFUSED(EMAIL_TAKEN, 0)},
      {METHOD_delete, 9, APPLIED(2)},
      {METHOD_create, 8, "Zoe", .email = "z@example.com", APPLIED(1)},
  };
  for (size_t cut = 0; cut < COUNT(steps); cut++) {
    struct rig *rig = rig_with_users(1U << 20);
    rig_expect(rig, steps, cut);
    rig_expect(rig, steps + cut, COUNT(steps) - cut);
    cr_expect_eq(holder(rig, IDENTIFIER_EMAIL, "z@example.com"), 8);
    cr_expect_eq(holder(rig, IDENTIFIER_PHONE, "+4930123456"), 1);
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

// That somebody had it yesterday is nothing to refuse on: no claim of others is remembered.
Test(identifiers, a_refusal_is_not_remembered) {
  const struct step refused = {METHOD_change_email, 2, .email = "a@example.com", REFUSED(EMAIL_TAKEN, 1)};
  const struct step frees = {METHOD_delete, 1, APPLIED(2)};
  const struct step taken = {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)};
  struct rig *rig = rig_with_users(1U << 20);
  rig_expect(rig, &refused, 1);
  rig_expect(rig, &frees, 1);
  rig_expect(rig, &taken, 1);
  cr_expect_eq(rig->conflicts, 1);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// ---- two lanes over one database: user 1 is in partition P1, user 2 in another

struct duel {
  struct rig *mine, *theirs;
};

static struct duel duel_begin(void) {
  struct duel duel = {.mine = rig_plain()};
  duel.theirs = rig_create_on(duel.mine->fake, 1U << 20, BATCH_MEMORY);
  rig_expect(duel.mine, &users[0], 1);
  rig_expect(duel.theirs, &users[1], 1);
  return duel;
}

static void duel_end(struct duel *duel) {
  rig_destroy_lane(duel->theirs);
  rig_destroy(duel->mine);
}

// Up to the commit, then the other lane's step, then on; `status` is how the first attempt to record ends.
static struct outcome duel_run(struct duel *duel, const struct step *mine, const struct step *theirs,
                               enum lumin_status status) {
  struct inbound message = message_make(duel->mine, mine);
  struct batch *batch = batch_create(&duel->mine->pipeline, duel->mine->arena, &message, 1);
  cr_assert(batch);
  cr_assert_eq(batch_decode(batch), LUMIN_OK);
  cr_assert_eq(batch_load(batch), LUMIN_OK);
  cr_assert_eq(batch_decide(batch), LUMIN_OK);
  rig_expect(duel->theirs, theirs, 1);
  cr_expect_eq(batch_record(batch), status);
  if (status != LUMIN_OK) {
    batch_doubt(batch);
    cr_assert_eq(batch_load(batch), LUMIN_OK);
    cr_assert_eq(batch_decide(batch), LUMIN_OK);
    cr_assert_eq(batch_record(batch), LUMIN_OK);
  }
  size_t count = 0;
  struct outcome outcome = batch_commands(batch, &count)[0].outcome;
  arena_destroy(message.handle);
  arena_reset(duel->mine->arena);
  return outcome;
}

Test(identifiers, the_lane_that_commits_first_gets_it) {
  const struct step mine = {METHOD_change_email, 1, .email = "c@example.com"};
  const struct step theirs = {METHOD_change_email, 2, .email = "C@example.com", APPLIED(2)};
  struct duel duel = duel_begin();
  struct outcome outcome = duel_run(&duel, &mine, &theirs, LUMIN_CONFLICT);
  cr_expect(outcome.status == OUTCOME_REJECTED && outcome.refusal.reason == LUMIN_EMAIL_TAKEN);
  cr_expect_eq(outcome.version, 1);
  cr_expect_eq(holder(duel.mine, IDENTIFIER_EMAIL, "c@example.com"), 2);
  duel_end(&duel);
}

Test(identifiers, what_the_other_lane_frees_can_be_taken) {
  const struct step frees = {METHOD_change_email, 2, .email = "c@example.com", APPLIED(2)};
  const struct step takes = {METHOD_change_email, 1, .email = "b@example.com", APPLIED(2)};
  struct duel duel = duel_begin();
  rig_expect(duel.theirs, &frees, 1);
  rig_expect(duel.mine, &takes, 1);
  cr_expect_eq(duel.mine->conflicts, 0);
  duel_end(&duel);
}

// The guess was wrong when it was made, and right when it was committed: so it was never wrong.
Test(identifiers, what_is_freed_before_the_commit_was_free) {
  const struct step mine = {METHOD_change_email, 1, .email = "b@example.com"};
  const struct step theirs = {METHOD_delete, 2, APPLIED(2)};
  struct duel duel = duel_begin();
  struct outcome outcome = duel_run(&duel, &mine, &theirs, LUMIN_OK);
  cr_expect(outcome.status == OUTCOME_APPLIED && outcome.version == 2);
  cr_expect_eq(holder(duel.mine, IDENTIFIER_EMAIL, "b@example.com"), 1);
  duel_end(&duel);
}

// The same command id in two partitions: the first commit has it.
Test(identifiers, an_id_is_used_once_between_lanes) {
  const struct step mine = {METHOD_change_username, 1, "Anna", .id = 7};
  const struct step theirs = {METHOD_change_username, 2, "Bert", .id = 7, APPLIED(2)};
  struct duel duel = duel_begin();
  struct outcome outcome = duel_run(&duel, &mine, &theirs, LUMIN_CONFLICT);
  cr_expect_eq(outcome.refusal.reason, LUMIN_COMMAND_ID_REUSED);
  cr_expect_eq(duel.mine->fake->tables.event_count, 3);
  duel_end(&duel);
}
