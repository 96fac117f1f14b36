// SPDX-License-Identifier: MIT
// Own reading of JSON: one pass straight into the message. A tree between would cost a multiple of the payload on the
// heap, would have lost the paths of duplicate keys, and would round numbers. Keeps parts of guarantees 10 and 11.
#include "json_text.h"

#include "lumin/application/tokens.h"
#include "wire.h"

static enum lumin_status place_text(struct json_reader *reader, const struct json_place *place, struct span *ret_text);
static void white_space_skip(struct json_reader *reader);
static bool string_unescape(struct json_reader *reader, struct span raw, char *text, size_t *ret_len);

// ---- refusals

enum lumin_status json_refuse(struct json_reader *reader, const struct json_place *place, const char *allowed,
                              const char *message) {
  return json_refuse_text(reader, place, span_from_text(allowed), message);
}

enum lumin_status json_refuse_text(struct json_reader *reader, const struct json_place *place, struct span allowed,
                                   const char *message) {
  struct span path = SPAN_EMPTY;
  enum lumin_status status = place_text(reader, place, &path);
  if (status != LUMIN_OK) {
    return status;
  }
  *reader->refusal = (struct refusal){.reason = LUMIN_INVALID_ARGUMENT,
                                      .message = span_from_text(message),
                                      .field = path.len > 0 ? path : SPAN_LITERAL("payload"),
                                      .allowed = allowed};
  return LUMIN_INVALID_ARGUMENT;
}

enum lumin_status json_refuse_value(struct json_reader *reader, const struct json_place *place, const char *allowed) {
  return json_refuse(reader, place, allowed, "the field takes no such value");
}

enum lumin_status json_refuse_broken(struct json_reader *reader) {
  struct span message = arena_printf(reader->arena, "the payload is no JSON from byte %zu of %zu on",
                                     reader->len - reader->rest.len, reader->len);
  return message.data == NULL
             ? LUMIN_NO_MEMORY
             : json_refuse(reader, NULL, "one JSON object (RFC 8259): no comments, no commas too many", message.data);
}

// An unknown field's name is shown where it is a plain word; the rest of what a caller sends never comes back.
static struct span name_shown(struct span name) { return token_is_safe(name) ? name : SPAN_LITERAL("?"); }

