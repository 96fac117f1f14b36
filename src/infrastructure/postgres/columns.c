// SPDX-License-Identifier: MIT
// Binary arrays and fields.
#include "columns.h"

#include <endian.h>

static bool column_room(struct column *column, size_t more) {
  if (column->failed) {
    return false;
  }
  if (column->len + more <= column->room) {
    return true;
  }
  size_t room = 2 * column->room + more;
  uint8_t *grown = arena_alloc(column->arena, room);
  if (grown == NULL) {
    column->failed = true;
    return false;
  }
  memcpy(grown, column->bytes, column->len);
  column->bytes = grown;
  column->room = room;
  return true;
}

static void column_put32(struct column *column, uint32_t value) {
  uint32_t big = htobe32(value);
  memcpy(column->bytes + column->len, &big, 4);
  column->len += 4;
}

struct column column_begin(struct arena *arena, enum column_type type, size_t count) {
  struct column column = {.arena = arena};
  size_t room = 20 + count * (4 + 16); // most values are at most a UUID long
  column.bytes = arena_alloc(arena, room);
  column.failed = column.bytes == NULL;
  column.room = room;
  if (!column.failed) {
    column_put32(&column, count > 0 ? 1 : 0); // dimensions
    column_put32(&column, 1);                 // may hold NULLs
    column_put32(&column, (uint32_t)type);
    if (count > 0) {
      column_put32(&column, (uint32_t)count);
      column_put32(&column, 1); // lower bound
    }
  }
  return column;
}

void column_null(struct column *column) {
  if (column_room(column, 4)) {
    column_put32(column, UINT32_MAX);
  }
}

void column_bytes(struct column *column, struct span value) {
  if (column_room(column, 4 + value.len)) {
    column_put32(column, (uint32_t)value.len);
    if (value.len > 0) {
      memcpy(column->bytes + column->len, value.data, value.len);
    }
    column->len += value.len;
  }
}

void column_optional(struct column *column, struct span value) {
  if (value.len == 0) {
    column_null(column);
  } else {
    column_bytes(column, value);
  }
}

void column_uuid(struct column *column, const struct uuid *value) {
  column_bytes(column, span_of(value->bytes, sizeof value->bytes));
}

void column_int8(struct column *column, int64_t value) {
  uint64_t big = htobe64((uint64_t)value);
  column_bytes(column, span_of(&big, sizeof big));
}

void column_int4(struct column *column, int32_t value) {
  uint32_t big = htobe32((uint32_t)value);
  column_bytes(column, span_of(&big, sizeof big));
}

void column_int2(struct column *column, int16_t value) {
  uint16_t big = htobe16((uint16_t)value);
  column_bytes(column, span_of(&big, sizeof big));
}

void column_bool(struct column *column, bool value) {
  uint8_t byte = value;
  column_bytes(column, span_of(&byte, 1));
}

struct columns columns_begin(struct arena *arena, const enum column_type *types, size_t count, size_t rows) {
  struct columns columns = {.count = count};
  for (size_t i = 0; i < count; i++) {
    columns.items[i] = column_begin(arena, types[i], rows);
  }
  return columns;
}

static enum lumin_status params_add(struct params *params, const void *data, size_t len) {
  if (data == NULL || params->count == PARAMS_MAX) {
    return LUMIN_NO_MEMORY;
  }
  params->values[params->count] = data;
  params->lengths[params->count++] = (int)len;
  return LUMIN_OK;
}

enum lumin_status params_column(struct params *params, const struct column *column) {
  return params_add(params, column->failed ? NULL : column->bytes, column->len);
}

enum lumin_status params_columns(struct params *params, const struct columns *columns) {
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < columns->count && status == LUMIN_OK; i++) {
    status = params_column(params, &columns->items[i]);
  }
  return status;
}

enum lumin_status params_uuid(struct params *params, struct arena *arena, const struct uuid *value) {
  return params_add(params, arena_copy(arena, span_of(value->bytes, 16)).data, 16);
}

enum lumin_status params_int4(struct params *params, struct arena *arena, int32_t value) {
  uint32_t big = htobe32((uint32_t)value);
  return params_add(params, arena_copy(arena, span_of(&big, sizeof big)).data, sizeof big);
}

enum lumin_status params_int8(struct params *params, struct arena *arena, int64_t value) {
  uint64_t big = htobe64((uint64_t)value);
  return params_add(params, arena_copy(arena, span_of(&big, sizeof big)).data, sizeof big);
}

enum lumin_status params_bool(struct params *params, struct arena *arena, bool value) {
  char byte = value ? 1 : 0;
  return params_add(params, arena_copy(arena, span_of(&byte, 1)).data, 1);
}

enum lumin_status params_text(struct params *params, struct span value) {
  return params_add(params, value.data ? value.data : "", value.len);
}

int64_t field_int(const PGresult *result, int row, int column) {
  const char *value = PQgetvalue(result, row, column);
  uint64_t u64 = 0;
  uint32_t u32 = 0;
  uint16_t u16 = 0;
  switch (PQgetlength(result, row, column)) {
  case 8:
    memcpy(&u64, value, 8);
    return (int64_t)be64toh(u64);
  case 4:
    memcpy(&u32, value, 4);
    return (int32_t)be32toh(u32);
  case 2:
    memcpy(&u16, value, 2);
    return (int16_t)be16toh(u16);
  default:
    return 0;
  }
}

bool field_bool(const PGresult *result, int row, int column) {
  return PQgetlength(result, row, column) == 1 && PQgetvalue(result, row, column)[0] != 0;
}

struct uuid field_uuid(const PGresult *result, int row, int column) {
  struct uuid uuid = {{0}};
  if (PQgetlength(result, row, column) == sizeof uuid.bytes) {
    memcpy(uuid.bytes, PQgetvalue(result, row, column), sizeof uuid.bytes);
  }
  return uuid;
}

bool field_text(const PGresult *result, int row, int column, struct arena *arena, struct span *ret_text) {
  size_t len = (size_t)PQgetlength(result, row, column);
  struct span copy = arena_copy(arena, span_of(PQgetvalue(result, row, column), len));
  if (copy.data == NULL) {
    return false;
  }
  *ret_text = copy;
  return true;
}
