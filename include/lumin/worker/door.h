// SPDX-License-Identifier: MIT
// The request/reply door: a thread that takes requests in the queue group, puts commands on the command stream and
// answers with their outcomes, and answers queries. DESIGN section 2, "Replies".
#pragma once

#include "lumin/application/catalog.h"
#include "lumin/worker/worker.h"

struct door;

// Starts the thread; it connects, and reconnects, by itself. NULL where memory is short.
struct door *door_start(struct worker *worker);
// Takes no more requests, answers those under way within rpc.timeout, and ends the thread. To be called while the lanes
// still run, since they decide what is under way. What was counted can be read until door_destroy.
void door_stop(struct door *door);    // NULL is fine
void door_destroy(struct door *door); // stops it where it was not stopped; NULL is fine

// One method's counters, for the Services API. Any thread.
struct door_counters {
  uint64_t requests;      // every one that came for the method, refused ones too
  uint64_t errors;        // answers that carried Nats-Service-Error-Code
  uint64_t processing_ns; // total, from its coming to its answer
  char last_error[128];   // "EMAIL_TAKEN: another user ..."; never what the caller sent
};
void door_counters_get(struct door *door, enum method_id method, struct door_counters *ret_counters);

// What belongs to no method.
struct door_totals {
  uint64_t dropped; // requests that nobody could have answered: without a reply subject, or with a forbidden one
  uint64_t lost;    // requests that were open when the link was lost
  uint64_t shed;    // commands refused because too many waited
  uint64_t late;    // outcomes of commands that had been answered already
};
void door_totals_get(struct door *door, struct door_totals *ret_totals);
