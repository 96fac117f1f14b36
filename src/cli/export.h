// SPDX-License-Identifier: MIT
// All users, and from where on to read the events.
#pragma once

#include "options.h"

enum exit_code export_run(const struct invocation *invocation, struct arena *arena);