static enum lumin_status place_text(struct json_reader *reader, const struct json_place *place, struct span *ret_text) {
  struct span outer = SPAN_EMPTY;
  if (place == NULL) {
    *ret_text = outer;
    return LUMIN_OK;
  }
  enum lumin_status status = place_text(reader, place->outer, &outer);
  if (status != LUMIN_OK) {
    return status;
  }
  struct span text = place->name.data == NULL
                         ? arena_printf(reader->arena, "%.*s[%zu]", SPAN_ARGS(outer), place->index)
                         : arena_printf(reader->arena, "%.*s%s%.*s", SPAN_ARGS(outer), outer.len > 0 ? "." : "",
                                        SPAN_ARGS(name_shown(place->name)));
  if (text.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *ret_text = text;
  return LUMIN_OK;
}

// ---- bounds

enum lumin_status json_alloc(struct json_reader *reader, size_t size, void **ret_bytes) {
  const size_t unit = _Alignof(max_align_t); // the arena counts so
  if (size > SIZE_MAX - unit || size + unit > reader->budget_left) {
    return json_refuse(reader, NULL, "a smaller request", "the request needs too much memory");
  }
  void *bytes = arena_alloc(reader->arena, size);
  if (bytes == NULL) {
    return LUMIN_NO_MEMORY;
  }
  reader->budget_left -= size + unit;
  *ret_bytes = bytes;
  return LUMIN_OK;
}

enum lumin_status json_count(struct json_reader *reader) {
  if (reader->values_left == 0) {
    return json_refuse(reader, NULL, "at most 4096 fields", "the payload has too many fields");
  }
  reader->values_left--;
  return LUMIN_OK;
}

// ---- tokens

static void white_space_skip(struct json_reader *reader) {
  size_t len = 0;
  while (len < reader->rest.len && memchr(" \t\r\n", reader->rest.data[len], 4) != NULL) {
    len++;
  }
  reader->rest = span_skip(reader->rest, len);
}

bool json_is_over(struct json_reader *reader) {
  white_space_skip(reader);
  return reader->rest.len == 0;
}

char json_peek(struct json_reader *reader) {
  white_space_skip(reader);
  return (char)(reader->rest.len > 0 ? reader->rest.data[0] : '\0');
}

bool json_take(struct json_reader *reader, char wanted) {
  bool here = json_peek(reader) == wanted && reader->rest.len > 0;
  reader->rest = span_skip(reader->rest, here ? 1 : 0);
  return here;
}

bool json_take_word(struct json_reader *reader, struct span word) {
  white_space_skip(reader);
  bool here = span_starts_with(reader->rest, word);
  reader->rest = span_skip(reader->rest, here ? word.len : 0);
  return here;
}

enum lumin_status json_take_number(struct json_reader *reader, struct span *ret_number) {
  white_space_skip(reader);
  size_t len = json_number_len(reader->rest);
  if (len == 0) {
    return json_refuse_broken(reader);
  }
  *ret_number = span_of(reader->rest.data, len);
  reader->rest = span_skip(reader->rest, len);
  return LUMIN_OK;
}

// ---- strings

// What stands between the quotes; false where the second is missing.
static bool string_raw(struct json_reader *reader, struct span *ret_raw) {
  if (!json_take(reader, '"')) {
    return false;
  }
  size_t len = 0;
  while (len < reader->rest.len && reader->rest.data[len] != '"') {
    len += reader->rest.data[len] == '\\' ? 2 : 1;
  }
  if (len >= reader->rest.len) {
    return false;
  }
  *ret_raw = span_of(reader->rest.data, len);
  return true;
}

enum lumin_status json_take_string(struct json_reader *reader, const struct json_place *place, struct span *ret_text) {
  struct span raw = SPAN_EMPTY;
  void *text = NULL;
  size_t len = 0;
  if (!string_raw(reader, &raw)) {
    return json_refuse_broken(reader);
  }
  enum lumin_status status = json_alloc(reader, raw.len + 1, &text); // an escape is longer than what it stands for
  if (status != LUMIN_OK) {
    return status;
  }
  if (!string_unescape(reader, raw, text, &len)) {
    return json_refuse_broken(reader);
  }
  if (!text_is_sound(span_of(text, len))) {
    return json_refuse(reader, place, "UTF-8 text without NUL bytes", "the text is not UTF-8 or holds a NUL byte");
  }
  reader->rest = span_skip(reader->rest, raw.len + 1);
  *ret_text = span_of(text, len);
  return LUMIN_OK;
}

static bool hex_take(struct span *rest, uint32_t *ret_unit) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  uint32_t unit = 0;
  if (rest->len < 4) {
    return false;
  }
  for (size_t i = 0; i < 4; i++) {
    const char *digit = memchr(digits, rest->data[i], sizeof digits - 1);
    if (digit == NULL) {
      return false;
    }
    unit = unit << 4 | (uint32_t)((digit - digits) % 16);
  }
  *rest = span_skip(*rest, 4);
  *ret_unit = unit;
  return true;
}

// UTF-8 of any number below 0x110000. Of half a surrogate pair it makes what no UTF-8 check takes.
static size_t point_put(uint32_t point, char *text) {
  static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
  size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (size_t i = len; i-- > 1; point >>= 6) {
    text[i] = (char)(0x80 | (point & 0x3f));
  }
  text[0] = (char)(leads[len] | point);
  return len;
}

// Behind "\u".
static bool unicode_unescape(struct span *rest, uint32_t *ret_point) {
  uint32_t high = 0, low = 0;
  if (!hex_take(rest, &high)) {
    return false;
  }
  *ret_point = high;
  struct span next = span_skip(*rest, 2);
  bool paired = high >= 0xd800 && high <= 0xdbff && span_starts_with(*rest, SPAN_LITERAL("\\u")) &&
                hex_take(&next, &low) && low >= 0xdc00 && low <= 0xdfff;
  if (paired) {
    *rest = next;
    *ret_point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }
  return true;
}

