// SPDX-License-Identifier: MIT
// From texts of the command line to members of a request.
#include "fields.h"

#include "lumin/base/clock.h"
#include "names.h"

#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

// Where a value goes.
struct place {
  void *member;
  const ProtobufCFieldDescriptor *field;
  struct arena *arena;
};

static bool set_text(const struct place *place, struct span text);
static bool set_u32(const struct place *place, struct span text);
static bool set_u64(const struct place *place, struct span text);
static bool set_bool(const struct place *place, struct span text);
static bool set_enum(const struct place *place, struct span text);
static bool set_time(const struct place *place, struct span text);
static bool set_mask(const struct place *place, struct span text);
static struct span enum_allowed(const ProtobufCEnumDescriptor *type, struct arena *arena);

static const struct kind {
  ProtobufCType type;
  size_t size;                               // of a member
  const ProtobufCMessageDescriptor *message; // of MESSAGE
  bool (*set)(const struct place *place, struct span text);
  const char *allowed;
} kinds[] = {
    {PROTOBUF_C_TYPE_STRING, sizeof(char *), NULL, set_text, "a text"},
    {PROTOBUF_C_TYPE_UINT32, sizeof(uint32_t), NULL, set_u32, "a whole number, 0 to 4294967295"},
    {PROTOBUF_C_TYPE_UINT64, sizeof(uint64_t), NULL, set_u64, "a whole number, 0 or more"},
    {PROTOBUF_C_TYPE_BOOL, sizeof(protobuf_c_boolean), NULL, set_bool, "true or false"},
    {PROTOBUF_C_TYPE_ENUM, sizeof(int), NULL, set_enum, ""},
    {PROTOBUF_C_TYPE_MESSAGE, sizeof(void *), &google__protobuf__timestamp__descriptor, set_time,
     "a time from 1678 to 2262, such as 2027-01-01T00:00:00Z"},
    {PROTOBUF_C_TYPE_MESSAGE, sizeof(void *), &google__protobuf__field_mask__descriptor, set_mask,
     "names of fields, with commas"},
};

static bool is_repeated(const ProtobufCFieldDescriptor *field) { return field->label == PROTOBUF_C_LABEL_REPEATED; }

static const struct kind *kind_of(const ProtobufCFieldDescriptor *field) {
  bool plain = !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
  for (size_t i = 0; plain && i < sizeof kinds / sizeof kinds[0]; i++) {
    if (kinds[i].type == field->type && (kinds[i].message == NULL || kinds[i].message == field->descriptor)) {
      return &kinds[i];
    }
  }
  return NULL;
}

static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *type, struct span name) {
  for (unsigned i = 0; i < type->n_fields; i++) {
    if (name_equal(name, type->fields[i].name)) {
      return &type->fields[i];
    }
  }
  return NULL;
}

bool field_is_group(const ProtobufCFieldDescriptor *field) {
  return field->type == PROTOBUF_C_TYPE_MESSAGE && !is_repeated(field) && kind_of(field) == NULL;
}

const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *type, struct span name) {
  const ProtobufCFieldDescriptor *field = field_named(type, span_cut(&name, '.'));
  while (field != NULL && name.len > 0) {
    field = field_is_group(field) ? field_named(field->descriptor, span_cut(&name, '.')) : NULL;
  }
  return field;
}

static ProtobufCMessage *message_make(const ProtobufCMessageDescriptor *type, struct arena *arena) {
  ProtobufCMessage *message = arena_alloc(arena, type->sizeof_message);
  if (message != NULL) {
    protobuf_c_message_init(type, message);
  }
  return message;
}

// Each time the flag is given, one more.
static enum lumin_status element_add(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, struct span text,
                                     struct arena *arena) {
  const struct kind *kind = kind_of(field);
  size_t *count = (void *)((char *)message + field->quantifier_offset);
  void **elements = (void *)((char *)message + field->offset);
  char *grown = arena_array(arena, *count + 1, kind->size);
  if (grown == NULL) {
    return LUMIN_NO_MEMORY;
  }
  if (*count > 0) {
    memcpy(grown, *elements, *count * kind->size);
  }
  struct place place = {grown + *count * kind->size, field, arena};
  if (!kind->set(&place, text)) {
    return LUMIN_INVALID_ARGUMENT;
  }
  *elements = grown;
  ++*count;
  return LUMIN_OK;
}

