// SPDX-License-Identifier: MIT
// Runs a method of the catalog: by request/reply, or a command by way of the command stream.
#pragma once

#include "options.h"

enum exit_code call_run(const struct invocation *invocation, struct arena *arena);
