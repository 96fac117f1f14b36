// SPDX-License-Identifier: MIT
// A batch while the world around it changes: conflicts, lost connections, values that the database does not take, and
// too little memory (guarantees 2, 7, 10).
#include "rig.h"

static const struct step two_users[] = {
    {METHOD_create, 1, "Ada", .email = "a@example.com", APPLIED(1)},
    {METHOD_create, 2, "Bob", .email = "b@example.com", APPLIED(1)},
};

// The holder gives the address up only after another took it, on the guess that it was free, and let go again.
Test(surprises, a_guess_is_not_confirmed_by_a_later_release) {
  struct rig *rig = rig_plain();
  rig_expect(rig, two_users, COUNT(two_users));
  const struct step steps[] = {
      {METHOD_change_email, 2, .email = "a@example.com", REFUSED(EMAIL_TAKEN, 1)},
      {METHOD_change_email, 2, .email = "c@example.com", APPLIED(2)},
      {METHOD_change_email, 1, .email = "d@example.com", APPLIED(2)},
  };
  rig_expect(rig, steps, COUNT(steps));
  rig_check_tables(rig);
  rig_destroy(rig);
}

// The lane forgets what it remembered before it knows whether the batch was committed.
Test(surprises, memory_may_go_while_a_batch_waits) {
  static const enum lumin_status lost[] = {LUMIN_OK, LUMIN_CONNECTION_LOST};
  for (int committed = 0; committed < 2; committed++) {
    struct rig *rig = rig_plain();
    rig->fake->script = lost;
    rig->fake->script_count = COUNT(lost);
    rig->fake->lost_commits = committed;
    rig_expect(rig, two_users, COUNT(two_users));
    const struct step steps[] = {{METHOD_change_username, 1, "Augusta", APPLIED(2)},
                                 {METHOD_change_email, 2, .email = "c@example.com", APPLIED(2)}};
    rig_expect(rig, steps, COUNT(steps));
    const struct step after[] = {{METHOD_change_username, 1, "Ada", APPLIED(3)}};
    rig_expect(rig, after, COUNT(after));
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

// A conflict first, and then the connection goes: the keys that the doubt asks about are still there.
Test(surprises, memory_may_go_while_a_batch_doubts) {
  static const enum lumin_status moods[] = {LUMIN_OK, LUMIN_CONFLICT, LUMIN_CONNECTION_LOST};
  struct rig *rig = rig_plain();
  rig->fake->script = moods;
  rig->fake->script_count = COUNT(moods);
  rig_expect(rig, two_users, COUNT(two_users));
  const struct step steps[] = {{METHOD_change_email, 1, .email = "c@example.com", APPLIED(2)},
                               {METHOD_change_email, 2, .email = "a@example.com", APPLIED(2)}};
  rig_expect(rig, steps, COUNT(steps));
  rig_check_tables(rig);
  rig_destroy(rig);
}

// A commit in doubt is looked up in the partitions' rows.
Test(surprises, a_mark_shows_a_commit_where_it_moves) {
  const struct partition_truth before = {.input_seq = 7, .input_ts_ns = 70, .event_position = 3, .dead_position = 1};
  const struct partition_truth after = {.input_seq = 9, .input_ts_ns = 90, .event_position = 4, .dead_position = 1};
  struct partition_mark mark = {.old_seq = 7, .old_ts_ns = 70, .new_seq = 9, .new_ts_ns = 90, .event_position = 4};
  mark.dead_position = 1;
  cr_expect(mark_shows_commit(&mark, &after));
  cr_expect(!mark_shows_commit(&mark, &before));
  mark.dead_position = 2;
  cr_expect(!mark_shows_commit(&mark, &after), "a dead command is not there");
}

// What was read again ended where the partition stood already: whether another partition's part of it is committed it
// cannot tell.
Test(surprises, a_mark_that_does_not_move_shows_nothing) {
  const struct partition_truth now = {.input_seq = 7, .input_ts_ns = 70, .event_position = 3};
  const struct partition_mark mark = {
      .old_seq = 7, .old_ts_ns = 70, .new_seq = 7, .new_ts_ns = 70, .event_position = 3};
  cr_expect(!mark_shows_commit(&mark, &now));
}
