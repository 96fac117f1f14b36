// SPDX-License-Identifier: MIT
// Keeps guarantee 6 on the reading side: folds with user_apply, as everybody does.
#include "fold.h"

#include "lumin/application/memory.h"
#include "lumin/infrastructure/codec/codec.h"

#define FOLD_MEMORY ((size_t)16 << 20)
#define FOLD_FULL ((size_t)1 << 20)

enum lumin_status fold_init(struct fold *fold) {
  *fold = (struct fold){.arenas = {arena_create(FOLD_MEMORY), arena_create(FOLD_MEMORY)}};
  if (fold->arenas[0] == NULL || fold->arenas[1] == NULL) {
    fold_finish(fold);
    return LUMIN_NO_MEMORY;
  }
  return LUMIN_OK;
}

void fold_finish(struct fold *fold) {
  arena_destroy(fold->arenas[0]);
  arena_destroy(fold->arenas[1]);
  *fold = (struct fold){0};
}

void fold_begin(struct fold *fold, const struct uuid *user_id) {
  fold->state = (struct user){.id = *user_id};
  arena_reset(fold->arenas[0]);
  arena_reset(fold->arenas[1]);
}

// A state's texts lie where its events were read. A user may have any number of events, so it moves now and then.
static bool state_move(struct fold *fold) {
  struct arena *old = fold->arenas[fold->used], *new = fold->arenas[1 - fold->used];
  char *room = arena_alloc(new, user_texts_len(&fold->state));
  if (room == NULL) {
    return false;
  }
  user_texts_move(&fold->state, room);
  arena_reset(old);
  fold->used = 1 - fold->used;
  return true;
}

enum lumin_status fold_event(struct fold *fold, const struct stored_event *stored) {
  struct event event = {0};
  struct arena *arena = fold->arenas[fold->used];
  struct span body = arena_copy(arena, stored->body);
  if (body.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = codec_decode_event(stored->type, body, arena, &event);
  if (status != LUMIN_OK) {
    return status;
  }
  event.version = stored->version;
  event.time_ns = stored->time_ns;
  user_apply(&fold->state, &event);
  return arena_used(arena) < FOLD_FULL || state_move(fold) ? LUMIN_OK : LUMIN_NO_MEMORY;
}
