// SPDX-License-Identifier: MIT
// A batch from the inside; shared by the files that carry out its steps and by nobody else.
#pragma once

#include "lumin/application/precedent.h"
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

  const struct precedents *precedents; // of a repair; NULL: none
  const struct command *stopped;       // ... the command that has to wait
  bool refuted;                        // ... a command was disproved: decide again
  struct void_range *voids;
  size_t void_count;
};

// claims.c
LUMIN_MUST_USE enum lumin_status claims_init(struct batch *batch);
// The identifiers that go with a user's change from `before` to `after`; refuses what another user holds, and then
// leaves everything as it was.
LUMIN_MUST_USE enum lumin_status claims_move(struct batch *batch, const struct user *before, const struct user *after,
                                             struct refusal *ret_refusal);
// As claims_move, of a change that is a fact: whoever else holds a key has given it up in the meantime.
LUMIN_MUST_USE enum lumin_status claims_force(struct batch *batch, const struct user *before, const struct user *after);
// Whether the change takes a key, and whose that was.
enum command_claim change_claim(struct batch *batch, const struct user *before, const struct user *after);
// Whether the keys that it takes were read for this batch.
bool claims_are_known(struct batch *batch, const struct user *before, const struct user *after);
// A change that is known not to have been: refuses it for the key that another user must have held. INTERNAL where it
// asks for none.
enum lumin_status claims_disprove(struct batch *batch, const struct user *before, const struct user *after,
                                  struct refusal *ret_refusal);
// True where a free key was assumed, taken and given back: the transaction itself would not notice a wrong guess; and
// in a repair, whose transaction notices none, wherever a key was not read.
bool claims_need_look(const struct batch *batch);

// precedent.c
// Where it is the command's turn to lead to its published events, it has no fault.
void command_acquit(struct batch *batch, struct command *command);
// Its id is that of an earlier command that waits (precedent.h), or of one that was applied.
bool command_is_preceded(const struct batch *batch, const struct command *command);
// What a decision comes to that precedents bind, its claims included; `status` is that of the decision itself.
LUMIN_MUST_USE enum lumin_status decision_follow(struct batch *batch, struct command *command,
                                                 struct decision *decision, enum lumin_status status);
// The body of the command's event of that version as published; data is NULL where there is none.
struct span precedent_body(const struct command *command, uint64_t version);

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
