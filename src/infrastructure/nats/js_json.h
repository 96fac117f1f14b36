// SPDX-License-Identifier: MIT
// Reading JSON answers of the JetStream API, for the js_*.c files only. Every reader checks presence, type and range,
// and says whether the member was there as wanted.
#pragma once

#include <jansson.h>

#include "lumin/infrastructure/nats/js.h"

// What a default server can answer at most is a message of 1 MiB in base64, and its envelope.
#define JS_ANSWER_MAX ((size_t)2 * 1024 * 1024)

// Parses an answer. OK: *ret_root is an object for the caller to free (json_auto_t), and ret_error->code says whether
// it is a refusal. INTERNAL: not an answer. NO_MEMORY: as said.
LUMIN_MUST_USE enum lumin_status js_json_open(struct span bytes, struct arena *arena, json_t **ret_root,
                                              struct js_error *ret_error);

bool js_json_u64(const json_t *object, const char *key, uint64_t *ret_value);
bool js_json_i64(const json_t *object, const char *key, int64_t *ret_value);
// Valid as long as the object.
bool js_json_text(const json_t *object, const char *key, struct span *ret_text);
// Nanoseconds since 1970; 0 for Go's zero time.
bool js_json_time(const json_t *object, const char *key, int64_t *ret_wall_ns);
