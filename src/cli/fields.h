// SPDX-License-Identifier: MIT
// A request's fields by their descriptors, so that a new method needs no line here.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/base/arena.h"

// By name, where a dash stands for an underscore, and a dot leads into a message: "privacy-settings.email". NULL where
// there is no such field.
const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *type, struct span name);

// True for a field that is given by its own fields, behind a dot.
bool field_is_group(const ProtobufCFieldDescriptor *field);

// What a field is given as: a name that field_find finds, and a text, which must outlive the message.
struct assignment {
  struct span name;
  const char *text;
};
// INVALID_ARGUMENT where the field cannot hold it. Messages on the way to it are made in the arena.
LUMIN_MUST_USE enum lumin_status field_set(ProtobufCMessage *message, const struct assignment *assignment,
                                           struct arena *arena);

// What the field may hold, in words; data is NULL where memory is short.
struct span field_allowed(const ProtobufCFieldDescriptor *field, struct arena *arena);

// A value's name without the name of its type: PENDING of USER_STATUS_PENDING.
const char *enum_short_name(const ProtobufCEnumDescriptor *type, const char *name);
