// SPDX-License-Identifier: MIT
// Any message with random contents, by its descriptor; and where the chance comes from.
#pragma once

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "lumin/base/arena.h"

// ---- chance

struct chance {
  uint64_t state;
  struct arena *arena; // of what it makes
};

static inline uint64_t chance_next(struct chance *chance) {
  chance->state += UINT64_C(0x9e3779b97f4a7c15); // splitmix64
  uint64_t z = chance->state;
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}
static inline size_t chance_below(struct chance *chance, size_t limit) { return chance_next(chance) % limit; }

// Any size, the edges often.
static inline uint64_t chance_number(struct chance *chance) {
  static const uint64_t edges[] = {0, 1, UINT64_MAX, INT64_MAX, INT64_MIN, INT32_MAX, UINT32_MAX, 0x80000000};
  return chance_below(chance, 3) == 0 ? edges[chance_below(chance, sizeof edges / sizeof edges[0])]
                                      : chance_next(chance) >> chance_below(chance, 64);
}

static inline double chance_real(struct chance *chance) {
  static const double edges[] = {0, -0.0, 1, -1.5, 0.1, 1e300, 5e-324, NAN, INFINITY, -INFINITY, 3.4028234663852886e38};
  if (chance_below(chance, 2))
    return edges[chance_below(chance, sizeof edges / sizeof edges[0])];
  uint64_t bits = chance_next(chance);
  double value;
  memcpy(&value, &bits, sizeof value);
  return isnan(value) ? 0.5 : value;
}

static inline size_t put_utf8(uint32_t point, char *text) {
  if (point < 0x80)
    return (size_t)sprintf(text, "%c", (char)point);
  if (point < 0x800)
    return (size_t)sprintf(text, "%c%c", (char)(0xc0 | point >> 6), (char)(0x80 | (point & 63)));
  if (point < 0x10000)
    return (size_t)sprintf(text, "%c%c%c", (char)(0xe0 | point >> 12), (char)(0x80 | (point >> 6 & 63)),
                           (char)(0x80 | (point & 63)));
  return (size_t)sprintf(text, "%c%c%c%c", (char)(0xf0 | point >> 18), (char)(0x80 | (point >> 12 & 63)),
                         (char)(0x80 | (point >> 6 & 63)), (char)(0x80 | (point & 63)));
}

static inline char *chance_text(struct chance *chance) {
  static const uint32_t specials[] = {'"',    '\\',    '/',     '\n',    1,       0x1f,   0x7f,
                                      0x80,   0x9b,    0x2028,  0x202e,  0xfeff,  0xd7ff, 0xe000,
                                      0xffff, 0x10000, 0x1f600, 0xe0001, 0x10ffff};
  char text[64];
  size_t len = 0;
  for (size_t count = chance_below(chance, 12); count > 0; count--) {
    uint32_t point =
        (uint32_t)(chance_below(chance, 2)   ? 'a' + chance_below(chance, 26)
                   : chance_below(chance, 2) ? specials[chance_below(chance, sizeof specials / sizeof specials[0])]
                                             : 1 + chance_below(chance, 0xd7ff));
    len += put_utf8(point, text + len);
  }
  return (char *)(uintptr_t)arena_copy(chance->arena, span_of(text, len)).data;
}

// ---- random messages

static inline ProtobufCMessage *random_message(struct chance *chance, const ProtobufCMessageDescriptor *type,
                                               unsigned depth);

static inline void random_mask(struct chance *chance, Google__Protobuf__FieldMask *mask) {
  static const char letters[] = "abz019__..";
  mask->n_paths = chance_below(chance, 4);
  mask->paths = arena_alloc(chance->arena, sizeof(char *) * 4);
  for (size_t i = 0; i < mask->n_paths; i++) {
    char text[20] = "p";
    for (size_t len = 1 + chance_below(chance, 14); len > 1; len--)
      text[len - 1] = letters[chance_below(chance, sizeof letters - 1)];
    for (size_t at = 0; text[at]; at++) // a name begins with a letter
      if (text[at] == '.')
        text[at + 1] = 'q';
    mask->paths[i] = (char *)(uintptr_t)arena_copy(chance->arena, span_from_text(text)).data;
  }
}

