// SPDX-License-Identifier: MIT
// What a committed position and the stream as it is now say together: where reading starts, and what was lost. Pure;
// the part of guarantee 9 that holds across restarts, expiry and lost streams.
#pragma once

#include "lumin/worker/cursor.h"

struct stream_range {
  uint64_t first; // last + 1 for an empty stream
  uint64_t last;
};

struct check_verdict {
  enum { CHECK_START, CHECK_ASK_MESSAGE } kind;
  uint64_t seq;        // where to start, or the message whose timestamp decides
  uint64_t lost_first; // lost_first..seq-1 expired unread; 0: nothing did
  const char *anew;    // why the stream is not the one the position was taken in; NULL: it is
};

// The range as STREAM.INFO tells it: an empty stream may call its first sequence 0.
struct stream_range range_of(uint64_t first_seq, uint64_t last_seq);

struct check_verdict check_stream(struct stream_position position, struct stream_range range);
// The message that check_stream asked for stands at `seq` with this timestamp.
struct check_verdict check_message(struct stream_position position, struct stream_range range,
                                   struct stream_position found);
// The message at the position is missing although the stream's ends lie around it.
struct check_verdict check_hole(struct stream_range range);
