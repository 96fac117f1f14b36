// SPDX-License-Identifier: MIT
// Scripted cases for the relay's rules as long as nothing goes wrong: order, window, care, limits, timers.
#include "test_relay_script.h"

Test(relay, fresh_events_go_in_push_order_up_to_the_window) {
  struct relay_limits limits = limits_default();
  limits.window = 3;
  struct server server;
  server_start(&server, &limits);
  for (uint8_t user = 1; user <= 5; user++)
    push(&server, user, 1);
  cr_expect_eq(relay_deadline_ns(server.relay), 0, "there is something to send");
  relay_run(server.relay, 1);
  uint64_t first = take_publish(&server, 1, 1, -1);
  (void)take_publish(&server, 2, 1, -1);
  (void)take_publish(&server, 3, 1, -1);
  expect_silence(&server);
  cr_expect_eq(relay_deadline_ns(server.relay), 1 + ACK_TIMEOUT, "the window is full");
  acknowledge(&server, first, 7);
  relay_run(server.relay, 2);
  (void)take_publish(&server, 4, 1, -1);
  expect_silence(&server);
  cr_expect_eq(relay_sends(server.relay, 0), 4);
  cr_expect_eq(relay_counters(server.relay).published, 4);
  cr_expect_eq(relay_held(server.relay), 4);
  server_stop(&server);
}

Test(relay, a_user_has_one_event_under_way_and_others_overtake) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  push(&server, 1, 2);
  push(&server, 2, 1);
  push(&server, 1, 3);
  relay_run(server.relay, 1);
  uint64_t one = take_publish(&server, 1, 1, -1);
  uint64_t two = take_publish(&server, 2, 1, -1);
  expect_silence(&server);
  acknowledge(&server, two, 1);
  cr_expect_eq(relay_prefix(server.relay, 0), 0, "position 1 is open");
  acknowledge(&server, one, 2);
  cr_expect_eq(relay_prefix(server.relay, 0), 1);
  relay_run(server.relay, 2);
  acknowledge(&server, take_publish(&server, 1, 2, -1), 3);
  cr_expect_eq(relay_prefix(server.relay, 0), 3, "the gap closes over what overtook");
  relay_run(server.relay, 3);
  acknowledge(&server, take_publish(&server, 1, 3, -1), 4);
  expect_silence(&server);
  cr_expect_eq(relay_prefix(server.relay, 0), 4);
  cr_expect_eq(relay_pushed(server.relay, 0), 4);
  cr_expect_eq(relay_highest_seq(server.relay), 4);
  cr_expect_eq(relay_counters(server.relay).acknowledged, 4);
  cr_expect_eq(relay_held(server.relay), 0);
  cr_expect_eq(relay_deadline_ns(server.relay), INT64_MAX);
  server_stop(&server);
}

Test(relay, an_entry_that_comes_back_takes_its_place_in_push_order) {
  struct relay_limits limits = limits_default();
  limits.window = 2;
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  push(&server, 2, 1);
  push(&server, 3, 1);
  push(&server, 1, 2);
  push(&server, 4, 1);
  push(&server, 2, 2);
  relay_run(server.relay, 1);
  uint64_t one = take_publish(&server, 1, 1, -1);
  uint64_t two = take_publish(&server, 2, 1, -1);
  acknowledge(&server, two, 1); // 2's successor is ready first, and was pushed last
  acknowledge(&server, one, 2);
  relay_run(server.relay, 2);
  uint64_t three = take_publish(&server, 3, 1, -1);
  uint64_t next = take_publish(&server, 1, 2, -1);
  expect_silence(&server);
  acknowledge(&server, three, 3);
  acknowledge(&server, next, 4);
  relay_run(server.relay, 3);
  (void)take_publish(&server, 4, 1, -1);
  (void)take_publish(&server, 2, 2, -1);
  expect_silence(&server);
  server_stop(&server);
}

Test(relay, successors_keep_push_order_however_the_answers_come) {
  enum { COUNT = 31 };
  struct relay_limits limits = limits_default();
  limits.window = COUNT;
  struct server server;
  server_start(&server, &limits);
  uint64_t tokens[COUNT];
  for (uint8_t i = 0; i < 2 * COUNT; i++)
    push(&server, i % COUNT + 1, i / COUNT + 1);
  relay_run(server.relay, 1);
  for (uint8_t i = 0; i < COUNT; i++)
    tokens[i] = take_publish(&server, i + 1, 1, -1);
  expect_silence(&server);
  for (int i = 0; i < COUNT; i++)
    acknowledge(&server, tokens[i * 12 % COUNT], 1);
  cr_expect_eq(relay_prefix(server.relay, 0), COUNT);
  relay_run(server.relay, 2);
  for (uint8_t i = 0; i < COUNT; i++)
    (void)take_publish(&server, i + 1, 2, -1);
  expect_silence(&server);
  server_stop(&server);
}

