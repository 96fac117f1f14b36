// SPDX-License-Identifier: MIT
// What a batch has changed, to the worker's own readers: after the commit, and before anybody hears of it, so that who
// has an outcome from this worker's lane finds it when reading from this worker's door.
#include "cached.h"
#include "lane_internal.h"
#include "lumin/base/clock.h"

// Where the state is not remembered any more it is loaded by whoever wants it.
static void event_tell(struct lane *lane, const struct new_event *event) {
  struct cache *cache = lane->worker->cache;
  const struct user *user = memory_get(lane->memory, &event->user_id);
  struct cached_user cached;
  if (user != NULL && user->version > event->event.version) {
    return; // a later event of this batch tells it
  }
  uint64_t ticket = cache_changed(cache, &event->user_id, event->event.version);
  if (ticket != 0 && user != NULL && user->version == event->event.version &&
      cached_make(user, clock_wall_ns(), lane->turn, &cached) == LUMIN_OK) {
    cache_keep(cache, &event->user_id, ticket, lane->attempted_ns, &cached);
  }
}

void lane_tell_cache(struct lane *lane, const struct batch *batch) {
  size_t count = 0;
  const struct new_event *events = batch_events(batch, &count);
  arena_reset(lane->turn);
  for (size_t i = 0; lane->worker->cache != NULL && i < count; i++) {
    event_tell(lane, &events[i]);
  }
}
