// SPDX-License-Identifier: MIT
// Birth dates: what is taken are the days that the C library knows, from 1900 to the day of the command, and all of
// them. The input is the command's time, eight bytes, and the text.
#include "value.h"

#include <time.h>

static int64_t now_ns;

static enum lumin_status date_parse(struct span input, const char *field, struct arena *arena, struct span *ret_date,
                                    struct refusal *ret_refusal) {
  const struct birth_date_rule rule = {field, now_ns};
  return birth_date_parse(input, &rule, arena, ret_date, ret_refusal);
}

// strptime would take spaces and signs: the form is looked at first.
static bool is_day(struct span input) {
  struct tm day = {0}, same;
  char text[11] = "", again[32] = "";
  if (input.len != 10) {
    return false;
  }
  for (size_t i = 0; i < 10; i++) {
    bool dash = i == 4 || i == 7;
    if (dash ? input.data[i] != '-' : input.data[i] < '0' || input.data[i] > '9') {
      return false;
    }
  }
  memcpy(text, input.data, 10);
  const char *end = strptime(text, "%Y-%m-%d", &day);
  if (end == NULL || *end != '\0' || strcmp(text, "1900-01-01") < 0) {
    return false;
  }
  time_t at = timegm(&day);
  FUZZ_CHECK(gmtime_r(&at, &same) != NULL);
  (void)strftime(again, sizeof again, "%Y-%m-%d", &same);
  int64_t seconds = now_ns / 1000000000 - (now_ns % 1000000000 < 0);
  return strcmp(text, again) == 0 && at <= seconds;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  struct span date = SPAN_EMPTY;
  now_ns = (int64_t)bytes_u64(&feed);
  bool taken = value_parse(date_parse, feed.rest, &date);
  FUZZ_CHECK(taken == is_day(feed.rest));
  FUZZ_CHECK(!taken || span_equal(date, feed.rest));
  return 0;
}
