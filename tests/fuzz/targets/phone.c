// SPDX-License-Identifier: MIT
// Phone numbers: "+", no leading zero, 7 to 15 digits, which are the input's in their order.
#include "value.h"

static void check_digits(struct span phone, struct span input) {
  size_t at = 0;
  for (size_t i = 0; i < input.len; i++) {
    if (input.data[i] >= '0' && input.data[i] <= '9') {
      FUZZ_CHECK(++at < phone.len && phone.data[at] == input.data[i]);
    }
  }
  FUZZ_CHECK(at + 1 == phone.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span input = span_of(data, size), phone = SPAN_EMPTY;
  if (value_parse(phone_parse, input, &phone)) {
    FUZZ_CHECK(phone.len >= 8 && phone.len <= 16 && phone.data[0] == '+' && phone.data[1] != '0');
    check_digits(phone, input);
  }
  return 0;
}