Test(relay, a_careful_event_found_on_the_stream_is_done) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push_careful(&server, 1, 5);
  push_careful(&server, 2, 5);
  relay_run(server.relay, 1);
  uint64_t one = take_question(&server, 1, 5);
  uint64_t two = take_question(&server, 2, 5);
  cr_expect_eq(relay_sends(server.relay, 0), 0, "questions are not publishes");
  cr_expect(!relay_acknowledged(server.relay, one, 9, false, 1), "a question has no PubAck");
  cr_expect(relay_last_found(server.relay, one, 30, 5, 2));
  cr_expect(relay_last_found(server.relay, two, 31, 6, 2), "a later version of the subject proves it too");
  relay_run(server.relay, 3);
  expect_silence(&server);
  cr_expect_eq(relay_prefix(server.relay, 0), 2);
  cr_expect_eq(relay_highest_seq(server.relay), 31);
  cr_expect_eq(relay_counters(server.relay).found_stored, 2);
  cr_expect_eq(relay_counters(server.relay).acknowledged, 0);
  server_stop(&server);
}

Test(relay, a_careful_event_is_published_with_what_the_question_told) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push_careful(&server, 1, 5);
  push_careful(&server, 2, 1);
  relay_run(server.relay, 1);
  cr_expect(relay_last_found(server.relay, take_question(&server, 1, 5), 30, 4, 2));
  cr_expect(relay_last_missing(server.relay, take_question(&server, 2, 1), 2));
  cr_expect_eq(relay_deadline_ns(server.relay), 0);
  relay_run(server.relay, 3);
  uint64_t one = take_publish(&server, 1, 5, 30);
  uint64_t two = take_publish(&server, 2, 1, 0);
  cr_expect(!relay_last_missing(server.relay, two, 3), "a publish is not a question");
  cr_expect(!relay_last_found(server.relay, two, 1, 1, 3));
  acknowledge(&server, one, 40);
  acknowledge(&server, two, 41);
  cr_expect_eq(relay_prefix(server.relay, 0), 2);
  cr_expect_eq(relay_counters(server.relay).found_stored, 0);
  server_stop(&server);
}

Test(relay, age_is_looked_at_when_the_event_is_sent) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  push(&server, 1, 2);
  push(&server, 2, 1);
  relay_run(server.relay, CAREFUL_AFTER);
  uint64_t one = take_publish(&server, 1, 1, -1);
  (void)take_publish(&server, 2, 1, -1);
  acknowledge(&server, one, 1);
  relay_run(server.relay, CAREFUL_AFTER + 1);
  (void)take_question(&server, 1, 2); // aged in the chain
  expect_silence(&server);
  server_stop(&server);
}

Test(relay, limits_on_entries_and_bytes_refuse_and_take_nothing) {
  struct relay_limits limits = limits_default();
  limits.entries = 3;
  limits.bytes = 45;
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  push(&server, 2, 1);
  struct relay_entry large = entry_of(3, 1, 3);
  large.bytes = 26;
  cr_expect_eq(push_entry(&server, large), LUMIN_RESOURCE_EXHAUSTED);
  large.bytes = 25;
  cr_expect_eq(push_entry(&server, large), LUMIN_OK);
  cr_expect_eq(push_entry(&server, entry_of(4, 1, 4)), LUMIN_RESOURCE_EXHAUSTED);
  cr_expect_eq(relay_pushed(server.relay, 0), 3);
  cr_expect_eq(relay_held(server.relay), 3);
  relay_run(server.relay, 1);
  acknowledge(&server, take_publish(&server, 1, 1, -1), 1);
  cr_expect_eq(push_entry(&server, entry_of(4, 1, 4)), LUMIN_OK, "room comes back");
  server_stop(&server);
}

Test(relay, a_partition_runs_only_so_far_ahead_of_its_prefix) {
  struct relay_limits limits = limits_default();
  limits.entries = 16; // 64 positions
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  relay_run(server.relay, 1);
  uint64_t stuck = take_publish(&server, 1, 1, -1);
  for (uint64_t position = 2; position <= 64; position++) {
    if (position % 2 == 0) {
      cr_assert_eq(relay_skip(server.relay, 0, position), LUMIN_OK);
      continue;
    }
    push(&server, 2, position);
    relay_run(server.relay, 1);
    acknowledge(&server, take_publish(&server, 2, position, -1), position);
  }
  cr_expect_eq(push_entry(&server, entry_of(2, 65, 65)), LUMIN_RESOURCE_EXHAUSTED);
  cr_expect_eq(relay_skip(server.relay, 0, 65), LUMIN_RESOURCE_EXHAUSTED);
  cr_expect_eq(relay_prefix(server.relay, 0), 0);
  acknowledge(&server, stuck, 65);
  cr_expect_eq(relay_prefix(server.relay, 0), 64);
  push(&server, 1, 2);
  push(&server, 2, 65);
  relay_run(server.relay, 1);
  acknowledge(&server, take_publish(&server, 1, 2, -1), 66);
  cr_expect_eq(relay_prefix(server.relay, 0), 65, "nothing of the ring's first round is left");
  server_stop(&server);
}

