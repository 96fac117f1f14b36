// SPDX-License-Identifier: MIT
// Stored events: bytes that are an event of the type come back the same once they have been written, byte for byte, and
// can be folded and shown as JSON. The input is the type's number and the body.
#include "fuzz.h"

#include "domain/event_equal.h"
#include "lumin/infrastructure/codec/codec.h"

static void fold(const struct event *event) {
  struct user user = {.id = {{1}}, .version = 6, .status = USER_ACTIVE, .updated_ns = 5};
  struct user created = {.id = {{1}}};
  struct event next = *event;
  next.version = event->type == EVENT_USER_CREATED ? 1 : 7;
  next.time_ns = 7;
  user_apply(event->type == EVENT_USER_CREATED ? &created : &user, &next);
  FUZZ_CHECK(event->type == EVENT_USER_CREATED ? created.version == 1 : user.version == 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  struct arena *arena = fuzz_arena();
  enum event_type type = (enum event_type)bytes_u8(&feed);
  struct event event = {.type = EVENT_NONE, .version = 99}, again;
  struct span body = SPAN_EMPTY, same = SPAN_EMPTY;
  enum lumin_status status = codec_decode_event(type, feed.rest, arena, &event);
  FUZZ_CHECK(codec_decode_event(type, feed.rest, fuzz_arena_full(), &again) != LUMIN_OK);
  if (status != LUMIN_OK) {
    FUZZ_CHECK(status == LUMIN_INTERNAL && event.type == EVENT_NONE && event.version == 99);
    return 0;
  }
  FUZZ_CHECK(event.type == type && event_name(type) != NULL);
  FUZZ_CHECK(codec_encode_event(&event, arena, &body) == LUMIN_OK);
  FUZZ_CHECK(codec_decode_event(type, body, arena, &again) == LUMIN_OK);
  FUZZ_CHECK(event_equal(&event, &again));
  FUZZ_CHECK(codec_encode_event(&again, arena, &same) == LUMIN_OK && span_equal(body, same));
  fold(&event);
  return 0;
}
