// SPDX-License-Identifier: MIT
// Answers of the JetStream API about streams, messages and consumers, and a stream compared with its plan: bounded, and
// no field trusted to be there.
#include "fuzz.h"

#include "lumin/infrastructure/nats/streams.h"

// True where the answer was taken, and is no error.
static bool answered(enum lumin_status status, const struct js_error *error) {
  FUZZ_CHECK(status == LUMIN_OK || (status == LUMIN_INTERNAL && error->code == 99));
  FUZZ_CHECK(status != LUMIN_OK || (error->code >= 0 && error->err_code >= 0));
  return status == LUMIN_OK && error->code == 0;
}

static void check_stream_info(struct span bytes, struct arena *arena) {
  struct js_error error = {.code = 99};
  struct js_stream_info info = {.last_seq = 99};
  if (answered(js_stream_info_parse(bytes, arena, &info, &error), &error)) {
    FUZZ_CHECK(info.first_seq <= INT64_MAX && info.last_seq <= INT64_MAX && info.messages <= INT64_MAX);
    FUZZ_CHECK(info.max_messages == -1 || info.max_messages > 0);
  } else {
    FUZZ_CHECK(info.last_seq == 99);
  }
}

static void check_message(struct span bytes, struct arena *arena) {
  struct js_error error = {.code = 99};
  struct js_message message = {.seq = 0};
  struct span value = SPAN_EMPTY;
  if (!answered(js_message_parse(bytes, arena, &message, &error), &error)) {
    FUZZ_CHECK(message.seq == 0);
    return;
  }
  FUZZ_CHECK(message.seq > 0 && message.seq <= INT64_MAX && message.subject.len > 0);
  FUZZ_CHECK(message.headers.len <= bytes.len);
  if (js_header_find(message.headers, SPAN_LITERAL("ce-sequence"), &value)) {
    FUZZ_CHECK(value.len < message.headers.len);
  }
}

static void check_consumer_info(struct span bytes, struct arena *arena) {
  struct js_error error = {.code = 99};
  struct js_consumer_info info = {.pending = 99};
  if (answered(js_consumer_info_parse(bytes, arena, &info, &error), &error)) {
    FUZZ_CHECK(info.name.len > 0 && info.delivered_consumer_seq <= INT64_MAX && info.delivered_stream_seq <= INT64_MAX);
  } else {
    FUZZ_CHECK(info.pending == 99);
  }
}

static void check_plan(struct span bytes, struct arena *arena) {
  static const struct stream_plan plan = {.name = "S",
                                          .subject = {"a.>", 3},
                                          .discard_new = true,
                                          .replicas = 1,
                                          .max_messages = 1000,
                                          .max_age_ns = 1000000000,
                                          .duplicate_window_ns = 1000000000};
  struct stream_finding finding = {.difference_count = 99};
  enum lumin_status status = stream_compare(&plan, bytes, arena, &finding);
  FUZZ_CHECK(status == LUMIN_OK || finding.difference_count == 99);
  FUZZ_CHECK(status != LUMIN_OK || finding.difference_count <= STREAM_DIFFERENCES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span bytes = span_of(data, size);
  struct arena *arena = fuzz_arena();
  check_stream_info(bytes, arena);
  check_message(bytes, arena);
  check_consumer_info(bytes, arena);
  check_plan(bytes, arena);
  return 0;
}
