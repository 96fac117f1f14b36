// SPDX-License-Identifier: MIT
// Reflection over replies and events, by a table of the types a field can have.
#include "rows.h"

#include <inttypes.h>

#include "fields.h"
#include "lumin/base/clock.h"
#include "text.h"

#include "google/protobuf/timestamp.pb-c.h"

static enum lumin_status add_fields(struct rows *rows, struct span path, const ProtobufCMessage *message);
static enum lumin_status add_field(struct rows *rows, struct span path, const ProtobufCMessage *message,
                                   const ProtobufCFieldDescriptor *field);
static enum lumin_status add_element(struct rows *rows, struct span name, const ProtobufCFieldDescriptor *field,
                                     const void *element);
static enum lumin_status add_nested(struct rows *rows, struct span name, const ProtobufCMessage *message);
static struct span show_time(const ProtobufCMessage *message, struct arena *arena);

enum lumin_status rows_add(struct rows *rows, struct span name, struct span value) {
  if (name.data == NULL || value.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  if (rows->count == rows->room) {
    size_t room = rows->room == 0 ? 16 : 2 * rows->room;
    struct row *items = ARENA_ARRAY(rows->arena, room, struct row);
    if (items == NULL) {
      return LUMIN_NO_MEMORY;
    }
    if (rows->count > 0) {
      memcpy(items, rows->items, rows->count * sizeof *items);
    }
    rows->items = items;
    rows->room = room;
  }
  rows->items[rows->count++] = (struct row){name, value, value.len == 0};
  return LUMIN_OK;
}

enum lumin_status rows_add_message(struct rows *rows, const ProtobufCMessage *message) {
  return add_fields(rows, SPAN_LITERAL(""), message);
}

void rows_write(FILE *out, const struct rows *rows) {
  size_t width = 0;
  for (size_t i = 0; i < rows->count; i++) {
    const struct row *row = &rows->items[i];
    width = !row->unset && row->name.len > width ? row->name.len : width;
  }
  for (size_t i = 0; i < rows->count; i++) {
    const struct row *row = &rows->items[i];
    if (!row->unset) {
      fprintf(out, "%-*.*s  ", (int)width, SPAN_ARGS(row->name));
      text_write(out, row->value);
      fputc('\n', out);
    }
  }
}

void rows_write_flat(FILE *out, const struct rows *rows) {
  for (size_t i = 0; i < rows->count; i++) {
    fprintf(out, "  %.*s=", SPAN_ARGS(rows->items[i].name));
    text_write_word(out, rows->items[i].value);
  }
}

static enum lumin_status add_fields(struct rows *rows, struct span path, const ProtobufCMessage *message) {
  enum lumin_status status = LUMIN_OK;
  for (unsigned i = 0; status == LUMIN_OK && i < message->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
    status = field == rows->passed_over ? LUMIN_OK : add_field(rows, path, message, field);
  }
  return status;
}

static size_t element_size(const ProtobufCFieldDescriptor *field) {
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

// Whether a single field is there at all: a member of a oneof or an optional one may not be.
static bool field_is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  const char *quantifier = (const char *)message + field->quantifier_offset;
  if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
    return *(const uint32_t *)(const void *)quantifier == field->id;
  }
  bool counted = field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0;
  return !counted || *(const protobuf_c_boolean *)(const void *)quantifier;
}

static enum lumin_status add_field(struct rows *rows, struct span path, const ProtobufCMessage *message,
                                   const ProtobufCFieldDescriptor *field) {
  const char *member = (const char *)message + field->offset;
  struct span name = arena_printf(rows->arena, "%.*s%s", SPAN_ARGS(path), field->name);
  if (name.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  if (field->label != PROTOBUF_C_LABEL_REPEATED) {
    return field_is_present(message, field) ? add_element(rows, name, field, member) : LUMIN_OK;
  }
  size_t count = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
  const char *elements = *(const char *const *)(const void *)member;
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; status == LUMIN_OK && i < count; i++) {
    struct span indexed = arena_printf(rows->arena, "%.*s[%zu]", SPAN_ARGS(name), i);
    status =
        indexed.data == NULL ? LUMIN_NO_MEMORY : add_element(rows, indexed, field, elements + i * element_size(field));
  }
  return status;
}

