// SPDX-License-Identifier: MIT
// A block that ends by itself ends without an event: what is kept of the user before its end is not kept beyond it.
#include "cached.h"

#include "lumin/infrastructure/codec/codec.h"

enum lumin_status cached_make(const struct user *user, int64_t time_ns, struct arena *arena,
                              struct cached_user *ret_cached) {
  struct user now = user_at(user, time_ns);
  struct cached_user cached = cached_none();
  cached.version = now.version;
  cached.status = (int)now.status;
  if (user->status == USER_BLOCKED && user->blocked_until_ns != 0) {
    *(now.status == USER_BLOCKED ? &cached.until_ns : &cached.from_ns) = user->blocked_until_ns;
  }
  enum lumin_status status = codec_encode_user(&now, arena, &cached.body);
  if (status == LUMIN_OK) {
    *ret_cached = cached;
  }
  return status;
}
