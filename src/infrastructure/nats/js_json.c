// SPDX-License-Identifier: MIT
// JSON answers of the JetStream API, read with care: bounded (guarantee 11), and no member trusted to be there.
#include "js_json.h"

#include <limits.h>

#include "lumin/base/clock.h"

static enum lumin_status load(struct span bytes, json_t **ret_root);
static enum lumin_status read_error(const json_t *root, struct arena *arena, struct js_error *ret_error);

enum lumin_status js_json_open(struct span bytes, struct arena *arena, json_t **ret_root, struct js_error *ret_error) {
  json_t *root;
  enum lumin_status status = load(bytes, &root);
  if (status != LUMIN_OK)
    return status;
  status = read_error(root, arena, ret_error);
  if (status != LUMIN_OK) {
    json_decref(root);
    return status;
  }
  *ret_root = root;
  return LUMIN_OK;
}

bool js_json_u64(const json_t *object, const char *key, uint64_t *ret_value) {
  int64_t value;
  if (!js_json_i64(object, key, &value) || value < 0)
    return false;
  *ret_value = (uint64_t)value;
  return true;
}

bool js_json_i64(const json_t *object, const char *key, int64_t *ret_value) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_integer(value))
    return false;
  *ret_value = json_integer_value(value);
  return true;
}

bool js_json_text(const json_t *object, const char *key, struct span *ret_text) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_string(value))
    return false;
  *ret_text = span_of(json_string_value(value), json_string_length(value));
  return true;
}

bool js_json_time(const json_t *object, const char *key, int64_t *ret_wall_ns) {
  struct span text;
  if (!js_json_text(object, key, &text))
    return false;
  if (span_equal(text, SPAN_LITERAL("0001-01-01T00:00:00Z"))) {
    *ret_wall_ns = 0;
    return true;
  }
  return clock_parse_rfc3339(text, ret_wall_ns) == LUMIN_OK;
}

// NUL is allowed within texts: a stream's description may hold any character, and is no reason to fail.
static enum lumin_status load(struct span bytes, json_t **ret_root) {
  json_error_t error;
  if (bytes.len == 0 || bytes.len > JS_ANSWER_MAX)
    return LUMIN_INTERNAL;
  json_t *root = json_loadb(bytes.data, bytes.len, JSON_ALLOW_NUL, &error);
  if (!root)
    return json_error_code(&error) == json_error_out_of_memory ? LUMIN_NO_MEMORY : LUMIN_INTERNAL;
  if (!json_is_object(root)) {
    json_decref(root);
    return LUMIN_INTERNAL;
  }
  *ret_root = root;
  return LUMIN_OK;
}

static enum lumin_status read_error(const json_t *root, struct arena *arena, struct js_error *ret_error) {
  const json_t *error = json_object_get(root, "error");
  struct span text = SPAN_EMPTY;
  int64_t code = 0;
  int64_t err_code = 0;
  if (!error || json_is_null(error)) {
    *ret_error = (struct js_error){0};
    return LUMIN_OK;
  }
  if (!js_json_i64(error, "code", &code) || code < 1 || code > INT_MAX)
    return LUMIN_INTERNAL;
  if (json_object_get(error, "err_code") &&
      (!js_json_i64(error, "err_code", &err_code) || err_code < 0 || err_code > INT_MAX))
    return LUMIN_INTERNAL;
  if (js_json_text(error, "description", &text)) {
    text = arena_copy(arena, text);
    if (!text.data)
      return LUMIN_NO_MEMORY;
  }
  *ret_error = (struct js_error){.code = (int)code, .err_code = (int)err_code, .description = text};
  return LUMIN_OK;
}
