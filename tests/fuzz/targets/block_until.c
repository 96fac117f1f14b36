// SPDX-License-Identifier: MIT
// Ends of blocks, and times as text (RFC 3339): what is taken is later than the command, and comes back the same from
// protobuf's two numbers and from its text. The input is the command's time, seconds and nanoseconds; the rest a text.
#include "fuzz.h"
#include "lumin/base/clock.h"
#include "lumin/domain/values.h"

static void text_round_trip(int64_t ns) {
  char text[CLOCK_RFC3339_MAX];
  int64_t again = 0;
  size_t len = clock_format_rfc3339(ns, text);
  FUZZ_CHECK(len == 30 && text[len] == '\0' && text[len - 1] == 'Z');
  FUZZ_CHECK(clock_parse_rfc3339(span_of(text, len), &again) == LUMIN_OK && again == ns);
}

static void until_check(struct block_until input, int64_t now_ns) {
  struct refusal refusal = {0};
  int64_t until_ns = -1;
  enum lumin_status status = block_until_parse(input, now_ns, "until", &until_ns, &refusal);
  if (status != LUMIN_OK) {
    FUZZ_CHECK(status == LUMIN_INVALID_ARGUMENT && until_ns == -1);
    fuzz_check_refusal(&refusal);
    return;
  }
  FUZZ_CHECK(until_ns > now_ns && input.nanos >= 0 && input.nanos < NS_PER_SECOND);
  FUZZ_CHECK((until_ns - input.nanos) / NS_PER_SECOND == input.seconds &&
             (until_ns - input.nanos) % NS_PER_SECOND == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  int64_t now_ns = (int64_t)bytes_u64(&feed), seconds = (int64_t)bytes_u64(&feed), read = -1;
  int32_t nanos = 0;
  for (size_t i = 0; i < 4; i++) {
    nanos = (int32_t)((uint32_t)nanos << 8 | bytes_u8(&feed));
  }
  until_check((struct block_until){seconds, nanos}, now_ns);
  text_round_trip(now_ns);
  if (clock_parse_rfc3339(feed.rest, &read) == LUMIN_OK) {
    text_round_trip(read);
  } else {
    FUZZ_CHECK(read == -1);
  }
  return 0;
}
