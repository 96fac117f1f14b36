// SPDX-License-Identifier: MIT
// A stream, read in order from a place to its end, or on and on; nothing is acknowledged and nothing is changed.
#pragma once

#include <nats/nats.h>

#include "client.h"

struct stream_item {
  natsMsg *message;
  uint64_t seq;
  int64_t ts_ns; // when the stream took it
};

// What to read, and who takes it.
struct stream_reading {
  const char *stream;
  struct span filter; // of subjects
  uint64_t from_seq;  // begin there; 0: see below
  int64_t from_ns;    // or with what the stream has taken since; 0: at the first
  bool from_new;      // or behind the last
  uint64_t last;      // only so many at the end; 0: all
  uint64_t limit;     // stop after so many; 0: no limit
  bool follow;        // wait for more at the end

  struct arena *arena; // reset before each message
  void *self;
  enum lumin_status (*take)(void *self, const struct stream_item *item);
};

// --since, --last, --limit and --follow of the command line. Complains and returns EXIT_USAGE where one is wrong.
enum exit_code stream_reading_parse(const struct invocation *invocation, struct stream_reading *reading);

// The token of --user-id in a stream's subjects, "*" without it. Complains and returns EXIT_USAGE where it is no UUID.
enum exit_code user_token_prepare(const struct invocation *invocation, struct arena *arena, const char **ret_token);

// Reads. Complains where it cannot.
enum exit_code stream_read(const struct stream_reading *reading, const struct settings *settings);
