// SPDX-License-Identifier: MIT
// Status messages that answer a pull request: a heartbeat names both sequences, and whatever is not known to end the
// request alone ends the consumer. The input is the code in two bytes, then description and the two numbers by lines.
#include "fuzz.h"

#include "worker/lane_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  struct pull_status status = {.code = bytes_u8(&feed)};
  status.code = status.code << 8 | bytes_u8(&feed);
  status.description = bytes_line(&feed);
  status.last_consumer = bytes_line(&feed);
  status.last_stream = feed.rest;
  struct cursor_input input = {.kind = CURSOR_IN_DETACH, .seq = 98, .consumer_seq = 99};
  bool said = pull_status_parse(&status, &input);
  bool numbers = input.seq != 98 || input.consumer_seq != 99;
  if (!said) {
    FUZZ_CHECK(input.kind == CURSOR_IN_DETACH && !numbers && (status.code == 0 || status.code == 100));
  } else if (input.kind == CURSOR_IN_HEARTBEAT) {
    char text[48];
    snprintf(text, sizeof text, "%llu", (unsigned long long)input.seq);
    FUZZ_CHECK(status.code == 100 && status.last_stream.len >= strlen(text) && status.last_consumer.len > 0);
  } else if (input.kind == CURSOR_IN_PULL_ENDED) {
    FUZZ_CHECK(!numbers && (status.code == 404 || status.code == 408 || status.code == 409));
    FUZZ_CHECK(status.code != 409 || span_starts_with(status.description, SPAN_LITERAL("Exceeded Max")) ||
               span_starts_with(status.description, SPAN_LITERAL("Message Size Exceeds MaxBytes")));
  } else {
    FUZZ_CHECK(input.kind == CURSOR_IN_CONSUMER_GONE && !numbers);
  }
  return 0;
}
