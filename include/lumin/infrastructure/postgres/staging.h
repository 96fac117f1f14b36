// SPDX-License-Identifier: MIT
// Events of the event stream beside those of the table, in a temporary table of one connection: however many there are,
// they take no memory here, and nothing of them is left behind. For programs that repair.
#pragma once

#include "lumin/domain/event.h"
#include "lumin/infrastructure/postgres/database.h"

struct staged_event {
  uint64_t stream_seq; // of the event stream; 0: it comes from the table
  struct uuid user_id;
  uint64_t version;
  uint16_t partition;
  uint64_t position;
  enum event_type type;
  int64_t time_ns;
  struct uuid command_id;
  struct span actor, traceparent, tracestate;
  struct span body;
};
struct staged_events {
  struct staged_event *rows; // in the arena of the call
  size_t count;
};

LUMIN_MUST_USE enum lumin_status staging_create(struct database *database);
// CONFLICT: a message says otherwise than an earlier one about a position or a user's version; *ret_seq is its
// sequence.
LUMIN_MUST_USE enum lumin_status staging_add(struct database *database, const struct staged_events *events,
                                             struct arena *arena, uint64_t *ret_seq);
// Once all are there.
LUMIN_MUST_USE enum lumin_status staging_index(struct database *database);

// ---- events that the table does not have, and their commands

// A command of the command stream.
struct staged_command {
  uint16_t partition;
  uint64_t seq;
  int64_t ts_ns;
  struct uuid command_id;
};
// Tells the events of these commands where their commands stand. The first that comes under an id counts, unless it is
// later than the event itself: then it repeats one that is gone.
LUMIN_MUST_USE enum lumin_status staging_locate(struct database *database, const struct staged_command *commands,
                                                size_t count, struct arena *arena);

// What is staged of a partition.
struct staged_partition {
  uint16_t partition;
  uint64_t events, first, last; // positions
  uint64_t orphans;             // events whose command is gone
  uint64_t last_seq;            // of the commands that are there; 0: none
};
// Those of which something is, by number.
LUMIN_MUST_USE enum lumin_status staging_partitions(struct database *database, struct arena *arena,
                                                    struct staged_partition **ret_partitions, size_t *ret_count);

// The events of some commands, by partition and position; and for each partition below `partitions` the lowest position
// of any other command's, or 0.
struct staged_ids {
  const struct uuid *ids;
  size_t count;
};
LUMIN_MUST_USE enum lumin_status staging_of_commands(struct database *database, struct staged_ids commands,
                                                     struct arena *arena, struct staged_events *ret_events);
LUMIN_MUST_USE enum lumin_status staging_next(struct database *database, struct staged_ids commands,
                                              struct arena *arena, uint64_t *ret_next, size_t partitions);

// Versions of some users without a gap.
struct staged_run {
  struct uuid user_id;
  uint64_t first, last;
};
LUMIN_MUST_USE enum lumin_status staging_runs(struct database *database, struct staged_ids users, struct arena *arena,
                                              struct staged_run **ret_runs, size_t *ret_count);

// Events whose commands are gone and that are next in their partition, from the lowest position on.
LUMIN_MUST_USE enum lumin_status staging_orphans(struct database *database, uint16_t partition, uint32_t most,
                                                 struct arena *arena, struct staged_events *ret_events);
// For each partition below `partitions`: where the command stands whose events are followed by such ones; 0: none.
LUMIN_MUST_USE enum lumin_status staging_anchors(struct database *database, uint64_t *ret_seqs, size_t partitions);

// Sequences of their messages, ascending, above one of them.
LUMIN_MUST_USE enum lumin_status staging_sequences(struct database *database, uint64_t after, struct arena *arena,
                                                   uint64_t **ret_seqs, size_t *ret_count);
#define STAGED_CHUNK 512
// Users and their versions, ascending by user, above one of them; STAGED_CHUNK at most.
LUMIN_MUST_USE enum lumin_status staging_users(struct database *database, const struct uuid *after, struct arena *arena,
                                               struct staged_run **ret_users, size_t *ret_count);

// Forgets what the table has by now: positions up to those.
struct staged_position {
  uint16_t partition;
  uint64_t position;
};
LUMIN_MUST_USE enum lumin_status staging_forget(struct database *database, const struct staged_position *positions,
                                                size_t count, struct arena *arena);

// ---- events that the stream does not have

struct missing_query {
  uint16_t partition;
  uint64_t after, to;         // positions: above the one, up to the other
  const struct uuid *user_id; // NULL: any
  uint32_t most;
};
struct missing_event {
  struct staged_event event;
  bool late; // later versions of its user are on the stream
};
struct missing_events {
  struct missing_event *rows;
  size_t count;
};
LUMIN_MUST_USE enum lumin_status staging_missing(struct database *database, const struct missing_query *query,
                                                 struct arena *arena, struct missing_events *ret_events);
