// SPDX-License-Identifier: MIT
// Attach: the position against every shape of stream, and every way an attach can fail.
#include "test_cursor_trace.h"

#define PULL1 "pull 1x10"

Test(cursor_attach, a_position_that_matches_goes_on_behind_it) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(1, 150), "get 100"}, {2, FOUND(100, 5000), "create 101"},
        {3, CREATED, PULL1}, {4, MESSAGE(104, 1), "take 104"});
}

Test(cursor_attach, a_position_at_the_end_starts_one_beyond_and_never_further) {
  TRACE({0, ATTACH(150, 5000), "info"}, {1, STREAM(1, 150), "get 150"}, {2, FOUND(150, 5000), "create 151"});
}

Test(cursor_attach, a_position_at_the_first_message_matches) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(100, 150), "get 100"}, {2, FOUND(100, 5000), "create 101"});
}

Test(cursor_attach, nothing_read_yet) {
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(1, 150), "create 1"});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(21, 150), "lost 1-20; create 21"});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(21, 20), "lost 1-20; create 21"});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(0, 0), "create 1"}, {2, CREATED, PULL1}, {3, MESSAGE(1, 1), "take 1"});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(1, 0), "create 1"});
}

Test(cursor_attach, a_stream_that_lost_its_tail_is_read_from_its_first_message) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(7, 99), "anew 7 (the stream ends before the position); create 7"});
  TRACE({0, ATTACH(100, 5000), "info"},
        {1, STREAM(100, 99), "anew 100 (the stream ends before the position); create 100"});
}

Test(cursor_attach, a_stream_made_anew_with_fewer_messages) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(1, 3), "anew 1 (the stream ends before the position); create 1"});
}

Test(cursor_attach, a_stream_made_anew_with_as_many_messages) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(1, 100), "get 100"},
        {2, FOUND(100, 5001), "anew 1 (another message stands at the position); create 1"});
}

Test(cursor_attach, a_stream_made_anew_with_more_messages) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(1, 900), "get 100"},
        {2, FOUND(100, 4999), "anew 1 (another message stands at the position); create 1"});
}

Test(cursor_attach, a_stream_made_anew_and_empty_calls_its_first_sequence_0_or_1) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(0, 0), "anew 1 (the stream ends before the position); create 1"});
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(1, 0), "anew 1 (the stream ends before the position); create 1"});
}

Test(cursor_attach, a_first_sequence_beyond_the_end_does_not_start_beyond_it) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(140, 120), "lost 101-120; create 121"});
}

Test(cursor_attach, after_anew_the_position_moves_down_to_the_new_numbers) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(1, 3), "anew 1 (the stream ends before the position); create 1"},
        {2, CREATED, PULL1}, {1002, HEARTBEAT(3, 0), "get 3"}, {1003, FOUND(3, 9000), "advance 3@9000"});
}

Test(cursor_attach, idle_beyond_max_age_and_nothing_missed) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(101, 150), "get 101"}, {2, FOUND(101, 5000), "create 101"});
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(101, 100), "create 101"});
}

Test(cursor_attach, messages_that_expired_unread_are_named) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(121, 150), "get 121"},
        {2, FOUND(121, 6000), "lost 101-120; create 121"}, {3, CREATED, PULL1}, {4, MESSAGE(121, 1), "take 121"});
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(151, 150), "lost 101-150; create 151"});
}

Test(cursor_attach, a_single_message_that_expired_is_named) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(102, 150), "get 102"},
        {2, FOUND(102, 6000), "lost 101-101; create 102"});
}

Test(cursor_attach, after_a_loss_nobody_asks_for_what_has_expired) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(151, 150), "lost 101-150; create 151"}, {2, CREATED, PULL1},
        {1002, HEARTBEAT(150, 0), ""}, {2002, HEARTBEAT(152, 0), "get 152"});
}

