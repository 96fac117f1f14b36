// SPDX-License-Identifier: MIT
// A message as rows of name and value, for people: nested fields by their path ("error.reason"), times in RFC 3339,
// enumerations by their short names.
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "lumin/base/arena.h"

struct row {
  struct span name;
  struct span value;
  bool unset; // an empty text, an enumeration's zero
};

struct rows {
  struct arena *arena;
  struct row *items;
  size_t count, room;
  const ProtobufCFieldDescriptor *passed_over; // NULL: no field is
};

// Rows in the arena. NO_MEMORY where it is short.
LUMIN_MUST_USE enum lumin_status rows_add(struct rows *rows, struct span name, struct span value);
LUMIN_MUST_USE enum lumin_status rows_add_message(struct rows *rows, const ProtobufCMessage *message);

// "name   value", a line each, the values in a column; what is unset is left out.
void rows_write(FILE *out, const struct rows *rows);
// "  name=value" each, on one line, with what is unset.
void rows_write_flat(FILE *out, const struct rows *rows);
