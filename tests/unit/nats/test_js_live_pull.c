// SPDX-License-Identifier: MIT
// What a real server sends to a pull request: messages, heartbeats and the ways a request ends. The cursor's rules rest
// on what is asserted here.
#include "js_live.h"

#define SPAN(text) SPAN_LITERAL(text)
#define HEARTBEAT_NS (100 * NS_PER_MS)

// One thing that came to an inbox: a message where `status` is 0.
struct arrival {
  int status;
  char text[64];          // behind the status
  uint64_t last_consumer; // of a heartbeat
  uint64_t last_stream;   //
  struct js_delivery at;  // of a message
  char header[64];        // its header "X"
  size_t size;            // of its body
  bool found;             // false: nothing came in time
};

static uint64_t header_number(natsMsg *message, const char *name) {
  const char *value = NULL;
  uint64_t number = 0;
  cr_assert_eq(natsMsgHeader_Get(message, name, &value), NATS_OK, "%s", name);
  cr_assert(span_to_u64(span_from_text(value), &number), "%s: %s", name, value);
  return number;
}

static struct arrival arrival_of(natsMsg *message) {
  struct arrival arrival = {.found = true, .size = (size_t)natsMsg_GetDataLength(message)};
  const char *value = NULL;
  if (natsMsgHeader_Get(message, "Status", &value) == NATS_OK) {
    arrival.status = atoi(value);
    if (natsMsgHeader_Get(message, "Description", &value) == NATS_OK)
      snprintf(arrival.text, sizeof arrival.text, "%s", value);
    if (arrival.status == 100) {
      arrival.last_consumer = header_number(message, "Nats-Last-Consumer");
      arrival.last_stream = header_number(message, "Nats-Last-Stream");
    }
    return arrival;
  }
  cr_assert_eq(js_delivery_parse(span_from_text(natsMsg_GetReply(message)), &arrival.at), LUMIN_OK, "%s",
               natsMsg_GetReply(message));
  cr_assert(span_equal(arrival.at.stream, SPAN("S")));
  if (natsMsgHeader_Get(message, "X", &value) == NATS_OK)
    snprintf(arrival.header, sizeof arrival.header, "%s", value);
  arrival.at.stream = arrival.at.consumer = SPAN_EMPTY; // they lie in the message
  return arrival;
}

static struct arrival next_of(natsSubscription *inbox, int64_t timeout_ms) {
  natsMsg *message = NULL;
  if (natsSubscription_NextMsg(&message, inbox, timeout_ms) != NATS_OK)
    return (struct arrival){0};
  struct arrival arrival = arrival_of(message);
  natsMsg_Destroy(message);
  return arrival;
}

// The next that is no heartbeat.
static struct arrival next_beside_heartbeats(natsSubscription *inbox) {
  struct arrival arrival;
  do
    arrival = next_of(inbox, LIVE_TIMEOUT_MS);
  while (arrival.status == 100);
  return arrival;
}

static struct js_consumer_info make(struct live *live, const char *name, uint64_t start_seq) {
  struct js_consumer consumer = {.stream = "S",
                                 .name = span_from_text(name),
                                 .filter = SPAN("a.1.>"),
                                 .start_seq = start_seq,
                                 .inactive_threshold_ns = 60 * NS_PER_SECOND};
  return live_make_consumer(live, &consumer);
}

static void pull(struct live *live, const char *name, const char *reply, const struct js_pull *request) {
  struct span subject = js_pull_subject(live->arena, "S", span_from_text(name));
  struct span body = js_pull_body(live->arena, request);
  cr_assert(subject.data && body.data);
  cr_assert_eq(natsConnection_PublishRequest(live->connection, subject.data, reply, body.data, (int)body.len), NATS_OK);
  cr_assert_eq(natsConnection_Flush(live->connection), NATS_OK);
}

static struct live start_with_stream(void) {
  struct live live = live_start();
  live_make_stream(&live, "");
  return live;
}

static const struct js_pull patient = {.batch = 3, .expires_ns = 20 * NS_PER_SECOND, .heartbeat_ns = HEARTBEAT_NS};

Test(js_live_pull, messages_come_with_their_place_in_the_stream) {
  LIVE_SCOPED struct live live = start_with_stream();
  struct js_message stored;
  struct js_error error;
  live_store(&live, "a.1.x");
  live_store(&live, "a.2.x");
  live_publish(&live, "a.1.x", SPAN("four"), "X", "yes");
  make(&live, "c", 1);
  pull(&live, "c", "live.p", &patient);

  struct arrival first = next_of(live.inbox, LIVE_TIMEOUT_MS);
  cr_assert(first.found && first.status == 0 && first.size == 4 && first.at.pending == 1);
  cr_assert(first.at.stream_seq == 1 && first.at.consumer_seq == 1);
  struct arrival second = next_of(live.inbox, LIVE_TIMEOUT_MS);
  cr_assert(second.at.stream_seq == 3 && second.at.consumer_seq == 2 && second.at.pending == 0);
  cr_assert_str_eq(second.header, "yes");

  struct span bytes = live_ask(&live, js_message_get_subject(live.arena, "S"), js_message_get_by_seq(live.arena, 3));
  cr_assert_eq(js_message_parse(bytes, live.arena, &stored, &error), LUMIN_OK);
  cr_assert_eq(stored.ts_ns, second.at.ts_ns);
}