static struct span show_text(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena) {
  (void)field;
  (void)arena;
  const char *text = *(const char *const *)element;
  return text == NULL ? SPAN_LITERAL("") : span_from_text(text);
}

static struct span show_bytes(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena) {
  (void)field;
  const ProtobufCBinaryData *bytes = element;
  return arena_printf(arena, "(%zu bytes)", bytes->len);
}

static struct span show_bool(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena) {
  (void)field;
  (void)arena;
  return *(const protobuf_c_boolean *)element ? SPAN_LITERAL("true") : SPAN_LITERAL("false");
}

static struct span show_i32(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena) {
  (void)field;
  return arena_printf(arena, "%" PRId32, *(const int32_t *)element);
}

static struct span show_u32(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena) {
  (void)field;
  return arena_printf(arena, "%" PRIu32, *(const uint32_t *)element);
}

static struct span show_i64(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena) {
  (void)field;
  return arena_printf(arena, "%" PRId64, *(const int64_t *)element);
}

static struct span show_u64(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena) {
  (void)field;
  return arena_printf(arena, "%" PRIu64, *(const uint64_t *)element);
}

static struct span show_enum(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena) {
  int number = *(const int *)element;
  const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(field->descriptor, number);
  if (number == 0) {
    return SPAN_LITERAL("");
  }
  return value == NULL ? arena_printf(arena, "%d", number)
                       : span_from_text(enum_short_name(field->descriptor, value->name));
}

static enum lumin_status add_element(struct rows *rows, struct span name, const ProtobufCFieldDescriptor *field,
                                     const void *element) {
  static const struct {
    ProtobufCType type;
    struct span (*show)(const ProtobufCFieldDescriptor *field, const void *element, struct arena *arena);
  } shows[] = {
      {PROTOBUF_C_TYPE_STRING, show_text},  {PROTOBUF_C_TYPE_BYTES, show_bytes},  {PROTOBUF_C_TYPE_BOOL, show_bool},
      {PROTOBUF_C_TYPE_UINT32, show_u32},   {PROTOBUF_C_TYPE_UINT64, show_u64},   {PROTOBUF_C_TYPE_INT32, show_i32},
      {PROTOBUF_C_TYPE_INT64, show_i64},    {PROTOBUF_C_TYPE_ENUM, show_enum},    {PROTOBUF_C_TYPE_SINT32, show_i32},
      {PROTOBUF_C_TYPE_SINT64, show_i64},   {PROTOBUF_C_TYPE_FIXED32, show_u32},  {PROTOBUF_C_TYPE_FIXED64, show_u64},
      {PROTOBUF_C_TYPE_SFIXED32, show_i32}, {PROTOBUF_C_TYPE_SFIXED64, show_i64},
  };
  if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
    const ProtobufCMessage *nested = *(const ProtobufCMessage *const *)element;
    return nested == NULL ? LUMIN_OK : add_nested(rows, name, nested);
  }
  for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++) {
    if (shows[i].type == field->type) {
      return rows_add(rows, name, shows[i].show(field, element, rows->arena));
    }
  }
  return rows_add(rows, name, SPAN_LITERAL("(a type that luminctl cannot show)"));
}

static enum lumin_status add_nested(struct rows *rows, struct span name, const ProtobufCMessage *message) {
  if (message->descriptor == &google__protobuf__timestamp__descriptor) {
    return rows_add(rows, name, show_time(message, rows->arena));
  }
  struct span path = arena_printf(rows->arena, "%.*s.", SPAN_ARGS(name));
  return path.data == NULL ? LUMIN_NO_MEMORY : add_fields(rows, path, message);
}

static struct span show_time(const ProtobufCMessage *message, struct arena *arena) {
  const Google__Protobuf__Timestamp *stamp = (const void *)message;
  int64_t ns = 0;
  if (__builtin_mul_overflow(stamp->seconds, NS_PER_SECOND, &ns) || __builtin_add_overflow(ns, stamp->nanos, &ns)) {
    return arena_printf(arena, "%" PRId64 " s since 1970", stamp->seconds);
  }
  char text[CLOCK_RFC3339_MAX];
  size_t len = clock_format_rfc3339(ns, text);
  return arena_copy(arena, span_of(text, len));
}
