// SPDX-License-Identifier: MIT
// `luminctl events`: the event stream, one line an event.
#pragma once

#include "options.h"

enum exit_code events_run(const struct invocation *invocation, struct arena *arena);
