// SPDX-License-Identifier: MIT
// Arrays in PostgreSQL's text form, as parameters of statements about many rows at once.
#pragma once

#include "lumin/base/arena.h"
#include "lumin/base/uuid.h"

struct sql_array {
  char *text; // NUL-terminated
  size_t len, room;
};

// Room for so many values of at most `width` characters each. False without memory.
bool sql_array_begin(struct sql_array *array, struct arena *arena, size_t count, size_t width);
void sql_array_add(struct sql_array *array, const char *value); // plain: nothing in it needs quotes
void sql_array_number(struct sql_array *array, int64_t number);
void sql_array_uuid(struct sql_array *array, const struct uuid *uuid);
void sql_array_bytea(struct sql_array *array, struct span bytes); // two characters a byte, and six
const char *sql_array_text(struct sql_array *array);              // the whole array
