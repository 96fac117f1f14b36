// SPDX-License-Identifier: MIT
// ProtoJSON (protobuf.dev, "ProtoJSON Format") by reflection over protobuf-c's descriptors, so that a new message needs
// no line here. Not covered, since protobuf-c's descriptors do not show them: maps, json_name options, the well-known
// types other than Timestamp and FieldMask.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/base/arena.h"
#include "lumin/domain/refusal.h"

struct json_input {
  struct span text;
  struct arena *arena;
  size_t budget; // bytes of the arena that reading may take
};

// A message in the arena. INVALID_ARGUMENT: no such message, with the path of the field at fault; the refusal's texts
// are literals or in the arena, and hold of the input nothing but the name of an unknown field, where it looks like a
// name. NO_MEMORY: the arena has not so much room left, which says nothing about the text.
//
// Stricter than ProtoJSON in what may only be a mistake: field names twice, unknown enum numbers, unknown fields.
// Laxer in one thing: a FieldMask's paths may have underscores, as field names may.
LUMIN_MUST_USE enum lumin_status json_read(const ProtobufCMessageDescriptor *type, const struct json_input *input,
                                           ProtobufCMessage **ret_message, struct refusal *ret_refusal);

// The message as one line in the arena, with a NUL behind it. Fields that are not set are shown with their defaults,
// but for messages, oneofs and optional fields: those are left out. Whatever a terminal could obey is escaped.
// INVALID_ARGUMENT: text that is no UTF-8, a time outside the years 1678 to 2262, a FieldMask that is none.
LUMIN_MUST_USE enum lumin_status json_write(const ProtobufCMessage *message, struct arena *arena,
                                            struct span *ret_text);
