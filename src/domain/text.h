// SPDX-License-Identifier: MIT
// What the parsers of values share: the checks that all input passes first, and Unicode text as code points. Private to
// the domain.
#pragma once

#include "lumin/base/arena.h"

// Input beyond this is refused before anybody looks at its bytes: part of guarantee 11.
#define TEXT_INPUT_MAX 1024
// ... of long texts: 500 code points in their longest spelling before NFC fit.
#define PROSE_INPUT_MAX 8192

// Why no value at all takes these bytes (too many, a NUL among them, ill-formed UTF-8), as a message; NULL where they
// are fine.
const char *text_fault(struct span input);
const char *text_fault_within(struct span input, size_t most);

struct code_points {
  int32_t *data;
  size_t len;
};

// The input in Normalization Form C, as code points in the arena. The input is one that text_fault found fine.
LUMIN_MUST_USE enum lumin_status code_points_nfc(struct span input, struct arena *arena, struct code_points *ret_text);
// Cuts Unicode White_Space off both ends.
struct code_points code_points_trim(struct code_points text);
// As UTF-8, in the memory of the code points, which are gone afterwards.
struct span code_points_encode(struct code_points text);

static inline bool ascii_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }
static inline bool ascii_is_letter(char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
static inline char ascii_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c; }
static inline bool ascii_is_hex(char c) {
  return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}
