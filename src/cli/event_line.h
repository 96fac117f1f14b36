// SPDX-License-Identifier: MIT
// An event of the stream as one line: stream sequence, time, event, user id, version, and what the body says.
#pragma once

#include <nats/nats.h>

#include "names.h"
#include "reply.h"

// The event's name as in events.def; NULL where there is no such event.
const char *event_name_find(struct span name);
// All names, for a person who mistyped one.
struct name_list event_names(struct arena *arena);

// Writes the line. What the headers do not say is taken from the subject and the stream.
LUMIN_MUST_USE enum lumin_status event_line_write(const struct reply_reader *reader, natsMsg *message, uint64_t seq,
                                                  int64_t ts_ns);
