// SPDX-License-Identifier: MIT
// What reading and writing JSON share: protobuf-c's fields in memory, names, and the messages that are text in JSON.
#pragma once

#include "json_text.h"

// The next letter of a proto name's lowerCamelCase form; NUL at its end.
char json_name_next(const char **name);

// Bytes of one value of the field in memory.
size_t field_element_size(const ProtobufCFieldDescriptor *field);

static inline bool field_is_in_oneof(const ProtobufCFieldDescriptor *field) {
  return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

// Reads one value that is no message, into a value's place in memory.
LUMIN_MUST_USE enum lumin_status json_read_scalar(struct json_reader *reader, const struct json_place *place,
                                                  const ProtobufCFieldDescriptor *field, void *element);

// Messages that are text in JSON.
struct json_text_type {
  const ProtobufCMessageDescriptor *type;
  const char *allowed;
  // INVALID_ARGUMENT without a refusal: the text is none of these.
  enum lumin_status (*read)(struct json_reader *reader, struct span text, ProtobufCMessage *message);
  // INVALID_ARGUMENT: there is no such text.
  enum lumin_status (*write)(const ProtobufCMessage *message, struct arena *arena, struct span *ret_text);
};
// NULL for any other.
const struct json_text_type *json_text_type_find(const ProtobufCMessageDescriptor *type);

// base64 with or without padding, of either alphabet; false for anything else. At most 3/4 of the text's length.
bool base64_read(struct span text, uint8_t *bytes, size_t *ret_len);
// With padding, of the first alphabet; 4 letters for each begun 3 bytes.
void base64_write(struct span bytes, char *text);
