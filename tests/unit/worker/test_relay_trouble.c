// SPDX-License-Identifier: MIT
// Scripted cases for what goes wrong: duplicates, refusals, silence, failed expectations, lost connections and
// partitions, stale answers.
#include "test_relay_script.h"

Test(relay_trouble, a_duplicate_is_no_proof) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  push(&server, 2, 1);
  relay_run(server.relay, 1);
  uint64_t one = take_publish(&server, 1, 1, -1);
  uint64_t two = take_publish(&server, 2, 1, -1);
  cr_expect(relay_acknowledged(server.relay, one, 99, true, 2));
  cr_expect(relay_acknowledged(server.relay, two, 99, true, 2));
  cr_expect_eq(relay_prefix(server.relay, 0), 0);
  cr_expect_eq(relay_highest_seq(server.relay), 0, "its sequence proves nothing either");
  relay_run(server.relay, 3);
  cr_expect(relay_last_found(server.relay, take_question(&server, 1, 1), 5, 1, 4));
  cr_expect_eq(relay_prefix(server.relay, 0), 1, "this one was stored");
  cr_expect(relay_last_missing(server.relay, take_question(&server, 2, 1), 4));
  relay_run(server.relay, 5);
  two = take_publish(&server, 2, 1, 0);
  cr_expect(relay_acknowledged(server.relay, two, 99, true, 6));
  relay_run(server.relay, 6 + BACKOFF - 1);
  expect_silence(&server);
  relay_run(server.relay, 6 + BACKOFF);
  cr_expect(relay_last_missing(server.relay, take_question(&server, 2, 1), 20));
  relay_run(server.relay, 20);
  acknowledge(&server, take_publish(&server, 2, 1, 0), 6);
  cr_expect_eq(relay_prefix(server.relay, 0), 2);
  cr_expect_eq(relay_counters(server.relay).duplicates, 3);
  server_stop(&server);
}

Test(relay_trouble, a_refused_event_backs_off_and_its_successor_stays_behind) {
  struct relay_limits limits = limits_default();
  limits.careful_after_ns = 100000;
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  push(&server, 1, 2);
  relay_run(server.relay, 0);
  uint64_t token = take_publish(&server, 1, 1, -1);
  int64_t now = 0, backoff = BACKOFF;
  for (int i = 0; i < 8; i++) {
    cr_assert(relay_refused(server.relay, token, false, now));
    cr_assert_eq(relay_deadline_ns(server.relay), now + backoff);
    relay_run(server.relay, now + backoff - 1);
    expect_silence(&server);
    now += backoff;
    relay_run(server.relay, now);
    token = take_question(&server, 1, 1);
    expect_silence(&server);
    backoff = backoff < 32 * BACKOFF ? backoff * 2 : backoff;
  }
  cr_expect_eq(backoff, 32 * BACKOFF);
  cr_expect(relay_last_found(server.relay, token, 3, 1, now));
  relay_run(server.relay, now);
  (void)take_publish(&server, 1, 2, -1); // care is per entry
  cr_expect_eq(relay_counters(server.relay).refused, 8);
  server_stop(&server);
}

Test(relay_trouble, silence_is_followed_by_care_and_a_late_answer_is_ignored) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  relay_run(server.relay, 0);
  uint64_t token = take_publish(&server, 1, 1, -1);
  relay_run(server.relay, ACK_TIMEOUT - 1);
  cr_expect_eq(relay_counters(server.relay).timeouts, 0);
  relay_run(server.relay, ACK_TIMEOUT);
  cr_expect_eq(relay_counters(server.relay).timeouts, 1);
  cr_expect(!relay_acknowledged(server.relay, token, 1, false, ACK_TIMEOUT));
  cr_expect_eq(relay_prefix(server.relay, 0), 0);
  cr_expect_eq(relay_deadline_ns(server.relay), ACK_TIMEOUT + BACKOFF);
  relay_run(server.relay, ACK_TIMEOUT + BACKOFF);
  uint64_t question = take_question(&server, 1, 1);
  cr_expect(!relay_acknowledged(server.relay, token, 1, false, ACK_TIMEOUT));
  relay_run(server.relay, 2 * ACK_TIMEOUT + BACKOFF); // silence on the question too
  cr_expect_eq(relay_counters(server.relay).timeouts, 2);
  cr_expect(!relay_last_missing(server.relay, question, 2 * ACK_TIMEOUT + BACKOFF));
  relay_run(server.relay, 2 * ACK_TIMEOUT + 3 * BACKOFF);
  (void)take_question(&server, 1, 1);
  server_stop(&server);
}