enum lumin_status field_set(ProtobufCMessage *message, const struct assignment *assignment, struct arena *arena) {
  struct span name = assignment->name;
  const ProtobufCFieldDescriptor *field = field_named(message->descriptor, span_cut(&name, '.'));
  while (field != NULL && name.len > 0) {
    ProtobufCMessage **inner = (void *)((char *)message + field->offset);
    *inner = *inner != NULL ? *inner : message_make(field->descriptor, arena);
    message = *inner;
    if (message == NULL) {
      return LUMIN_NO_MEMORY;
    }
    field = field_named(message->descriptor, span_cut(&name, '.'));
  }
  const struct kind *kind = field != NULL ? kind_of(field) : NULL;
  if (kind == NULL) {
    return LUMIN_INVALID_ARGUMENT;
  }
  struct span text = span_from_text(assignment->text);
  if (is_repeated(field)) {
    return element_add(message, field, text, arena);
  }
  struct place place = {(char *)message + field->offset, field, arena};
  if (!kind->set(&place, text)) {
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
    return field_is_group(field) ? SPAN_LITERAL("its own fields, as in --field.name VALUE")
                                 : SPAN_LITERAL("nothing as a flag: give the whole request by --data");
  }
  struct span allowed =
      field->type == PROTOBUF_C_TYPE_ENUM ? enum_allowed(field->descriptor, arena) : span_from_text(kind->allowed);
  return is_repeated(field) ? arena_printf(arena, "%.*s; for more, give it again", SPAN_ARGS(allowed)) : allowed;
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

static bool set_text(const struct place *place, struct span text) {
  *(const char **)place->member = text.data;
  return true;
}

static bool set_u32(const struct place *place, struct span text) {
  uint64_t value = 0;
  bool fits = span_to_u64(text, &value) && value <= UINT32_MAX;
  if (fits) {
    *(uint32_t *)place->member = (uint32_t)value;
  }
  return fits;
}

static bool set_u64(const struct place *place, struct span text) { return span_to_u64(text, place->member); }

static bool set_bool(const struct place *place, struct span text) {
  bool yes = span_equal(text, SPAN_LITERAL("true"));
  if (!yes && !span_equal(text, SPAN_LITERAL("false"))) {
    return false;
  }
  *(protobuf_c_boolean *)place->member = yes;
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

static bool set_enum(const struct place *place, struct span text) {
  const ProtobufCEnumDescriptor *type = place->field->descriptor;
  for (unsigned i = 0; i < type->n_values; i++) {
    if (enum_value_equal(text, enum_short_name(type, type->values[i].name))) {
      *(int *)place->member = type->values[i].value;
      return true;
    }
  }
  return false;
}

static bool set_time(const struct place *place, struct span text) {
  int64_t ns = 0;
  ProtobufCMessage *message = message_make(place->field->descriptor, place->arena);
  if (message == NULL || clock_parse_rfc3339(text, &ns) != LUMIN_OK) {
    return false;
  }
  Google__Protobuf__Timestamp *stamp = (void *)message;
  int64_t rest = ns % NS_PER_SECOND;
  stamp->seconds = ns / NS_PER_SECOND - (rest < 0);
  stamp->nanos = (int32_t)(rest < 0 ? rest + NS_PER_SECOND : rest);
  *(ProtobufCMessage **)place->member = message;
  return true;
}

// "bio,privacy-settings.email": a dash stands for an underscore here too.
static bool set_mask(const struct place *place, struct span text) {
  ProtobufCMessage *message = message_make(place->field->descriptor, place->arena);
  char **paths = ARENA_ARRAY(place->arena, text.len + 1, char *);
  if (message == NULL || paths == NULL) {
    return false;
  }
  Google__Protobuf__FieldMask *mask = (void *)message;
  while (text.len > 0) {
    struct span path = arena_copy(place->arena, span_cut(&text, ','));
    if (path.data == NULL || path.len == 0) {
      return false;
    }
    paths[mask->n_paths] = (char *)(uintptr_t)path.data;
    for (char *c = paths[mask->n_paths++]; *c != '\0'; c++) {
      *c = (char)(*c == '-' ? '_' : *c);
    }
  }
  mask->paths = paths;
  *(ProtobufCMessage **)place->member = message;
  return true;
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
