// SPDX-License-Identifier: MIT
// Unguessable bytes from the kernel, and tokens made of them that fit a subject.
#pragma once

#include "lumin/base/span.h"
#include "lumin/base/status.h"

#define RANDOM_TOKEN_LEN 22 // base62 of 128 bits

LUMIN_MUST_USE enum lumin_status random_bytes(void *ret_bytes, size_t len);

// 22 characters of [0-9A-Za-z] and a NUL: at least 128 bits.
LUMIN_MUST_USE enum lumin_status random_token(char ret_token[RANDOM_TOKEN_LEN + 1]);

// A number below `bound` for jitter; 0 where the kernel gives none.
uint64_t random_below(uint64_t bound);
