// SPDX-License-Identifier: MIT
// From texts of the command line to members of a request.
#include "fields.h"

#include "names.h"

static bool set_text(void *member, const ProtobufCFieldDescriptor *field, struct span text);
static bool set_u32(void *member, const ProtobufCFieldDescriptor *field, struct span text);
static bool set_u64(void *member, const ProtobufCFieldDescriptor *field, struct span text);
static bool set_bool(void *member, const ProtobufCFieldDescriptor *field, struct span text);
static bool set_enum(void *member, const ProtobufCFieldDescriptor *field, struct span text);
static struct span enum_allowed(const ProtobufCEnumDescriptor *type, struct arena *arena);

static const struct kind {
  ProtobufCType type;
  bool (*set)(void *member, const ProtobufCFieldDescriptor *field, struct span text);
  const char *allowed;
} kinds[] = {
    {PROTOBUF_C_TYPE_STRING, set_text, "a text"},
    {PROTOBUF_C_TYPE_UINT32, set_u32, "a whole number, 0 to 4294967295"},
    {PROTOBUF_C_TYPE_UINT64, set_u64, "a whole number, 0 or more"},
    {PROTOBUF_C_TYPE_BOOL, set_bool, "true or false"},
    {PROTOBUF_C_TYPE_ENUM, set_enum, ""},
};

static const struct kind *kind_of(const ProtobufCFieldDescriptor *field) {
  bool single = field->label != PROTOBUF_C_LABEL_REPEATED && !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
  for (size_t i = 0; single && i < sizeof kinds / sizeof kinds[0]; i++) {
    if (kinds[i].type == field->type) {
      return &kinds[i];
    }
  }
  return NULL;
}

const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *type, struct span name) {
  for (unsigned i = 0; i < type->n_fields; i++) {
    if (name_equal(name, type->fields[i].name)) {
      return &type->fields[i];
    }
  }
  return NULL;
}

enum lumin_status field_set(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *text) {
  const struct kind *kind = kind_of(field);
  if (kind == NULL || !kind->set((char *)message + field->offset, field, span_from_text(text))) {
    return LUMIN_INVALID_ARGUMENT;
  }
  if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0) {
    *(protobuf_c_boolean *)(void *)((char *)message + field->quantifier_offset) = 1;
  }
  return LUMIN_OK;
}

struct span field_allowed(const ProtobufCFieldDescriptor *field, struct arena *arena) {
  const struct kind *kind = kind_of(field);
  if (kind == NULL) {
    return SPAN_LITERAL("nothing: this field cannot be given on a command line");
  }
  return field->type == PROTOBUF_C_TYPE_ENUM ? enum_allowed(field->descriptor, arena) : span_from_text(kind->allowed);
}

static char upper_case(char c) { return (char)(c >= 'a' && c <= 'z' ? c - 32 : c); }

const char *enum_short_name(const ProtobufCEnumDescriptor *type, const char *name) {
  const char *at = name;
  for (const char *letter = type->short_name; *letter != '\0'; letter++) {
    at += *at == '_';
    if (*at++ != upper_case(*letter)) {
      return name;
    }
  }
  return *at == '_' ? at + 1 : name;
}

static bool set_text(void *member, const ProtobufCFieldDescriptor *field, struct span text) {
  (void)field;
  *(const char **)member = text.data;
  return true;
}

static bool set_u32(void *member, const ProtobufCFieldDescriptor *field, struct span text) {
  (void)field;
  uint64_t value = 0;
  bool fits = span_to_u64(text, &value) && value <= UINT32_MAX;
  if (fits) {
    *(uint32_t *)member = (uint32_t)value;
  }
  return fits;
}

static bool set_u64(void *member, const ProtobufCFieldDescriptor *field, struct span text) {
  (void)field;
  return span_to_u64(text, member);
}

static bool set_bool(void *member, const ProtobufCFieldDescriptor *field, struct span text) {
  (void)field;
  bool yes = span_equal(text, SPAN_LITERAL("true"));
  if (!yes && !span_equal(text, SPAN_LITERAL("false"))) {
    return false;
  }
  *(protobuf_c_boolean *)member = yes;
  return true;
}

// Any case, a dash for an underscore.
static bool enum_value_equal(struct span text, const char *name) {
  struct span wanted = span_from_text(name);
  bool equal = text.len == wanted.len;
  for (size_t i = 0; equal && i < text.len; i++) {
    char c = text.data[i];
    equal = (c == '-' ? '_' : upper_case(c)) == wanted.data[i];
  }
  return equal;
}

static bool set_enum(void *member, const ProtobufCFieldDescriptor *field, struct span text) {
  const ProtobufCEnumDescriptor *type = field->descriptor;
  for (unsigned i = 0; i < type->n_values; i++) {
    if (enum_value_equal(text, enum_short_name(type, type->values[i].name))) {
      *(int *)member = type->values[i].value;
      return true;
    }
  }
  return false;
}

static struct span enum_allowed(const ProtobufCEnumDescriptor *type, struct arena *arena) {
  struct span all = SPAN_LITERAL("");
  for (unsigned i = 0; all.data != NULL && i < type->n_values; i++) {
    if (type->values[i].value != 0) { // 0 says "not set"
      all = arena_printf(arena, "%.*s%s%s", SPAN_ARGS(all), all.len > 0 ? ", " : "",
                         enum_short_name(type, type->values[i].name));
    }
  }
  return all;
}
