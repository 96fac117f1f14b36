// SPDX-License-Identifier: MIT
// The janitor's thread: what it takes away is what nothing needs any more. From the command stream, when that fills up,
// the oldest commands below every partition's input position; from the outcomes, those older than any command that the
// stream can still bring again. Only the worker that owns partition 0 cleans; the others look and go.
#pragma once

#include "lumin/worker/worker.h"

struct janitor;

struct janitor *janitor_start(struct worker *worker); // NULL where memory is short
void janitor_stop(struct janitor *janitor);           // NULL is fine
