// SPDX-License-Identifier: MIT
// Reading: which messages are taken, how requests are kept open, how an idle partition moves, and every disturbance.
#include "test_cursor_trace.h"

#define PULL1 "pull 1x10"
// A consumer of a stream 1..100, read from 101 on, with its first request open.
#define READING                                                                                                        \
  {0, ATTACH(100, 5000), "info"}, {0, STREAM(1, 100), "get 100"}, {0, FOUND(100, 5000), "create 101"}, {               \
    0, CREATED, PULL1                                                                                                  \
  }

#define SILENT "disturbed (the consumer is silent)"

Test(cursor_reading, messages_are_taken_in_order_with_gaps_of_other_partitions) {
  TRACE(READING, {1, MESSAGE(101, 1), "take 101"}, {2, MESSAGE(140, 2), "take 140"}, {3, MESSAGE(141, 3), "take 141"});
}

Test(cursor_reading, a_gap_in_the_consumer_sequence) {
  const char *gap = "disturbed (a gap in the consumer's sequence)";
  TRACE(READING, {1, MESSAGE(101, 2), gap});
  TRACE(READING, {1, MESSAGE(101, 1), "take 101"}, {2, MESSAGE(103, 3), gap}, {3, MESSAGE(102, 2), ""});
}

Test(cursor_reading, a_consumer_sequence_that_comes_again) {
  const char *again = "disturbed (a consumer sequence came again)";
  TRACE(READING, {1, MESSAGE(101, 1), "take 101"}, {2, MESSAGE(102, 1), again});
  TRACE(READING, {1, MESSAGE(101, 0), again});
}

Test(cursor_reading, a_stream_sequence_that_comes_again_without_a_disconnect) {
  const char *again = "disturbed (a stream sequence that is not above the last one)";
  TRACE(READING, {1, MESSAGE(105, 1), "take 105"}, {2, MESSAGE(105, 2), again});
  TRACE(READING, {1, MESSAGE(105, 1), "take 105"}, {2, MESSAGE(104, 2), again});
  TRACE(READING, {1, MESSAGE(100, 1), again});
  TRACE(READING, {1, HEARTBEAT(120, 0), "get 120"}, {2, MESSAGE(119, 1), again});
}

Test(cursor_reading, after_a_disturbance_the_position_is_compared_again) {
  TRACE(READING, {1, MESSAGE(105, 1), "take 105"}, {2, COMMITTED(105, 6000, 1), ""},
        {3, MESSAGE(103, 2), "disturbed (a stream sequence that is not above the last one)"},
        {4, ATTACH(105, 6000), "delete g1; info"}, {5, STREAM(1, 110), "get 105"},
        {6, FOUND(105, 7000), "anew 1 (another message stands at the position); create 1"}, {7, CREATED, "pull 2x10"},
        {8, MESSAGE(1, 1), "take 1"});
}

Test(cursor_reading, a_disturbed_cursor_is_deaf_until_attached) {
  TRACE(READING, {1, GONE, "disturbed (the consumer is gone)"}, {2, MESSAGE(101, 1), ""}, {2, HEARTBEAT(120, 0), ""},
        {2, ENDED(1), ""}, {2, API_ERROR, ""}, {2, GONE, ""}, {2, STREAM(1, 1), ""}, {2, COMMITTED(101, 7, 1), ""},
        {999999, TIMER, ""}, {999999, ATTACH(101, 7), "delete g1; info"});
}

// Requests. The limits: batches of 10, at most 25 taken or asked for.

Test(cursor_reading, the_next_request_goes_out_when_half_a_batch_is_left) {
  TRACE(READING, {1, MESSAGE(101, 1), "take 101"}, {1, MESSAGE(102, 2), "take 102"}, {1, MESSAGE(103, 3), "take 103"},
        {1, MESSAGE(104, 4), "take 104"}, {1, MESSAGE(105, 5), "take 105; pull 2x10"});
}

