// SPDX-License-Identifier: MIT
// Time for timers, logs and names, in nanoseconds. No decision of the domain looks at it (DESIGN section 1, point 5).
#pragma once

#include "lumin/base/span.h"
#include "lumin/base/status.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

int64_t clock_monotonic_ns(void); // CLOCK_BOOTTIME: goes on while the machine sleeps
int64_t clock_wall_ns(void);      // since 1970-01-01 UTC

#define CLOCK_RFC3339_MAX 36
// "2026-11-21T22:20:14.123456789Z" with a NUL; returns its length without it.
size_t clock_format_rfc3339(int64_t wall_ns, char ret_text[CLOCK_RFC3339_MAX]);
// RFC 3339 with any offset and up to nine digits of a second; years 1678 to 2262 (what 64 bits of nanoseconds hold).
LUMIN_MUST_USE enum lumin_status clock_parse_rfc3339(struct span text, int64_t *ret_wall_ns);
