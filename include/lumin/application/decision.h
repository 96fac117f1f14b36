// SPDX-License-Identifier: MIT
// What a command's file gets to see and gives back: the state its predecessor left, and events or a refusal.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/domain/user.h"

#define DECISION_EVENTS_MAX 16

struct decision {
  struct arena *arena; // the batch's
  int64_t time_ns;     // max(the user's last event's, the message's): the only time a decision knows
  struct user user;    // working copy, as of that time; after each emit, the state with that event
  struct event events[DECISION_EVENTS_MAX];
  size_t event_count;
  struct refusal refusal;
};

// A command's handler. `message` is the row's request message, decoded. OK with no event emitted means UNCHANGED; a
// status with a service code means refused, `decision->refusal` says why; anything else is an internal failure.
typedef enum lumin_status (*command_handler)(struct decision *decision, const ProtobufCMessage *message);

// Takes the verb's event as the next of the user, and folds it into decision->user. EVENT_NONE is taken as nothing.
LUMIN_MUST_USE enum lumin_status decision_emit(struct decision *decision, const struct event *event);

#define COMMAND(name, Request, user, summary)                                                                          \
  enum lumin_status command_##name(struct decision *decision, const ProtobufCMessage *message);
#define QUERY(name, Request, Reply, summary)
#include "lumin/application/catalog.def"
#undef COMMAND
#undef QUERY
