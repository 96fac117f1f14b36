// SPDX-License-Identifier: MIT
// Escaping by Unicode's general categories.
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <utf8proc.h>

static void write_escaped(FILE *out, struct span text, bool quoted);
static size_t point_next(struct span text, int32_t *ret_point);
static bool is_shown(int32_t point);
static void write_point(FILE *out, int32_t point);

bool output_is_terminal(void) { return isatty(STDOUT_FILENO) == 1; }

void text_write(FILE *out, struct span text) { write_escaped(out, text, false); }

static bool is_word(struct span text) {
  static const char breaking[] = {' ', '"', '=', '\\'};
  for (size_t i = 0; i < text.len; i++) {
    if (memchr(breaking, text.data[i], sizeof breaking) != NULL) {
      return false;
    }
  }
  return text.len > 0;
}

void text_write_word(FILE *out, struct span text) {
  if (is_word(text)) {
    text_write(out, text);
    return;
  }
  fputc('"', out);
  write_escaped(out, text, true);
  fputc('"', out);
}

void report(const char *label, const char *format, ...) {
  char *line = NULL;
  va_list arguments;
  va_start(arguments, format);
  int len = vasprintf(&line, format, arguments);
  va_end(arguments);
  fprintf(stderr, "%s: ", label);
  text_write(stderr, len < 0 ? span_from_text(format) : span_of(line, (size_t)len));
  fputc('\n', stderr);
  if (len >= 0) {
    free(line);
  }
}

static void write_escaped(FILE *out, struct span text, bool quoted) {
  while (text.len > 0) {
    int32_t point = -1;
    size_t step = point_next(text, &point);
    if (point < 0) {
      fprintf(out, "\\x%02x", (unsigned)(unsigned char)text.data[0]);
    } else if (point == '\\' || (quoted && point == '"') || !is_shown(point)) {
      write_point(out, point);
    } else {
      fwrite(text.data, 1, step, out);
    }
    text = span_skip(text, step);
  }
}

// The bytes of the first code point; one byte and a negative point where the text is no UTF-8 there.
static size_t point_next(struct span text, int32_t *ret_point) {
  utf8proc_int32_t point = -1;
  utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &point);
  *ret_point = step > 0 ? point : -1;
  return step > 0 ? (size_t)step : 1;
}

#define CATEGORY(name) (UINT32_C(1) << UTF8PROC_CATEGORY_##name)

// The joiners are part of how some scripts are spelt, and move nothing but their neighbours.
static bool is_shown(int32_t point) {
  static const uint32_t hidden =
      CATEGORY(CC) | CATEGORY(CF) | CATEGORY(CN) | CATEGORY(CO) | CATEGORY(CS) | CATEGORY(ZL) | CATEGORY(ZP);
  return point == 0x200c || point == 0x200d || (hidden >> utf8proc_category(point) & 1) == 0;
}

static void write_point(FILE *out, int32_t point) {
  static const struct {
    char point, letter;
  } short_forms[] = {{'\\', '\\'}, {'"', '"'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};
  for (size_t i = 0; i < sizeof short_forms / sizeof short_forms[0]; i++) {
    if (point == short_forms[i].point) {
      fprintf(out, "\\%c", short_forms[i].letter);
      return;
    }
  }
  if (point < 0x80) {
    fprintf(out, "\\x%02x", (unsigned)point);
  } else if (point < 0x10000) {
    fprintf(out, "\\u%04x", (unsigned)point);
  } else {
    fprintf(out, "\\U%08x", (unsigned)point);
  }
}
