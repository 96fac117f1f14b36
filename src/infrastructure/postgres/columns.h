// SPDX-License-Identifier: MIT
// Binary arrays out, binary fields in: the wire formats of PostgreSQL's array_send, uuid_send, int8send and kin
// (src/backend/utils/adt).
#pragma once

#include "lumin/infrastructure/postgres/session.h"

enum column_type {
  COLUMN_BOOL = 16,
  COLUMN_BYTEA = 17,
  COLUMN_INT8 = 20,
  COLUMN_INT2 = 21,
  COLUMN_INT4 = 23,
  COLUMN_TEXT = 25,
  COLUMN_UUID = 2950,
};

// One-dimensional array under construction in an arena. After a failed allocation it takes nothing more and
// column_param says so.
struct column {
  struct arena *arena;
  uint8_t *bytes;
  size_t len, room;
  bool failed;
};

struct column column_begin(struct arena *arena, enum column_type type, size_t count);

// The arrays of one statement, row by row: as many columns as types, room for `rows` values each.
struct columns {
  struct column items[PARAMS_MAX];
  size_t count;
};
struct columns columns_begin(struct arena *arena, const enum column_type *types, size_t count, size_t rows);
void column_null(struct column *column);
void column_bytes(struct column *column, struct span value);
void column_uuid(struct column *column, const struct uuid *value);
void column_int8(struct column *column, int64_t value);
void column_int4(struct column *column, int32_t value);
void column_int2(struct column *column, int16_t value);
void column_bool(struct column *column, bool value);
// As bytes; an empty span becomes NULL.
void column_optional(struct column *column, struct span value);

// Appends the array to the parameters; NO_MEMORY where it could not be built.
LUMIN_MUST_USE enum lumin_status params_column(struct params *params, const struct column *column);
LUMIN_MUST_USE enum lumin_status params_columns(struct params *params, const struct columns *columns);

// Scalars. `bytes` live in the arena.
LUMIN_MUST_USE enum lumin_status params_uuid(struct params *params, struct arena *arena, const struct uuid *value);
LUMIN_MUST_USE enum lumin_status params_int4(struct params *params, struct arena *arena, int32_t value);
LUMIN_MUST_USE enum lumin_status params_int8(struct params *params, struct arena *arena, int64_t value);
LUMIN_MUST_USE enum lumin_status params_bool(struct params *params, struct arena *arena, bool value);
LUMIN_MUST_USE enum lumin_status params_text(struct params *params, struct span value);

// Fields of a binary result. NULL reads as 0, nil or empty. Texts are copied into the arena.
int64_t field_int(const PGresult *result, int row, int column); // int2, int4, int8
bool field_bool(const PGresult *result, int row, int column);
struct uuid field_uuid(const PGresult *result, int row, int column);
// false where the arena is full.
LUMIN_MUST_USE bool field_text(const PGresult *result, int row, int column, struct arena *arena, struct span *ret_text);
