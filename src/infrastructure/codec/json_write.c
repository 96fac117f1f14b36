// SPDX-License-Identifier: MIT
// From a message to JSON. Keeps part of guarantee 10: what came from outside is shown, and never obeyed by a terminal.
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "json_fields.h"

struct writer {
  struct arena *arena;
  char *text;
  size_t len, room;
  enum lumin_status status; // the first failure; nothing is written after it
};

static void write_message(struct writer *writer, const ProtobufCMessage *message);
static void write_field(struct writer *writer, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
static void write_value(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element);
static void put_string(struct writer *writer, struct span text);

enum lumin_status json_write(const ProtobufCMessage *message, struct arena *arena, struct span *ret_text) {
  struct writer writer = {.arena = arena};
  write_message(&writer, message);
  if (writer.status == LUMIN_OK) {
    *ret_text = span_of(writer.text, writer.len);
  }
  return writer.status;
}

// ---- text

static void fail(struct writer *writer, enum lumin_status status) {
  writer->status = writer->status == LUMIN_OK ? status : writer->status;
}

static bool writer_grow(struct writer *writer, size_t more) {
  size_t room = 2 * writer->room + more + 512;
  char *text = arena_alloc(writer->arena, room);
  if (text == NULL) {
    fail(writer, LUMIN_NO_MEMORY);
    return false;
  }
  if (writer->len > 0) {
    memcpy(text, writer->text, writer->len);
  }
  writer->text = text;
  writer->room = room;
  return true;
}

// A NUL always stands behind the text: the arena's bytes are zeroed.
static void put(struct writer *writer, struct span text) {
  bool fits = writer->status == LUMIN_OK && (writer->len + text.len < writer->room || writer_grow(writer, text.len));
  if (fits && text.len > 0) {
    memcpy(writer->text + writer->len, text.data, text.len);
    writer->len += text.len;
  }
}

static void put_char(struct writer *writer, char c) { put(writer, span_of(&c, 1)); }

__attribute__((format(printf, 2, 3))) static void put_format(struct writer *writer, const char *format, ...) {
  char text[64];
  va_list arguments;
  va_start(arguments, format);
  int len = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  put(writer, span_of(text, (size_t)len)); // formats of numbers alone
}

#define CATEGORY(name) (UINT32_C(1) << UTF8PROC_CATEGORY_##name)

// Controls, marks of direction and line ends of every kind, and what may become one.
static bool point_is_escaped(int32_t point) {
  static const uint32_t escaped =
      CATEGORY(CC) | CATEGORY(CF) | CATEGORY(CN) | CATEGORY(CO) | CATEGORY(ZL) | CATEGORY(ZP);
  if (point < 0x7f) {
    return point < ' ' || point == '"' || point == '\\';
  }
  return (escaped >> utf8proc_category(point) & 1) != 0;
}

static void put_point(struct writer *writer, int32_t point) {
  static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
  const char *known = point < 0x80 ? memchr(meanings, point, sizeof meanings - 1) : NULL;
  if (known != NULL) {
    put_format(writer, "\\%c", letters[known - meanings]);
  } else if (point < 0x10000) {
    put_format(writer, "\\u%04x", (unsigned)point);
  } else {
    unsigned rest = (unsigned)point - 0x10000;
    put_format(writer, "\\u%04x\\u%04x", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
  }
}

static void put_string(struct writer *writer, struct span text) {
  put_char(writer, '"');
  size_t plain = 0; // bytes that stand for themselves
  for (size_t at = 0; at < text.len;) {
    utf8proc_int32_t point = 0;
    utf8proc_ssize_t step =
        utf8proc_iterate((const utf8proc_uint8_t *)text.data + at, (utf8proc_ssize_t)(text.len - at), &point);
    if (step <= 0) {
      fail(writer, LUMIN_INVALID_ARGUMENT);
      return;
    }
    at += (size_t)step;
    plain += (size_t)step;
    if (point_is_escaped(point)) {
      put(writer, span_of(text.data + at - plain, plain - (size_t)step));
      put_point(writer, point);
      plain = 0;
    }
  }
  put(writer, span_of(text.data + text.len - plain, plain));
  put_char(writer, '"');
}

// ---- messages

static bool field_is_shown(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  const char *quantifier = (const char *)message + field->quantifier_offset;
  const void *member = (const char *)message + field->offset;
  if (field->label == PROTOBUF_C_LABEL_REPEATED) {
    return true;
  }
  if (field_is_in_oneof(field) && *(const uint32_t *)(const void *)quantifier != field->id) {
    return false;
  }
  if (field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING) {
    return *(const void *const *)member != NULL;
  }
  bool counted = field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0;
  return !counted || *(const protobuf_c_boolean *)(const void *)quantifier;
}

static void write_message(struct writer *writer, const ProtobufCMessage *message) {
  const ProtobufCMessageDescriptor *type = message->descriptor;
  bool first = true;
  put_char(writer, '{');
  for (unsigned i = 0; i < type->n_fields; i++) {
    if (field_is_shown(message, &type->fields[i])) {
      put(writer, first ? SPAN_EMPTY : SPAN_LITERAL(","));
      write_field(writer, message, &type->fields[i]);
      first = false;
    }
  }
  put_char(writer, '}');
}

static void write_field(struct writer *writer, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  const char *name = field->name;
  put_char(writer, '"');
  for (char letter; (letter = json_name_next(&name)) != '\0';) {
    put_char(writer, letter);
  }
  put(writer, SPAN_LITERAL("\":"));
  const char *member = (const char *)message + field->offset;
  if (field->label != PROTOBUF_C_LABEL_REPEATED) {
    write_value(writer, field, member);
    return;
  }
  size_t count = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
  const char *elements = *(const char *const *)(const void *)member;
  put_char(writer, '[');
  for (size_t i = 0; i < count; i++) {
    put(writer, i == 0 ? SPAN_EMPTY : SPAN_LITERAL(","));
    write_value(writer, field, elements + i * field_element_size(field));
  }
  put_char(writer, ']');
}

// ---- values

static void write_string(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  put_string(writer, span_from_text(*(const char *const *)element));
}

static void write_bytes(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  const ProtobufCBinaryData *bytes = element;
  size_t len = (bytes->len + 2) / 3 * 4;
  char *text = arena_alloc(writer->arena, len);
  if (text == NULL) {
    fail(writer, LUMIN_NO_MEMORY);
    return;
  }
  base64_write(span_of(bytes->data, bytes->len), text);
  put_string(writer, span_of(text, len));
}

static void write_bool(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  put(writer, *(const protobuf_c_boolean *)element ? SPAN_LITERAL("true") : SPAN_LITERAL("false"));
}

static void write_i32(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  put_format(writer, "%" PRId32, *(const int32_t *)element);
}

static void write_u32(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  put_format(writer, "%" PRIu32, *(const uint32_t *)element);
}

static void write_i64(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  put_format(writer, "\"%" PRId64 "\"", *(const int64_t *)element);
}

static void write_u64(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  put_format(writer, "\"%" PRIu64 "\"", *(const uint64_t *)element);
}

static bool write_special(struct writer *writer, double value) {
  if (isfinite(value)) {
    return false;
  }
  put(writer, isnan(value) ? SPAN_LITERAL("\"NaN\"")
              : value > 0  ? SPAN_LITERAL("\"Infinity\"")
                           : SPAN_LITERAL("\"-Infinity\""));
  return true;
}

// With as few digits as bring the same number back.
static void write_float(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  float value = *(const float *)element;
  char text[32];
  if (write_special(writer, (double)value)) {
    return;
  }
  for (int digits = 6; digits <= 9; digits++) {
    (void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
    if ((float)strtod(text, NULL) == value) {
      break;
    }
  }
  put(writer, span_from_text(text));
}

static void write_double(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  (void)field;
  double value = *(const double *)element;
  char text[32];
  if (write_special(writer, value)) {
    return;
  }
  for (int digits = 15; digits <= 17; digits++) {
    (void)snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) {
      break;
    }
  }
  put(writer, span_from_text(text));
}

static void write_enum(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  int number = *(const int *)element;
  const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(field->descriptor, number);
  if (value == NULL) {
    put_format(writer, "%d", number);
  } else {
    put_string(writer, span_from_text(value->name));
  }
}

static void write_nested(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  const ProtobufCMessage *message = *(const ProtobufCMessage *const *)element;
  const struct json_text_type *kind = json_text_type_find(field->descriptor);
  struct span text = SPAN_EMPTY;
  if (kind == NULL) {
    write_message(writer, message);
    return;
  }
  enum lumin_status status = kind->write(message, writer->arena, &text);
  if (status == LUMIN_OK) {
    put_string(writer, text);
  } else {
    fail(writer, status);
  }
}

static void write_value(struct writer *writer, const ProtobufCFieldDescriptor *field, const void *element) {
  static void (*const writes[])(struct writer *, const ProtobufCFieldDescriptor *, const void *) = {
      [PROTOBUF_C_TYPE_INT32] = write_i32,      [PROTOBUF_C_TYPE_SINT32] = write_i32,
      [PROTOBUF_C_TYPE_SFIXED32] = write_i32,   [PROTOBUF_C_TYPE_INT64] = write_i64,
      [PROTOBUF_C_TYPE_SINT64] = write_i64,     [PROTOBUF_C_TYPE_SFIXED64] = write_i64,
      [PROTOBUF_C_TYPE_UINT32] = write_u32,     [PROTOBUF_C_TYPE_FIXED32] = write_u32,
      [PROTOBUF_C_TYPE_UINT64] = write_u64,     [PROTOBUF_C_TYPE_FIXED64] = write_u64,
      [PROTOBUF_C_TYPE_FLOAT] = write_float,    [PROTOBUF_C_TYPE_DOUBLE] = write_double,
      [PROTOBUF_C_TYPE_BOOL] = write_bool,      [PROTOBUF_C_TYPE_ENUM] = write_enum,
      [PROTOBUF_C_TYPE_STRING] = write_string,  [PROTOBUF_C_TYPE_BYTES] = write_bytes,
      [PROTOBUF_C_TYPE_MESSAGE] = write_nested,
  };
  if ((size_t)field->type < sizeof writes / sizeof writes[0]) {
    writes[field->type](writer, field, element);
  } else {
    fail(writer, LUMIN_INVALID_ARGUMENT);
  }
}