Test(relay, a_push_out_of_order_is_a_defect_of_the_caller) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  relay_open(server.relay, 1, 41);
  push(&server, 1, 3);
  cr_expect_eq(push_entry(&server, entry_of(2, 1, 1)), LUMIN_INTERNAL);
  cr_expect_eq(push_entry(&server, entry_of(2, 1, 3)), LUMIN_INTERNAL);
  cr_expect_eq(push_entry(&server, entry_of(1, 3, 2)), LUMIN_INTERNAL, "the user's version does not grow");
  struct relay_entry other = entry_of(1, 4, 42);
  other.partition = 1;
  cr_expect_eq(push_entry(&server, other), LUMIN_INTERNAL, "a user has one partition");
  other = entry_of(2, 1, 1);
  other.partition = 2;
  cr_expect_eq(push_entry(&server, other), LUMIN_INTERNAL, "not open");
  other.partition = 4;
  cr_expect_eq(push_entry(&server, other), LUMIN_INTERNAL, "no such partition");
  cr_expect_eq(relay_skip(server.relay, 0, 3), LUMIN_INTERNAL);
  cr_expect_eq(relay_skip(server.relay, 2, 1), LUMIN_INTERNAL);
  cr_expect_eq(relay_held(server.relay), 1);
  push(&server, 1, 4);
  relay_run(server.relay, 1);
  acknowledge(&server, take_publish(&server, 1, 3, -1), 1);
  relay_run(server.relay, 1);
  acknowledge(&server, take_publish(&server, 1, 4, -1), 2);
  cr_expect_eq(relay_prefix(server.relay, 0), 2);
  server_stop(&server);
}

Test(relay, a_skipped_position_counts_in_order) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  cr_expect_eq(relay_skip(server.relay, 0, 1), LUMIN_OK);
  cr_expect_eq(relay_prefix(server.relay, 0), 1);
  push(&server, 1, 1);
  cr_expect_eq(relay_skip(server.relay, 0, 3), LUMIN_OK);
  cr_expect_eq(relay_prefix(server.relay, 0), 1);
  cr_expect_eq(relay_pushed(server.relay, 0), 3);
  relay_run(server.relay, 1);
  acknowledge(&server, take_publish(&server, 1, 1, -1), 1);
  cr_expect_eq(relay_prefix(server.relay, 0), 3);
  expect_silence(&server);
  server_stop(&server);
}

Test(relay, the_port_may_answer_from_within) {
  struct relay_limits limits = limits_default();
  limits.window = 1;
  struct server server;
  server_start(&server, &limits);
  server.answers_at_once = true;
  for (uint64_t version = 1; version <= 20; version++)
    push(&server, 1, version);
  relay_run(server.relay, 1);
  for (uint64_t version = 1; version <= 20; version++)
    (void)take_publish(&server, 1, version, -1);
  expect_silence(&server);
  cr_expect_eq(relay_prefix(server.relay, 0), 20);
  server_stop(&server);
}

Test(relay, the_deadline_is_the_earliest_timer) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  cr_expect_eq(relay_deadline_ns(server.relay), INT64_MAX);
  push(&server, 1, 1);
  push(&server, 2, 1);
  relay_run(server.relay, 50);
  cr_expect_eq(relay_deadline_ns(server.relay), 50 + ACK_TIMEOUT);
  uint64_t one = take_publish(&server, 1, 1, -1);
  cr_expect(relay_refused(server.relay, one, false, 60));
  cr_expect_eq(relay_deadline_ns(server.relay), 60 + BACKOFF);
  relay_run(server.relay, 60 + BACKOFF);
  cr_expect_eq(relay_deadline_ns(server.relay), 50 + ACK_TIMEOUT);
  acknowledge(&server, take_publish(&server, 2, 1, -1), 1);
  cr_expect_eq(relay_deadline_ns(server.relay), 60 + BACKOFF + ACK_TIMEOUT);
  server_stop(&server);
}

Test(relay, limits_of_zero_are_refused) {
  struct relay_limits limits = limits_default();
  const struct relay_port port = {NULL, port_publish, port_ask_last, port_release};
  limits.window = 0;
  cr_expect_null(relay_create(&limits, &port));
  limits = limits_default();
  limits.entries = 0;
  cr_expect_null(relay_create(&limits, &port));
  limits = limits_default();
  limits.partitions = 0;
  cr_expect_null(relay_create(&limits, &port));
  relay_destroy(NULL);
}
