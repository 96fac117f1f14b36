// SPDX-License-Identifier: MIT
// A lane: a thread with one PostgreSQL session and one NATS link that owns some partitions, applies their commands and
// relays their events. Its loop, lane_live in src/worker/lane.c, is the architecture.
#pragma once

#include "lumin/worker/worker.h"

struct lane;

// Starts the thread of lane `number`. It connects, takes its share of the partitions and works by itself. NULL where
// memory is short.
struct lane *lane_start(struct worker *worker, int number);
// Waits until the lane has ended, after worker->stopping was set: its batch finished, its events out, its partitions
// given up. Frees it.
void lane_join(struct lane *lane); // NULL is fine

struct lane_counters {
  uint64_t batches, commands, events, conflicts, reattached, in_doubt, fenced, dead, duplicates;
  uint64_t relay_conflicts; // publishes refused because another's event had come before
  uint64_t relay_found;     // events found on the stream where their publish was in doubt
  uint64_t foreign_writes;  // batches that met what somebody else had written
  uint32_t partitions;      // owned
  uint32_t waiting;         // messages taken, not yet committed
  uint32_t unrelayed;       // events committed, not yet acknowledged
  uint32_t alarms;          // partitions with one: closed, or their events do not get out
  bool nats_up, postgres_up;
};
void lane_counters_get(const struct lane *lane, struct lane_counters *ret_counters); // any thread

// How a partition of the lane stands.
struct lane_partition {
  uint16_t number;
  int lane;
  enum lane_partition_state {
    LANE_PARTITION_SURVEYED, // it opens soon: the event stream is being looked at
    LANE_PARTITION_OPEN,
    LANE_PARTITION_LEAVING, // being given up to another lane
    LANE_PARTITION_AHEAD,   // closed: the event stream knows more than the table
  } state;
  uint64_t epoch;
  int64_t owned_since_ns; // the database's clock
  uint64_t position;      // everything up to this sequence of the command stream is committed
  int64_t position_ts_ns;
  uint64_t passed;  // nothing of it waits up to this one: as far as the lane has read, where nothing does
  uint32_t waiting; // messages taken, not yet committed
  uint64_t event_position;
  uint64_t unrelayed; // events committed, not yet acknowledged
};
// As of a quarter of a second ago at most, while the lane gets on. Writes up to `room`, returns how many there are.
size_t lane_partitions_get(const struct lane *lane, struct lane_partition *ret_partitions, size_t room); // any thread
