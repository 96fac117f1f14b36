// SPDX-License-Identifier: MIT
// Answers about streams, stored messages and consumers.
#include <openssl/evp.h>

#include "js_json.h"

static enum lumin_status read_stream_info(const json_t *root, struct js_stream_info *ret_info);
static enum lumin_status read_message(const json_t *root, struct arena *arena, struct js_message *ret_message);
static enum lumin_status read_consumer_info(const json_t *root, struct arena *arena, struct js_consumer_info *ret_info);
static enum lumin_status decode_base64(struct span text, struct arena *arena, struct span *ret_bytes);
static size_t base64_padding(struct span text);

enum lumin_status js_stream_info_parse(struct span bytes, struct arena *arena, struct js_stream_info *ret_answer,
                                       struct js_error *ret_error) {
  json_auto_t *root = NULL;
  struct js_error error;
  enum lumin_status status = js_json_open(bytes, arena, &root, &error);
  if (status == LUMIN_OK && error.code == 0)
    status = read_stream_info(root, ret_answer);
  if (status == LUMIN_OK)
    *ret_error = error;
  return status;
}

enum lumin_status js_message_parse(struct span bytes, struct arena *arena, struct js_message *ret_answer,
                                   struct js_error *ret_error) {
  json_auto_t *root = NULL;
  struct js_error error;
  enum lumin_status status = js_json_open(bytes, arena, &root, &error);
  if (status == LUMIN_OK && error.code == 0)
    status = read_message(root, arena, ret_answer);
  if (status == LUMIN_OK)
    *ret_error = error;
  return status;
}

enum lumin_status js_purged_parse(struct span bytes, struct arena *arena, uint64_t *ret_messages,
                                  struct js_error *ret_error) {
  json_auto_t *root = NULL;
  struct js_error error;
  uint64_t messages = 0;
  enum lumin_status status = js_json_open(bytes, arena, &root, &error);
  if (status == LUMIN_OK && error.code == 0 && !js_json_u64(root, "purged", &messages))
    status = LUMIN_INTERNAL;
  if (status == LUMIN_OK) {
    *ret_messages = messages;
    *ret_error = error;
  }
  return status;
}

enum lumin_status js_consumer_info_parse(struct span bytes, struct arena *arena, struct js_consumer_info *ret_answer,
                                         struct js_error *ret_error) {
  json_auto_t *root = NULL;
  struct js_error error;
  enum lumin_status status = js_json_open(bytes, arena, &root, &error);
  if (status == LUMIN_OK && error.code == 0)
    status = read_consumer_info(root, arena, ret_answer);
  if (status == LUMIN_OK)
    *ret_error = error;
  return status;
}

enum lumin_status js_success_parse(struct span bytes, struct arena *arena, bool *ret_done, struct js_error *ret_error) {
  json_auto_t *root = NULL;
  struct js_error error;
  enum lumin_status status = js_json_open(bytes, arena, &root, &error);
  if (status == LUMIN_OK && error.code == 0 && !json_is_boolean(json_object_get(root, "success")))
    status = LUMIN_INTERNAL;
  if (status == LUMIN_OK) {
    *ret_done = error.code == 0 && json_is_true(json_object_get(root, "success"));
    *ret_error = error;
  }
  return status;
}

static enum lumin_status read_stream_info(const json_t *root, struct js_stream_info *ret_info) {
  const json_t *state = json_object_get(root, "state");
  const json_t *config = json_object_get(root, "config");
  struct js_stream_info info = {0};
  if (!js_json_u64(state, "first_seq", &info.first_seq) || !js_json_u64(state, "last_seq", &info.last_seq) ||
      !js_json_u64(state, "messages", &info.messages) || !js_json_time(state, "first_ts", &info.first_ts_ns) ||
      !js_json_time(state, "last_ts", &info.last_ts_ns) || !js_json_time(root, "created", &info.created_ns) ||
      !js_json_i64(config, "max_age", &info.max_age_ns) || !js_json_i64(config, "max_msgs", &info.max_messages))
    return LUMIN_INTERNAL;
  // Left out where it is zero.
  if (json_object_get(config, "duplicate_window") &&
      !js_json_i64(config, "duplicate_window", &info.duplicate_window_ns))
    return LUMIN_INTERNAL;
  if (info.max_messages <= 0)
    info.max_messages = -1;
  *ret_info = info;
  return LUMIN_OK;
}

static enum lumin_status read_message(const json_t *root, struct arena *arena, struct js_message *ret_message) {
  const json_t *stored = json_object_get(root, "message");
  struct js_message message = {0};
  struct span encoded = SPAN_EMPTY;
  if (!js_json_text(stored, "subject", &message.subject) || message.subject.len == 0 ||
      !js_json_u64(stored, "seq", &message.seq) || message.seq == 0 || !js_json_time(stored, "time", &message.ts_ns))
    return LUMIN_INTERNAL;
  if (json_object_get(stored, "hdrs") && !js_json_text(stored, "hdrs", &encoded))
    return LUMIN_INTERNAL;
  message.subject = arena_copy(arena, message.subject);
  if (!message.subject.data)
    return LUMIN_NO_MEMORY;
  enum lumin_status status = decode_base64(encoded, arena, &message.headers);
  if (status == LUMIN_OK)
    *ret_message = message;
  return status;
}

static enum lumin_status read_consumer_info(const json_t *root, struct arena *arena,
                                            struct js_consumer_info *ret_info) {
  const json_t *delivered = json_object_get(root, "delivered");
  struct js_consumer_info info = {0};
  if (!js_json_text(root, "name", &info.name) || info.name.len == 0 ||
      !js_json_u64(delivered, "consumer_seq", &info.delivered_consumer_seq) ||
      !js_json_u64(delivered, "stream_seq", &info.delivered_stream_seq) ||
      !js_json_u64(root, "num_pending", &info.pending))
    return LUMIN_INTERNAL;
  info.name = arena_copy(arena, info.name);
  if (!info.name.data)
    return LUMIN_NO_MEMORY;
  *ret_info = info;
  return LUMIN_OK;
}

// EVP_DecodeBlock takes '=' anywhere and spaces around, and counts padding as bytes: the text is checked before it.
static enum lumin_status decode_base64(struct span text, struct arena *arena, struct span *ret_bytes) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.len == 0) {
    *ret_bytes = SPAN_EMPTY;
    return LUMIN_OK;
  }
  size_t padding = base64_padding(text);
  if (text.len % 4 != 0 || strspn(text.data, alphabet) != text.len - padding)
    return LUMIN_INTERNAL;
  unsigned char *bytes = arena_alloc(arena, text.len / 4 * 3);
  if (!bytes)
    return LUMIN_NO_MEMORY;
  int len = EVP_DecodeBlock(bytes, (const unsigned char *)text.data, (int)text.len);
  if (len < 0)
    return LUMIN_INTERNAL;
  *ret_bytes = span_of(bytes, (size_t)len - padding);
  return LUMIN_OK;
}

static size_t base64_padding(struct span text) {
  size_t padding = 0;
  while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
    padding++;
  return padding;
}
