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
static size_t character_len(struct span text) {
  utf8proc_int32_t code = 0;
  utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &code);
  return len > 0 ? (size_t)len : 0;
}

size_t utf8_prefix(struct span text) {
  size_t offset = 0;
  while (offset < text.len) {
    size_t len = character_len(span_skip(text, offset));
    if (len == 0)
      return offset;
    offset += len;
  }
  return offset;
}

void text_quote(struct text *text, struct span part, size_t limit) {
  text_add(text, "\"");
  size_t offset = 0;
  while (offset < part.len && offset < limit) {
    size_t len = character_len(span_skip(part, offset));
    unsigned char byte = (unsigned char)part.data[offset];
    if (len == 0 || byte < 0x20 || byte == 0x7f)
      text_add(text, "\\x%02x", byte);
    else if (byte == '"' || byte == '\\')
      text_add(text, "\\%c", byte);
    else
      text_append(text, span_of(part.data + offset, len));
    offset += len > 0 ? len : 1;
  }
  text_add(text, "%s\"", offset < part.len ? "..." : "");
}
