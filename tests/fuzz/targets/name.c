// SPDX-License-Identifier: MIT
// First and last names: in NFC, bounded, without controls; a first name is a last name too, and the other way round
// unless it is empty.
#include "value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span input = span_of(data, size), first = SPAN_EMPTY, last = SPAN_EMPTY;
  bool is_last = value_parse(last_name_parse, input, &last);
  size_t last_len = last.len;
  bool is_first = value_parse(first_name_parse, input, &first);
  FUZZ_CHECK(is_first == (is_last && last_len > 0));
  if (is_first) {
    FUZZ_CHECK(first.len == last_len);
    value_check_text(first, 64);
    value_check_nfc(first);
    FUZZ_CHECK((uint8_t)first.data[0] > ' ' && (uint8_t)first.data[first.len - 1] > ' ');
  }
  return 0;
}
