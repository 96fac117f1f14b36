// SPDX-License-Identifier: MIT
// Listening to a stream, by scripted traces: an input a line, beside what it must bring about.
#include <criterion/criterion.h>
#include <string.h>

#include "../../../src/worker/feed.h"
#include "lumin/base/clock.h"

#define BATCH 4

struct line {
  int64_t at_ms;
  enum feed_input_kind kind;
  uint64_t number; // consumer sequence, or pull id
  uint64_t back;   // about an earlier consumer: so many back
  const char *want;
};

#define LINKED FEED_IN_LINKED, 0, 0
#define UNLINKED FEED_IN_UNLINKED, 0, 0
#define REST FEED_IN_REST, 0, 0
#define CREATED FEED_IN_CREATED, 0, 0
#define REFUSED FEED_IN_REFUSED, 0, 0
#define MESSAGE(n) FEED_IN_MESSAGE, (n), 0
#define HEARTBEAT(n) FEED_IN_HEARTBEAT, (n), 0
#define ENDED(n) FEED_IN_ENDED, (n), 0
#define GONE FEED_IN_GONE, 0, 0
#define TIMER FEED_IN_TIMER, 0, 0
#define OLD_MESSAGE(n) FEED_IN_MESSAGE, (n), 1
#define OLD_CREATED FEED_IN_CREATED, 0, 1
#define OLD_GONE FEED_IN_GONE, 0, 1

static const char *text_of(unsigned actions) {
  static const char *const names[] = {"suspect ", "delete ", "create ", "trust ", "pull "};
  static char text[64];
  text[0] = '\0';
  for (unsigned i = 0; i < 5; i++)
    if (actions & (1U << i))
      strcat(text, names[i]);
  if (text[0])
    text[strlen(text) - 1] = '\0';
  return text;
}

static void feed_start(struct feed *feed) {
  const struct feed_limits limits = {.batch = BATCH,
                                     .heartbeat_ns = NS_PER_SECOND,
                                     .expires_ns = 30 * NS_PER_SECOND,
                                     .reply_timeout_ns = 2 * NS_PER_SECOND};
  feed_init(feed, &limits);
}

static void play(struct feed *feed, const struct line *lines) {
  for (size_t i = 0; lines[i].want; i++) {
    const struct line *line = &lines[i];
    struct feed_input input = {.kind = line->kind,
                               .now_ns = line->at_ms * NS_PER_MS,
                               .generation = feed->generation - line->back,
                               .consumer_seq = line->number,
                               .pull_id = line->number};
    const char *found = text_of(feed_step(feed, &input));
    cr_assert_str_eq(found, line->want, "line %zu: \"%s\" instead of \"%s\"", i + 1, found, line->want);
  }
}

#define PLAY(...)                                                                                                      \
  do {                                                                                                                 \
    struct feed feed;                                                                                                  \
    feed_start(&feed);                                                                                                 \
    play(&feed, (const struct line[]){__VA_ARGS__, {.want = NULL}});                                                   \
  } while (0)

Test(feed, hears_from_the_consumers_making_on) {
  PLAY({0, LINKED, "create"}, {5, CREATED, "trust pull"}, {6, MESSAGE(1), ""}, {7, MESSAGE(2), ""},
       {1000, HEARTBEAT(2), ""}, {1001, MESSAGE(3), ""}, {1002, MESSAGE(4), "pull"}, {1003, MESSAGE(5), ""});
}

Test(feed, rests_where_nobody_wants_to_hear_and_begins_anew) {
  PLAY({0, REST, ""}, {0, TIMER, ""}, {1, LINKED, "create"}, {2, REST, "delete"}, {3, CREATED, ""}, {4, TIMER, ""},
       {5, LINKED, "create"}, {6, CREATED, "trust pull"}, {7, MESSAGE(1), ""}, {8, REST, "suspect delete"},
       {9, MESSAGE(2), ""}, {60000, TIMER, ""}, {60001, LINKED, "create"}, {60002, CREATED, "trust pull"},
       {60003, MESSAGE(1), ""});
}

Test(feed, a_request_is_renewed_before_it_ends_since_its_end_may_get_lost) {
  struct feed feed;
  feed_start(&feed);
  play(&feed, (const struct line[]){{0, LINKED, "create"}, {0, CREATED, "trust pull"}, {.want = NULL}});
  for (int64_t ms = 1000; ms < 60000; ms += 1000)
    play(&feed, (const struct line[]){{ms, HEARTBEAT(0), ms % 15000 == 0 ? "pull" : ""}, {.want = NULL}});
  play(&feed, (const struct line[]){{60000, ENDED(1), ""}, {60001, ENDED(4), "pull"}, {.want = NULL}});
}

