// SPDX-License-Identifier: MIT
// A span is a length and the bytes it counts; it owns nothing. Input is only ever handled as a span: no byte of it,
// NUL included, ends it early.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
  const char *data; // may be NULL when len is 0
  size_t len;       // bytes
};

#define SPAN_LITERAL(text) ((struct span){(text), sizeof(text) - 1})
#define SPAN_EMPTY ((struct span){NULL, 0})
// For printf's "%.*s".
#define SPAN_ARGS(s) (int)(s).len, (s).data ? (s).data : ""

static inline struct span span_of(const void *data, size_t len) { return (struct span){data, len}; }

// For text of the program itself and of libraries that hand out C strings; never for input.
static inline struct span span_from_text(const char *text) { return (struct span){text, text ? strlen(text) : 0}; }

static inline bool span_equal(struct span a, struct span b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_starts_with(struct span s, struct span prefix) {
  return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

static inline struct span span_skip(struct span s, size_t n) {
  return n >= s.len ? (struct span){s.data ? s.data + s.len : NULL, 0} : (struct span){s.data + n, s.len - n};
}

// Byte order; a prefix sorts before what it begins. Returns <0, 0 or >0.
int span_compare(struct span a, struct span b);

// Cuts the text before the first `separator` off *rest and returns it; without one, all of *rest.
// *rest is then what follows the separator, or empty.
struct span span_cut(struct span *rest, char separator);

// The whole span as a decimal number without sign; false (and *ret_value untouched) for anything else or overflow.
bool span_to_u64(struct span s, uint64_t *ret_value);
