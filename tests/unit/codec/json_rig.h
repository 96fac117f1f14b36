// SPDX-License-Identifier: MIT
// What the tests of JSON share: an arena and a codec for each test, every message type there is.
#pragma once

#include <criterion/criterion.h>
#include <stdlib.h>

#include "lumin/infrastructure/codec/codec.h"
#include "lumin/user/v1/commands.pb-c.h"
#include "lumin/user/v1/events.pb-c.h"
#include "random_message.h"
#include "sample.pb-c.h"
#include "sample_optional.pb-c.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define PAYLOAD_LIMIT (256U * 1024)

static struct arena *arena;
static struct codec *codec;
static inline void setup(void) {
  arena = arena_create(64U << 20);
  codec = codec_create(PAYLOAD_LIMIT);
  cr_assert(arena && codec);
}
static inline void teardown(void) {
  codec_destroy(codec);
  arena_destroy(arena);
}

// Every request and reply, every event, and what only tests have.
static inline size_t types_all(const ProtobufCMessageDescriptor **ret_types, size_t room) {
  static const ProtobufCMessageDescriptor *const others[] = {
      &lumin__user__v1__error__descriptor,
      &lumin__sample__sample__descriptor,
      &lumin__sample__maybe__descriptor,
#define EVENT(symbol, number, name) &lumin__user__v1__##name##__descriptor,
#include "lumin/domain/events.def"
#undef EVENT
  };
  size_t count = 0;
  cr_assert_leq(2 * METHOD_COUNT + COUNT(others), room);
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    ret_types[count++] = methods[i].request;
    ret_types[count++] = methods[i].reply;
  }
  for (size_t i = 0; i < COUNT(others); i++)
    ret_types[count++] = others[i];
  return count;
}
