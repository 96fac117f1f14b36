// SPDX-License-Identifier: MIT
// `lumin-user setup`: schema, settings and streams, made where they are absent and checked where they exist, and a look
// at whether commands reach their partitions. Running it again changes nothing.
#pragma once

#include "lumin/worker/program.h"

// Prints what it did on standard output, what is wrong on standard error.
enum program_exit setup_run(const struct config *config);