Test(relay_trouble, a_failed_expectation_asks_again_soon) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push_careful(&server, 1, 2);
  relay_run(server.relay, 0);
  for (int i = 0; i < 3; i++) { // refused questions do not count for the expectation's backoff
    cr_expect(relay_refused(server.relay, take_question(&server, 1, 2), false, 0));
    relay_run(server.relay, 1000);
  }
  cr_expect(relay_last_found(server.relay, take_question(&server, 1, 2), 4, 1, 1000));
  relay_run(server.relay, 1000);
  cr_expect(relay_refused(server.relay, take_publish(&server, 1, 2, 4), true, 1001));
  cr_expect_eq(relay_deadline_ns(server.relay), 1001 + BACKOFF);
  relay_run(server.relay, 1001 + BACKOFF);
  cr_expect(relay_last_found(server.relay, take_question(&server, 1, 2), 5, 2, 1020));
  cr_expect_eq(relay_prefix(server.relay, 0), 1);
  cr_expect_eq(relay_counters(server.relay).wrong_last, 1);
  cr_expect_eq(relay_counters(server.relay).refused, 3);
  server_stop(&server);
}

Test(relay_trouble, a_failing_port_makes_one_entry_careful_and_spares_the_others) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  push(&server, 2, 1);
  server.status = LUMIN_CONNECTION_LOST;
  relay_run(server.relay, 5);
  uint64_t dead = take_publish(&server, 1, 1, -1);
  expect_silence(&server);
  cr_expect(!relay_acknowledged(server.relay, dead, 1, false, 5));
  server.status = LUMIN_OK;
  cr_expect_eq(relay_deadline_ns(server.relay), 5 + BACKOFF);
  relay_run(server.relay, 5 + BACKOFF - 1);
  expect_silence(&server);
  relay_run(server.relay, 5 + BACKOFF);
  (void)take_question(&server, 1, 1);
  (void)take_publish(&server, 2, 1, -1);
  server_stop(&server);
}

Test(relay_trouble, a_lost_connection_makes_the_unanswered_careful_at_once) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  push_careful(&server, 2, 1);
  push_careful(&server, 3, 1);
  push(&server, 1, 2);
  relay_run(server.relay, 1);
  uint64_t one = take_publish(&server, 1, 1, -1);
  uint64_t two = take_question(&server, 2, 1);
  cr_expect(relay_last_missing(server.relay, take_question(&server, 3, 1), 1));
  relay_run(server.relay, 1);
  uint64_t three = take_publish(&server, 3, 1, 0);
  relay_disconnected(server.relay);
  push(&server, 4, 1);
  cr_expect(!relay_acknowledged(server.relay, one, 1, false, 2));
  cr_expect(!relay_last_missing(server.relay, two, 2));
  cr_expect(!relay_refused(server.relay, three, true, 2));
  relay_run(server.relay, 3);
  one = take_question(&server, 1, 1);
  (void)take_question(&server, 2, 1);
  (void)take_question(&server, 3, 1);
  (void)take_publish(&server, 4, 1, -1);
  expect_silence(&server);
  cr_expect(relay_last_found(server.relay, one, 1, 1, 4));
  relay_run(server.relay, 5);
  (void)take_publish(&server, 1, 2, -1);
  server_stop(&server);
}

Test(relay_trouble, a_closed_partition_forgets_its_entries_wherever_they_stand) {
  struct relay_limits limits = limits_default();
  limits.window = 4;
  struct server server;
  server_start(&server, &limits);
  relay_open(server.relay, 1, 10);
  for (uint8_t user = 1; user <= 6; user++)
    push(&server, user, 1);
  push(&server, 1, 2); // chained
  struct relay_entry other = entry_of(9, 1, 11);
  other.partition = 1;
  cr_assert_eq(push_entry(&server, other), LUMIN_OK);
  relay_run(server.relay, 1);
  uint64_t stale = take_publish(&server, 1, 1, -1);
  cr_expect(relay_refused(server.relay, take_publish(&server, 2, 1, -1), false, 1));        // backoff
  cr_expect(relay_acknowledged(server.relay, take_publish(&server, 3, 1, -1), 1, true, 1)); // returned
  acknowledge(&server, take_publish(&server, 4, 1, -1), 1);                                 // ahead of the prefix
  relay_close(server.relay, 0);
  cr_expect_eq(relay_held(server.relay), 1);
  cr_expect_eq(server.messages, 1);
  cr_expect(!relay_acknowledged(server.relay, stale, 2, false, 2));
  cr_expect_eq(push_entry(&server, entry_of(1, 3, 8)), LUMIN_INTERNAL);
  relay_run(server.relay, 2);
  (void)take_publish(&server, 9, 1, -1); // the other partition is not touched
  expect_silence(&server);

  relay_open(server.relay, 0, 2);
  cr_expect_eq(relay_skip(server.relay, 0, 3), LUMIN_OK);
  cr_expect_eq(relay_prefix(server.relay, 0), 3, "4 was acknowledged, but not since the opening");
  push(&server, 1, 2);
  cr_expect_eq(relay_skip(server.relay, 0, 5), LUMIN_OK);
  relay_run(server.relay, 3);
  uint64_t token = take_publish(&server, 1, 2, -1);
  cr_expect(!relay_acknowledged(server.relay, stale, 2, false, 3));
  acknowledge(&server, token, 3);
  cr_expect_eq(relay_prefix(server.relay, 0), 5);
  server_stop(&server);
}

