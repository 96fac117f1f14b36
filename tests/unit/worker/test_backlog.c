// SPDX-License-Identifier: MIT
// When a batch waits for more of a backlog, and when it does not, or no longer.
#include "../../../src/worker/backlog.h"

#include <criterion/criterion.h>

#include "lumin/base/clock.h"

#define MS NS_PER_MS
#define PATIENCE (100 * MS)

static struct backlog backlog_of(uint64_t pending) {
  struct backlog backlog;
  const struct backlog_limits limits = {.least = 10, .window = 40, .patience_ns = PATIENCE};
  backlog_init(&backlog, &limits);
  backlog_message(&backlog, pending);
  return backlog;
}

Test(backlog, without_one_a_batch_never_waits) {
  for (uint64_t pending = 0; pending < 10; pending++) {
    struct backlog backlog = backlog_of(pending);
    cr_assert_not(backlog_holds(&backlog, 5 * MS), "with %d behind", (int)pending);
    cr_assert_eq(backlog_deadline_ns(&backlog), INT64_MAX);
  }
  struct backlog none;
  backlog_init(&none, &(struct backlog_limits){.least = 10, .window = 40, .patience_ns = PATIENCE});
  cr_assert_not(backlog_holds(&none, 5 * MS), "before a message has come");
}

Test(backlog, it_waits_while_messages_come) {
  struct backlog backlog = backlog_of(10);
  cr_assert(backlog_holds(&backlog, 5 * MS));
  cr_assert_eq(backlog_deadline_ns(&backlog), 5 * MS + PATIENCE);
  backlog_message(&backlog, 10);
  cr_assert(backlog_holds(&backlog, 5 * MS + PATIENCE - 1));
  cr_assert_eq(backlog_deadline_ns(&backlog), 5 * MS + PATIENCE, "since it began");
}

Test(backlog, the_end_of_the_stream_ends_the_wait) {
  struct backlog by_message = backlog_of(10);
  cr_assert(backlog_holds(&by_message, 5 * MS));
  backlog_message(&by_message, 9);
  cr_assert_not(backlog_holds(&by_message, 6 * MS));
  struct backlog by_heartbeat = backlog_of(1000);
  cr_assert(backlog_holds(&by_heartbeat, 5 * MS));
  backlog_end(&by_heartbeat);
  cr_assert_not(backlog_holds(&by_heartbeat, 6 * MS));
}

Test(backlog, a_window_is_all_it_waits_for) {
  struct backlog backlog = backlog_of(100000);
  for (int batch = 0; batch < 3; batch++) {
    cr_assert(backlog_holds(&backlog, 5 * MS));
    for (int i = 0; i < 39; i++)
      backlog_message(&backlog, 100000);
    cr_assert(backlog_holds(&backlog, 6 * MS));
    backlog_message(&backlog, 100000);
    cr_assert_not(backlog_holds(&backlog, 6 * MS));
    backlog_release(&backlog);
    backlog_message(&backlog, 100000); // while the batch is under way: the next one's wait has not begun
  }
}

Test(backlog, patience_ends_and_begins_anew_with_each_batch) {
  struct backlog backlog = backlog_of(100000);
  for (int64_t now = 5 * MS; now < 3 * PATIENCE; now += PATIENCE) {
    cr_assert(backlog_holds(&backlog, now));
    backlog_message(&backlog, 100000);
    cr_assert_not(backlog_holds(&backlog, now + PATIENCE));
    backlog_release(&backlog);
  }
}

Test(backlog, a_count_that_nothing_comes_of_is_believed_once) {
  struct backlog backlog = backlog_of(1000);
  cr_assert(backlog_holds(&backlog, 5 * MS));
  cr_assert_not(backlog_holds(&backlog, 5 * MS + PATIENCE));
  backlog_release(&backlog);
  backlog_message(&backlog, 1000);
  cr_assert_not(backlog_holds(&backlog, PATIENCE + 6 * MS), "the count is wrong");
  backlog_begin(&backlog);
  cr_assert_not(backlog_holds(&backlog, PATIENCE + 7 * MS), "nothing is known of the new consumer");
  backlog_message(&backlog, 1000);
  cr_assert(backlog_holds(&backlog, PATIENCE + 8 * MS), "which counts anew");
}
