// SPDX-License-Identifier: MIT
// Every request that js.h writes is taken by a real server, and its answers are read.
#include "js_live.h"

#define SPAN(text) SPAN_LITERAL(text)

static struct js_stream_info ask_stream(struct live *live) {
  struct js_stream_info info;
  struct js_error error;
  struct span bytes = live_ask(live, js_stream_info_subject(live->arena, "S"), SPAN(""));
  cr_assert_eq(js_stream_info_parse(bytes, live->arena, &info, &error), LUMIN_OK, "%.*s", SPAN_ARGS(bytes));
  cr_assert_eq(error.code, 0);
  return info;
}

static bool is_recent(int64_t wall_ns) {
  int64_t age_ns = clock_wall_ns() - wall_ns;
  return age_ns > -5 * NS_PER_SECOND && age_ns < 120 * NS_PER_SECOND;
}

Test(js_live, stream_info) {
  LIVE_SCOPED struct live live = live_start();
  struct js_stream_info info;
  struct js_error error;
  struct span made = live_make_stream(&live, ",\"max_msgs\":1000,\"max_age\":3600000000000,"
                                             "\"duplicate_window\":60000000000");
  cr_assert_eq(js_stream_info_parse(made, live.arena, &info, &error), LUMIN_OK, "%.*s", SPAN_ARGS(made));

  info = ask_stream(&live);
  cr_assert(info.first_seq == 0 && info.last_seq == 0 && info.messages == 0);
  cr_assert(info.first_ts_ns == 0 && info.last_ts_ns == 0 && is_recent(info.created_ns));
  cr_assert(info.max_messages == 1000 && info.max_age_ns == 3600 * NS_PER_SECOND);
  cr_assert_eq(info.duplicate_window_ns, 60 * NS_PER_SECOND);

  live_store(&live, "a.1");
  live_store(&live, "a.2");
  live_store(&live, "a.3");
  live_ask_text(&live, "$JS.API.STREAM.PURGE.S", "{\"seq\":3}");
  info = ask_stream(&live);
  cr_assert(info.first_seq == 3 && info.last_seq == 3 && info.messages == 1);
  cr_assert(info.first_ts_ns == info.last_ts_ns && is_recent(info.last_ts_ns));
  live_ask_text(&live, "$JS.API.STREAM.PURGE.S", "");
  info = ask_stream(&live);
  cr_assert(info.first_seq == 4 && info.last_seq == 3 && info.messages == 0 && info.first_ts_ns == 0);
  cr_assert(is_recent(info.last_ts_ns));
}

Test(js_live, stream_without_limits) {
  LIVE_SCOPED struct live live = live_start();
  live_make_stream(&live, "");
  struct js_stream_info info = ask_stream(&live);
  cr_assert(info.max_messages == -1 && info.max_age_ns == 0 && info.duplicate_window_ns == 120 * NS_PER_SECOND);
}

Test(js_live, no_stream) {
  LIVE_SCOPED struct live live = live_start();
  struct js_stream_info info;
  struct js_error error;
  struct span bytes = live_ask(&live, js_stream_info_subject(live.arena, "S"), SPAN(""));
  cr_assert_eq(js_stream_info_parse(bytes, live.arena, &info, &error), LUMIN_OK);
  cr_assert(error.code == 404 && error.err_code == JS_ERR_STREAM_NOT_FOUND, "%.*s", SPAN_ARGS(bytes));
  cr_assert(span_equal(error.description, SPAN("stream not found")));
}

static struct js_pub_ack acknowledged(struct live *live, struct span bytes) {
  struct js_pub_ack ack;
  struct js_error error;
  cr_assert_eq(js_pub_ack_parse(bytes, live->arena, &ack, &error), LUMIN_OK, "%.*s", SPAN_ARGS(bytes));
  cr_assert_eq(error.code, 0, "%.*s", SPAN_ARGS(bytes));
  return ack;
}

static struct js_error refused(struct live *live, struct span bytes) {
  struct js_pub_ack ack;
  struct js_error error;
  cr_assert_eq(js_pub_ack_parse(bytes, live->arena, &ack, &error), LUMIN_OK, "%.*s", SPAN_ARGS(bytes));
  cr_assert_neq(error.code, 0, "%.*s", SPAN_ARGS(bytes));
  return error;
}

static size_t allocations;
static void *counting_malloc(size_t size) {
  allocations++;
  return malloc(size);
}

