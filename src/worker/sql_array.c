// SPDX-License-Identifier: MIT
// "{1,2,3}".
#include "sql_array.h"

#include <inttypes.h>
#include <stdio.h>

bool sql_array_begin(struct sql_array *array, struct arena *arena, size_t count, size_t width) {
  *array = (struct sql_array){.room = count * (width + 1) + 3};
  array->text = arena_alloc(arena, array->room); // zeros, of which the last ends it
  if (array->text != NULL) {
    array->text[array->len++] = '{';
  }
  return array->text != NULL;
}

static void text_add(struct sql_array *array, const char *text, size_t len) {
  if (array->len + len + 2 <= array->room) {
    memcpy(array->text + array->len, text, len);
    array->len += len;
  }
}

void sql_array_add(struct sql_array *array, const char *value) {
  if (array->len > 1) {
    text_add(array, ",", 1);
  }
  text_add(array, value, strlen(value));
}

void sql_array_number(struct sql_array *array, int64_t number) {
  char text[24];
  (void)snprintf(text, sizeof text, "%" PRId64, number);
  sql_array_add(array, text);
}

void sql_array_uuid(struct sql_array *array, const struct uuid *uuid) {
  char text[UUID_TEXT_LEN + 1];
  uuid_format(uuid, text);
  sql_array_add(array, text);
}

void sql_array_bytea(struct sql_array *array, struct span bytes) {
  static const char digits[] = "0123456789abcdef";
  sql_array_add(array, "\"\\\\x");
  for (size_t i = 0; i < bytes.len; i++) {
    uint8_t byte = (uint8_t)bytes.data[i];
    const char hex[2] = {digits[byte >> 4], digits[byte & 15]};
    text_add(array, hex, sizeof hex);
  }
  text_add(array, "\"", 1);
}

const char *sql_array_text(struct sql_array *array) {
  array->text[array->len] = '}';
  return array->text;
}
