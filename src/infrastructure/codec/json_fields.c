// SPDX-License-Identifier: MIT
// Timestamps as RFC 3339, FieldMasks as lists of paths, bytes as base64, names in lowerCamelCase.
#include "json_fields.h"

#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "lumin/base/clock.h"

typedef Google__Protobuf__FieldMask field_mask;
typedef Google__Protobuf__Timestamp timestamp;

static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

char json_name_next(const char **name) {
  bool raised = false;
  while (**name == '_') {
    raised = true;
    (*name)++;
  }
  char letter = **name;
  *name += letter != '\0';
  return (char)(raised && is_lower(letter) ? letter - 'a' + 'A' : letter);
}

size_t field_element_size(const ProtobufCFieldDescriptor *field) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_MESSAGE:
    return sizeof(void *);
  case PROTOBUF_C_TYPE_BYTES:
    return sizeof(ProtobufCBinaryData);
  case PROTOBUF_C_TYPE_BOOL:
    return sizeof(protobuf_c_boolean);
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
  case PROTOBUF_C_TYPE_DOUBLE:
    return 8;
  default:
    return 4;
  }
}

// ---- Timestamp

static enum lumin_status timestamp_read(struct json_reader *reader, struct span text, ProtobufCMessage *message) {
  (void)reader;
  int64_t ns = 0;
  enum lumin_status status = clock_parse_rfc3339(text, &ns);
  if (status == LUMIN_OK) {
    timestamp *stamp = (void *)message;
    int64_t part = ns % NS_PER_SECOND;
    stamp->seconds = ns / NS_PER_SECOND - (part < 0);
    stamp->nanos = (int32_t)(part < 0 ? part + NS_PER_SECOND : part);
  }
  return status;
}

// With as many digits of a second as it needs of 0, 3, 6 and 9.
static enum lumin_status timestamp_write(const ProtobufCMessage *message, struct arena *arena, struct span *ret_text) {
  const timestamp *stamp = (const void *)message;
  int64_t ns = 0;
  if (stamp->nanos < 0 || stamp->nanos >= NS_PER_SECOND || __builtin_mul_overflow(stamp->seconds, NS_PER_SECOND, &ns) ||
      __builtin_add_overflow(ns, stamp->nanos, &ns)) {
    return LUMIN_INVALID_ARGUMENT;
  }
  char digits[CLOCK_RFC3339_MAX];
  size_t len = clock_format_rfc3339(ns, digits) - 1; // without the Z
  for (size_t i = 0; i < 3 && memcmp(digits + len - 3, "000", 3) == 0; i++) {
    len -= 3;
  }
  len -= digits[len - 1] == '.';
  struct span text = arena_printf(arena, "%.*sZ", (int)len, digits);
  if (text.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *ret_text = text;
  return LUMIN_OK;
}

// ---- FieldMask

// "privacySettings.email" to "privacy_settings.email", NUL-terminated; false where it is no path.
static bool path_read(struct span path, char *text) {
  bool fresh = true; // a name begins
  for (size_t i = 0; i < path.len; i++) {
    char c = path.data[i];
    if (fresh ? !is_lower(c) : !(is_lower(c) || is_upper(c) || is_digit(c) || c == '_' || c == '.')) {
      return false;
    }
    if (is_upper(c)) {
      *text++ = '_';
    }
    *text++ = (char)(is_upper(c) ? c - 'A' + 'a' : c);
    fresh = c == '.';
  }
  *text = '\0';
  return !fresh;
}

static enum lumin_status field_mask_read(struct json_reader *reader, struct span text, ProtobufCMessage *message) {
  field_mask *mask = (void *)message;
  void *paths = NULL;
  size_t count = text.len > 0;
  for (size_t i = 0; i < text.len; i++) {
    count += text.data[i] == ',';
  }
  enum lumin_status status = json_alloc(reader, count * sizeof(char *), &paths);
  mask->paths = paths;
  for (; status == LUMIN_OK && mask->n_paths < count; mask->n_paths++) {
    struct span path = span_cut(&text, ',');
    void *copy = NULL;
    status = json_count(reader);
    if (status == LUMIN_OK) {
      status = json_alloc(reader, 2 * path.len + 1, &copy);
    }
    if (status == LUMIN_OK) {
      mask->paths[mask->n_paths] = copy;
      status = path_read(path, copy) ? LUMIN_OK : LUMIN_INVALID_ARGUMENT;
    }
  }
  return status;
}

// The other way round; whatever path_read makes comes back as itself.
static bool path_write(const char *path, char *text, size_t *len) {
  bool fresh = true;
  for (; *path != '\0'; path++) {
    if (fresh ? !is_lower(*path) : !(is_lower(*path) || is_digit(*path) || *path == '_' || *path == '.')) {
      return false;
    }
    fresh = *path == '.';
    bool raised = *path == '_' && is_lower(path[1]);
    path += raised;
    text[(*len)++] = (char)(raised ? *path - 'a' + 'A' : *path);
  }
  return !fresh;
}

static enum lumin_status field_mask_write(const ProtobufCMessage *message, struct arena *arena, struct span *ret_text) {
  const field_mask *mask = (const void *)message;
  size_t room = 1, len = 0;
  for (size_t i = 0; i < mask->n_paths; i++) {
    room += strlen(mask->paths[i]) + 1;
  }
  char *text = arena_alloc(arena, room);
  if (text == NULL) {
    return LUMIN_NO_MEMORY;
  }
  for (size_t i = 0; i < mask->n_paths; i++) {
    if (i > 0) {
      text[len++] = ',';
    }
    if (!path_write(mask->paths[i], text, &len)) {
      return LUMIN_INVALID_ARGUMENT;
    }
  }
  *ret_text = span_of(text, len);
  return LUMIN_OK;
}

const struct json_text_type *json_text_type_find(const ProtobufCMessageDescriptor *type) {
  static const struct json_text_type types[] = {
      {&google__protobuf__timestamp__descriptor,
       "a time as in RFC 3339, of the years 1678 to 2262: \"2026-11-21T22:20:14.123Z\"", timestamp_read,
       timestamp_write},
      {&google__protobuf__field_mask__descriptor,
       "names of fields, separated by commas: \"firstName,privacySettings.email\"", field_mask_read, field_mask_write},
  };
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (types[i].type == type) {
      return &types[i];
    }
  }
  return NULL;
}