Test(js_live_pull, headers_only_leaves_the_body_out) {
  LIVE_SCOPED struct live live = start_with_stream();
  struct js_consumer consumer = {.stream = "S",
                                 .name = SPAN("h"),
                                 .filter = SPAN("a.>"),
                                 .start_seq = 1,
                                 .inactive_threshold_ns = 60 * NS_PER_SECOND,
                                 .headers_only = true};
  live_publish(&live, "a.1.x", SPAN("four"), "X", "yes");
  live_make_consumer(&live, &consumer);
  pull(&live, "h", "live.p", &patient);
  struct arrival arrival = next_of(live.inbox, LIVE_TIMEOUT_MS);
  cr_assert(arrival.found && arrival.size == 0 && arrival.at.stream_seq == 1);
  cr_assert_str_eq(arrival.header, "yes");
}

// The proof by which an idle partition moves on: Nats-Last-Stream passes messages of others.
Test(js_live_pull, heartbeats_move_past_foreign_messages) {
  LIVE_SCOPED struct live live = start_with_stream();
  uint64_t last = 0;
  for (int i = 0; i < 5; i++)
    last = live_store(&live, "a.2.x");
  make(&live, "c", 1);
  pull(&live, "c", "live.p", &patient);
  struct arrival beat = next_of(live.inbox, LIVE_TIMEOUT_MS);
  cr_assert(beat.status == 100 && beat.last_consumer == 0 && beat.last_stream == last, "%d %lu %lu", beat.status,
            beat.last_consumer, beat.last_stream);
  cr_assert_str_eq(beat.text, "Idle Heartbeat");

  last = live_store(&live, "a.2.x");
  do
    beat = next_of(live.inbox, LIVE_TIMEOUT_MS);
  while (beat.status == 100 && beat.last_stream < last);
  cr_assert(beat.status == 100 && beat.last_consumer == 0 && beat.last_stream == last);

  uint64_t mine = live_store(&live, "a.1.x");
  cr_assert_eq(next_beside_heartbeats(live.inbox).at.stream_seq, mine);
  beat = next_of(live.inbox, LIVE_TIMEOUT_MS);
  cr_assert(beat.status == 100 && beat.last_consumer == 1 && beat.last_stream == mine);
}

// Whatever a heartbeat says is behind it must not come after it.
Test(js_live_pull, no_message_comes_from_behind_a_heartbeat) {
  LIVE_SCOPED struct live live = start_with_stream();
  struct js_pull request = patient;
  request.batch = 100000;
  make(&live, "c", 1);
  pull(&live, "c", "live.p", &request);
  uint64_t consumer_seq = 0, floor = 0, beats = 0, passed = 0;
  unsigned random = 7;
  int64_t end_ns = clock_monotonic_ns() + 3 * NS_PER_SECOND;
  while (clock_monotonic_ns() < end_ns) {
    random = random * 1103515245 + 12345;
    for (unsigned i = 0; i < random >> 28; i++)
      natsConnection_Publish(live.connection, (random >> 16) % 200 == 0 ? "a.1.x" : "a.2.x", "x", 1);
    struct arrival arrival = next_of(live.inbox, (random >> 20) % 8 + 1);
    if (!arrival.found)
      continue;
    if (arrival.status == 100) {
      cr_assert_eq(arrival.last_consumer, consumer_seq);
      cr_assert_geq(arrival.last_stream, floor);
      passed += arrival.last_stream > floor;
      floor = arrival.last_stream;
      beats++;
    } else {
      cr_assert_eq(arrival.status, 0, "%d %s", arrival.status, arrival.text);
      cr_assert_eq(arrival.at.consumer_seq, ++consumer_seq);
      cr_assert_gt(arrival.at.stream_seq, floor);
      floor = arrival.at.stream_seq;
    }
  }
  cr_assert(beats > 5 && passed > 3 && consumer_seq > 3, "%lu %lu %lu", beats, passed, consumer_seq);
}

