// SPDX-License-Identifier: MIT
// The JetStream API's requests and answers as texts. That servers take and write these texts is test_js_live's.
#include "lumin/infrastructure/nats/js.h"

#include <criterion/criterion.h>

#include "lumin/base/clock.h"

#define SPAN(text) SPAN_LITERAL(text)

static void assert_text(struct span got, const char *expected) {
  cr_assert_not_null(got.data, "no text where \"%s\" was to be", expected);
  cr_assert(span_equal(got, span_from_text(expected)), "\"%.*s\" is not \"%s\"", SPAN_ARGS(got), expected);
  cr_assert_eq(got.data[got.len], '\0');
}

Test(js_request, subjects) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  assert_text(js_stream_info_subject(arena, "S_1"), "$JS.API.STREAM.INFO.S_1");
  assert_text(js_message_get_subject(arena, "S"), "$JS.API.STREAM.MSG.GET.S");
  assert_text(js_message_delete_subject(arena, "S"), "$JS.API.STREAM.MSG.DELETE.S");
  assert_text(js_pull_subject(arena, "S", SPAN("c-1")), "$JS.API.CONSUMER.MSG.NEXT.S.c-1");
  assert_text(js_consumer_delete_subject(arena, "S", SPAN("c")), "$JS.API.CONSUMER.DELETE.S.c");
  assert_text(js_consumer_info_subject(arena, "S", SPAN("c")), "$JS.API.CONSUMER.INFO.S.c");

  struct js_consumer consumer = {.stream = "S", .name = SPAN("c"), .filter = SPAN("a.*.>"), .start_seq = 1};
  assert_text(js_consumer_create_subject(arena, &consumer), "$JS.API.CONSUMER.CREATE.S.c.a.*.>");
  consumer.filter = SPAN_EMPTY;
  assert_text(js_consumer_create_subject(arena, &consumer), "$JS.API.CONSUMER.CREATE.S.c");
}

Test(js_request, bodies) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  assert_text(js_message_get_by_seq(arena, UINT64_MAX), "{\"seq\":18446744073709551615}");
  assert_text(js_message_get_last(arena, SPAN("a.b.*")), "{\"last_by_subj\":\"a.b.*\"}");

  assert_text(js_stream_purge_subject(arena, "S"), "$JS.API.STREAM.PURGE.S");
  assert_text(js_stream_purge_body(arena, 17), "{\"seq\":17}");
  cr_assert_null(js_stream_purge_body(arena, 0).data, "without a sequence all would go");

  struct js_pull pull = {.batch = 256, .expires_ns = 30 * NS_PER_SECOND, .heartbeat_ns = NS_PER_SECOND};
  assert_text(js_pull_body(arena, &pull), "{\"batch\":256,\"expires\":30000000000,\"idle_heartbeat\":1000000000}");
  pull.max_bytes = 4096;
  assert_text(js_pull_body(arena, &pull),
              "{\"batch\":256,\"expires\":30000000000,\"idle_heartbeat\":1000000000,\"max_bytes\":4096}");

  struct js_consumer consumer = {
      .stream = "S", .name = SPAN("c"), .filter = SPAN("a.>"), .start_seq = 7, .inactive_threshold_ns = 5};
  assert_text(js_consumer_create_body(arena, &consumer),
              "{\"stream_name\":\"S\",\"config\":{\"name\":\"c\",\"deliver_policy\":\"by_start_sequence\","
              "\"opt_start_seq\":7,\"ack_policy\":\"none\",\"replay_policy\":\"instant\",\"filter_subject\":\"a.>\","
              "\"inactive_threshold\":5,\"num_replicas\":1,\"mem_storage\":true}}");
  consumer.filter = SPAN_EMPTY;
  consumer.headers_only = true;
  assert_text(js_consumer_create_body(arena, &consumer),
              "{\"stream_name\":\"S\",\"config\":{\"name\":\"c\",\"deliver_policy\":\"by_start_sequence\","
              "\"opt_start_seq\":7,\"ack_policy\":\"none\",\"replay_policy\":\"instant\","
              "\"inactive_threshold\":5,\"num_replicas\":1,\"mem_storage\":true,\"headers_only\":true}}");
  consumer = (struct js_consumer){.stream = "S", .name = SPAN("c"), .start_ns = 1795299614123000000};
  assert_text(js_consumer_create_body(arena, &consumer),
              "{\"stream_name\":\"S\",\"config\":{\"name\":\"c\",\"deliver_policy\":\"by_start_time\","
              "\"opt_start_time\":\"2026-11-21T22:20:14.123000000Z\",\"ack_policy\":\"none\","
              "\"replay_policy\":\"instant\",\"inactive_threshold\":0,\"num_replicas\":1,\"mem_storage\":true}}");
  consumer = (struct js_consumer){.stream = "S", .name = SPAN("c"), .only_new = true};
  assert_text(js_consumer_create_body(arena, &consumer),
              "{\"stream_name\":\"S\",\"config\":{\"name\":\"c\",\"deliver_policy\":\"new\",\"ack_policy\":\"none\","
              "\"replay_policy\":\"instant\",\"inactive_threshold\":0,\"num_replicas\":1,\"mem_storage\":true}}");
}

