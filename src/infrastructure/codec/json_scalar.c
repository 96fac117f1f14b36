// SPDX-License-Identifier: MIT
// One value that is no message, by a table of the types a field can have.
#include <math.h>
#include <stdlib.h>

#include "json_fields.h"

#define FLOAT_LETTERS_MAX 512 // of a number that strtod gets to see

#define INT32_ALLOWED "a whole number, -2147483648 to 2147483647"
#define UINT32_ALLOWED "a whole number, 0 to 4294967295"
#define INT64_ALLOWED "a whole number, -9223372036854775808 to 9223372036854775807, as a number or a string"
#define UINT64_ALLOWED "a whole number, 0 to 18446744073709551615, as a number or a string"
#define FLOAT_ALLOWED "a number of 32 bits, \"NaN\", \"Infinity\" or \"-Infinity\""
#define DOUBLE_ALLOWED "a number of 64 bits, \"NaN\", \"Infinity\" or \"-Infinity\""
#define BYTES_ALLOWED "base64 in a string"

struct scalar {
  struct json_reader *reader;
  const struct json_place *place;
  const ProtobufCFieldDescriptor *field;
  const char *allowed;
  void *element;
};

static enum lumin_status read_string(const struct scalar *scalar);
static enum lumin_status read_bytes(const struct scalar *scalar);
static enum lumin_status read_bool(const struct scalar *scalar);
static enum lumin_status read_i32(const struct scalar *scalar);
static enum lumin_status read_u32(const struct scalar *scalar);
static enum lumin_status read_i64(const struct scalar *scalar);
static enum lumin_status read_u64(const struct scalar *scalar);
static enum lumin_status read_float(const struct scalar *scalar);
static enum lumin_status read_double(const struct scalar *scalar);
static enum lumin_status read_enum(const struct scalar *scalar);

enum lumin_status json_read_scalar(struct json_reader *reader, const struct json_place *place,
                                   const ProtobufCFieldDescriptor *field, void *element) {
  static const struct {
    enum lumin_status (*read)(const struct scalar *scalar);
    const char *allowed;
  } kinds[] = {
      [PROTOBUF_C_TYPE_INT32] = {read_i32, INT32_ALLOWED},    [PROTOBUF_C_TYPE_SINT32] = {read_i32, INT32_ALLOWED},
      [PROTOBUF_C_TYPE_SFIXED32] = {read_i32, INT32_ALLOWED}, [PROTOBUF_C_TYPE_INT64] = {read_i64, INT64_ALLOWED},
      [PROTOBUF_C_TYPE_SINT64] = {read_i64, INT64_ALLOWED},   [PROTOBUF_C_TYPE_SFIXED64] = {read_i64, INT64_ALLOWED},
      [PROTOBUF_C_TYPE_UINT32] = {read_u32, UINT32_ALLOWED},  [PROTOBUF_C_TYPE_FIXED32] = {read_u32, UINT32_ALLOWED},
      [PROTOBUF_C_TYPE_UINT64] = {read_u64, UINT64_ALLOWED},  [PROTOBUF_C_TYPE_FIXED64] = {read_u64, UINT64_ALLOWED},
      [PROTOBUF_C_TYPE_FLOAT] = {read_float, FLOAT_ALLOWED},  [PROTOBUF_C_TYPE_DOUBLE] = {read_double, DOUBLE_ALLOWED},
      [PROTOBUF_C_TYPE_BOOL] = {read_bool, "true or false"},  [PROTOBUF_C_TYPE_ENUM] = {read_enum, ""},
      [PROTOBUF_C_TYPE_STRING] = {read_string, "a text"},     [PROTOBUF_C_TYPE_BYTES] = {read_bytes, BYTES_ALLOWED},
  };
  if ((size_t)field->type >= sizeof kinds / sizeof kinds[0]) {
    return json_refuse(reader, place, "nothing", "the field cannot be given in JSON");
  }
  struct scalar scalar = {reader, place, field, kinds[field->type].allowed, element};
  return kinds[field->type].read(&scalar);
}

static enum lumin_status value_refuse(const struct scalar *scalar) {
  return json_refuse_value(scalar->reader, scalar->place, scalar->allowed);
}

static enum lumin_status text_take(const struct scalar *scalar, struct span *ret_text) {
  if (json_peek(scalar->reader) != '"') {
    return value_refuse(scalar);
  }
  return json_take_string(scalar->reader, scalar->place, ret_text);
}

static enum lumin_status read_string(const struct scalar *scalar) {
  struct span text = SPAN_EMPTY;
  enum lumin_status status = text_take(scalar, &text);
  if (status == LUMIN_OK) {
    *(const char **)scalar->element = text.data;
  }
  return status;
}

static enum lumin_status read_bytes(const struct scalar *scalar) {
  ProtobufCBinaryData *bytes = scalar->element;
  struct span text = SPAN_EMPTY;
  void *data = NULL;
  enum lumin_status status = text_take(scalar, &text);
  if (status == LUMIN_OK) {
    status = json_alloc(scalar->reader, text.len, &data);
  }
  if (status != LUMIN_OK) {
    return status;
  }
  bytes->data = data;
  return base64_read(text, bytes->data, &bytes->len) ? LUMIN_OK : value_refuse(scalar);
}

static enum lumin_status read_bool(const struct scalar *scalar) {
  bool yes = json_take_word(scalar->reader, SPAN_LITERAL("true"));
  if (!yes && !json_take_word(scalar->reader, SPAN_LITERAL("false"))) {
    return value_refuse(scalar);
  }
  *(protobuf_c_boolean *)scalar->element = yes;
  return LUMIN_OK;
}

// ---- numbers

