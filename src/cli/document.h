// SPDX-License-Identifier: MIT
// JSON that luminctl makes itself, of messages and of what their headers say.
#pragma once

#include <jansson.h>

#include "reply.h"

// A text; where it is no UTF-8, what does not belong is shown as escapes.
json_t *document_text(struct span text);
// Bytes in base64 (RFC 4648).
json_t *document_bytes(struct span bytes);
// A message as ProtoJSON; NULL where memory is short.
json_t *document_message(const ProtobufCMessage *message, struct arena *arena);

// Sets a member, where the text is not empty.
void document_set_text(json_t *object, const char *name, struct span text);

// Writes it as one line on standard output, and gives it back.
LUMIN_MUST_USE enum lumin_status document_write(json_t *object);
