// SPDX-License-Identifier: MIT
// The worker in the NATS Services API (ADR-32): it answers $SRV.PING, INFO and STATS, each plain, by name and by id, so
// that every NATS client can find it and look at it. That is the inventory, health and metrics surface of a service
// without HTTP.
#pragma once

#include "lumin/worker/door.h"
#include "lumin/worker/lane.h"

struct service;

// Starts a thread with a link of its own, so that these answers never queue behind work; it connects, and reconnects,
// by itself. The lanes' counters go into the statistics; door and lanes must outlive it. NULL where memory is short.
struct service *service_start(struct worker *worker, struct door *door, struct lane *const *lanes, size_t lane_count);
// Ends the thread and frees the rest.
void service_stop(struct service *service); // NULL is fine