Test(js_live, pub_acks) {
  LIVE_SCOPED struct live live = live_start();
  live_make_stream(&live, ",\"max_msgs\":2");
  struct span first = live_publish(&live, "a.1", SPAN("x"), NULL, NULL);
  struct span second = live_publish(&live, "a.2", SPAN("x"), "Nats-Msg-Id", "7");
  struct span again = live_publish(&live, "a.2", SPAN("x"), "Nats-Msg-Id", "7");

  json_set_alloc_funcs(counting_malloc, free); // the scan must know what this server writes
  cr_assert(acknowledged(&live, first).seq == 1 && !acknowledged(&live, first).duplicate);
  cr_assert(acknowledged(&live, second).seq == 2 && !acknowledged(&live, second).duplicate);
  cr_assert(acknowledged(&live, again).seq == 2 && acknowledged(&live, again).duplicate);
  cr_assert_eq(allocations, 0, "%.*s", SPAN_ARGS(again));

  struct js_error wrong =
      refused(&live, live_publish(&live, "a.2", SPAN("x"), "Nats-Expected-Last-Subject-Sequence", "77"));
  cr_assert(wrong.code == 400 && wrong.err_code == JS_ERR_WRONG_LAST_SEQUENCE);
  struct js_error full = refused(&live, live_publish(&live, "a.3", SPAN("x"), NULL, NULL));
  cr_assert(full.code == 503 && full.err_code == JS_ERR_STREAM_FULL_MESSAGES);
  cr_assert(span_equal(full.description, SPAN("maximum messages exceeded")));
}

static struct js_error ask_message(struct live *live, struct span body, struct js_message *ret_message) {
  struct js_error error;
  struct span bytes = live_ask(live, js_message_get_subject(live->arena, "S"), body);
  cr_assert_eq(js_message_parse(bytes, live->arena, ret_message, &error), LUMIN_OK, "%.*s", SPAN_ARGS(bytes));
  return error;
}

Test(js_live, messages) {
  LIVE_SCOPED struct live live = live_start();
  struct js_message message;
  struct span value;
  live_make_stream(&live, "");
  live_store(&live, "a.1.x");
  acknowledged(&live, live_publish(&live, "a.2.x", SPAN("x"), "ce-position", "18"));
  live_store(&live, "a.1.x");

  cr_assert_eq(ask_message(&live, js_message_get_by_seq(live.arena, 1), &message).code, 0);
  cr_assert(message.seq == 1 && span_equal(message.subject, SPAN("a.1.x")) && message.headers.len == 0);
  cr_assert(is_recent(message.ts_ns));
  cr_assert_eq(message.ts_ns, ask_stream(&live).first_ts_ns);

  cr_assert_eq(ask_message(&live, js_message_get_last(live.arena, SPAN("a.2.x")), &message).code, 0);
  cr_assert(message.seq == 2 && js_header_find(message.headers, SPAN("ce-position"), &value));
  cr_assert(span_equal(value, SPAN("18")));
  cr_assert_eq(ask_message(&live, js_message_get_last(live.arena, SPAN("a.1.*")), &message).code, 0);
  cr_assert_eq(message.seq, 3);
}

Test(js_live, missing_messages) {
  LIVE_SCOPED struct live live = live_start();
  struct js_message message;
  struct js_error error = ask_message(&live, js_message_get_by_seq(live.arena, 1), &message);
  cr_assert(error.code == 404 && error.err_code == JS_ERR_STREAM_NOT_FOUND);

  live_make_stream(&live, "");
  live_store(&live, "a.1");
  live_store(&live, "a.1");
  live_ask_text(&live, "$JS.API.STREAM.MSG.DELETE.S", "{\"seq\":1}");
  struct span bodies[] = {js_message_get_by_seq(live.arena, 1), js_message_get_by_seq(live.arena, 99),
                          js_message_get_last(live.arena, SPAN("a.9"))};
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    error = ask_message(&live, bodies[i], &message);
    cr_assert(error.code == 404 && error.err_code == JS_ERR_NO_MESSAGE, "%zu", i);
    cr_assert(span_equal(error.description, SPAN("no message found")));
  }
}

// What anybody may store: the largest payload that the server takes.
Test(js_live, largest_message) {
  LIVE_SCOPED struct live live = live_start();
  struct js_message message;
  size_t len = (size_t)natsConnection_GetMaxPayload(live.connection);
  live_make_stream(&live, "");
  cr_assert_eq(len, 1 << 20);
  char *body = arena_alloc(live.arena, len);
  cr_assert_not_null(body);
  acknowledged(&live, live_publish(&live, "a.1", span_of(body, len), NULL, NULL));
  cr_assert_eq(ask_message(&live, js_message_get_by_seq(live.arena, 1), &message).code, 0);
  cr_assert_eq(message.seq, 1);
}

