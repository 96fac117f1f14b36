// SPDX-License-Identifier: MIT
// A round of the janitor: its connections live as long as it does.
#pragma once

#include "lumin/base/arena.h"
#include "lumin/infrastructure/nats/client.h"
#include "lumin/infrastructure/nats/js.h"
#include "lumin/infrastructure/postgres/database.h"
#include "lumin/worker/janitor.h"

struct round {
  const struct config *config;
  struct arena *arena;
  struct client *client;
  struct database *database;
  struct js_stream_info commands;
};

// ---- the command stream

struct input_position {
  uint64_t seq;
  int64_t ts_ns;
};

// Up to which sequence, that one excluded, commands may and shall go, so that the stream holds somewhat less than
// `high_water`; 0: none. `applied_seq` is the least of all input positions; the message there stays, since only it can
// tell that the position belongs to this stream.
uint64_t purge_end(const struct js_stream_info *stream, uint64_t high_water, uint64_t applied_seq);

struct purge_report {
  uint64_t purged; // messages
  uint64_t up_to;  // sequence, excluded
  bool backed_up;  // above the high-water mark, and what is applied was not enough to get below
};
LUMIN_MUST_USE enum lumin_status commands_purge(struct round *round, struct purge_report *ret_report);

// ---- outcomes

// Takes away what has outlived the retention, in small transactions, from `*block` of the table on until its end or
// until `until_ns`; *block is then where to go on, 0 at the end.
LUMIN_MUST_USE enum lumin_status outcomes_prune(struct round *round, uint64_t *block, int64_t until_ns,
                                                uint64_t *ret_pruned);
