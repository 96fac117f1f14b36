// SPDX-License-Identifier: MIT
// The request/reply door: a thread that takes requests in the queue group, puts commands on the command stream and
// answers with their outcomes, and answers queries. DESIGN section 2, "Replies".
#pragma once

#include "lumin/worker/worker.h"

struct door;

// Starts the thread; it connects, and reconnects, by itself. NULL where memory is short.
struct door *door_start(struct worker *worker);
// Takes no more requests, answers those under way within rpc.timeout, and ends the thread.
void door_stop(struct door *door); // NULL is fine
void door_destroy(struct door *door);

// One method's counters, for the Services API. Any thread.
struct door_counters {
  uint64_t requests, errors;
  uint64_t processing_ns; // total
  char last_error[128];   // "EMAIL_TAKEN: another user ..."; never what the caller sent
};
#include "lumin/application/catalog.h"
void door_counters_get(struct door *door, enum method_id method, struct door_counters *ret_counters);
