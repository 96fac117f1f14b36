// SPDX-License-Identifier: MIT
// One line, built on the stack and written at once. Keeps part of guarantee 10: no value, whatever its bytes, can end
// a line, look like another field or command a terminal. A line is at most PIPE_BUF long, so that lines of several
// threads never mix in a pipe.
#include "lumin/base/log.h"

#include "lumin/base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum {
  LINE_MAX_LEN = 4096,
  LINE_ROOM = LINE_MAX_LEN - 5, // leaves room for the ellipsis, a closing quote and the line's end
};

struct line {
  char bytes[LINE_MAX_LEN];
  size_t len;
  bool cut; // full: nothing more is added
};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
enum { LEVEL_COUNT = sizeof level_names / sizeof level_names[0] };

static _Atomic(unsigned) least_level = LOG_INFO;

static void add_time(struct line *line);
static void add_field(struct line *line, const struct log_field *field);
static void add_value(struct line *line, struct span text);
static bool is_plain(struct span text);
static void add_escaped(struct line *line, struct span unit);
static size_t utf8_printable(struct span text);
static bool add_whole(struct line *line, struct span unit);
static void add_reserved(struct line *line, struct span unit);

void log_set_level(enum log_level level) { atomic_store_explicit(&least_level, (unsigned)level, memory_order_relaxed); }

bool log_level_parse(struct span text, enum log_level *ret_level) {
  for (size_t i = 0; i < LEVEL_COUNT; i++) {
    if (span_equal(text, span_from_text(level_names[i]))) {
      *ret_level = (enum log_level)i;
      return true;
    }
  }
  return false;
}

bool log_is_on(enum log_level level) {
  return (unsigned)level >= atomic_load_explicit(&least_level, memory_order_relaxed) && (unsigned)level < LEVEL_COUNT;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count) {
  if (!log_is_on(level))
    return;
  int saved_errno = errno; // a caller may log before it looks
  struct line line;
  line.len = 0;
  line.cut = false;
  add_time(&line);
  add_whole(&line, span_from_text(level_names[level]));
  add_whole(&line, SPAN_LITERAL(" "));
  add_value(&line, span_from_text(event));
  for (size_t i = 0; i < count; i++)
    add_field(&line, &fields[i]);
  add_reserved(&line, SPAN_LITERAL("\n"));
  // One try, unless a signal came first: a log that cannot be written must not hold the program up.
  while (write(STDERR_FILENO, line.bytes, line.len) < 0 && errno == EINTR)
    continue;
  errno = saved_errno;
}

static void add_time(struct line *line) {
  char text[CLOCK_RFC3339_MAX];
  clock_format_rfc3339(clock_wall_ns(), text);
  add_whole(line, span_of(text, sizeof "2026-11-21T22:20:14.123" - 1));
  add_whole(line, SPAN_LITERAL("Z "));
}

static void add_field(struct line *line, const struct log_field *field) {
  if (field->kind == LOG_FIELD_NONE)
    return;
  add_whole(line, SPAN_LITERAL(" "));
  add_whole(line, span_from_text(field->key));
  add_whole(line, SPAN_LITERAL("="));
  if (field->kind == LOG_FIELD_TEXT) {
    add_value(line, field->text);
    return;
  }
  char digits[sizeof "-9223372036854775808"];
  int len = snprintf(digits, sizeof digits, "%lld", (long long)field->number);
  add_whole(line, span_of(digits, (size_t)len));
}

static void add_value(struct line *line, struct span text) {
  // Every byte of it takes at least one, so what lies beyond a line's length need not be looked at.
  struct span rest = span_of(text.data, text.len < LINE_MAX_LEN ? text.len : LINE_MAX_LEN);
  bool quoted = !is_plain(rest) && add_whole(line, SPAN_LITERAL("\""));
  while (rest.len > 0 && !line->cut) {
    size_t printable = utf8_printable(rest);
    struct span unit = span_of(rest.data, printable > 0 ? printable : 1);
    if (printable == 0 || unit.data[0] == '"' || unit.data[0] == '\\')
      add_escaped(line, unit);
    else
      add_whole(line, unit);
    rest = span_skip(rest, unit.len);
  }
  if (quoted)
    add_reserved(line, SPAN_LITERAL("\""));
}

static bool is_plain(struct span text) {
  if (text.len == 0)
    return false;
  while (text.len > 0) {
    size_t printable = utf8_printable(text);
    if (printable == 0 || memchr(" \"\\=", text.data[0], 4))
      return false;
    text = span_skip(text, printable);
  }
  return true;
}

static void add_escaped(struct line *line, struct span unit) {
  static const char short_forms[][2] = {{'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < sizeof short_forms / sizeof short_forms[0]; i++) {
    if (short_forms[i][0] == unit.data[0]) {
      add_whole(line, span_of((char[]){'\\', short_forms[i][1]}, 2));
      return;
    }
  }
  unsigned char byte = (unsigned char)unit.data[0];
  add_whole(line, span_of((char[]){'\\', 'x', digits[byte >> 4], digits[byte & 15]}, 4));
}

// Characters that show nothing or change how their neighbours are shown: controls, marks of direction, blanks other
// than the space, fillers, private use, tags.
static bool is_invisible(uint32_t c) {
  static const struct {
    uint32_t first, last;
  } ranges[] = {
      {0x0000, 0x001f}, {0x007f, 0x00a0}, {0x00ad, 0x00ad}, {0x034f, 0x034f},   {0x061c, 0x061c},   {0x115f, 0x1160},
      {0x1680, 0x1680}, {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x206f},
      {0x3000, 0x3000}, {0x3164, 0x3164}, {0xd800, 0xf8ff}, {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
      {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff},
  };
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
    if (c >= ranges[i].first && c <= ranges[i].last)
      return true;
  return false;
}

// The length of the well-formed, printable character at the beginning of the text, or 0.
static size_t utf8_printable(struct span text) {
  unsigned char lead = (unsigned char)text.data[0];
  if (lead < 0x80)
    return lead >= 0x20 && lead < 0x7f ? 1 : 0;
  size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.len < len)
    return 0;
  uint32_t c = lead & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    unsigned char next = (unsigned char)text.data[i];
    if ((next & 0xc0) != 0x80)
      return 0;
    c = c << 6 | (next & 0x3fu);
  }
  static const uint32_t least[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000}; // less has a shorter form
  return c < least[len] || is_invisible(c) || c > 0x10ffff ? 0 : len;
}

// Adds the unit as a whole, or cuts the line before it; false once the line is cut.
static bool add_whole(struct line *line, struct span unit) {
  if (line->cut)
    return false;
  if (unit.len > LINE_ROOM || line->len > LINE_ROOM - unit.len) {
    line->cut = true;
    add_reserved(line, SPAN_LITERAL("\xe2\x80\xa6")); // an ellipsis
    return false;
  }
  add_reserved(line, unit);
  return true;
}

static void add_reserved(struct line *line, struct span unit) {
  memcpy(line->bytes + line->len, unit.data, unit.len);
  line->len += unit.len;
}
