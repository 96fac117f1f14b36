// SPDX-License-Identifier: MIT
// The comparison behind an attach: sequences alone prove nothing, since a stream that lost its tail, or was made anew,
// hands them out again. Keeps guarantee 9: what cannot be proved to be continuous is read again from the first message
// (guarantee 2 makes that harmless), and what expired unread is named.
#include "cursor_check.h"

static struct check_verdict check_anew(struct stream_range range, const char *why) {
  return (struct check_verdict){.kind = CHECK_START, .seq = range.first, .anew = why};
}

// The stream is the one of the position, and begins after it.
static struct check_verdict check_after_expiry(struct stream_position position, struct stream_range range) {
  struct check_verdict verdict = {.kind = CHECK_START, .seq = range.first};
  if (range.first > position.seq + 1)
    verdict.lost_first = position.seq + 1;
  return verdict;
}

struct stream_range range_of(uint64_t first_seq, uint64_t last_seq) {
  // A consumer that starts beyond last + 1 would wait for ever.
  const bool empty = first_seq == 0 || first_seq > last_seq;
  return (struct stream_range){.first = empty ? last_seq + 1 : first_seq, .last = last_seq};
}

struct check_verdict check_stream(struct stream_position position, struct stream_range range) {
  if (position.seq > range.last)
    return check_anew(range, "the stream ends before the position");
  if (position.seq >= range.first)
    return (struct check_verdict){.kind = CHECK_ASK_MESSAGE, .seq = position.seq};
  if (position.seq == 0 || range.first > range.last)
    return check_after_expiry(position, range);
  return (struct check_verdict){.kind = CHECK_ASK_MESSAGE, .seq = range.first};
}

struct check_verdict check_message(struct stream_position position, struct stream_range range,
                                   struct stream_position found) {
  if (found.seq == position.seq) {
    if (found.ts_ns != position.ts_ns)
      return check_anew(range, "another message stands at the position");
    return (struct check_verdict){.kind = CHECK_START, .seq = position.seq + 1};
  }
  if (found.ts_ns < position.ts_ns)
    return check_anew(range, "the first message is older than the position");
  return check_after_expiry(position, range);
}

struct check_verdict check_hole(struct stream_range range) {
  return check_anew(range, "no message stands at the position");
}