// Everything that would be more than a token, a second command, or need escaping in JSON.
Test(js_request, unsafe_names_make_no_request) {
  static const struct span unsafe[] = {
      {"", 0},     {"a b", 3},   {"a\"b", 3},        {"a\\b", 3}, {"a\r\nPUB x 0", 10}, {"a\tb", 3},
      {"a\0b", 3}, {"a\x7f", 2}, {"caf\xc3\xa9", 5}, {" ", 1},    {"a\n", 2},           {"\x80z", 2},
  };
  static const struct span no_token[] = {{"a.b", 3}, {"*", 1}, {"a>", 2}, {">", 1}, {".", 1}};
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  for (size_t i = 0; i < sizeof unsafe / sizeof unsafe[0]; i++) {
    struct js_consumer consumer = {.stream = "S", .name = SPAN("c"), .filter = unsafe[i], .start_seq = 1};
    cr_assert_null(js_message_get_last(arena, unsafe[i]).data, "%zu", i);
    cr_assert_null(js_pull_subject(arena, "S", unsafe[i]).data, "%zu", i);
    if (unsafe[i].len > 0) { // an empty filter is none
      cr_assert_null(js_consumer_create_subject(arena, &consumer).data, "%zu", i);
      cr_assert_null(js_consumer_create_body(arena, &consumer).data, "%zu", i);
    }
  }
  for (size_t i = 0; i < sizeof no_token / sizeof no_token[0]; i++) {
    struct js_consumer consumer = {.stream = "S", .name = no_token[i], .start_seq = 1};
    cr_assert_null(js_consumer_create_subject(arena, &consumer).data, "%zu", i);
    cr_assert_null(js_consumer_create_body(arena, &consumer).data, "%zu", i);
    cr_assert_null(js_consumer_info_subject(arena, "S", no_token[i]).data, "%zu", i);
    cr_assert_null(js_consumer_delete_subject(arena, "S", no_token[i]).data, "%zu", i);
    cr_assert_null(js_stream_info_subject(arena, no_token[i].data).data, "%zu", i);
    cr_assert_null(js_message_get_subject(arena, no_token[i].data).data, "%zu", i);
  }
  cr_assert_null(js_stream_info_subject(arena, NULL).data);
}

Test(js_request, senseless_numbers_and_short_memory_make_no_request) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  ARENA_SCOPED struct arena *small = arena_create(16);
  struct js_consumer consumer = {.stream = "S", .name = SPAN("c"), .filter = SPAN("a"), .start_seq = 0};
  cr_assert_null(js_consumer_create_body(arena, &consumer).data);
  consumer.start_ns = -1;
  cr_assert_null(js_consumer_create_body(arena, &consumer).data);
  consumer.start_seq = 1;
  cr_assert_not_null(js_consumer_create_body(arena, &consumer).data);
  consumer.only_new = true;
  cr_assert_null(js_consumer_create_body(arena, &consumer).data, "from now on, or from a sequence, but not both");
  consumer.only_new = false;
  cr_assert_null(js_consumer_create_body(small, &consumer).data);
  cr_assert_null(js_consumer_create_subject(small, &consumer).data);
  consumer.inactive_threshold_ns = -1;
  cr_assert_null(js_consumer_create_body(arena, &consumer).data);
  cr_assert_null(js_pull_body(arena, &(struct js_pull){.batch = 0, .expires_ns = 1}).data);
  cr_assert_null(js_pull_body(arena, &(struct js_pull){.batch = 1, .expires_ns = -1}).data);
  cr_assert_null(js_pull_body(arena, &(struct js_pull){.batch = 1, .heartbeat_ns = -1}).data);
  cr_assert_null(js_pull_body(arena, &(struct js_pull){.batch = 1, .max_bytes = UINT64_MAX}).data);
}

