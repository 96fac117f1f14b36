// SPDX-License-Identifier: MIT
// What the threads of a worker share: who it is, how it is set up, and two words between them. A worker is one process
// start; its threads are its lanes (they apply commands and relay events), its door (requests), its refresher (what the
// door remembers of users), its lease (ownership) and its service endpoint (discovery and statistics).
#pragma once

#include <stdatomic.h>

#include "lumin/base/random.h"
#include "lumin/base/uuid.h"
#include "lumin/infrastructure/cache/cache.h"
#include "lumin/infrastructure/config/config.h"
#include "lumin/infrastructure/nats/link.h"
#include "lumin/infrastructure/postgres/session.h"

#define STREAM_COMMANDS "LUMIN_USER_COMMANDS"
#define STREAM_EVENTS "LUMIN_USER_EVENTS"
#define STREAM_DEAD "LUMIN_USER_DEAD"

#define WORKER_LANES_MAX 64

struct worker {
  const struct config *config;
  struct uuid id;                   // of this process start; owner of partitions
  char token[RANDOM_TOKEN_LEN + 1]; // its name in subjects and in the Services API
  char name[129];                   // for people
  int32_t layout;                   // how it counts partitions: of another one it gets none
  uint64_t position_base;           // events of earlier layouts were published with positions up to here
  atomic_bool stopping;             // set once; the lanes and the lease end in order
  atomic_uint registrations;        // grows when the worker's row was lost and it registered anew: the lanes then give
                                    // up what they own and take again
  _Atomic int64_t lane_turned_ns[WORKER_LANES_MAX]; // last turn of each lane's loop (clock_monotonic_ns): the watchdog
  // When each lane last got on with both of its connections up (clock_monotonic_ns): it can take partitions.
  _Atomic int64_t lane_able_ns[WORKER_LANES_MAX];
  _Atomic int64_t lane_linked_ns[WORKER_LANES_MAX]; // last turn of its loop with NATS connected
  // Which lanes own partitions: the lease chooses among those that are able, and tells the other workers.
  atomic_int others;           // other workers that can take partitions, as a lane last saw it; -1: not yet known
  atomic_int others_met;       // for how many of them the lanes were last chosen; -1: not yet
  _Atomic uint64_t lanes_used; // a bit for each lane that was chosen; 0: none yet
  struct cache *cache;         // NULL: the door remembers nothing
  atomic_bool outdated;        // the layout is another one by now: the worker ends
  atomic_bool lease_lost;      // the lease could not be renewed in time; lanes go on, the fence decides
};

// A worker's identity: fresh id and token, its name. IO: no random numbers.
LUMIN_MUST_USE enum lumin_status worker_init(struct worker *worker, const struct config *config);

// Options filled from the configuration; `role` is what the connection is called at the server ("lane 0").
struct link_options worker_link_options(const struct worker *worker, const char *role, char *name, size_t size);
struct session_options worker_session_options(const struct worker *worker, const char *role, char *name, size_t size);

// The prefix of all subjects.
static inline struct span worker_prefix(const struct worker *worker) {
  return span_from_text(worker->config->service_prefix);
}
