// SPDX-License-Identifier: MIT
// A look at protobuf bytes before protobuf-c makes C strings of them.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/domain/refusal.h"

// Well-formed fields to the end; every text field UTF-8 without NUL (protobuf-c would cut it off there); at most
// 4,096 fields in all, at most 8 messages deep. INVALID_ARGUMENT names the field.
LUMIN_MUST_USE enum lumin_status wire_check(const ProtobufCMessageDescriptor *type, struct span bytes,
                                            struct refusal *ret_refusal);

// With at most so many fields.
LUMIN_MUST_USE enum lumin_status wire_check_fields(const ProtobufCMessageDescriptor *type, struct span bytes,
                                                   unsigned fields_most, struct refusal *ret_refusal);

// UTF-8 without NUL bytes.
bool text_is_sound(struct span text);
