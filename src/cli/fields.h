// SPDX-License-Identifier: MIT
// A request's fields by their descriptors, so that a new method needs no line here.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/base/arena.h"

// By name, where a dash stands for an underscore; NULL where the message has no such field.
const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *type, struct span name);

// Sets the field from a text. The text must outlive the message. INVALID_ARGUMENT where the field cannot hold it.
LUMIN_MUST_USE enum lumin_status field_set(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                                           const char *text);

// What the field may hold, in words; data is NULL where memory is short.
struct span field_allowed(const ProtobufCFieldDescriptor *field, struct arena *arena);

// A value's name without the name of its type: PENDING of USER_STATUS_PENDING.
const char *enum_short_name(const ProtobufCEnumDescriptor *type, const char *name);
