// SPDX-License-Identifier: MIT
// luminctl partitions: who owns what.
#pragma once

#include "options.h"

enum exit_code partitions_run(const struct invocation *invocation, struct arena *arena);