Test(feed, a_gap_is_suspect_and_begins_anew) {
  PLAY({0, LINKED, "create"}, {0, CREATED, "trust pull"}, {1, MESSAGE(1), ""}, {2, MESSAGE(3), "suspect delete"},
       {2, TIMER, "create"}, {3, OLD_MESSAGE(4), ""}, {4, OLD_CREATED, ""}, {5, CREATED, "trust pull"},
       {6, MESSAGE(1), ""});
}

Test(feed, a_sequence_that_comes_again_is_suspect) {
  PLAY({0, LINKED, "create"}, {0, CREATED, "trust pull"}, {1, MESSAGE(1), ""}, {2, MESSAGE(1), "suspect delete"});
}

Test(feed, a_heartbeat_that_knows_more_is_suspect_and_one_that_knows_less_is_late) {
  PLAY({0, LINKED, "create"}, {0, CREATED, "trust pull"}, {1, MESSAGE(1), ""}, {2, HEARTBEAT(0), ""},
       {3, HEARTBEAT(1), ""}, {4, HEARTBEAT(2), "suspect delete"});
}

Test(feed, silence_is_suspect) {
  PLAY({0, LINKED, "create"}, {0, CREATED, "trust pull"}, {1000, HEARTBEAT(0), ""}, {3999, TIMER, ""},
       {4000, TIMER, "suspect delete"}, {4000, TIMER, "create"});
}

Test(feed, the_consumers_end_is_suspect) {
  PLAY({0, LINKED, "create"}, {0, CREATED, "trust pull"}, {1, GONE, "suspect delete"}, {2, GONE, ""},
       {2, TIMER, "create"}, {3, OLD_GONE, ""});
}

Test(feed, a_lost_link_is_suspect_and_a_new_one_begins_anew) {
  PLAY({0, LINKED, "create"}, {0, CREATED, "trust pull"}, {1, UNLINKED, "suspect"}, {9000, TIMER, ""},
       {9001, LINKED, "create"}, {9002, OLD_MESSAGE(1), ""}, {9003, CREATED, "trust pull"});
  PLAY({0, LINKED, "create"}, {0, UNLINKED, ""}, {1, CREATED, ""}, {2, LINKED, "create"});
  PLAY({0, LINKED, "create"}, {0, CREATED, "trust pull"}, {1, LINKED, "suspect create"});
}

Test(feed, a_consumer_that_cannot_be_made_is_tried_again_after_growing_pauses) {
  PLAY({0, LINKED, "create"}, {10, REFUSED, "delete"}, {10, TIMER, "create"}, {20, REFUSED, "delete"}, {69, TIMER, ""},
       {70, TIMER, "create"}, {80, REFUSED, "delete"}, {179, TIMER, ""}, {180, TIMER, "create"}, {2179, TIMER, ""},
       {2180, TIMER, "delete"}, {2380, TIMER, "create"}, {2381, CREATED, "trust pull"}, {2382, MESSAGE(1), ""},
       {2383, GONE, "suspect delete"}, {2383, TIMER, "create"});
}

Test(feed, a_server_that_ends_every_request_is_not_asked_in_a_hot_loop) {
  PLAY({0, LINKED, "create"}, {0, CREATED, "trust pull"}, {1, ENDED(1), "pull"}, {2, ENDED(2), "pull"},
       {3, ENDED(3), ""}, {1002, TIMER, ""}, {1003, TIMER, "pull"}, {1004, ENDED(4), ""}, {2004, TIMER, "pull"},
       {2005, HEARTBEAT(0), ""}, {2006, ENDED(5), "pull"});
}

// Whoever sleeps until the deadline and then says TIMER gets on, whatever the state.
Test(feed, deadlines_are_moments_at_which_something_happens) {
  struct feed feed;
  feed_start(&feed);
  cr_assert_eq(feed_deadline_ns(&feed), INT64_MAX);
  feed_step(&feed, &(struct feed_input){.kind = FEED_IN_LINKED});
  unsigned made = 0, trusted = 0;
  for (unsigned round = 0; round < 1000; round++) {
    int64_t deadline = feed_deadline_ns(&feed);
    cr_assert_neq(deadline, INT64_MAX);
    unsigned actions = feed_step(&feed, &(struct feed_input){.kind = FEED_IN_TIMER, .now_ns = deadline});
    cr_assert_neq(actions, 0, "round %u", round);
    if (actions & FEED_CREATE && ++made % 2 == 0) { // every other consumer is made, and then silent
      const struct feed_input created = {.kind = FEED_IN_CREATED, .now_ns = deadline, .generation = feed.generation};
      trusted += (feed_step(&feed, &created) & FEED_TRUST) != 0;
    }
  }
  cr_expect_gt(trusted, 100);
}