static void messages_feed(struct cursor *cursor, uint64_t from, uint64_t to, size_t *ret_asked) {
  *ret_asked = 0;
  for (uint64_t i = from; i <= to; i++) {
    struct cursor_actions actions;
    const struct cursor_input input = {
        .kind = CURSOR_IN_MESSAGE, .now_ns = 1, .generation = cursor->generation, .seq = 100 + i, .consumer_seq = i};
    cursor_step(cursor, &input, &actions);
    cr_assert_eq(actions.items[0].kind, CURSOR_DO_TAKE, "message %" PRIu64, i);
    for (size_t k = 1; k < actions.count; k++)
      *ret_asked += actions.items[k].count;
  }
}

Test(cursor_reading, taken_and_asked_for_stay_within_the_buffer) {
  const struct trace_step start[] = {READING};
  struct cursor cursor;
  size_t asked = 0;
  cursor_init(&cursor, &trace_limits);
  trace_run_from(&cursor, start, 4, __LINE__);
  messages_feed(&cursor, 1, 25, &asked);
  cr_assert_eq(asked, 15, "25 in all: %zu after the first 10", asked);
  const struct trace_step full[] = {
      {2, TIMER, ""},
      {2, HEARTBEAT(125, 25), ""}, // nothing may be asked for, and nothing is idle
      {3, COMMITTED(103, 1, 3), "pull 4x3"},
      {4, COMMITTED(110, 1, 7), "pull 5x7"},
      {5, COMMITTED(125, 1, 15), ""}, // ten are on their way
      {6, COMMITTED(125, 1, 99), ""}, // a count too large does no harm
      {7, ENDED(4), ""},
      {8, ENDED(5), "pull 6x10"},
  };
  trace_run_from(&cursor, full, sizeof(full) / sizeof(full[0]), __LINE__);
}

Test(cursor_reading, more_messages_than_asked_for_do_not_grow_the_queue) {
  const struct trace_step start[] = {READING};
  struct cursor cursor;
  size_t asked = 0;
  cursor_init(&cursor, &trace_limits);
  trace_run_from(&cursor, start, 4, __LINE__);
  messages_feed(&cursor, 1, 25, &asked);
  const struct trace_step more[] = {{2, MESSAGE(126, 26), "disturbed (more messages than were asked for)"}};
  trace_run_from(&cursor, more, 1, __LINE__);
}

Test(cursor_reading, a_message_counts_for_the_request_it_answers) {
  // The server serves request 2 first: when 2 is exhausted, 5 of request 1 are still open.
  const struct trace_step start[] = {READING};
  struct cursor cursor;
  size_t asked = 0;
  cursor_init(&cursor, &trace_limits);
  trace_run_from(&cursor, start, 4, __LINE__);
  messages_feed(&cursor, 1, 5, &asked);
  cr_assert_eq(asked, 10);
  const struct trace_step trace[] = {
      {1, MESSAGE_OF(106, 6, 2), "take 106"},
      {1, MESSAGE_OF(107, 7, 2), "take 107"},
      {2, COMMITTED(107, 1, 7), ""}, // 13 left
      {3, ENDED(1), ""},             // 8 left, all of request 2
      {4, MESSAGE_OF(108, 8, 2), "take 108"},
      {4, MESSAGE_OF(109, 9, 1), "take 109"}, // a request that was given up counts no more
      {4, MESSAGE_OF(110, 10, 2), "take 110"},
      {4, MESSAGE_OF(111, 11, 2), "take 111; pull 3x10"},
  };
  trace_run_from(&cursor, trace, sizeof(trace) / sizeof(trace[0]), __LINE__);
}

Test(cursor_reading, a_request_that_ended_is_issued_again) {
  TRACE(READING, {9500, HEARTBEAT(100, 0), ""}, {10000, ENDED(1), "pull 2x10"}, {10001, ENDED(1), ""},
        {10002, ENDED(77), ""});
}

