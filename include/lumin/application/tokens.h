// SPDX-License-Identifier: MIT
// Grammars of what comes from outside and goes out again: subjects and headers are protocol text, and nats.c checks
// neither.
#pragma once

#include "lumin/base/span.h"

// [A-Za-z0-9_-]{1,64}: may become a token of a subject.
bool token_is_safe(struct span token);

// W3C Trace Context: version 00 exactly, neither id all zeros; and printable ASCII up to 512 bytes.
bool trace_parent_is_valid(struct span text);
bool trace_state_is_valid(struct span text);

// Who asks: up to 256 printable ASCII characters, and may be empty.
bool actor_is_valid(struct span text);

// Whether a media type (RFC 9110), with or without parameters, is application/json.
bool media_is_json(struct span type);
// A payload is JSON where its first byte is "{", which begins no protobuf message, or its type says so.
bool payload_is_json(struct span payload, struct span content_type);
// Which format an Accept header asks for: the first it names that there is, and `json` where it is empty or takes any.
// False where it takes neither.
bool media_choose(struct span accept, bool json, bool *ret_json);
