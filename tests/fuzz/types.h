// SPDX-License-Identifier: MIT
// Every message type there is, by the name that an input begins with; and what makes a message one that JSON takes
// back.
#pragma once

#include <math.h>

#include "fuzz.h"
#include "lumin/application/catalog.h"
#include "lumin/infrastructure/codec/codec.h"
#include "lumin/user/v1/events.pb-c.h"
#include "sample.pb-c.h"
#include "sample_optional.pb-c.h"

#define FUZZ_PAYLOAD_LIMIT (256U * 1024)

// NULL where there is no such message: "Create", "User", "EmailChanged", "Sample" ...
static inline const ProtobufCMessageDescriptor *type_find(struct span name) {
  static const ProtobufCMessageDescriptor *const others[] = {
      &lumin__user__v1__error__descriptor,
      &lumin__sample__sample__descriptor,
      &lumin__sample__maybe__descriptor,
#define EVENT(symbol, number, name) &lumin__user__v1__##name##__descriptor,
#include "lumin/domain/events.def"
#undef EVENT
  };
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    const ProtobufCMessageDescriptor *const both[] = {methods[i].request, methods[i].reply};
    for (size_t j = 0; j < 2; j++) {
      if (span_equal(name, span_from_text(both[j]->short_name))) {
        return both[j];
      }
    }
  }
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    if (span_equal(name, span_from_text(others[i]->short_name))) {
      return others[i];
    }
  }
  return NULL;
}

// The same codec for each input.
static inline struct codec *fuzz_codec(void) {
  static struct codec *codec;
  if (codec == NULL) {
    codec = codec_create(FUZZ_PAYLOAD_LIMIT);
    FUZZ_CHECK(codec != NULL);
  }
  return codec;
}

// What does not come back from JSON as it was: enum numbers without a name, which reading refuses; the bits of what is
// not a number; and more than 4,096 fields and elements, which packed numbers in protobuf's format come to.
struct taken_back {
  size_t values;
  bool all_have_a_form;
};

static inline void taken_back_look(const ProtobufCMessage *message, struct taken_back *look);

static inline void taken_back_value(const ProtobufCFieldDescriptor *field, const void *element,
                                    struct taken_back *look) {
  look->values++;
  bool odd = (field->type == PROTOBUF_C_TYPE_ENUM &&
              protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)element) == NULL) ||
             (field->type == PROTOBUF_C_TYPE_DOUBLE && isnan(*(const double *)element)) ||
             (field->type == PROTOBUF_C_TYPE_FLOAT && isnan(*(const float *)element));
  look->all_have_a_form = look->all_have_a_form && !odd;
  if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(const ProtobufCMessage *const *)element != NULL) {
    taken_back_look(*(const ProtobufCMessage *const *)element, look);
  }
}

static inline size_t element_size(const ProtobufCFieldDescriptor *field) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_MESSAGE:
  case PROTOBUF_C_TYPE_STRING:
    return sizeof(void *);
  case PROTOBUF_C_TYPE_DOUBLE:
    return sizeof(double);
  case PROTOBUF_C_TYPE_FLOAT:
    return sizeof(float);
  case PROTOBUF_C_TYPE_ENUM:
    return sizeof(int);
  default:
    return 0; // nothing to look at
  }
}

static inline void taken_back_look(const ProtobufCMessage *message, struct taken_back *look) {
  for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
    const char *member = (const char *)message + field->offset;
    const char *quantifier = (const char *)message + field->quantifier_offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
      size_t count = *(const size_t *)(const void *)quantifier, size = element_size(field);
      const char *elements = *(const char *const *)(const void *)member;
      look->values += 1 + (size == 0 ? count : 0);
      for (size_t j = 0; size > 0 && j < count; j++) {
        taken_back_value(field, elements + j * size, look);
      }
    } else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
               *(const uint32_t *)(const void *)quantifier == field->id) {
      taken_back_value(field, member, look);
    }
  }
}

static inline bool is_taken_back(const ProtobufCMessage *message) {
  struct taken_back look = {.all_have_a_form = true};
  taken_back_look(message, &look);
  return look.all_have_a_form && look.values <= 4096;
}

static inline struct span packed(const ProtobufCMessage *message, struct arena *arena) {
  struct span bytes = SPAN_EMPTY;
  FUZZ_CHECK(codec_pack(message, arena, &bytes) == LUMIN_OK);
  return bytes;
}
