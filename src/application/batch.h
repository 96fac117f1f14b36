// SPDX-License-Identifier: MIT
// A batch from the inside; shared by the files that carry out its steps and by nobody else.
#pragma once

#include "lumin/application/pipeline.h"
#include "lumin/application/tokens.h"

// A user that the batch touches: as committed, and as the last decision left it.
struct working {
  struct user before;
  struct user now;
  uint16_t partition;
  bool known;   // read, remembered, or made by this batch; false: still to be loaded
  bool assumed; // a new user that was assumed not to exist, without a look
};

// An identifier that the batch touches.
struct claim {
  enum identifier_kind kind;
  struct span key;
  bool known;         // `before` was read or follows from its holder's own state
  bool assumed;       // taken on the guess that it was free
  struct uuid before; // nil: free
  struct uuid now;    // nil: free
  struct claim *next; // of the same slot
};

struct claims {
  struct claim **slots;
  size_t slot_count; // a power of two
  struct claim **all;
  size_t count;
  size_t limit;
};

struct batch {
  struct pipeline *pipeline;
  struct arena *arena;
  const struct inbound *messages;
  struct command *commands;
  size_t count;
  bool doubtful; // assume nothing: load every row the batch touches

  struct claims claims;
  struct load_result loaded;
  struct identifier *keys_asked; // which `loaded.identifiers` answers for
  size_t keys_asked_count;

  struct new_event *events;
  size_t event_count, event_limit;
  struct partition_mark *marks;
  size_t mark_count;
  struct partition_mark **mark_by_partition;
  struct dead_command *dead;
  size_t dead_count;
};

// claims.c
LUMIN_MUST_USE enum lumin_status claims_init(struct batch *batch);
// The identifiers that go with a user's change from `before` to `after`; refuses what another user holds, and then
// leaves everything as it was.
LUMIN_MUST_USE enum lumin_status claims_move(struct batch *batch, const struct user *before, const struct user *after,
                                             struct refusal *ret_refusal);
// True where a free key was assumed, taken and given back: the transaction itself would not notice a wrong guess.
bool claims_need_look(const struct batch *batch);

// load.c
struct working *batch_working(struct batch *batch, const struct uuid *user_id);
// NULL for a command that is about no user, or could not be decoded, even where its companions have the user: what it
// comes to must not depend on them.
struct working *command_working(struct batch *batch, const struct command *command);

// views.c
// The batch's views by user and viewer, and the users that were deleted: their viewers go.
LUMIN_MUST_USE enum lumin_status views_gather(struct batch *batch, struct record *record);

// record.c
struct partition_mark *batch_mark(struct batch *batch, uint16_t partition);
