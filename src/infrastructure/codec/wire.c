// SPDX-License-Identifier: MIT
// Checks the wire format of protobuf (developers' guide, "Encoding") against a descriptor. protobuf-c multiplies
// hostile input: a budget of fields bounds what unpacking can allocate (guarantees 10 and 11).
#include "wire.h"

#include <utf8proc.h>

#define WIRE_DEPTH_MAX 8
#define WIRE_FIELDS_MAX 4096

struct wire {
  struct span rest;
  struct refusal *refusal;
  unsigned *fields_left;
  unsigned depth;
  const char *outer; // the request's field that leads here; NULL in the request itself
};

static enum lumin_status wire_message(struct wire wire, const ProtobufCMessageDescriptor *type);

enum lumin_status wire_check(const ProtobufCMessageDescriptor *type, struct span bytes, struct refusal *ret_refusal) {
  return wire_check_fields(type, bytes, WIRE_FIELDS_MAX, ret_refusal);
}

enum lumin_status wire_check_fields(const ProtobufCMessageDescriptor *type, struct span bytes, unsigned fields_most,
                                    struct refusal *ret_refusal) {
  struct wire wire = {bytes, ret_refusal, &fields_most, 0, NULL};
  return wire_message(wire, type);
}

static enum lumin_status wire_refuse(const struct wire *wire) {
  return refuse_field(wire->refusal, "payload", "the request message in protobuf's binary format",
                      "the payload is not a protobuf message of this method");
}

static bool wire_varint(struct wire *wire, uint64_t *ret_value) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && wire->rest.len > 0; shift += 7) {
    uint8_t byte = (uint8_t)wire->rest.data[0];
    wire->rest = span_skip(wire->rest, 1);
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *ret_value = value;
      return true;
    }
  }
  return false;
}

static bool wire_bytes(struct wire *wire, uint64_t len, struct span *ret_bytes) {
  if (len > wire->rest.len) {
    return false;
  }
  *ret_bytes = span_of(wire->rest.data, (size_t)len);
  wire->rest = span_skip(wire->rest, (size_t)len);
  return true;
}

// Most texts are ASCII through and through: how much of this one, from its begin, without NUL.
static size_t plain_len(struct span text) {
  const uint64_t high = UINT64_C(0x8080808080808080), low = UINT64_C(0x0101010101010101);
  size_t at = 0;
  for (uint64_t eight = 0; text.len - at >= sizeof eight; at += sizeof eight) {
    memcpy(&eight, text.data + at, sizeof eight);
    if (((eight | (eight - low)) & high) != 0) { // a byte above 127, or a borrow from one that is 0
      break;
    }
  }
  return at;
}

bool text_is_sound(struct span text) {
  for (size_t at = plain_len(text); at < text.len;) {
    utf8proc_int32_t point = 0;
    utf8proc_ssize_t step =
        utf8proc_iterate((const utf8proc_uint8_t *)text.data + at, (utf8proc_ssize_t)(text.len - at), &point);
    if (step <= 0 || point == 0) {
      return false;
    }
    at += (size_t)step;
  }
  return true;
}

static enum lumin_status wire_delimited(struct wire *wire, const ProtobufCFieldDescriptor *field, struct span bytes) {
  if (field == NULL || field->type == PROTOBUF_C_TYPE_BYTES) {
    return LUMIN_OK;
  }
  if (field->type == PROTOBUF_C_TYPE_STRING) {
    return text_is_sound(bytes)
               ? LUMIN_OK
               : refuse_field(wire->refusal, wire->outer != NULL ? wire->outer : field->name,
                              "UTF-8 text without NUL bytes", "the text is not UTF-8 or holds a NUL byte");
  }
  if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
    const char *outer = wire->outer != NULL ? wire->outer : field->name;
    struct wire inner = {bytes, wire->refusal, wire->fields_left, wire->depth + 1, outer};
    return wire_message(inner, field->descriptor);
  }
  return LUMIN_OK; // packed numbers: protobuf-c checks them
}

static enum lumin_status wire_field(struct wire *wire, const ProtobufCMessageDescriptor *type) {
  uint64_t tag = 0, value = 0;
  struct span bytes = SPAN_EMPTY;
  if (!wire_varint(wire, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911) {
    return wire_refuse(wire);
  }
  const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
  bool sound = false;
  switch (tag & 7) {
  case 0:
    sound = wire_varint(wire, &value);
    break;
  case 1:
    sound = wire_bytes(wire, 8, &bytes);
    break;
  case 2:
    sound = wire_varint(wire, &value) && wire_bytes(wire, value, &bytes);
    return sound ? wire_delimited(wire, field, bytes) : wire_refuse(wire);
  case 5:
    sound = wire_bytes(wire, 4, &bytes);
    break;
  default: // groups are gone since proto3
    break;
  }
  return sound ? LUMIN_OK : wire_refuse(wire);
}

static enum lumin_status wire_message(struct wire wire, const ProtobufCMessageDescriptor *type) {
  if (wire.depth > WIRE_DEPTH_MAX) {
    return wire_refuse(&wire);
  }
  while (wire.rest.len > 0) {
    if ((*wire.fields_left)-- == 0) {
      *wire.fields_left = 0;
      return refuse_field(wire.refusal, "payload", "at most 4096 fields", "the payload has too many fields");
    }
    enum lumin_status status = wire_field(&wire, type);
    if (status != LUMIN_OK) {
      return status;
    }
  }
  return LUMIN_OK;
}