#define STREAM_CONFIG "\"config\":{\"name\":\"S\",\"max_msgs\":-1,\"max_age\":5,\"duplicate_window\":120000000000}"
#define STREAM_STATE                                                                                                   \
  "\"state\":{\"messages\":3,\"first_seq\":2,\"first_ts\":\"2026-11-21T23:00:44.101671003Z\",\"last_seq\":9,"          \
  "\"last_ts\":\"2026-11-22T00:00:44.1+01:00\"}"
#define CREATED "\"created\":\"2026-11-21T23:00:44Z\""

Test(js_answer, stream_info) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  struct js_stream_info info;
  struct js_error error = {.code = 1};
  struct span bytes = SPAN("{" STREAM_CONFIG "," CREATED "," STREAM_STATE "}");
  cr_assert_eq(js_stream_info_parse(bytes, arena, &info, &error), LUMIN_OK);
  cr_assert_eq(error.code, 0);
  cr_assert(info.first_seq == 2 && info.last_seq == 9 && info.messages == 3);
  cr_assert_eq(info.created_ns, INT64_C(1795302044) * NS_PER_SECOND);
  cr_assert_eq(info.first_ts_ns, INT64_C(1795302044101671003));
  cr_assert_eq(info.last_ts_ns, INT64_C(1795302044100000000));
  cr_assert(info.max_age_ns == 5 && info.max_messages == -1 && info.duplicate_window_ns == 120 * NS_PER_SECOND);
}

Test(js_answer, zero_time_is_zero_and_a_missing_window_none) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  struct js_stream_info info;
  struct js_error error;
  struct span bytes = SPAN("{\"error\":null,\"config\":{\"max_msgs\":10,\"max_age\":0}," CREATED
                           ",\"state\":{\"messages\":0,\"first_seq\":0,\"first_ts\":\"0001-01-01T00:00:00Z\","
                           "\"last_seq\":0,\"last_ts\":\"0001-01-01T00:00:00Z\"}}");
  cr_assert_eq(js_stream_info_parse(bytes, arena, &info, &error), LUMIN_OK);
  cr_assert(info.first_ts_ns == 0 && info.last_ts_ns == 0 && info.duplicate_window_ns == 0 && info.max_messages == 10);
}

// Whatever is missing, of another type or out of range: INTERNAL, and the outputs as they were.
static void assert_no_stream_info(struct span bytes) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  struct js_stream_info info = {.last_seq = 77};
  struct js_error error = {.code = 88};
  cr_assert_eq(js_stream_info_parse(bytes, arena, &info, &error), LUMIN_INTERNAL, "%.*s", SPAN_ARGS(bytes));
  cr_assert(info.last_seq == 77 && error.code == 88, "%.*s", SPAN_ARGS(bytes));
}

Test(js_answer, no_stream_info) {
  assert_no_stream_info(SPAN_EMPTY);
  assert_no_stream_info(SPAN("null"));
  assert_no_stream_info(SPAN("[]"));
  assert_no_stream_info(SPAN("{}"));
  assert_no_stream_info(SPAN("{" STREAM_CONFIG "," CREATED "}"));
  assert_no_stream_info(SPAN("{" STREAM_CONFIG "," STREAM_STATE "}"));
  assert_no_stream_info(SPAN("{" CREATED "," STREAM_STATE "}"));
  assert_no_stream_info(SPAN("{" STREAM_CONFIG "," CREATED "," STREAM_STATE "} x"));
  assert_no_stream_info(SPAN("{" STREAM_CONFIG ",\"created\":\"yesterday\"," STREAM_STATE "}"));
  assert_no_stream_info(SPAN("{" STREAM_CONFIG ",\"created\":5," STREAM_STATE "}"));
  assert_no_stream_info(SPAN("{" STREAM_CONFIG "," CREATED ",\"state\":[]}"));
  assert_no_stream_info(SPAN("{\"config\":{\"max_msgs\":1.5,\"max_age\":0}," CREATED "," STREAM_STATE "}"));
  assert_no_stream_info(
      SPAN("{\"config\":{\"max_msgs\":9223372036854775808,\"max_age\":0}," CREATED "," STREAM_STATE "}"));
  assert_no_stream_info(
      SPAN("{\"config\":{\"max_msgs\":1,\"max_age\":0,\"duplicate_window\":\"2m\"}," CREATED "," STREAM_STATE "}"));
  assert_no_stream_info(SPAN("{" STREAM_CONFIG "," CREATED ",\"state\":{\"messages\":3,\"first_seq\":-2,"
                             "\"first_ts\":\"0001-01-01T00:00:00Z\",\"last_seq\":9,"
                             "\"last_ts\":\"0001-01-01T00:00:00Z\"}}"));
}