Test(js_live_pull, every_open_request_has_its_own_heartbeats) {
  LIVE_SCOPED struct live live = start_with_stream();
  natsSubscription *one, *two;
  natsConnection_SubscribeSync(&one, live.connection, "live.one");
  natsConnection_SubscribeSync(&two, live.connection, "live.two");
  make(&live, "c", 1);
  pull(&live, "c", "live.one", &patient);
  pull(&live, "c", "live.two", &patient);
  cr_assert_eq(next_of(one, LIVE_TIMEOUT_MS).status, 100);
  cr_assert_eq(next_of(two, LIVE_TIMEOUT_MS).status, 100);
  natsSubscription_Destroy(one);
  natsSubscription_Destroy(two);
}

Test(js_live_pull, an_expired_request_ends_with_408) {
  LIVE_SCOPED struct live live = start_with_stream();
  struct js_pull request = {.batch = 3, .expires_ns = 500 * NS_PER_MS, .heartbeat_ns = HEARTBEAT_NS};
  live_store(&live, "a.1.x");
  make(&live, "c", 1);
  pull(&live, "c", "live.p", &request);
  cr_assert_eq(next_of(live.inbox, LIVE_TIMEOUT_MS).at.stream_seq, 1);
  struct arrival end = next_beside_heartbeats(live.inbox);
  cr_assert_eq(end.status, 408);
  cr_assert_str_eq(end.text, "Request Timeout");
  cr_assert_not(next_of(live.inbox, 300).found, "an ended request is silent");
}

Test(js_live_pull, a_fulfilled_request_ends_without_a_word) {
  LIVE_SCOPED struct live live = start_with_stream();
  struct js_pull request = {.batch = 1, .expires_ns = 500 * NS_PER_MS, .heartbeat_ns = HEARTBEAT_NS};
  live_store(&live, "a.1.x");
  make(&live, "c", 1);
  pull(&live, "c", "live.p", &request);
  cr_assert_eq(next_of(live.inbox, LIVE_TIMEOUT_MS).at.stream_seq, 1);
  cr_assert_not(next_of(live.inbox, 800).found);
}

// A message that does not fit ends the request and stays the next one: no consumer sequence is lost by it.
Test(js_live_pull, max_bytes_ends_a_request_and_loses_nothing) {
  LIVE_SCOPED struct live live = start_with_stream();
  struct js_pull request = patient;
  for (int i = 0; i < 3; i++)
    live_store(&live, "a.1.x");
  make(&live, "c", 1);
  request.max_bytes = 10;
  pull(&live, "c", "live.p", &request);
  struct arrival end = next_beside_heartbeats(live.inbox);
  cr_assert_eq(end.status, 409);
  cr_assert_str_eq(end.text, "Message Size Exceeds MaxBytes");

  request.max_bytes = 120; // two of about 50: subject, reply subject and body count
  pull(&live, "c", "live.p", &request);
  struct arrival arrival = next_beside_heartbeats(live.inbox);
  uint64_t seen = 0;
  for (; arrival.status == 0; arrival = next_beside_heartbeats(live.inbox)) {
    cr_assert(arrival.found && arrival.at.consumer_seq == ++seen && arrival.at.stream_seq == seen);
  }
  cr_assert(seen > 0 && seen < 3 && arrival.status == 409, "%lu %d", seen, arrival.status);
  cr_assert(js_status_ends_pull(409, span_from_text(arrival.text)), "%s", arrival.text); // servers differ in the words
  pull(&live, "c", "live.p", &patient);
  arrival = next_beside_heartbeats(live.inbox);
  cr_assert(arrival.at.consumer_seq == seen + 1 && arrival.at.stream_seq == seen + 1);
}

Test(js_live_pull, a_deleted_consumer_ends_open_requests_and_is_silent_after) {
  LIVE_SCOPED struct live live = start_with_stream();
  make(&live, "c", 1);
  pull(&live, "c", "live.p", &patient);
  pull(&live, "c", "live.q", &patient);
  live_ask(&live, js_consumer_delete_subject(live.arena, "S", SPAN("c")), SPAN(""));
  for (int i = 0; i < 2; i++) {
    struct arrival end = next_beside_heartbeats(live.inbox);
    cr_assert_eq(end.status, 409);
    cr_assert_str_eq(end.text, "Consumer Deleted");
  }
  pull(&live, "c", "live.p", &patient);
  struct arrival after = next_of(live.inbox, 500);
  cr_assert(!after.found || after.status == 503, "%d %s", after.status, after.text);
}

Test(js_live_pull, a_deleted_stream_ends_open_requests_likewise) {
  LIVE_SCOPED struct live live = start_with_stream();
  make(&live, "c", 1);
  pull(&live, "c", "live.p", &patient);
  live_ask_text(&live, "$JS.API.STREAM.DELETE.S", "");
  struct arrival end = next_beside_heartbeats(live.inbox);
  cr_assert_eq(end.status, 409);
  cr_assert_str_eq(end.text, "Consumer Deleted");
}

