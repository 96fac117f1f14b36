// SPDX-License-Identifier: MIT
// Input as text: bounded, well-formed UTF-8 without NUL, and its normal form. The memory is the arena's throughout,
// which is why utf8proc is used by its two steps (decompose, recompose) and not by the one call that allocates.
#include "text.h"

#include <utf8proc.h>

static bool is_well_formed(struct span input);
static bool is_white_space(int32_t c);

const char *text_fault(struct span input) { return text_fault_within(input, TEXT_INPUT_MAX); }

const char *text_fault_within(struct span input, size_t most) {
  if (input.len > most)
    return "the value is far too long";
  if (input.len > 0 && memchr(input.data, 0, input.len))
    return "the value holds a NUL byte";
  if (!is_well_formed(input))
    return "the value is not well-formed UTF-8";
  return NULL;
}

static bool is_well_formed(struct span input) {
  while (input.len > 0) {
    utf8proc_int32_t ignored;
    utf8proc_ssize_t size =
        utf8proc_iterate((const utf8proc_uint8_t *)input.data, (utf8proc_ssize_t)input.len, &ignored);
    if (size <= 0)
      return false;
    input = span_skip(input, (size_t)size);
  }
  return true;
}

enum lumin_status code_points_nfc(struct span input, struct arena *arena, struct code_points *ret_text) {
  const utf8proc_option_t nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
  const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)input.data;
  utf8proc_ssize_t size = (utf8proc_ssize_t)input.len;

  utf8proc_ssize_t count = utf8proc_decompose(bytes, size, NULL, 0, nfc);
  if (count < 0)
    return LUMIN_INTERNAL;
  // One more than there are: encoding ends with a NUL.
  utf8proc_int32_t *data = ARENA_ARRAY(arena, (size_t)count + 1, utf8proc_int32_t);
  if (!data)
    return LUMIN_NO_MEMORY;
  count = utf8proc_decompose(bytes, size, data, count, nfc);
  if (count >= 0)
    count = utf8proc_normalize_utf32(data, count, nfc);
  if (count < 0)
    return LUMIN_INTERNAL;
  *ret_text = (struct code_points){data, (size_t)count};
  return LUMIN_OK;
}

struct code_points code_points_trim(struct code_points text) {
  while (text.len > 0 && is_white_space(text.data[text.len - 1]))
    text.len--;
  while (text.len > 0 && is_white_space(text.data[0])) {
    text.data++;
    text.len--;
  }
  return text;
}

// Unicode's property White_Space; utf8proc knows general categories only, and these characters are of three.
static bool is_white_space(int32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

struct span code_points_encode(struct code_points text) {
  if (text.len == 0)
    return SPAN_EMPTY;
  utf8proc_ssize_t size = utf8proc_reencode(text.data, (utf8proc_ssize_t)text.len, (utf8proc_option_t)0);
  return span_of(text.data, size > 0 ? (size_t)size : 0);
}