Test(js_answer, no_answer_is_read_beyond_its_bound) {
  size_t len = 2 * 1024 * 1024 + 1;
  char *spaces = malloc(len);
  cr_assert_not_null(spaces);
  memset(spaces, ' ', len);
  static const char answer[] = "{" STREAM_CONFIG "," CREATED "," STREAM_STATE "}";
  memcpy(spaces, answer, sizeof answer - 1);
  assert_no_stream_info(span_of(spaces, len));

  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  struct js_stream_info info;
  struct js_error error;
  cr_assert_eq(js_stream_info_parse(span_of(spaces, len - 1), arena, &info, &error), LUMIN_OK);
  free(spaces);
}

Test(js_answer, errors) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  struct js_stream_info info = {.last_seq = 77};
  struct js_error error;
  cr_assert_eq(js_stream_info_parse(SPAN("{\"type\":\"x\",\"error\":{\"code\":404,\"err_code\":10059,"
                                         "\"description\":\"stream not found\"},\"total\":0}"),
                                    arena, &info, &error),
               LUMIN_OK);
  cr_assert(error.code == 404 && error.err_code == JS_ERR_STREAM_NOT_FOUND && info.last_seq == 77);
  assert_text(error.description, "stream not found");

  cr_assert_eq(js_stream_info_parse(SPAN("{\"error\":{\"code\":503}}"), arena, &info, &error), LUMIN_OK);
  cr_assert(error.code == 503 && error.err_code == 0 && error.description.len == 0);

  assert_no_stream_info(SPAN("{\"error\":{}}"));
  assert_no_stream_info(SPAN("{\"error\":\"no\"}"));
  assert_no_stream_info(SPAN("{\"error\":{\"code\":0}}"));
  assert_no_stream_info(SPAN("{\"error\":{\"code\":-1}}"));
  assert_no_stream_info(SPAN("{\"error\":{\"code\":\"404\"}}"));
  assert_no_stream_info(SPAN("{\"error\":{\"code\":4294967700}}"));
  assert_no_stream_info(SPAN("{\"error\":{\"code\":404,\"err_code\":\"x\"}}"));
  assert_no_stream_info(SPAN("{\"error\":{\"code\":404,\"err_code\":4294977296}}"));
}

static enum lumin_status parse_message(struct arena *arena, const char *hdrs, struct js_message *ret_message) {
  struct js_error error;
  struct span bytes = arena_printf(arena,
                                   "{\"message\":{\"subject\":\"a.\\u003e\",\"seq\":3,%s\"data\":\"aGVsbG8=\","
                                   "\"time\":\"2026-11-21T23:00:44.101842613Z\"}}",
                                   hdrs);
  return js_message_parse(bytes, arena, ret_message, &error);
}

Test(js_answer, message) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  struct js_message message;
  cr_assert_eq(parse_message(arena, "", &message), LUMIN_OK);
  assert_text(message.subject, "a.>");
  cr_assert(message.seq == 3 && message.ts_ns == INT64_C(1795302044101842613) && message.headers.len == 0);

  cr_assert_eq(parse_message(arena, "\"hdrs\":\"TkFUUy8xLjANCk5hdHMtTXNnLUlkOiA3DQoNCg==\",", &message), LUMIN_OK);
  cr_assert(span_equal(message.headers, SPAN("NATS/1.0\r\nNats-Msg-Id: 7\r\n\r\n")));
}