Test(cursor_attach, a_first_message_older_than_the_position_is_another_stream) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(121, 150), "get 121"},
        {2, FOUND(121, 4999), "anew 121 (the first message is older than the position); create 121"});
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(101, 150), "get 101"},
        {2, FOUND(101, 4999), "anew 101 (the first message is older than the position); create 101"});
}

Test(cursor_attach, a_hole_at_the_position_proves_nothing) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(1, 150), "get 100"}, {2, MISSING(100), "info"},
        {3, STREAM(1, 151), "get 100"}, {4, MISSING(100), "anew 1 (no message stands at the position); create 1"});
}

Test(cursor_attach, the_message_at_the_position_expires_between_the_answers) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(90, 150), "get 100"}, {2, MISSING(100), "info"},
        {3, STREAM(111, 150), "get 111"}, {4, FOUND(111, 6000), "lost 101-110; create 111"});
}

Test(cursor_attach, first_messages_that_keep_expiring_end_the_attach) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(120, 150), "get 120"}, {2, MISSING(120), "info"},
        {3, STREAM(121, 150), "get 121"}, {4, MISSING(121), "info"}, {5, STREAM(122, 150), "get 122"},
        {6, MISSING(122), "info"}, {7, STREAM(123, 150), "get 123"}, {8, MISSING(123), "info"},
        {9, STREAM(124, 150), "get 124"}, {10, MISSING(124), "info"}, {11, STREAM(125, 150), "get 125"},
        {12, MISSING(125), "disturbed (messages expire faster than they can be compared)"},
        {13, ATTACH(100, 5000), "info"});
}

Test(cursor_attach, all_expires_between_the_answers) {
  TRACE({0, ATTACH(100, 5000), "info"}, {1, STREAM(120, 150), "get 120"}, {2, MISSING(120), "info"},
        {3, STREAM(151, 150), "lost 101-150; create 151"});
}

Test(cursor_attach, every_question_has_its_time) {
  const char *late = "disturbed (a question was not answered in time)";
  TRACE({0, ATTACH(100, 5000), "info"}, {1999, TIMER, ""}, {2000, TIMER, late}, {9000, TIMER, ""});
  TRACE({0, ATTACH(100, 5000), "info"}, {1900, STREAM(1, 150), "get 100"}, {3899, TIMER, ""}, {3900, TIMER, late});
  TRACE({0, ATTACH(0, 0), "info"}, {1900, STREAM(1, 150), "create 1"}, {3899, TIMER, ""}, {3900, TIMER, late},
        {3901, CREATED, ""}, {4000, ATTACH(0, 0), "delete g1; info"});
}

Test(cursor_attach, an_error_ends_each_step) {
  const char *failed = "disturbed (the JetStream API answered with an error)";
  const char *gone = "disturbed (the consumer is gone)";
  TRACE({0, ATTACH(1, 5), "info"}, {1, API_ERROR, failed}, {2, STREAM(1, 9), ""});
  TRACE({0, ATTACH(1, 5), "info"}, {1, STREAM(1, 9), "get 1"}, {2, API_ERROR, failed}, {3, FOUND(1, 5), ""});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(1, 9), "create 1"}, {2, API_ERROR, failed}, {3, CREATED, ""});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(1, 9), "create 1"}, {2, GONE, gone}, {3, DETACH, "delete g1"});
}

Test(cursor_attach, answers_to_other_questions_are_ignored) {
  TRACE({0, ATTACH(100, 5), "info"}, {1, FOUND(100, 5), ""}, {1, MISSING(100), ""}, {1, CREATED, ""},
        {1, CONSUMER(9), ""}, {1, MESSAGE(101, 1), ""}, {1, HEARTBEAT(120, 0), ""}, {1, ENDED(1), ""},
        {1, COMMITTED(120, 9, 0), ""}, {2, STREAM(1, 150), "get 100"}, {3, STREAM(1, 1), ""}, {3, FOUND(99, 7), ""},
        {3, MISSING(1), ""}, {4, FOUND(100, 5), "create 101"}, {5, MESSAGE(101, 1), ""}, {5, HEARTBEAT(120, 0), ""},
        {6, CREATED, PULL1}, {7, CREATED, ""});
}

