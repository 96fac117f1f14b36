// SPDX-License-Identifier: MIT
// Bios and reasons of blocks: in NFC, bounded, without controls but, in a bio, line feeds.
#include "value.h"

static void check_controls(struct span text, bool lines) {
  for (size_t i = 0; i < text.len; i++) {
    uint8_t byte = (uint8_t)text.data[i];
    FUZZ_CHECK((byte >= ' ' || (lines && byte == '\n')) && byte != 0x7f);
    FUZZ_CHECK(byte != 0xc2 || (uint8_t)text.data[i + 1] >= 0xa0); // U+0080 to U+009F
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span input = span_of(data, size), bio = SPAN_EMPTY, reason = SPAN_EMPTY;
  if (value_parse(bio_parse, input, &bio)) {
    value_check_text(bio, 500);
    value_check_nfc(bio);
    check_controls(bio, true);
  }
  if (value_parse(block_reason_parse, input, &reason)) {
    FUZZ_CHECK(reason.len > 0);
    value_check_text(reason, 200);
    value_check_nfc(reason);
    check_controls(reason, false);
  }
  return 0;
}