Test(relay_trouble, a_token_names_one_send_only) {
  struct relay_limits limits = limits_default();
  limits.entries = 1; // always the same slot
  struct server server;
  server_start(&server, &limits);
  push(&server, 1, 1);
  relay_run(server.relay, 1);
  uint64_t first = take_publish(&server, 1, 1, -1);
  acknowledge(&server, first, 1);
  cr_expect(!relay_acknowledged(server.relay, first, 1, false, 1));
  push(&server, 1, 2);
  cr_expect(!relay_acknowledged(server.relay, first, 1, false, 1));
  relay_run(server.relay, 1);
  (void)take_publish(&server, 1, 2, -1);
  cr_expect(!relay_acknowledged(server.relay, first, 1, false, 1));
  cr_expect(!relay_refused(server.relay, first, false, 1));
  cr_expect(!relay_acknowledged(server.relay, UINT64_MAX, 1, false, 1));
  cr_expect(!relay_acknowledged(server.relay, 0, 1, false, 1));
  cr_expect_eq(relay_prefix(server.relay, 0), 1);
  server_stop(&server);
}

// ---- missing events, where later ones of their user are on the stream

static void push_absent(struct server *server, uint8_t user, uint64_t version, uint64_t seen_seq) {
  struct relay_entry entry = entry_of(user, version, relay_pushed(server->relay, 0) + 1);
  entry.careful = true;
  entry.absent_seq = seen_seq;
  cr_assert_eq(push_entry(server, entry), LUMIN_OK);
}

Test(relay_trouble, a_missing_event_comes_behind_later_ones_that_were_seen) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push_absent(&server, 1, 3, 50);
  push_absent(&server, 1, 4, 50);
  push_absent(&server, 2, 7, 50);
  relay_run(server.relay, 1);
  cr_expect(relay_last_found(server.relay, take_question(&server, 1, 3), 50, 9, 1));
  cr_expect(relay_last_found(server.relay, take_question(&server, 2, 7), 90, 7, 1), "it is there by now");
  relay_run(server.relay, 1);
  acknowledge(&server, take_publish(&server, 1, 3, 50), 51);
  relay_run(server.relay, 1);
  cr_expect(relay_last_found(server.relay, take_question(&server, 1, 4), 51, 3, 1), "its predecessor");
  relay_run(server.relay, 1);
  acknowledge(&server, take_publish(&server, 1, 4, 51), 52);
  cr_expect_eq(relay_prefix(server.relay, 0), 3);
  cr_expect_not(relay_is_overtaken(server.relay));
  server_stop(&server);
}

Test(relay_trouble, a_later_event_that_nobody_here_has_sent_ends_it) {
  struct relay_limits limits = limits_default();
  struct server server;
  server_start(&server, &limits);
  push_absent(&server, 1, 3, 50);
  push_absent(&server, 2, 7, 50);
  push(&server, 3, 1);
  relay_run(server.relay, 1);
  cr_expect(relay_last_found(server.relay, take_question(&server, 1, 3), 51, 9, 1));
  cr_expect(relay_is_overtaken(server.relay));
  cr_expect(relay_last_missing(server.relay, take_question(&server, 2, 7), 1));
  acknowledge(&server, take_publish(&server, 3, 1, -1), 52);
  relay_run(server.relay, 50 * BACKOFF);
  expect_silence(&server);
  cr_expect_eq(relay_prefix(server.relay, 0), 0);
  cr_expect_eq(relay_highest_seq(server.relay), 52, "what another has published vouches for nothing of this relay's");

  relay_close(server.relay, 0);
  relay_open(server.relay, 0, 2);
  cr_expect_not(relay_is_overtaken(server.relay));
  push(&server, 3, 2);
  relay_run(server.relay, 50 * BACKOFF);
  acknowledge(&server, take_publish(&server, 3, 2, -1), 53);
  cr_expect_eq(relay_prefix(server.relay, 0), 3);
  server_stop(&server);
}
