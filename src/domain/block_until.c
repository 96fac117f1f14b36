// SPDX-License-Identifier: MIT
// Ends of blocks, by the same clock as everything a command decides: its own time.
#include "lumin/domain/values.h"

#define NS_PER_S INT64_C(1000000000)

static const char allowed[] = "a time later than the command's and before the year 2262; left out: no end";

enum lumin_status block_until_parse(struct block_until input, int64_t now_ns, const char *field, int64_t *ret_until_ns,
                                    struct refusal *ret_refusal) {
  // One second short of what 64 bits hold, so that the nanoseconds always fit.
  bool fits = input.seconds > -(INT64_MAX / NS_PER_S) && input.seconds < INT64_MAX / NS_PER_S;
  if (!fits || input.nanos < 0 || input.nanos >= NS_PER_S)
    return refuse_field(ret_refusal, field, allowed, "the end of the block is no time that the service can hold");
  int64_t until_ns = input.seconds * NS_PER_S + input.nanos;
  if (until_ns <= now_ns)
    return refuse_field(ret_refusal, field, allowed, "the end of the block is not later than the command");
  *ret_until_ns = until_ns;
  return LUMIN_OK;
}
