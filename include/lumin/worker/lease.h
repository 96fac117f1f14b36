// SPDX-License-Identifier: MIT
// The worker's word that it is alive: a row with a lease, renewed on a connection of its own by the database's clock as
// long as the lanes' loops turn. It also frees partitions whose rows a stopped process holds locked. Keeps part of
// guarantee 5 (the fence in every batch keeps the rest: a lease alone fences nobody).
#pragma once

#include "lumin/worker/worker.h"

struct lease;

// Registers the worker and starts the thread. RETRY where PostgreSQL cannot be reached; ret_error says why.
LUMIN_MUST_USE enum lumin_status lease_start(struct worker *worker, struct lease **ret_lease, char *ret_error,
                                             size_t size);
// After the lanes have given up their partitions: removes the worker's row and ends the thread.
void lease_stop(struct lease *lease); // NULL is fine