Test(cursor_reading, requests_that_end_at_once_are_not_repeated_in_a_hot_loop) {
  TRACE(READING, {1, ENDED(1), "pull 2x10"}, {2, ENDED(2), "pull 3x10"}, {3, ENDED(3), ""},
        {4, COMMITTED(100, 5000, 0), ""}, {1002, TIMER, ""}, {1003, TIMER, "pull 4x10"}, {1004, ENDED(4), ""},
        {2004, TIMER, "pull 5x10"}, {2005, HEARTBEAT(100, 0), ""}, {2006, ENDED(5), "pull 6x10"},
        {2007, ENDED(6), "pull 7x10"}, {2008, MESSAGE(101, 1), "take 101"}, {2009, ENDED(7), "pull 8x10"});
}

Test(cursor_reading, a_sign_of_life_ends_the_pause) {
  TRACE(READING, {1, ENDED(1), "pull 2x10"}, {2, ENDED(2), "pull 3x10"}, {3, ENDED(3), ""},
        {4, HEARTBEAT(100, 0), "pull 4x10"});
}

Test(cursor_reading, a_request_whose_end_was_never_told_ends_by_itself) {
  const struct trace_step start[] = {READING};
  struct cursor cursor;
  cursor_init(&cursor, &trace_limits);
  trace_run_from(&cursor, start, 4, __LINE__);
  for (int64_t s = 1; s <= 10; s++)
    trace_run_from(&cursor, (const struct trace_step[]){{s * 1000, HEARTBEAT(100, 0), ""}}, 1, __LINE__);
  const struct trace_step lost_408[] = {
      {11999, TIMER, ""}, {12000, TIMER, "pull 2x10"}, {14999, TIMER, ""}, {15000, TIMER, SILENT}};
  trace_run_from(&cursor, lost_408, 4, __LINE__);
}

// Silence.

Test(cursor_reading, three_missed_heartbeats) {
  TRACE(READING, {2999, TIMER, ""}, {3000, TIMER, SILENT});
  TRACE(READING, {2000, HEARTBEAT(100, 0), ""}, {4999, TIMER, ""}, {5000, TIMER, SILENT});
  TRACE(READING, {2000, MESSAGE(101, 1), "take 101"}, {4999, TIMER, ""}, {5000, TIMER, SILENT});
}

Test(cursor_reading, without_an_open_request_silence_says_nothing) {
  const struct trace_step start[] = {READING};
  struct cursor cursor;
  size_t asked = 0;
  cursor_init(&cursor, &trace_limits);
  trace_run_from(&cursor, start, 4, __LINE__);
  messages_feed(&cursor, 1, 25, &asked);
  cr_assert_eq(cursor_deadline_ns(&cursor), 60 * NS_PER_SECOND); // nothing but the inspection
  const struct trace_step stall[] = {
      {50000, TIMER, ""}, {50000, COMMITTED(125, 1, 25), "pull 4x10"}, {52999, TIMER, ""}, {53000, TIMER, SILENT}};
  trace_run_from(&cursor, stall, 4, __LINE__);
}

// Heartbeats.

Test(cursor_reading, an_idle_partition_moves_on_by_heartbeats) {
  TRACE(READING, {1000, HEARTBEAT(120, 0), "get 120"}, {1001, FOUND(120, 9000), "advance 120@9000"},
        {1002, COMMITTED(120, 9000, 0), ""}, {2000, HEARTBEAT(120, 0), ""}, {3000, HEARTBEAT(130, 0), ""},
        {6000, HEARTBEAT(130, 0), ""}, {6001, HEARTBEAT(130, 0), "get 130"},
        {6002, FOUND(130, 9900), "advance 130@9900"});
}

