// SPDX-License-Identifier: MIT
// Language tags: the value is the input but for its case, and in whatever case the tag is given.
#include "value.h"

#include <ctype.h>

static void check_case_ignored(struct span code) {
  char upper[255];
  struct arena *arena = fuzz_arena();
  struct span kept = arena_copy(arena, code), again = SPAN_EMPTY;
  struct refusal refusal = {0};
  for (size_t i = 0; i < kept.len; i++) {
    upper[i] = (char)toupper((unsigned char)kept.data[i]);
  }
  FUZZ_CHECK(language_code_parse(span_of(upper, kept.len), "f", arena, &again, &refusal) == LUMIN_OK);
  FUZZ_CHECK(span_equal(again, kept));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span input = span_of(data, size), code = SPAN_EMPTY;
  if (value_parse(language_code_parse, input, &code)) {
    FUZZ_CHECK(code.len == size && size <= 255);
    for (size_t i = 0; i < size; i++) {
      FUZZ_CHECK(tolower((unsigned char)code.data[i]) == tolower(data[i]));
    }
    char copy[255];
    memcpy(copy, code.data, code.len);
    check_case_ignored(span_of(copy, code.len));
  }
  return 0;
}