// ---- base64 (RFC 4648)

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool base64_letter(char c, uint32_t *ret_value) {
  const char *letter = memchr(base64_letters, c == '-' ? '+' : c == '_' ? '/' : c, 64);
  if (letter != NULL) {
    *ret_value = (uint32_t)(letter - base64_letters);
  }
  return letter != NULL;
}

bool base64_read(struct span text, uint8_t *bytes, size_t *ret_len) {
  size_t len = 0, letters = text.len;
  while (letters > 0 && text.data[letters - 1] == '=' && text.len - letters < 2) {
    letters--;
  }
  bool padded = letters < text.len;
  if (letters % 4 == 1 || (padded && text.len % 4 != 0)) {
    return false;
  }
  uint32_t held = 0, value = 0;
  for (size_t i = 0; i < letters; i++) {
    if (!base64_letter(text.data[i], &value)) {
      return false;
    }
    held = held << 6 | value;
    if (i % 4 != 0) { // 6 bits more than whole bytes, then 4, then 2, then none
      bytes[len++] = (uint8_t)(held >> (6 - 2 * (i % 4)));
    }
  }
  unsigned spare = letters % 4 == 2 ? 0xf : letters % 4 == 3 ? 0x3 : 0;
  *ret_len = len;
  return (held & spare) == 0; // bits that no writer sets
}

void base64_write(struct span bytes, char *text) {
  for (size_t i = 0; i < bytes.len; i += 3) {
    uint32_t held = 0;
    for (size_t j = 0; j < 3; j++) {
      held = held << 8 | (i + j < bytes.len ? (uint8_t)bytes.data[i + j] : 0);
    }
    for (size_t j = 0; j < 4; j++) {
      *text++ = (char)(i + j <= bytes.len ? base64_letters[held >> (18 - 6 * j) & 0x3f] : '=');
    }
  }
}
