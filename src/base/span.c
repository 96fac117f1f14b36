// SPDX-License-Identifier: MIT
// The parts of a span's reading that are too long to be inline.
#include "lumin/base/span.h"

int span_compare(struct span a, struct span b) {
  size_t common = a.len < b.len ? a.len : b.len;
  int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

struct span span_cut(struct span *rest, char separator) {
  struct span whole = *rest;
  const char *at = whole.len == 0 ? NULL : memchr(whole.data, separator, whole.len);
  size_t len = at ? (size_t)(at - whole.data) : whole.len;
  *rest = span_skip(whole, len + 1);
  return span_of(whole.data, len);
}

bool span_to_u64(struct span s, uint64_t *ret_value) {
  uint64_t value = 0;
  for (size_t i = 0; i < s.len; i++) {
    if (s.data[i] < '0' || s.data[i] > '9')
      return false;
    if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
        __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value))
      return false;
  }
  if (s.len == 0)
    return false;
  *ret_value = value;
  return true;
}
