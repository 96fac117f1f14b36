// SPDX-License-Identifier: MIT
// A message in protobuf's format to JSON and back: equal bytes, unless a value has no form in JSON. The input is a
// message's name on a line of its own, and the bytes.
#include "types.h"

static const ProtobufCMessage *decode(const struct encoded *encoded, struct arena *arena) {
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  enum lumin_status status = codec_decode(fuzz_codec(), encoded, arena, &message, &refusal);
  FUZZ_CHECK(status == LUMIN_OK || (status == LUMIN_INVALID_ARGUMENT && message == NULL));
  if (status != LUMIN_OK) {
    fuzz_check_refusal(&refusal);
  }
  return message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  const ProtobufCMessageDescriptor *type = type_find(bytes_line(&feed));
  struct arena *arena = fuzz_arena();
  if (type == NULL) {
    return -1;
  }
  const ProtobufCMessage *message = decode(&(struct encoded){type, feed.rest, false}, arena);
  if (message == NULL) {
    return 0;
  }
  struct span text = SPAN_EMPTY, bytes = packed(message, arena);
  const ProtobufCMessage *same = decode(&(struct encoded){type, bytes, false}, arena);
  FUZZ_CHECK(same != NULL && span_equal(packed(same, arena), bytes));
  enum lumin_status status = codec_encode_json(message, arena, &text);
  if (status != LUMIN_OK) {
    FUZZ_CHECK(status == LUMIN_INVALID_ARGUMENT); // a time or a mask that none is
    return 0;
  }
  if (is_taken_back(message)) {
    const ProtobufCMessage *again = decode(&(struct encoded){type, text, true}, arena);
    FUZZ_CHECK(again != NULL && span_equal(packed(again, arena), bytes));
  }
  return 0;
}