static inline void random_value(struct chance *chance, const ProtobufCFieldDescriptor *field, unsigned depth,
                                void *at) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING:
    *(char **)at = chance_text(chance);
    break;
  case PROTOBUF_C_TYPE_BYTES: {
    ProtobufCBinaryData *bytes = at;
    bytes->len = chance_below(chance, 9);
    bytes->data = arena_alloc(chance->arena, bytes->len);
    for (size_t i = 0; i < bytes->len; i++)
      bytes->data[i] = (uint8_t)chance_next(chance);
    break;
  }
  case PROTOBUF_C_TYPE_MESSAGE:
    *(ProtobufCMessage **)at = random_message(chance, field->descriptor, depth + 1);
    break;
  case PROTOBUF_C_TYPE_ENUM: {
    const ProtobufCEnumDescriptor *type = field->descriptor;
    *(int *)at = type->values[chance_below(chance, type->n_values)].value;
    break;
  }
  case PROTOBUF_C_TYPE_BOOL:
    *(protobuf_c_boolean *)at = (protobuf_c_boolean)chance_below(chance, 2);
    break;
  case PROTOBUF_C_TYPE_DOUBLE:
    *(double *)at = chance_real(chance);
    break;
  case PROTOBUF_C_TYPE_FLOAT: {
    double value = chance_real(chance);
    *(float *)at = isfinite(value) && fabs(value) > 3.4028234663852886e38 ? 0.25f : (float)value;
    break;
  }
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
    *(uint64_t *)at = chance_number(chance);
    break;
  default:
    *(uint32_t *)at = (uint32_t)chance_number(chance);
  }
}

static inline size_t value_size(const ProtobufCFieldDescriptor *field) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_MESSAGE:
    return sizeof(void *);
  case PROTOBUF_C_TYPE_BYTES:
    return sizeof(ProtobufCBinaryData);
  case PROTOBUF_C_TYPE_BOOL:
    return sizeof(protobuf_c_boolean);
  case PROTOBUF_C_TYPE_ENUM:
  case PROTOBUF_C_TYPE_FLOAT:
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32:
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32:
    return 4;
  default:
    return 8;
  }
}

static inline void random_field(struct chance *chance, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                                unsigned depth) {
  char *member = (char *)message + field->offset, *quantifier = (char *)message + field->quantifier_offset;
  bool oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
  if (chance_below(chance, 3) == 0 || (depth >= 3 && field->type == PROTOBUF_C_TYPE_MESSAGE) ||
      (oneof && *(uint32_t *)(void *)quantifier))
    return;
  if (field->label == PROTOBUF_C_LABEL_REPEATED) {
    size_t count = chance_below(chance, 4);
    char *values = arena_alloc(chance->arena, count * value_size(field));
    for (size_t i = 0; i < count; i++)
      random_value(chance, field, depth, values + i * value_size(field));
    *(size_t *)(void *)quantifier = count;
    *(void **)(void *)member = values;
    return;
  }
  random_value(chance, field, depth, member);
  if (oneof)
    *(uint32_t *)(void *)quantifier = field->id;
  else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset)
    *(protobuf_c_boolean *)(void *)quantifier = 1;
}

static inline ProtobufCMessage *random_message(struct chance *chance, const ProtobufCMessageDescriptor *type,
                                               unsigned depth) {
  ProtobufCMessage *message = arena_alloc(chance->arena, type->sizeof_message);
  cr_assert(message);
  protobuf_c_message_init(type, message);
  if (type == &google__protobuf__timestamp__descriptor) {
    Google__Protobuf__Timestamp *stamp = (void *)message;
    static const int32_t nanos[] = {0, 1, 999999999, 120000000, 123456000, 999000000};
    stamp->seconds = (int64_t)chance_below(chance, 18000000000) - 9000000000; // 1684 to 2255
    stamp->nanos = nanos[chance_below(chance, sizeof nanos / sizeof nanos[0])];
  } else if (type == &google__protobuf__field_mask__descriptor) {
    random_mask(chance, (void *)message);
  } else {
    for (unsigned i = 0; i < type->n_fields; i++)
      random_field(chance, message, &type->fields[i], depth);
  }
  return message;
}