Test(cursor_reading, nothing_taken_and_not_committed_is_passed) {
  TRACE(READING, {1, MESSAGE(110, 1), "take 110"}, {1000, HEARTBEAT(120, 1), ""}, {1500, COMMITTED(110, 7, 1), ""},
        {2000, HEARTBEAT(120, 1), "get 120"}, {2001, MESSAGE(125, 2), "take 125"}, {2002, FOUND(120, 9000), ""},
        {2003, COMMITTED(125, 9500, 1), ""}, {3000, HEARTBEAT(126, 2), "get 126"},
        {3001, FOUND(126, 9600), "advance 126@9600"});
}

Test(cursor_reading, a_candidate_passed_meanwhile_is_dropped) {
  TRACE(READING, {1000, HEARTBEAT(120, 0), "get 120"}, {1001, MESSAGE(125, 1), "take 125"},
        {1002, COMMITTED(125, 9500, 1), ""}, {1003, FOUND(120, 9000), ""});
}

Test(cursor_reading, an_advance_is_not_repeated_while_it_waits_to_be_written) {
  TRACE(READING, {1000, HEARTBEAT(120, 0), "get 120"}, {1001, FOUND(120, 9000), "advance 120@9000"},
        {9000, HEARTBEAT(120, 0), ""});
}

Test(cursor_reading, a_candidate_that_is_gone_is_forgotten) {
  TRACE(READING, {1000, HEARTBEAT(120, 0), "get 120"}, {1001, MISSING(119), ""}, {1002, MISSING(120), ""},
        {1003, FOUND(120, 9000), ""}, {2000, HEARTBEAT(121, 0), "get 121"}, {2001, FOUND(120, 9000), ""},
        {2002, FOUND(121, 9001), "advance 121@9001"});
}

Test(cursor_reading, a_heartbeat_ahead_tells_of_lost_messages) {
  const char *lost = "disturbed (a heartbeat tells of messages that did not come)";
  TRACE(READING, {1000, HEARTBEAT(120, 1), lost});
  TRACE(READING, {1, MESSAGE(101, 1), "take 101"}, {1000, HEARTBEAT(120, 2), lost});
}

Test(cursor_reading, a_heartbeat_behind_is_of_another_consumer) {
  TRACE(READING, {1, MESSAGE(101, 1), "take 101"},
        {1000, HEARTBEAT(120, 0), "disturbed (a heartbeat of a consumer that delivered less)"});
}

// Questions and inspection. What fails for want of an answer while reading, and what INFO shows.

Test(cursor_reading, a_candidate_unanswered) {
  TRACE(READING, {1000, HEARTBEAT(120, 0), "get 120"}, {2000, HEARTBEAT(120, 0), ""}, {2999, TIMER, ""},
        {3000, TIMER, "disturbed (a question was not answered in time)"});
}

Test(cursor_reading, errors) {
  TRACE(READING, {1, API_ERROR, "disturbed (the JetStream API answered with an error)"});
  TRACE(READING, {1, GONE, "disturbed (the consumer is gone)"});
}

// Alive up to the first inspection, with message 101 taken as the consumer's first.
#define TO_INSPECTION                                                                                                  \
  READING, {1, MESSAGE(101, 1), "take 101"}, {59500, HEARTBEAT(101, 1), ""}, {59999, COMMITTED(101, 5001, 1), ""}, {   \
    60000, TIMER, "pull 2x10; info"                                                                                    \
  }

Test(cursor_reading, an_inspection_finds_all_well) {
  TRACE(TO_INSPECTION, {60001, TIMER, ""}, {60002, STREAM(1, 101), "inspect"}, {60003, CONSUMER(1), ""},
        {61999, HEARTBEAT(101, 1), ""}, {62500, TIMER, ""});
}