static struct js_error ask_consumer(struct live *live, struct span name, struct js_consumer_info *ret_info) {
  struct js_error error;
  struct span bytes = live_ask(live, js_consumer_info_subject(live->arena, "S", name), SPAN(""));
  cr_assert_eq(js_consumer_info_parse(bytes, live->arena, ret_info, &error), LUMIN_OK, "%.*s", SPAN_ARGS(bytes));
  return error;
}

// What the server made of the request, member by member.
static void assert_config(struct span answer, const struct js_consumer *consumer) {
  json_auto_t *root = json_loadb(answer.data, answer.len, 0, NULL);
  json_t *config = json_object_get(root, "config");
  cr_assert_str_eq(json_string_value(json_object_get(config, "deliver_policy")), "by_start_sequence");
  cr_assert_str_eq(json_string_value(json_object_get(config, "ack_policy")), "none");
  cr_assert_eq((uint64_t)json_integer_value(json_object_get(config, "opt_start_seq")), consumer->start_seq);
  cr_assert_eq(json_integer_value(json_object_get(config, "inactive_threshold")), consumer->inactive_threshold_ns);
  cr_assert_eq(json_integer_value(json_object_get(config, "num_replicas")), 1);
  cr_assert(json_is_true(json_object_get(config, "mem_storage")));
  cr_assert_eq(json_is_true(json_object_get(config, "headers_only")), consumer->headers_only);
  cr_assert_null(json_object_get(config, "durable_name"));
  struct span filter = span_from_text(json_string_value(json_object_get(config, "filter_subject")));
  cr_assert(span_equal(filter, consumer->filter), "%.*s", SPAN_ARGS(filter));
}

Test(js_live, a_consumer_of_what_is_stored_from_now_on) {
  LIVE_SCOPED struct live live = live_start();
  struct js_consumer consumer = {
      .stream = "S", .name = SPAN("c"), .only_new = true, .inactive_threshold_ns = 60 * NS_PER_SECOND};
  struct js_consumer_info info;
  live_make_stream(&live, "");
  live_store(&live, "a.1.x");
  info = live_make_consumer(&live, &consumer);
  cr_assert_eq(info.pending, 0);
  live_store(&live, "a.1.x");
  cr_assert_eq(ask_consumer(&live, consumer.name, &info).code, 0);
  cr_assert_eq(info.pending, 1);
}

Test(js_live, consumers_of_every_shape) {
  LIVE_SCOPED struct live live = live_start();
  static const struct span filters[] = {{"", 0}, {"a.1.x", 5}, {"a.1.>", 5}, {"a.*.x", 5}};
  static const uint64_t pending[] = {4, 2, 2, 4};
  struct js_consumer_info info;
  live_make_stream(&live, "");
  for (int i = 0; i < 6; i++)
    live_store(&live, i % 2 ? "a.1.x" : "a.2.x");
  for (size_t i = 0; i < 8; i++) {
    struct js_consumer consumer = {.stream = "S",
                                   .name = arena_printf(live.arena, "c-%zu_x", i),
                                   .filter = filters[i / 2],
                                   .start_seq = 3,
                                   .inactive_threshold_ns = 60 * NS_PER_SECOND,
                                   .headers_only = i % 2};
    info = live_make_consumer(&live, &consumer);
    cr_assert(info.delivered_consumer_seq == 0 && info.pending == pending[i / 2], "%zu", i);
    cr_assert_eq(ask_consumer(&live, consumer.name, &info).code, 0);
    cr_assert(info.delivered_consumer_seq == 0 && info.pending == pending[i / 2], "%zu", i);
    assert_config(live_ask(&live, js_consumer_info_subject(live.arena, "S", consumer.name), SPAN("")), &consumer);
  }
  live_ask(&live, js_consumer_delete_subject(live.arena, "S", SPAN("c-0_x")), SPAN(""));
  struct js_error error = ask_consumer(&live, SPAN("c-0_x"), &info);
  cr_assert(error.code == 404 && error.err_code == JS_ERR_CONSUMER_NOT_FOUND);
  cr_assert_eq(ask_consumer(&live, SPAN("c-1_x"), &info).code, 0);
}

Test(js_live, no_stream_for_a_consumer) {
  LIVE_SCOPED struct live live = live_start();
  struct js_consumer consumer = {.stream = "S", .name = SPAN("c"), .filter = SPAN("a.1"), .start_seq = 1};
  struct js_consumer_info info;
  struct js_error error;
  struct span bytes = live_ask(&live, js_consumer_create_subject(live.arena, &consumer),
                               js_consumer_create_body(live.arena, &consumer));
  cr_assert_eq(js_consumer_info_parse(bytes, live.arena, &info, &error), LUMIN_OK);
  cr_assert(error.code == 404 && error.err_code == JS_ERR_STREAM_NOT_FOUND, "%.*s", SPAN_ARGS(bytes));
}