static bool number_is_next(struct json_reader *reader) {
  char c = json_peek(reader);
  return c == '-' || (c >= '0' && c <= '9');
}

// A number's letters, bare or in a string; in a string they may be anything.
static enum lumin_status number_take(const struct scalar *scalar, struct span *ret_number) {
  return number_is_next(scalar->reader) ? json_take_number(scalar->reader, ret_number) : text_take(scalar, ret_number);
}

// ... of a whole number between -`below` and `above`, as its two's complement.
static enum lumin_status whole_take(const struct scalar *scalar, uint64_t below, uint64_t above, uint64_t *ret_value) {
  struct span number = SPAN_EMPTY;
  bool negative = false;
  uint64_t size = 0;
  enum lumin_status status = number_take(scalar, &number);
  if (status != LUMIN_OK) {
    return status;
  }
  if (number.len == 0 || json_number_len(number) != number.len || !json_number_whole(number, &negative, &size) ||
      size > (negative ? below : above)) {
    return value_refuse(scalar);
  }
  *ret_value = negative ? 0 - size : size;
  return LUMIN_OK;
}

static enum lumin_status read_i32(const struct scalar *scalar) {
  uint64_t value = 0;
  enum lumin_status status = whole_take(scalar, UINT64_C(1) << 31, INT32_MAX, &value);
  if (status == LUMIN_OK) {
    *(int32_t *)scalar->element = (int32_t)(int64_t)value;
  }
  return status;
}

static enum lumin_status read_u32(const struct scalar *scalar) {
  uint64_t value = 0;
  enum lumin_status status = whole_take(scalar, 0, UINT32_MAX, &value);
  if (status == LUMIN_OK) {
    *(uint32_t *)scalar->element = (uint32_t)value;
  }
  return status;
}

static enum lumin_status read_i64(const struct scalar *scalar) {
  uint64_t value = 0;
  enum lumin_status status = whole_take(scalar, UINT64_C(1) << 63, INT64_MAX, &value);
  if (status == LUMIN_OK) {
    *(int64_t *)scalar->element = (int64_t)value;
  }
  return status;
}

static enum lumin_status read_u64(const struct scalar *scalar) {
  return whole_take(scalar, 0, UINT64_MAX, scalar->element);
}

static bool special_read(struct span text, double *ret_value) {
  static const struct {
    const char *name;
    double value;
  } specials[] = {{"NaN", (double)NAN}, {"Infinity", (double)INFINITY}, {"-Infinity", (double)-INFINITY}};
  for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
    if (span_equal(text, span_from_text(specials[i].name))) {
      *ret_value = specials[i].value;
      return true;
    }
  }
  return false;
}

// The programs set no locale, so that strtod's decimal point is a point.
static enum lumin_status real_take(const struct scalar *scalar, double *ret_value) {
  struct span number = SPAN_EMPTY;
  bool text = json_peek(scalar->reader) == '"';
  enum lumin_status status = number_take(scalar, &number);
  if (status != LUMIN_OK || (text && special_read(number, ret_value))) {
    return status;
  }
  if (number.len == 0 || number.len > FLOAT_LETTERS_MAX || json_number_len(number) != number.len) {
    return value_refuse(scalar);
  }
  char letters[FLOAT_LETTERS_MAX + 1];
  memcpy(letters, number.data, number.len);
  letters[number.len] = '\0';
  double value = strtod(letters, NULL);
  if (isinf(value)) {
    return value_refuse(scalar);
  }
  *ret_value = value;
  return LUMIN_OK;
}

static enum lumin_status read_float(const struct scalar *scalar) {
  double value = 0;
  enum lumin_status status = real_take(scalar, &value);
  if (status == LUMIN_OK && isfinite(value) && isinf((float)value)) {
    status = value_refuse(scalar);
  }
  if (status == LUMIN_OK) {
    *(float *)scalar->element = (float)value;
  }
  return status;
}

static enum lumin_status read_double(const struct scalar *scalar) { return real_take(scalar, scalar->element); }

// ---- enums

static enum lumin_status enum_refuse(const struct scalar *scalar) {
  const ProtobufCEnumDescriptor *type = scalar->field->descriptor;
  struct span names = SPAN_LITERAL("");
  for (unsigned i = 0; i < type->n_values && names.data != NULL; i++) {
    names = arena_printf(scalar->reader->arena, "%.*s%s%s", SPAN_ARGS(names), i > 0 ? ", " : "", type->values[i].name);
  }
  return names.data == NULL ? LUMIN_NO_MEMORY
                            : json_refuse_text(scalar->reader, scalar->place, names, "the field takes no such value");
}

static enum lumin_status read_enum(const struct scalar *scalar) {
  const ProtobufCEnumDescriptor *type = scalar->field->descriptor;
  const ProtobufCEnumValue *value = NULL;
  struct span text = SPAN_EMPTY;
  enum lumin_status status = LUMIN_OK;
  if (number_is_next(scalar->reader)) {
    bool negative = false;
    uint64_t size = 0;
    status = json_take_number(scalar->reader, &text);
    if (status == LUMIN_OK && json_number_whole(text, &negative, &size) && size <= INT32_MAX) {
      value = protobuf_c_enum_descriptor_get_value(type, negative ? -(int)size : (int)size);
    }
  } else if (json_peek(scalar->reader) == '"') {
    status = json_take_string(scalar->reader, scalar->place, &text);
    value = status == LUMIN_OK ? protobuf_c_enum_descriptor_get_value_by_name(type, text.data) : NULL;
  }
  if (status != LUMIN_OK) {
    return status;
  }
  if (value == NULL) {
    return enum_refuse(scalar);
  }
  *(int *)scalar->element = value->value;
  return LUMIN_OK;
}
