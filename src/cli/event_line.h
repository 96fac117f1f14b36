// SPDX-License-Identifier: MIT
// An event of the stream as one line: stream sequence, time, event, user id, version, and what the body says; or as
// JSON.
#pragma once

#include "names.h"
#include "reply.h"
#include "stream.h"

// The event's name as in events.def; NULL where there is no such event.
const char *event_name_find(struct span name);
// All names, for a person who mistyped one.
struct name_list event_names(struct arena *arena);

// The columns' names, for a terminal.
void event_heading_write(void);

// Writes it. What the headers do not say is taken from the subject and the stream.
LUMIN_MUST_USE enum lumin_status event_write(const struct reply_reader *reader, const struct stream_item *item);
