// SPDX-License-Identifier: MIT
// JSON to a message: whatever is taken is JSON for an independent reader too, is printed, and the print read again
// gives equal bytes and an equal print. The input is a message's name on a line of its own, and the document.
#include "types.h"

#include <jansson.h>

static void print_check(struct span text) {
  json_error_t error;
  json_t *tree = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
  FUZZ_CHECK(json_is_object(tree));
  json_decref(tree);
  for (size_t i = 0; i < text.len; i++) {
    uint8_t byte = (uint8_t)text.data[i];
    FUZZ_CHECK(byte >= ' ' && byte != 0x7f && !(byte == 0xc2 && (uint8_t)text.data[i + 1] < 0xa0));
  }
}

// Numbers are another matter: ours may have any size and many digits, jansson's are an int64 or a double. Nor does it
// take a NUL, and neither do we.
static void agreement_check(struct span text) {
  json_error_t error;
  json_t *tree = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
  FUZZ_CHECK(json_is_object(tree) || json_error_code(&error) == json_error_numeric_overflow ||
             json_error_code(&error) == json_error_duplicate_key);
  json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  const ProtobufCMessageDescriptor *type = type_find(bytes_line(&feed));
  struct arena *arena = fuzz_arena();
  const ProtobufCMessage *message = NULL, *again = NULL;
  struct refusal refusal = {0};
  struct span text = SPAN_EMPTY, same = SPAN_EMPTY;
  if (type == NULL) {
    return -1;
  }
  struct encoded encoded = {type, feed.rest, true};
  enum lumin_status status = codec_decode(fuzz_codec(), &encoded, arena, &message, &refusal);
  FUZZ_CHECK(codec_decode(fuzz_codec(), &encoded, fuzz_arena_full(), &again, &refusal) != LUMIN_OK && again == NULL);
  if (status != LUMIN_OK) {
    FUZZ_CHECK(status == LUMIN_INVALID_ARGUMENT && message == NULL);
    FUZZ_CHECK(codec_decode(fuzz_codec(), &encoded, arena, &message, &refusal) == LUMIN_INVALID_ARGUMENT);
    fuzz_check_refusal(&refusal);
    return 0;
  }
  agreement_check(feed.rest);
  FUZZ_CHECK(codec_encode_json(message, arena, &text) == LUMIN_OK);
  print_check(text);
  encoded.bytes = text;
  FUZZ_CHECK(codec_decode(fuzz_codec(), &encoded, arena, &again, &refusal) == LUMIN_OK);
  FUZZ_CHECK(span_equal(packed(message, arena), packed(again, arena)));
  FUZZ_CHECK(codec_encode_json(again, arena, &same) == LUMIN_OK && span_equal(text, same));
  return 0;
}