// Behind "\".
static bool escape_take(struct span *rest, uint32_t *ret_point) {
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  char letter = rest->data[0];
  *rest = span_skip(*rest, 1);
  if (letter == 'u') {
    return unicode_unescape(rest, ret_point);
  }
  const char *known = memchr(letters, letter, sizeof letters - 1);
  if (known != NULL) {
    *ret_point = (uint32_t)meanings[known - letters];
  }
  return known != NULL;
}

// False where the grammar is broken, and the reader stands there then.
static bool string_unescape(struct json_reader *reader, struct span raw, char *text, size_t *ret_len) {
  size_t len = 0;
  struct span rest = raw;
  while (rest.len > 0) {
    struct span here = rest;
    char letter = rest.data[0];
    uint32_t point = 0;
    rest = span_skip(rest, 1);
    if ((unsigned char)letter < ' ' || (letter == '\\' && !escape_take(&rest, &point))) {
      reader->rest = span_skip(reader->rest, raw.len - here.len);
      return false;
    }
    if (letter == '\\') {
      len += point_put(point, text + len);
    } else {
      text[len++] = letter;
    }
  }
  *ret_len = len;
  return true;
}

// ---- numbers

static size_t digits_len(struct span text) {
  size_t len = 0;
  while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9') {
    len++;
  }
  return len;
}

static bool byte_is(struct span text, size_t at, const char *wanted) {
  return at < text.len && text.data[at] != '\0' && strchr(wanted, text.data[at]) != NULL;
}

size_t json_number_len(struct span text) {
  size_t at = byte_is(text, 0, "-") ? 1 : 0;
  size_t digits = digits_len(span_skip(text, at));
  if (digits == 0 || (digits > 1 && text.data[at] == '0')) {
    return 0;
  }
  at += digits;
  if (byte_is(text, at, ".")) {
    digits = digits_len(span_skip(text, at + 1));
    at += digits + 1;
  }
  if (digits > 0 && byte_is(text, at, "eE")) {
    at += byte_is(text, at + 1, "+-") ? 2 : 1;
    digits = digits_len(span_skip(text, at));
    at += digits;
  }
  return digits > 0 ? at : 0;
}

// Beyond what the digits of a payload could outweigh.
#define EXPONENT_MAX 1000000000

static int64_t exponent_of(struct span text) {
  bool negative = byte_is(text, 0, "-");
  text = span_skip(text, byte_is(text, 0, "+-") ? 1 : 0);
  int64_t value = 0;
  for (size_t i = 0; i < text.len && value < EXPONENT_MAX; i++) {
    value = value * 10 + (text.data[i] - '0');
  }
  return negative ? -value : value;
}

static bool digit_add(uint64_t *size, char digit) {
  return !__builtin_mul_overflow(*size, UINT64_C(10), size) &&
         !__builtin_add_overflow(*size, (uint64_t)(digit - '0'), size);
}

bool json_number_whole(struct span number, bool *ret_negative, uint64_t *ret_size) {
  bool negative = byte_is(number, 0, "-");
  struct span digits = span_skip(number, negative ? 1 : 0);
  size_t whole = digits_len(digits);
  size_t mark = whole; // where the exponent begins
  while (mark < digits.len && !byte_is(digits, mark, "eE")) {
    mark++;
  }
  int64_t left = (int64_t)whole + exponent_of(span_skip(digits, mark + 1)); // digits before the decimal point
  uint64_t size = 0;
  for (size_t i = 0; i < mark; i++) {
    if (digits.data[i] == '.') {
      continue;
    }
    if (left-- > 0 ? !digit_add(&size, digits.data[i]) : digits.data[i] != '0') {
      return false;
    }
  }
  for (; left > 0 && size > 0; left--) {
    if (!digit_add(&size, '0')) {
      return false;
    }
  }
  *ret_negative = negative && size > 0;
  *ret_size = size;
  return true;
}
