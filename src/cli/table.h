// SPDX-License-Identifier: MIT
// A list of messages as a table, for a terminal: a column for each field that any of them has set, as many as fit.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "lumin/base/arena.h"

// The field of a message that is a list of messages; NULL where there is none, or none is in it.
const ProtobufCFieldDescriptor *table_field(const ProtobufCMessage *message);

// `width` in columns of the terminal; 0: as wide as it is. NO_MEMORY where the arena is short.
LUMIN_MUST_USE enum lumin_status table_write(FILE *out, const ProtobufCMessage *message,
                                             const ProtobufCFieldDescriptor *field, size_t width, struct arena *arena);

// Of standard output; 0 where it is not known.
size_t terminal_width(void);
