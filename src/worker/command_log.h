// SPDX-License-Identifier: MIT
// What ties a log line to a command: its id, and the id of its trace. Nothing else of a command is ever logged but its
// method, its place in the stream and how it ended; no texts of its sender.
#pragma once

#include "lumin/base/log.h"
#include "lumin/base/uuid.h"

struct command_mark {
  char command_id[UUID_TEXT_LEN + 1];
};

// No field for the nil id. `mark` holds the text.
static inline struct log_field log_command_id(const struct uuid *id, struct command_mark *mark) {
  uuid_format(id, mark->command_id);
  return log_optional("command_id",
                      uuid_is_nil(id) ? SPAN_EMPTY : span_of(mark->command_id, sizeof mark->command_id - 1));
}

// The 32 digits in a traceparent that trace_parent_is_valid; no field without one.
static inline struct log_field log_trace_id(struct span traceparent) {
  return log_optional("trace_id", traceparent.len == 55 ? span_of(traceparent.data + 3, 32) : SPAN_EMPTY);
}
