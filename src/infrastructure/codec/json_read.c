// SPDX-License-Identifier: MIT
// From JSON to a message, field by field as the text names them. Keeps part of guarantee 10: what is wrong is refused
// by its path, never echoed; and of 11: depth, number of values and memory are bounded.
#include "json_fields.h"

#define DEPTH_MAX 8 // as of protobuf's binary format
#define VALUES_MAX 4096

// A message that is being read.
struct object {
  const struct json_place *place;
  ProtobufCMessage *message;
  bool *seen; // by the field's index
};

static enum lumin_status document_read(struct json_reader *reader, const ProtobufCMessageDescriptor *type,
                                       ProtobufCMessage **ret_message);
static enum lumin_status message_read(struct json_reader *reader, const struct json_place *place,
                                      const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret_message);
static enum lumin_status object_read(struct json_reader *reader, const struct object *object);
static enum lumin_status member_read(struct json_reader *reader, const struct object *object);
static enum lumin_status field_find(struct json_reader *reader, const struct object *object,
                                    const struct json_place *place, const ProtobufCFieldDescriptor **ret_field);
static enum lumin_status field_read(struct json_reader *reader, const struct object *object,
                                    const struct json_place *place, const ProtobufCFieldDescriptor *field);
static enum lumin_status list_read(struct json_reader *reader, const struct object *object,
                                   const struct json_place *place, const ProtobufCFieldDescriptor *field);
static enum lumin_status value_read(struct json_reader *reader, const struct json_place *place,
                                    const ProtobufCFieldDescriptor *field, void *element);

enum lumin_status json_read(const ProtobufCMessageDescriptor *type, const struct json_input *input,
                            ProtobufCMessage **ret_message, struct refusal *ret_refusal) {
  struct refusal refusal = {0};
  struct json_reader reader = {.rest = input->text,
                               .len = input->text.len,
                               .arena = input->arena,
                               .budget_left = input->budget,
                               .values_left = VALUES_MAX,
                               .refusal = &refusal};
  enum lumin_status status = document_read(&reader, type, ret_message);
  if (status == LUMIN_INVALID_ARGUMENT) {
    *ret_refusal = refusal;
  }
  return status;
}

static enum lumin_status document_read(struct json_reader *reader, const ProtobufCMessageDescriptor *type,
                                       ProtobufCMessage **ret_message) {
  ProtobufCMessage *message = NULL;
  if (json_is_over(reader)) {
    return json_refuse(reader, NULL, "a JSON object: {} where no field is set", "the payload is empty");
  }
  enum lumin_status status = message_read(reader, NULL, type, &message);
  if (status == LUMIN_OK && !json_is_over(reader)) {
    status = json_refuse_broken(reader);
  }
  if (status == LUMIN_OK) {
    *ret_message = message;
  }
  return status;
}

static enum lumin_status message_read(struct json_reader *reader, const struct json_place *place,
                                      const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret_message) {
  void *message = NULL, *seen = NULL;
  if (reader->depth > DEPTH_MAX) {
    return json_refuse(reader, place, "at most 8 messages in one another", "the payload is too deep");
  }
  if (json_peek(reader) != '{') {
    return json_refuse_value(reader, place, "a JSON object");
  }
  enum lumin_status status = json_alloc(reader, type->sizeof_message, &message);
  if (status == LUMIN_OK) {
    status = json_alloc(reader, type->n_fields * sizeof(bool), &seen);
  }
  if (status != LUMIN_OK) {
    return status;
  }
  protobuf_c_message_init(type, message);
  struct object object = {place, message, seen};
  reader->depth++;
  status = object_read(reader, &object);
  reader->depth--;
  if (status == LUMIN_OK) {
    *ret_message = message;
  }
  return status;
}

static enum lumin_status object_read(struct json_reader *reader, const struct object *object) {
  (void)json_take(reader, '{');
  if (json_take(reader, '}')) {
    return LUMIN_OK;
  }
  enum lumin_status status = LUMIN_OK;
  do {
    status = member_read(reader, object);
  } while (status == LUMIN_OK && json_take(reader, ','));
  return status != LUMIN_OK || json_take(reader, '}') ? status : json_refuse_broken(reader);
}

// ---- fields

static enum lumin_status member_read(struct json_reader *reader, const struct object *object) {
  struct json_place place = {.outer = object->place, .name = SPAN_LITERAL("?")};
  const ProtobufCFieldDescriptor *field = NULL;
  struct span name = SPAN_EMPTY;
  enum lumin_status status = json_count(reader);
  if (status == LUMIN_OK) {
    status = json_take_string(reader, &place, &name);
  }
  if (status != LUMIN_OK) {
    return status;
  }
  place.name = name;
  status = field_find(reader, object, &place, &field);
  if (status != LUMIN_OK) {
    return status;
  }
  place.name = span_from_text(field->name); // however it was written
  bool *seen = &object->seen[field - object->message->descriptor->fields];
  if (*seen) {
    return json_refuse(reader, &place, "the field once", "the field is given more than once");
  }
  *seen = true;
  if (!json_take(reader, ':')) {
    return json_refuse_broken(reader);
  }
  return json_take_word(reader, SPAN_LITERAL("null")) ? LUMIN_OK : field_read(reader, object, &place, field);
}

// By its lowerCamelCase name or as the proto names it.
static bool field_is_named(const ProtobufCFieldDescriptor *field, struct span name) {
  if (span_equal(name, span_from_text(field->name))) {
    return true;
  }
  const char *rest = field->name;
  for (size_t i = 0; i < name.len; i++) {
    if (json_name_next(&rest) != name.data[i]) {
      return false;
    }
  }
  return json_name_next(&rest) == '\0';
}

