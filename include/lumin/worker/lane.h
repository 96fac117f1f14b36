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
  uint32_t partitions; // owned
  uint32_t waiting;    // messages taken, not yet committed
  uint32_t unrelayed;  // events committed, not yet acknowledged
  bool nats_up, postgres_up;
};
void lane_counters_get(const struct lane *lane, struct lane_counters *ret_counters); // any thread