Test(cursor_attach, inputs_of_another_generation_change_nothing) {
  static const struct cursor_input stale[] = {STREAM(1, 1), FOUND(100, 9),   MISSING(100),      CREATED,  CONSUMER(9),
                                              API_ERROR,    MESSAGE(101, 1), HEARTBEAT(120, 7), ENDED(1), GONE};
  static const struct trace_step script[] = {{0, ATTACH(100, 5), "info"},
                                             {10, ATTACH(100, 5), "info"},
                                             {11, STREAM(1, 150), "get 100"},
                                             {12, FOUND(100, 5), "create 101"},
                                             {13, CREATED, PULL1}};
  struct cursor cursor;
  cursor_init(&cursor, &trace_limits);
  trace_run_from(&cursor, script, 1, __LINE__);
  for (size_t at = 1; at < 5; at++) {
    trace_run_from(&cursor, script + at, 1, __LINE__);
    for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++)
      for (uint64_t generation = 1; generation <= 3; generation += 2) {
        struct trace_step step = {20, stale[i], ""};
        const struct cursor before = cursor;
        step.input.generation = generation;
        trace_run_from(&cursor, &step, 1, __LINE__);
        cr_assert_arr_eq(&cursor, &before, sizeof(cursor), "input %zu of generation %" PRIu64, i, generation);
      }
  }
}

Test(cursor_attach, a_new_attach_throws_the_old_consumer_away) {
  TRACE({0, ATTACH(0, 0), "info"}, {1, ATTACH(0, 0), "info"}, {2, STREAM(1, 9), "create 1"},
        {3, ATTACH(0, 0), "delete g2; info"}, {4, STREAM(1, 9), "create 1"}, {5, CREATED, PULL1},
        {6, ATTACH(0, 0), "delete g3; info"}, {7, DETACH, ""}, {8, ATTACH(0, 0), "info"});
}

Test(cursor_attach, detach_from_every_state) {
  TRACE({0, DETACH, ""}, {1, TIMER, ""}, {2, ATTACH(0, 0), "info"}, {3, DETACH, ""}, {4, STREAM(1, 9), ""});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(1, 9), "create 1"}, {2, DETACH, "delete g1"}, {3, DETACH, ""},
        {3, CREATED, ""});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(1, 9), "create 1"}, {2, CREATED, PULL1}, {3, DETACH, "delete g1"},
        {4, MESSAGE(1, 1), ""}, {99999, TIMER, ""}, {99999, COMMITTED(1, 1, 1), ""});
  TRACE({0, ATTACH(0, 0), "info"}, {1, STREAM(1, 9), "create 1"}, {2, GONE, "disturbed (the consumer is gone)"},
        {3, DETACH, "delete g1"}, {4, ATTACH(0, 0), "info"});
}

Test(cursor_attach, deadlines_while_attaching) {
  struct cursor cursor;
  cursor_init(&cursor, &trace_limits);
  cr_assert_eq(cursor_deadline_ns(&cursor), INT64_MAX);
  trace_run_from(&cursor, (const struct trace_step[]){{7, ATTACH(0, 0), "info"}}, 1, __LINE__);
  cr_assert_eq(cursor_deadline_ns(&cursor), 2007 * NS_PER_MS);
  trace_run_from(&cursor, (const struct trace_step[]){{9, STREAM(1, 9), "create 1"}}, 1, __LINE__);
  cr_assert_eq(cursor_deadline_ns(&cursor), 2009 * NS_PER_MS);
  trace_run_from(&cursor, (const struct trace_step[]){{10, GONE, "disturbed (the consumer is gone)"}}, 1, __LINE__);
  cr_assert_eq(cursor_deadline_ns(&cursor), INT64_MAX);
}
