// SPDX-License-Identifier: MIT
// Bounded texts for messages and output lines.
#include <stdarg.h>
#include <utf8proc.h>

#include "internal.h"

void text_append(struct text *text, struct span part) {
  size_t room = text->size - 1 - text->len;
  size_t len = part.len < room ? part.len : room;
  if (len > 0)
    memcpy(text->data + text->len, part.data, len);
  text->len += len;
  text->data[text->len] = '\0';
}

void text_add(struct text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t room = text->size - text->len;
  int len = vsnprintf(text->data + text->len, room, format, arguments);
  va_end(arguments);
  if (len > 0)
    text->len += (size_t)len < room ? (size_t)len : room - 1;
}

// How many bytes the character at the start of `text` has; 0 where it is not UTF-8.
static size_t character_len(struct span text, int32_t *ret_code) {
  utf8proc_int32_t code = 0;
  utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &code);
  *ret_code = code;
  return len > 0 ? (size_t)len : 0;
}

size_t utf8_prefix(struct span text) {
  size_t offset = 0;
  while (offset < text.len) {
    int32_t code = 0;
    size_t len = character_len(span_skip(text, offset), &code);
    if (len == 0)
      return offset;
    offset += len;
  }
  return offset;
}

#define CATEGORY(name) (UINT32_C(1) << UTF8PROC_CATEGORY_##name)

// What YAML takes for the end of a line or refuses, and what a terminal could obey.
static bool is_escaped(int32_t code) {
  static const uint32_t escaped =
      CATEGORY(CC) | CATEGORY(CF) | CATEGORY(CN) | CATEGORY(CO) | CATEGORY(ZL) | CATEGORY(ZP);
  return (escaped >> utf8proc_category(code) & 1) != 0;
}

static void quote_character(struct text *text, struct span character, int32_t code) {
  if (code == '"' || code == '\\')
    text_add(text, "\\%c", (char)code);
  else if (!is_escaped(code))
    text_append(text, character);
  else if (code < 0x80)
    text_add(text, "\\x%02x", (unsigned)code);
  else if (code < 0x10000)
    text_add(text, "\\u%04x", (unsigned)code);
  else
    text_add(text, "\\U%08x", (unsigned)code);
}

void text_quote(struct text *text, struct span part, size_t limit) {
  text_add(text, "\"");
  size_t offset = 0;
  while (offset < part.len && offset < limit) {
    int32_t code = 0;
    size_t len = character_len(span_skip(part, offset), &code);
    if (len == 0)
      text_add(text, "\\x%02x", (unsigned char)part.data[offset]);
    else
      quote_character(text, span_of(part.data + offset, len), code);
    offset += len > 0 ? len : 1;
  }
  text_add(text, "%s\"", offset < part.len ? "..." : "");
}
