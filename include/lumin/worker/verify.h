// SPDX-License-Identifier: MIT
// `lumin-user verify`: checks the guarantees of a live system against its data, in bounded memory.
#pragma once

#include "lumin/worker/program.h"

// Prints a line for each check, and the first differences of each; PROGRAM_FAILED where there is one.
enum program_exit verify_run(const struct config *config);
