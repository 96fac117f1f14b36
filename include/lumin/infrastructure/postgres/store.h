// SPDX-License-Identifier: MIT
// The lane's database: the store port, and the rows that ownership and relay read and write. Every call returns when
// the answer is there; the session's wait turns the lane's loop meanwhile.
#pragma once

#include "lumin/application/pipeline.h"
#include "lumin/infrastructure/postgres/session.h"

struct store {
  struct session *session; // NULL while there is no connection: every call then says CONNECTION_LOST
  struct uuid worker_id;
  int32_t lane; // both own partitions together
};

struct store_port store_port(struct store *store);

// A row of `partitions`, as taken.
struct partition_row {
  uint16_t partition;
  uint64_t epoch;
  uint64_t input_seq;
  int64_t input_ts_ns;
  uint64_t event_position;
  uint64_t relayed_position;
  uint64_t event_stream_seq;
  int64_t event_stream_ts_ns;
  uint64_t dead_position;
  uint64_t dead_relayed;
  int64_t owned_since_ns; // the database's clock
};

// What its owner begins from.
struct partition_truth partition_row_truth(const struct partition_row *row);

struct partition_set {
  const uint16_t *numbers;
  size_t count;
};

struct partition_rows {
  struct partition_row *rows; // in the arena
  size_t count;
};

struct take_request {
  bool able;                 // to serve what it takes; else it takes nothing
  struct partition_set held; // what the lane owns by its own account
};

struct take_result {
  struct partition_rows taken;
  uint32_t surplus;  // how many of those held shall be given up, so that others have their share
  int64_t expiry_ms; // until the next lease of another runs out, unless it is renewed; 0: there is none
  uint32_t others;   // other workers that can take partitions
};

// Takes free and expired partitions up to the lane's share, and those that are the lane's but not held: the answer to a
// take may have been lost.
LUMIN_MUST_USE enum lumin_status store_take(struct store *store, const struct take_request *request,
                                            struct arena *arena, struct take_result *ret_result);
// A new epoch for those that are still mine, after a connection was lost; waits for a commit in flight.
LUMIN_MUST_USE enum lumin_status store_retake(struct store *store, struct partition_set set, struct arena *arena,
                                              struct partition_rows *ret_rows);
// Those that are mine, as they stand.
LUMIN_MUST_USE enum lumin_status store_owned(struct store *store, struct partition_set set, struct arena *arena,
                                             struct partition_rows *ret_rows);
// Frees them for others, who are told. `leaving`: the worker wants none back.
LUMIN_MUST_USE enum lumin_status store_release(struct store *store, struct partition_set set, bool leaving,
                                               struct arena *arena);
// Takes these partitions from whoever has them; all their rows, by number. `set` in ascending order.
LUMIN_MUST_USE enum lumin_status store_seize(struct store *store, struct partition_set set, struct arena *arena,
                                             struct partition_rows *ret_rows);
// Gives back all that is owned.
LUMIN_MUST_USE enum lumin_status store_return(struct store *store, struct arena *arena);
// What is wrong with partitions that are mine, by name; NULL: nothing.
struct partition_alarm {
  uint16_t partition;
  const char *name;
};
LUMIN_MUST_USE enum lumin_status store_alarms(struct store *store, const struct partition_alarm *alarms, size_t count,
                                              struct arena *arena);
// The fence alone: moves positions of partitions that have no batch. Same statuses as record.
LUMIN_MUST_USE enum lumin_status store_checkpoint(struct store *store, const struct partition_mark *marks, size_t count,
                                                  struct arena *arena);
LUMIN_MUST_USE enum lumin_status store_lost_range(struct store *store, uint16_t partition, uint64_t first_seq,
                                                  uint64_t last_seq, struct arena *arena);

// An event read back for the relay.
struct stored_event {
  struct uuid user_id;
  uint64_t version;
  uint64_t position;
  enum event_type type;
  int64_t time_ns;
  struct uuid command_id;
  struct span actor, traceparent, tracestate;
  struct span body;
};
struct stored_events {
  struct stored_event *rows; // in the arena
  size_t count;
};

// Rows of a partition behind a position, in position order.
struct rows_after {
  uint16_t partition;
  uint64_t position;
  uint32_t most;
};
LUMIN_MUST_USE enum lumin_status store_events_after(struct store *store, const struct rows_after *after,
                                                    struct arena *arena, struct stored_events *ret_events);

// Where events stand now, by their users and versions; in no order, and nothing for those that are not in the table.
struct event_keys {
  struct uuid *users;
  uint64_t *versions;
  size_t count;
};
struct stored_place {
  struct uuid user_id;
  uint16_t partition;
  uint64_t position;
};
struct stored_places {
  struct stored_place *rows; // in the arena
  size_t count;
};
LUMIN_MUST_USE enum lumin_status store_event_places(struct store *store, const struct event_keys *keys,
                                                    struct arena *arena, struct stored_places *ret_places);

struct stored_dead {
  uint64_t dead_position;
  uint64_t stream_seq;
  struct uuid command_id;
  struct span method, user_token, reason, headers, payload;
  struct refusal refusal; // why; none where it was decided anew meanwhile
};
struct stored_deads {
  struct stored_dead *rows; // in the arena
  size_t count;
};
LUMIN_MUST_USE enum lumin_status store_dead_after(struct store *store, const struct rows_after *after,
                                                  struct arena *arena, struct stored_deads *ret_dead);

// Queries: rows by key; what has no row is not in the result.
LUMIN_MUST_USE enum lumin_status store_load(struct store *store, const struct load_request *request,
                                            struct arena *arena, struct load_result *ret_result);
