// SPDX-License-Identifier: MIT
// protobuf-c's unpacking, with all that it allocates in an arena.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/base/arena.h"

// INVALID_ARGUMENT: the bytes are no such message, or would take more than `budget`. NO_MEMORY: the arena has not so
// much room left, which says nothing about the bytes.
LUMIN_MUST_USE enum lumin_status message_unpack(const ProtobufCMessageDescriptor *type, struct span bytes,
                                                size_t budget, struct arena *arena, ProtobufCMessage **ret_message);