Test(js_answer, base64_to_the_byte) {
  static const struct {
    const char *encoded;
    struct span bytes;
  } known[] = {{"", {"", 0}},         {"Zg==", {"f", 1}},        {"Zm8=", {"fo", 2}},
               {"Zm9v", {"foo", 3}},  {"AAAA", {"\0\0\0", 3}},   {"AA==", {"\0", 1}},
               {"AAA=", {"\0\0", 2}}, {"Zm9vYg==", {"foob", 4}}, {"+/+/", {"\xfb\xff\xbf", 3}},
               {"/w==", {"\xff", 1}}};
  static const char *const bad[] = {"Z",       "Zg",   "Zg=",      "Z===",     "====",       "Zg==Zg==", "Z=g=",
                                    "Zm9v\\n", "Zm9 ", " Zm9v   ", "Zm9vYg-_", "Zm\\u00009", "Zm9v====", "Zm9\xc3\xa9"};
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  struct js_message message;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    const char *hdrs = arena_printf(arena, "\"hdrs\":\"%s\",", known[i].encoded).data;
    cr_assert_eq(parse_message(arena, hdrs, &message), LUMIN_OK, "%s", known[i].encoded);
    cr_assert(span_equal(message.headers, known[i].bytes), "%s", known[i].encoded);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const char *hdrs = arena_printf(arena, "\"hdrs\":\"%s\",", bad[i]).data;
    cr_assert_eq(parse_message(arena, hdrs, &message), LUMIN_INTERNAL, "%s", bad[i]);
  }
  cr_assert_eq(parse_message(arena, "\"hdrs\":5,", &message), LUMIN_INTERNAL);
}

Test(js_answer, no_message) {
  static const char *const bad[] = {
      "{}",
      "{\"message\":\"x\"}",
      "{\"message\":{\"subject\":\"a\",\"seq\":0,\"time\":\"2026-11-21T23:00:44Z\"}}",
      "{\"message\":{\"subject\":\"\",\"seq\":1,\"time\":\"2026-11-21T23:00:44Z\"}}",
      "{\"message\":{\"seq\":1,\"time\":\"2026-11-21T23:00:44Z\"}}",
      "{\"message\":{\"subject\":\"a\",\"time\":\"2026-11-21T23:00:44Z\"}}",
      "{\"message\":{\"subject\":\"a\",\"seq\":1}}",
      "{\"message\":{\"subject\":\"a\",\"seq\":1,\"time\":\"0001-01-01T00:00:01Z\"}}",
  };
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct js_message message = {.seq = 77};
    struct js_error error = {.code = 88};
    cr_assert_eq(js_message_parse(span_from_text(bad[i]), arena, &message, &error), LUMIN_INTERNAL, "%s", bad[i]);
    cr_assert(message.seq == 77 && error.code == 88, "%s", bad[i]);
  }
}

Test(js_answer, success) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  struct js_error error = {.code = 88};
  bool done = false;
  struct span bytes = SPAN("{\"type\":\"io.nats.jetstream.api.v1.stream_msg_delete_response\",\"success\":true}");
  cr_assert_eq(js_success_parse(bytes, arena, &done, &error), LUMIN_OK);
  cr_assert(done && error.code == 0);
  cr_assert_eq(js_success_parse(SPAN("{\"success\":false}"), arena, &done, &error), LUMIN_OK);
  cr_assert(!done && error.code == 0);
  done = true;
  bytes = SPAN("{\"error\":{\"code\":404,\"err_code\":10043,\"description\":\"no message found\"},\"success\":false}");
  cr_assert_eq(js_success_parse(bytes, arena, &done, &error), LUMIN_OK);
  cr_assert(!done && error.code == 404);
  static const char *const bad[] = {"{}", "true", "{\"success\":1}", "{\"success\":\"true\"}", "", "{"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    done = true;
    error = (struct js_error){.code = 88};
    cr_assert_eq(js_success_parse(span_from_text(bad[i]), arena, &done, &error), LUMIN_INTERNAL, "%s", bad[i]);
    cr_assert(done && error.code == 88, "%s", bad[i]);
  }
}

Test(js_answer, consumer_info) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  ARENA_SCOPED struct arena *empty = arena_create(0);
  struct js_consumer_info info = {.pending = 77};
  struct js_error error = {.code = 88};
  struct span bytes = SPAN("{\"name\":\"c\",\"delivered\":{\"consumer_seq\":6,\"stream_seq\":14},\"num_pending\":2}");
  cr_assert_eq(js_consumer_info_parse(bytes, empty, &info, &error), LUMIN_NO_MEMORY);
  cr_assert(info.pending == 77 && error.code == 88);
  cr_assert_eq(js_consumer_info_parse(bytes, arena, &info, &error), LUMIN_OK);
  cr_assert(info.delivered_consumer_seq == 6 && info.delivered_stream_seq == 14 && info.pending == 2);
  assert_text(info.name, "c");
  bytes = SPAN("{\"name\":\"c\",\"delivered\":{\"consumer_seq\":6},\"num_pending\":2}");
  cr_assert_eq(js_consumer_info_parse(bytes, arena, &info, &error), LUMIN_INTERNAL);
}
