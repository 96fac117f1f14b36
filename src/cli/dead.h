// SPDX-License-Identifier: MIT
// `luminctl dead`: commands that could not be applied, on their stream: seen, sent again, dropped.
#pragma once

#include "options.h"

enum exit_code dead_run(const struct invocation *invocation, struct arena *arena);
