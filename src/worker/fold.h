// SPDX-License-Identifier: MIT
// A user's state made of its events as the table holds them, one after the other, in bounded memory. For the words that
// read all of them; the lanes fold what they have just decided (domain/user.c).
#pragma once

#include "lumin/base/arena.h"
#include "lumin/domain/user.h"

struct fold {
  struct user state;
  struct arena *arenas[2]; // the state's, and the one it moves to when that is full
  int used;
};

LUMIN_MUST_USE enum lumin_status fold_init(struct fold *fold); // NO_MEMORY
void fold_finish(struct fold *fold);
// Forgets the user at hand and begins with another, that has no events yet.
void fold_begin(struct fold *fold, const struct uuid *user_id);

// An event as stored. `body` is needed during the call only.
struct stored_event {
  enum event_type type;
  uint64_t version;
  int64_t time_ns;
  struct span body;
};
// NO_MEMORY; any other refusal: the event cannot be read, and the state is what it was.
LUMIN_MUST_USE enum lumin_status fold_event(struct fold *fold, const struct stored_event *event);