Test(cursor_reading, the_consumer_has_delivered_what_never_came) {
  TRACE(TO_INSPECTION, {60002, STREAM(1, 105), "inspect"}, {60003, CONSUMER(3), ""}, {61002, TIMER, ""},
        {61003, TIMER, "disturbed (the consumer has delivered messages that did not come)"});
  TRACE(TO_INSPECTION, {60002, STREAM(1, 105), "inspect"}, {60003, CONSUMER(3), ""},
        {60500, MESSAGE(103, 2), "take 103"}, {61002, TIMER, ""},
        {61003, TIMER, "disturbed (the consumer has delivered messages that did not come)"});
  TRACE(TO_INSPECTION, {60002, STREAM(1, 105), "inspect"}, {60003, CONSUMER(3), ""},
        {60500, MESSAGE(103, 2), "take 103"}, {60600, MESSAGE(104, 3), "take 104"}, {61003, TIMER, ""});
}

Test(cursor_reading, inspections_in_quick_succession_do_not_put_off_the_verdict) {
  struct cursor_limits limits = trace_limits;
  limits.inspect_interval_ns = 600 * NS_PER_MS;
  TRACE_WITH(limits, READING, {600, TIMER, "info"}, {601, STREAM(1, 105), "inspect"}, {602, CONSUMER(2), ""},
             {1200, TIMER, "info"}, {1201, STREAM(1, 106), "inspect"}, {1202, CONSUMER(3), ""}, {1601, TIMER, ""},
             {1602, TIMER, "disturbed (the consumer has delivered messages that did not come)"});
}

// A heartbeat every half second, and nothing else.
#define BEATS(second)                                                                                                  \
  {(second) + 400, HEARTBEAT(100, 0), ""}, { (second) + 900, HEARTBEAT(100, 0), "" }
#define BEHIND(second, last)                                                                                           \
  BEATS(second), {(second) + 1000, TIMER, "info"}, {(second) + 1001, STREAM(1, last), "inspect"}, {                    \
    (second) + 1002, CONSUMER(0), ""                                                                                   \
  }

Test(cursor_reading, the_stream_holds_what_the_consumer_does_not_tell_of) {
  struct cursor_limits limits = trace_limits;
  limits.inspect_interval_ns = NS_PER_SECOND;
  TRACE_WITH(limits, READING, BEHIND(0, 103), BEHIND(1000, 104), BEATS(2000), {3000, TIMER, "info"},
             {3001, STREAM(1, 104), "get 104"},
             {3002, FOUND(104, 5004), "disturbed (the stream holds messages that the consumer does not tell of)"});
  // It is deleted, or has come in the meantime; one that reads on is only busy.
  TRACE_WITH(limits, READING, BEHIND(0, 103), BEHIND(1000, 104), BEATS(2000), {3000, TIMER, "info"},
             {3001, STREAM(1, 104), "get 104"}, {3002, MISSING(104), ""}, BEHIND(3000, 104));
  TRACE_WITH(limits, READING, BEHIND(0, 103), BEHIND(1000, 104), BEATS(2000), {3000, TIMER, "info"},
             {3001, STREAM(1, 104), "get 104"}, {3002, MESSAGE(104, 1), "take 104"}, {3003, FOUND(104, 5004), ""});
  TRACE_WITH(limits, READING, BEHIND(0, 109), BEHIND(1000, 109), {2900, MESSAGE(101, 1), "take 101"},
             {3000, TIMER, "info"}, {3001, STREAM(1, 109), "inspect"});
}

Test(cursor_reading, the_first_inspection_waits_its_interval) {
  TRACE({70000, ATTACH(0, 0), "info"}, {70001, STREAM(1, 9), "create 1"}, {70002, CREATED, PULL1}, {70003, TIMER, ""});
}

Test(cursor_reading, the_consumer_has_delivered_less_than_was_read) {
  TRACE(TO_INSPECTION, {60002, STREAM(1, 105), "inspect"},
        {60003, CONSUMER(0), "disturbed (the consumer has delivered less than was read)"});
}

