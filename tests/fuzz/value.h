// SPDX-License-Identifier: MIT
// What holds of every value parser: it refuses with reasons and leaves its output alone, says so where memory is short,
// and a value that it made is, parsed again, itself.
#pragma once

#include "fuzz.h"
#include "lumin/domain/values.h"

#include <utf8proc.h>

// A parser whose value is one text.
typedef enum lumin_status (*text_parser)(struct span input, const char *field, struct arena *arena,
                                         struct span *ret_value, struct refusal *ret_refusal);

static const struct span untouched = {"untouched", 9};

// UTF-8 without NULs and with at most that many code points, as an independent reader sees it.
static inline void value_check_text(struct span text, size_t most) {
  size_t points = 0;
  for (size_t at = 0; at < text.len; points++) {
    utf8proc_int32_t point = 0;
    utf8proc_ssize_t step =
        utf8proc_iterate((const utf8proc_uint8_t *)text.data + at, (utf8proc_ssize_t)(text.len - at), &point);
    FUZZ_CHECK(step > 0 && point != 0);
    at += (size_t)step;
  }
  FUZZ_CHECK(points <= most);
}

// In Normalization Form C, as utf8proc says in one call.
static inline void value_check_nfc(struct span text) {
  utf8proc_uint8_t *nfc = NULL;
  utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &nfc,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  FUZZ_CHECK(len >= 0 && span_equal(span_of(nfc, (size_t)len), text));
  free(nfc);
}

// False where the input is refused.
static inline bool value_parse(text_parser parse, struct span input, struct span *ret_value) {
  struct arena *arena = fuzz_arena();
  struct span value = untouched, again = untouched;
  struct refusal refusal = {0};
  enum lumin_status status = parse(input, "the_field", arena, &value, &refusal);
  FUZZ_CHECK(status == LUMIN_OK || status == LUMIN_INVALID_ARGUMENT);
  enum lumin_status cramped = parse(input, "the_field", fuzz_arena_full(), &again, &refusal);
  FUZZ_CHECK(cramped == status || cramped == LUMIN_NO_MEMORY);
  FUZZ_CHECK(cramped == LUMIN_OK || again.data == untouched.data);
  if (status != LUMIN_OK) {
    FUZZ_CHECK(value.data == untouched.data);
    (void)!parse(input, "the_field", arena, &value, &refusal);
    fuzz_check_refusal(&refusal);
    FUZZ_CHECK(span_equal(refusal.field, SPAN_LITERAL("the_field")));
    return false;
  }
  FUZZ_CHECK(parse(value, "the_field", arena, &again, &refusal) == LUMIN_OK);
  FUZZ_CHECK(span_equal(again, value));
  *ret_value = value;
  return true;
}
