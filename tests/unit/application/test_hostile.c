// SPDX-License-Identifier: MIT
// Commands that mean no good, or that nobody wrote with care: each gets its clear error, its companions their results
// (guarantee 10).
#include "rig.h"

// Free keys are marked by the nil id: a user of that name would hold its addresses for nobody.
Test(hostile, the_nil_user_is_none) {
  struct rig *rig = rig_plain();
  char subject[128];
  (void)snprintf(subject, sizeof subject, "lumin.user.v1.command.%u.create.00000000-0000-0000-0000-000000000000",
                 partition_of(SPAN_LITERAL("00000000-0000-0000-0000-000000000000"), FAKE_PARTITIONS));
  struct step steps[] = {
      {METHOD_create, 0, "Nil", .email = "a@example.com", .subject = subject, DEAD(INVALID_ARGUMENT)},
      {METHOD_create, 1, "Ada", .email = "a@example.com", APPLIED(1)},
  };
  struct inbound messages[2] = {message_make(rig, &steps[0]), message_make(rig, &steps[1])};
  messages[0].partition = (uint16_t)(subject[sizeof "lumin.user.v1.command." - 1] - '0');
  struct result results[2];
  rig_apply(rig, messages, 2, results);
  for (size_t i = 0; i < 2; i++) {
    cr_expect_eq(results[i].outcome.status, steps[i].status);
    cr_expect_eq(results[i].outcome.refusal.reason, steps[i].reason);
    arena_destroy(messages[i].handle);
  }
  cr_expect_eq(rig->fake->tables.user_count, 1);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// Companions that fill the batch's memory change nothing about what a command is: the same outcome as alone.
Test(hostile, a_full_batch_is_nobodys_fault) {
  struct rig *rig = rig_create(1U << 20, 2U << 20);
  static char name[200 * 1024];
  memset(name, 'x', sizeof name - 1);
  struct step steps[16];
  for (size_t i = 0; i < COUNT(steps); i++)
    steps[i] =
        (struct step){METHOD_create, (unsigned)i + 1, name, .email = "a@example.com", REFUSED(INVALID_ARGUMENT, 0)};
  rig_expect(rig, steps, COUNT(steps));
  cr_expect_gt(rig->halvings, 0);
  rig_check_tables(rig);
  rig_destroy(rig);
}