Test(cursor_reading, a_message_may_overtake_the_answer) {
  TRACE(TO_INSPECTION, {60001, MESSAGE(102, 2), "take 102"}, {60002, STREAM(1, 101), "inspect"},
        {60003, MESSAGE(103, 3), "take 103"}, {60004, CONSUMER(2), ""}, {61500, TIMER, ""});
}

Test(cursor_reading, the_stream_ends_before_what_was_read) {
  TRACE(TO_INSPECTION, {60002, STREAM(1, 100), "disturbed (the stream ends before what was read)"},
        {60003, ATTACH(101, 5001), "delete g1; info"},
        {60004, STREAM(1, 100), "anew 1 (the stream ends before the position); create 1"});
  TRACE(TO_INSPECTION, {60002, STREAM(0, 0), "disturbed (the stream ends before what was read)"});
}

Test(cursor_reading, what_expires_unread_while_nothing_is_pulled_is_named) {
  TRACE(TO_INSPECTION, {60002, STREAM(102, 110), "inspect"}); // read: no loss
  TRACE(TO_INSPECTION, {60002, STREAM(106, 110), "lost 102-105; inspect"}, {60003, CONSUMER(1), ""},
        {60004, MESSAGE(106, 2), "take 106"});
  TRACE(TO_INSPECTION, {60002, STREAM(111, 110), "lost 102-110; inspect"}, {60003, CONSUMER(1), ""},
        {60004, MESSAGE(110, 2), "disturbed (a stream sequence that is not above the last one)"});
}

Test(cursor_reading, a_purge_below_the_position_is_no_loss) {
  // 105 was read and committed after the question: the janitor may have been quick.
  TRACE(TO_INSPECTION, {60001, MESSAGE(105, 2), "take 105"}, {60001, COMMITTED(105, 5005, 1), ""},
        {60002, STREAM(106, 110), "inspect"});
}

Test(cursor_reading, inspection_goes_on_and_waits_its_interval) {
  TRACE(TO_INSPECTION, {60002, STREAM(1, 101), "inspect"}, {60003, CONSUMER(1), ""}, {61000, HEARTBEAT(101, 1), ""},
        {72000, TIMER, "pull 3x10"}, {74000, HEARTBEAT(101, 1), ""}, {76000, HEARTBEAT(101, 1), ""},
        {119000, ENDED(3), "pull 4x10"}, {119999, TIMER, ""}, {120000, TIMER, "info"}, {121999, HEARTBEAT(101, 1), ""},
        {122000, TIMER, "disturbed (a question was not answered in time)"});
}

Test(cursor_reading, an_open_question_puts_off_the_inspection) {
  TRACE(READING, {59000, HEARTBEAT(120, 0), "get 120"}, {60000, TIMER, "pull 2x10"},
        {60500, FOUND(120, 9000), "advance 120@9000"}, {60501, TIMER, "info"});
}

Test(cursor_reading, deadlines_while_reading) {
  const struct trace_step start[] = {READING};
  struct cursor cursor;
  cursor_init(&cursor, &trace_limits);
  trace_run_from(&cursor, start, 4, __LINE__);
  cr_assert_eq(cursor_deadline_ns(&cursor), 3 * NS_PER_SECOND); // silence
  trace_run_from(&cursor, (const struct trace_step[]){{900, HEARTBEAT(120, 0), "get 120"}}, 1, __LINE__);
  cr_assert_eq(cursor_deadline_ns(&cursor), 2900 * NS_PER_MS); // the answer
  trace_run_from(&cursor, (const struct trace_step[]){{901, MISSING(120), ""}}, 1, __LINE__);
  cr_assert_eq(cursor_deadline_ns(&cursor), 3900 * NS_PER_MS); // silence again
  trace_run_from(&cursor, (const struct trace_step[]){{11000, HEARTBEAT(120, 0), "get 120"}, {11001, MISSING(120), ""}},
                 2, __LINE__);
  cr_assert_eq(cursor_deadline_ns(&cursor), 12 * NS_PER_SECOND); // the request is over
}
