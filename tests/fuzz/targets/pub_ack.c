// SPDX-License-Identifier: MIT
// PubAcks: the quick scan reads nothing otherwise than the JSON parser does, which a blank in front makes it leave the
// text to.
#include "fuzz.h"

#include "lumin/infrastructure/nats/js.h"

struct reading {
  enum lumin_status status;
  struct js_pub_ack ack;
  struct js_error error;
};

static struct reading pub_ack_read(struct span bytes, struct arena *arena) {
  struct reading reading = {.ack = {.seq = 99}, .error = {.code = 99}};
  reading.status = js_pub_ack_parse(bytes, arena, &reading.ack, &reading.error);
  bool ok = reading.status == LUMIN_OK;
  FUZZ_CHECK(ok || (reading.status == LUMIN_INTERNAL && reading.ack.seq == 99 && reading.error.code == 99));
  FUZZ_CHECK(!ok || reading.error.code != 0 || (reading.ack.seq > 0 && reading.ack.seq <= INT64_MAX));
  FUZZ_CHECK(!ok || reading.error.code >= 0);
  return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct arena *arena = fuzz_arena();
  char *slow = arena_alloc(arena, size + 1);
  slow[0] = '\n';
  memcpy(slow + 1, data, size);
  struct reading one = pub_ack_read(span_of(data, size), arena), other = pub_ack_read(span_of(slow, size + 1), arena);
  FUZZ_CHECK(one.status == other.status && one.error.code == other.error.code);
  FUZZ_CHECK(one.ack.seq == other.ack.seq && one.ack.duplicate == other.ack.duplicate);
  FUZZ_CHECK(one.error.err_code == other.error.err_code && span_equal(one.error.description, other.error.description));
  return 0;
}
