// SPDX-License-Identifier: MIT
// A stretch of a stream's messages, one after the other, for programs that ask and end: by an ephemeral pull consumer
// of its own, in bounded memory. Whatever disturbs the reading (a gap, silence, a consumer that is gone) ends in a new
// consumer behind the last message taken.
#pragma once

#include "lumin/worker/program.h"

struct stream_reader;

struct stream_reading {
  const char *stream;
  struct span filter;           // a subject; empty: all of it
  uint64_t first_seq, last_seq; // from there, to there
  bool headers_only;
};

struct stream_message {
  natsMsg *message; // the taker's: natsMsg_Destroy
  uint64_t seq;
  int64_t ts_ns;
};

// NULL: no memory.
struct stream_reader *stream_reader_create(struct program *program, const struct stream_reading *reading);
void stream_reader_destroy(struct stream_reader *reader); // NULL is fine
// NOT_FOUND: the end. UNAVAILABLE, DEADLINE_EXCEEDED, CONNECTION_LOST: it cannot be read.
LUMIN_MUST_USE enum lumin_status stream_reader_next(struct stream_reader *reader, struct stream_message *ret_message);

// What the stream says of itself; complains and returns UNAVAILABLE where it does not answer.
LUMIN_MUST_USE enum lumin_status stream_ask(struct program *program, const char *stream,
                                            struct js_stream_info *ret_info);
// The time of the message at that sequence, asked of the leader. NOT_FOUND: there is none.
LUMIN_MUST_USE enum lumin_status stream_ask_time(struct program *program, const char *stream, uint64_t seq,
                                                 int64_t *ret_ts_ns);
// Complains that the stream cannot be read. Returns UNAVAILABLE.
enum lumin_status stream_unreadable(struct program *program, const char *stream, enum lumin_status status);