static struct span names_list(const ProtobufCMessageDescriptor *type, struct arena *arena) {
  struct span all = type->n_fields == 0 ? SPAN_LITERAL("no fields") : SPAN_LITERAL("");
  for (unsigned i = 0; i < type->n_fields && all.data != NULL; i++) {
    char name[128];
    const char *rest = type->fields[i].name;
    size_t len = 0;
    while (len < sizeof name && (name[len] = json_name_next(&rest)) != '\0') {
      len++;
    }
    all = arena_printf(arena, "%.*s%s%.*s", SPAN_ARGS(all), i > 0 ? ", " : "", (int)len, name);
  }
  return all;
}

static enum lumin_status field_find(struct json_reader *reader, const struct object *object,
                                    const struct json_place *place, const ProtobufCFieldDescriptor **ret_field) {
  const ProtobufCMessageDescriptor *type = object->message->descriptor;
  for (unsigned i = 0; i < type->n_fields; i++) {
    if (field_is_named(&type->fields[i], place->name)) {
      *ret_field = &type->fields[i];
      return LUMIN_OK;
    }
  }
  struct span names = names_list(type, reader->arena);
  return names.data == NULL ? LUMIN_NO_MEMORY : json_refuse_text(reader, place, names, "there is no such field");
}

static enum lumin_status field_read(struct json_reader *reader, const struct object *object,
                                    const struct json_place *place, const ProtobufCFieldDescriptor *field) {
  if (field->label == PROTOBUF_C_LABEL_REPEATED) {
    return list_read(reader, object, place, field);
  }
  char *quantifier = (char *)object->message + field->quantifier_offset;
  if (field_is_in_oneof(field)) {
    uint32_t *set = (uint32_t *)(void *)quantifier;
    if (*set != 0) {
      return json_refuse(reader, place, "nothing, where another field of its oneof is given",
                         "only one of these fields may be given");
    }
    *set = field->id;
  } else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0) {
    *(protobuf_c_boolean *)(void *)quantifier = 1;
  }
  return value_read(reader, place, field, (char *)object->message + field->offset);
}

// ---- values

struct list {
  char *elements;
  size_t count, room;
};

// Room for one more.
static enum lumin_status list_grow(struct json_reader *reader, struct list *list, size_t element_size) {
  if (list->count < list->room) {
    return LUMIN_OK;
  }
  void *elements = NULL;
  size_t room = list->room == 0 ? 4 : 2 * list->room;
  enum lumin_status status = json_alloc(reader, room * element_size, &elements);
  if (status == LUMIN_OK) {
    if (list->count > 0) {
      memcpy(elements, list->elements, list->count * element_size);
    }
    list->elements = elements;
    list->room = room;
  }
  return status;
}

static enum lumin_status elements_read(struct json_reader *reader, const struct json_place *place,
                                       const ProtobufCFieldDescriptor *field, struct list *list) {
  const size_t size = field_element_size(field);
  enum lumin_status status = LUMIN_OK;
  do {
    struct json_place element = {.outer = place, .index = list->count};
    status = json_count(reader);
    if (status == LUMIN_OK) {
      status = list_grow(reader, list, size);
    }
    if (status == LUMIN_OK) {
      status = value_read(reader, &element, field, list->elements + list->count * size);
    }
    list->count++;
  } while (status == LUMIN_OK && json_take(reader, ','));
  return status;
}

static enum lumin_status list_read(struct json_reader *reader, const struct object *object,
                                   const struct json_place *place, const ProtobufCFieldDescriptor *field) {
  struct list list = {0};
  if (!json_take(reader, '[')) {
    return json_refuse_value(reader, place, "a list: [] or [value, value]");
  }
  if (json_take(reader, ']')) {
    return LUMIN_OK;
  }
  enum lumin_status status = elements_read(reader, place, field, &list);
  if (status != LUMIN_OK) {
    return status;
  }
  if (!json_take(reader, ']')) {
    return json_refuse_broken(reader);
  }
  *(size_t *)(void *)((char *)object->message + field->quantifier_offset) = list.count;
  *(void **)(void *)((char *)object->message + field->offset) = list.elements;
  return LUMIN_OK;
}

static enum lumin_status text_message_read(struct json_reader *reader, const struct json_place *place,
                                           const struct json_text_type *kind, ProtobufCMessage **ret_message) {
  struct span text = SPAN_EMPTY;
  void *message = NULL;
  if (json_peek(reader) != '"') {
    return json_refuse_value(reader, place, kind->allowed);
  }
  enum lumin_status status = json_take_string(reader, place, &text);
  if (status == LUMIN_OK) {
    status = json_alloc(reader, kind->type->sizeof_message, &message);
  }
  if (status != LUMIN_OK) {
    return status;
  }
  protobuf_c_message_init(kind->type, message);
  reader->refusal->reason = LUMIN_OK;
  status = kind->read(reader, text, message);
  if (status == LUMIN_INVALID_ARGUMENT && reader->refusal->reason == LUMIN_OK) {
    return json_refuse_value(reader, place, kind->allowed);
  }
  *ret_message = message;
  return status;
}

static enum lumin_status value_read(struct json_reader *reader, const struct json_place *place,
                                    const ProtobufCFieldDescriptor *field, void *element) {
  if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
    return json_read_scalar(reader, place, field, element);
  }
  ProtobufCMessage *message = NULL;
  const struct json_text_type *kind = json_text_type_find(field->descriptor);
  enum lumin_status status = kind != NULL ? text_message_read(reader, place, kind, &message)
                                          : message_read(reader, place, field->descriptor, &message);
  if (status == LUMIN_OK) {
    *(ProtobufCMessage **)element = message;
  }
  return status;
}