Test(js_live_pull, a_purge_under_an_open_request_ends_nothing) {
  LIVE_SCOPED struct live live = start_with_stream();
  for (int i = 0; i < 4; i++)
    live_store(&live, "a.2.x");
  make(&live, "c", 5);
  pull(&live, "c", "live.p", &patient);
  live_ask_text(&live, "$JS.API.STREAM.PURGE.S", "");
  struct arrival beat = next_of(live.inbox, LIVE_TIMEOUT_MS);
  cr_assert(beat.status == 100 && beat.last_consumer == 0 && beat.last_stream == 4, "%lu", beat.last_stream);
  cr_assert_eq(live_store(&live, "a.1.x"), 5);
  cr_assert_eq(next_beside_heartbeats(live.inbox).at.stream_seq, 5);
}

Test(js_live_pull, a_heartbeat_of_more_than_half_the_time_is_refused) {
  LIVE_SCOPED struct live live = start_with_stream();
  make(&live, "c", 1);
  pull(&live, "c", "live.p",
       &(struct js_pull){.batch = 1, .expires_ns = NS_PER_SECOND, .heartbeat_ns = 800 * NS_PER_MS});
  struct arrival end = next_of(live.inbox, LIVE_TIMEOUT_MS);
  cr_assert_eq(end.status, 400, "%d %s", end.status, end.text);
  cr_assert_not(next_of(live.inbox, 1200).found);
}

// The cursor never asks for one: servers differ. 2.9 starts at the end instead, later ones wait for the sequence.
Test(js_live_pull, a_start_beyond_the_end) {
  LIVE_SCOPED struct live live = start_with_stream();
  for (int i = 0; i < 3; i++)
    live_store(&live, "a.1.x");
  struct js_consumer_info info = make(&live, "c", 100);
  pull(&live, "c", "live.p", &patient);
  struct arrival beat = next_of(live.inbox, LIVE_TIMEOUT_MS);
  bool clamped = info.delivered_stream_seq == 3;
  cr_assert(info.delivered_consumer_seq == 0 && info.pending == 0);
  cr_assert(clamped || info.delivered_stream_seq == 99, "%lu", info.delivered_stream_seq);
  cr_assert(beat.status == 100 && beat.last_consumer == 0 && beat.last_stream == info.delivered_stream_seq);
  live_store(&live, "a.1.x");
  struct arrival arrival;
  int64_t end_ns = clock_monotonic_ns() + NS_PER_SECOND;
  do
    arrival = next_of(live.inbox, clamped ? LIVE_TIMEOUT_MS : 500);
  while (arrival.status == 100 && (clamped || clock_monotonic_ns() < end_ns));
  cr_assert_eq(clamped, arrival.status == 0 && arrival.at.stream_seq == 4);
}

// Right behind the end is what an idle partition asks for.
Test(js_live_pull, a_start_right_behind_the_end) {
  LIVE_SCOPED struct live live = start_with_stream();
  for (int i = 0; i < 3; i++)
    live_store(&live, "a.2.x");
  make(&live, "c", 4);
  pull(&live, "c", "live.p", &patient);
  struct arrival beat = next_of(live.inbox, LIVE_TIMEOUT_MS);
  cr_assert(beat.status == 100 && beat.last_consumer == 0 && beat.last_stream == 3, "%lu", beat.last_stream);
  cr_assert_eq(live_store(&live, "a.1.x"), 4);
  cr_assert_eq(next_beside_heartbeats(live.inbox).at.stream_seq, 4);
}

Test(js_live_pull, an_unused_consumer_goes_but_not_under_an_open_request) {
  LIVE_SCOPED struct live live = start_with_stream();
  struct js_consumer consumer = {.stream = "S",
                                 .name = SPAN("c"),
                                 .filter = SPAN("a.1.>"),
                                 .start_seq = 1,
                                 .inactive_threshold_ns = 2 * NS_PER_SECOND};
  struct js_pull request = {.batch = 1, .expires_ns = 5 * NS_PER_SECOND, .heartbeat_ns = HEARTBEAT_NS};
  live_make_consumer(&live, &consumer);
  pull(&live, "c", "live.p", &request);
  cr_assert_eq(next_beside_heartbeats(live.inbox).status, 408);

  struct js_consumer_info info;
  struct js_error error = {0};
  int64_t end_ns = clock_monotonic_ns() + LIVE_TIMEOUT_MS * NS_PER_MS;
  while (error.code == 0 && clock_monotonic_ns() < end_ns) {
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    struct span bytes = live_ask(&live, js_consumer_info_subject(live.arena, "S", consumer.name), SPAN(""));
    cr_assert_eq(js_consumer_info_parse(bytes, live.arena, &info, &error), LUMIN_OK);
  }
  cr_assert_eq(error.err_code, JS_ERR_CONSUMER_NOT_FOUND);
}
