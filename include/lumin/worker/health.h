// SPDX-License-Identifier: MIT
// `lumin-user health`: whether the service works, as one of its callers would find it.
#pragma once

#include "lumin/worker/program.h"

// Prints a line for each check: "ok   name  detail" or "FAIL name  what to do". Bounded by a few seconds. `local`: only
// whether the two servers can be reached with this configuration.
enum program_exit health_run(const struct config *config, bool local);
