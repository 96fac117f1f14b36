// SPDX-License-Identifier: MIT
// `lumin-user rebuild`: the read tables (users, identifiers) made anew from the events, compared with the live ones and
// put in their place, while the service runs. The events table is the truth; everything else can be made of it.
#pragma once

#include "lumin/worker/program.h"

// With `check`, compares only: PROGRAM_FAILED where there is a difference. Prints the first differences, by ids and
// column names, before anything is replaced.
enum program_exit rebuild_run(const struct config *config, bool check);
