// SPDX-License-Identifier: MIT
// Keeps the worker's cache fresh: a thread that hears of every change on the event stream, whichever worker made it,
// and lets nobody trust the cache while it may have missed one. DESIGN section 7.
#pragma once

#include "lumin/worker/worker.h"

struct refresher;

// Starts the thread; it connects, and reconnects, by itself. The worker's cache must outlive it. NULL where memory is
// short.
struct refresher *refresher_start(struct worker *worker);
void refresher_stop(struct refresher *refresher); // NULL is fine
