// SPDX-License-Identifier: MIT
// A message of the dead stream: what its subject and headers say, and how it is shown.
#pragma once

#include "reply.h"
#include "stream.h"

#define DEAD_STREAM "LUMIN_USER_DEAD"

// Spans live as long as the message. Nothing in it is trusted: anybody with the right may publish here.
struct dead_item {
  uint64_t seq;
  int64_t ts_ns;
  struct span method, user_token; // of the subject
  struct span command_id, reason, message, field;
  struct span partition, position, stream_seq;
  struct span content_type;
  struct span payload;
  bool payload_omitted;    // too large for a message: only the table has it
  bool headers_incomplete; // some of the command's headers could not be carried
};

struct dead_item dead_item_of(const struct stream_item *item);

void dead_heading_write(void); // the list's columns, for a terminal
// A line of the list, or a line of JSON.
LUMIN_MUST_USE enum lumin_status dead_line_write(const struct reply_reader *reader, const struct dead_item *item);

// Everything that is known of it: rows, or a document. `outcome` is what the service says of the command now, NULL
// where it was not heard.
LUMIN_MUST_USE enum lumin_status dead_item_write(const struct reply_reader *reader, const struct stream_item *source,
                                                 const ProtobufCMessage *outcome);
