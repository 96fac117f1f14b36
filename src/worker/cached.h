// SPDX-License-Identifier: MIT
// Users as the cache keeps them: the reply to `get`, encoded, and for how long it is the right one.
#pragma once

#include "lumin/base/arena.h"
#include "lumin/domain/user.h"
#include "lumin/infrastructure/cache/cache.h"

// The user as it is at `time_ns`. Its body is in the arena; NO_MEMORY where that is full.
LUMIN_MUST_USE enum lumin_status cached_make(const struct user *user, int64_t time_ns, struct arena *arena,
                                             struct cached_user *ret_cached);
// There is no such user.
static inline struct cached_user cached_none(void) {
  return (struct cached_user){.from_ns = INT64_MIN, .until_ns = INT64_MAX};
}
