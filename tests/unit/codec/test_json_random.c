// SPDX-License-Identifier: MIT
// Every message type with random contents, to JSON and back; and what no sender should send.
#include <jansson.h>

#include "json_rig.h"

TestSuite(json_random, .init = setup, .fini = teardown);

#define ROUNDS 400 // a type

static struct span packed(const ProtobufCMessage *message) {
  struct span bytes = SPAN_EMPTY;
  cr_assert_eq(codec_pack(message, arena, &bytes), LUMIN_OK);
  return bytes;
}

static struct span written(const ProtobufCMessage *message) {
  struct span text = SPAN_EMPTY;
  cr_assert_eq(codec_encode_json(message, arena, &text), LUMIN_OK, "%s", message->descriptor->name);
  cr_assert_eq(text.data[text.len], '\0');
  return text;
}

// An independent reader agrees that it is JSON; a terminal finds nothing to obey in it.
static void check_text(struct span text) {
  json_error_t error;
  json_t *tree = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
  cr_assert(json_is_object(tree), "%s: %.*s", error.text, SPAN_ARGS(text));
  json_decref(tree);
  for (size_t i = 0; i < text.len; i++) {
    uint8_t byte = (uint8_t)text.data[i];
    cr_assert(byte >= ' ' && byte != 0x7f && !(byte == 0xc2 && (uint8_t)text.data[i + 1] < 0xa0), "%.*s",
              SPAN_ARGS(text));
  }
}

static void round_trip(const ProtobufCMessageDescriptor *type, struct chance *chance) {
  const ProtobufCMessage *again = NULL;
  struct refusal refusal = {0};
  struct span converted = SPAN_EMPTY;
  struct span bytes = packed(random_message(chance, type, 0));
  cr_assert_eq(codec_decode(codec, &(struct encoded){.type = type, .bytes = bytes}, arena, &again, &refusal), LUMIN_OK);
  struct span text = written(again);
  check_text(text);
  enum lumin_status status =
      codec_decode(codec, &(struct encoded){.type = type, .bytes = text, .json = true}, arena, &again, &refusal);
  cr_assert_eq(status, LUMIN_OK, "%.*s (%.*s): %.*s", SPAN_ARGS(refusal.field), SPAN_ARGS(refusal.allowed),
               SPAN_ARGS(text));
  cr_assert(span_equal(packed(again), bytes), "%s: %.*s", type->name, SPAN_ARGS(text));
  cr_assert(span_equal(written(again), text));
  cr_assert_eq(codec_convert_json(type, bytes, arena, &converted), LUMIN_OK);
  cr_assert(span_equal(converted, text));
}

Test(json_random, round_trips) {
  const ProtobufCMessageDescriptor *types[256];
  size_t count = types_all(types, COUNT(types));
  struct chance chance = {20261121, arena};
  for (size_t i = 0; i < count; i++) {
    for (size_t round = 0; round < ROUNDS; round++) {
      arena_reset(arena);
      round_trip(types[i], &chance);
    }
  }
}

// ---- hostile

#define CANARY "c4n4ry c4n4ry" // of the input; no plain word, so that not even an unknown field's name may show it

static bool holds(struct span text, const char *part) {
  return text.len > 0 && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static void check_refusal(const struct refusal *refusal, enum lumin_status status, struct span text) {
  cr_assert_eq(status, LUMIN_INVALID_ARGUMENT, "%.80s", text.data);
  cr_assert_eq(refusal->reason, LUMIN_INVALID_ARGUMENT);
  cr_assert(refusal->field.len > 0 && refusal->allowed.len > 0 && refusal->message.len > 0);
  cr_assert(!holds(refusal->field, "c4n4ry") && !holds(refusal->allowed, "c4n4ry") &&
            !holds(refusal->message, "c4n4ry"));
}

static enum lumin_status take(const ProtobufCMessageDescriptor *type, struct span text, struct refusal *refusal) {
  const ProtobufCMessage *message = NULL;
  *refusal = (struct refusal){0};
  size_t used = arena_used(arena);
  enum lumin_status status =
      codec_decode(codec, &(struct encoded){.type = type, .bytes = text, .json = true}, arena, &message, refusal);
  cr_assert_eq(message != NULL, status == LUMIN_OK);
  cr_assert_leq(arena_used(arena) - used, 16 * PAYLOAD_LIMIT + 65536); // the budget, and the refusal's texts
  return status;
}

static const ProtobufCMessageDescriptor *const sample = &lumin__sample__sample__descriptor;

// No beginning of a message is a message; and it is refused, whatever it breaks off in.
Test(json_random, cut_off) {
  struct chance chance = {7, arena};
  for (size_t round = 0; round < 20; round++) {
    arena_reset(arena);
    struct span text = written(random_message(&chance, sample, 0));
    struct refusal refusal;
    for (size_t len = 0; len < text.len; len++) {
      struct span part = arena_copy(arena, span_of(text.data, len)); // so that a reader beyond the end is caught
      check_refusal(&refusal, take(sample, part, &refusal), part);
    }
  }
}

// Changed anywhere: refused, or a message that comes back.
Test(json_random, changed) {
  static const char letters[] = "{}[]\",:\\ue0-+.19nt\x01\x80\xc3\xff ";
  struct chance chance = {11, arena};
  size_t accepted = 0;
  for (size_t round = 0; round < 20000; round++) {
    arena_reset(arena);
    struct span text = written(random_message(&chance, sample, 1));
    char *bytes = (char *)(uintptr_t)text.data;
    for (size_t changes = 1 + chance_below(&chance, 3); changes > 0; changes--)
      bytes[chance_below(&chance, text.len)] = letters[chance_below(&chance, sizeof letters - 1)];
    const ProtobufCMessage *message = NULL;
    struct refusal refusal = {0};
    enum lumin_status status =
        codec_decode(codec, &(struct encoded){.type = sample, .bytes = text, .json = true}, arena, &message, &refusal);
    if (status != LUMIN_OK) {
      check_refusal(&refusal, status, text);
      continue;
    }
    struct span once = packed(message);
    cr_assert_eq(codec_decode(codec, &(struct encoded){.type = sample, .bytes = written(message), .json = true}, arena,
                              &message, &refusal),
                 LUMIN_OK);
    cr_assert(span_equal(packed(message), once), "%.*s", SPAN_ARGS(text));
    accepted++;
  }
  cr_assert_gt(accepted, 100);
}

// `count` times a text, between two others.
static struct span repeated(const char *before, const char *again, size_t count, const char *behind) {
  size_t len = strlen(again), at = strlen(before);
  char *text = arena_alloc(arena, at + count * len + strlen(behind) + 1);
  cr_assert(text);
  memcpy(text, before, at);
  for (size_t i = 0; i < count; i++, at += len)
    memcpy(text + at, again, len);
  memcpy(text + at, behind, strlen(behind));
  return span_of(text, at + strlen(behind));
}

static const struct {
  const char *before, *again, *behind;
  size_t count;
  const char *field;
} floods[] = {
    {"", "[", "", 100000, "payload"},
    {"", "{", "", 100000, "payload"},
    {"{\"inner\":", "{\"inner\":", "", 25000, "inner.inner.inner.inner.inner.inner.inner.inner.inner"},
    {"{\"strings\":", "[", "", 100000, "strings[0]"},
    {"{\"strings\":[", "\"\",", "\"\"]}", 80000, "payload"},
    {"{\"inners\":[", "{},", "{}]}", 80000, "payload"},
    {"{\"uint64s\":[", "0,", "0]}", 100000, "payload"},
    {"{", "\"a\":1,", "\"a\":1}", 40000, "a"},
    {"{", "\"anInt32\":1,", "\"aBool\":true}", 20000, "an_int32"},
    {"{\"aMask\":\"a", ",a", "\"}", 100000, "payload"},
    {"{\"anInt32\":1", "0", "}", 200000, "an_int32"},
    {"{\"anInt32\":0.", "0", "1}", 200000, "an_int32"},
    {"{\"anInt32\":1e", "9", "}", 200000, "an_int32"},
    {"{\"anInt32\":1e-", "9", "}", 200000, "an_int32"},
    {"{\"aDouble\":0.", "0", "1}", 200000, "a_double"},
    {"{\"aDouble\":1e", "9", "}", 200, "a_double"},
    {"{\"aString\":\"" CANARY, "\\", "\"}", 200001, "payload"},
    {"{\"aString\":\"" CANARY, "\\u0000", "\"}", 30000, "a_string"},
    {"{\"aString\":\"" CANARY, "\\ud800", "\"}", 30000, "a_string"},
    {"{\"someBytes\":\"", CANARY, "\"}", 10000, "some_bytes"},
    {"{\"", CANARY, "\":1}", 10000, "?"},
    {" ", "\n", "", 200000, "payload"},
};

Test(json_random, floods) {
  for (size_t i = 0; i < COUNT(floods); i++) {
    arena_reset(arena);
    struct refusal refusal;
    struct span text = repeated(floods[i].before, floods[i].again, floods[i].count, floods[i].behind);
    cr_assert_leq(text.len, PAYLOAD_LIMIT);
    check_refusal(&refusal, take(sample, text, &refusal), text);
    cr_expect(span_equal(refusal.field, span_from_text(floods[i].field)), "flood %zu: %.*s", i,
              SPAN_ARGS(refusal.field));
  }
}

Test(json_random, too_large) {
  struct refusal refusal;
  struct span text = repeated("{\"aString\":\"", "a", PAYLOAD_LIMIT, "\"}");
  check_refusal(&refusal, take(sample, text, &refusal), text);
  cr_expect(span_equal(refusal.field, SPAN_LITERAL("payload")));
}

// Whatever room is left in the arena, a good message is never called bad.
Test(json_random, arena_full) {
  struct chance chance = {3, arena};
  for (size_t round = 0; round < 20; round++) {
    arena_reset(arena);
    struct span text = written(random_message(&chance, sample, 0));
    enum lumin_status status = LUMIN_NO_MEMORY;
    for (size_t limit = 0; status != LUMIN_OK; limit += 16) {
      cr_assert_lt(limit, 1U << 20);
      struct arena *small = arena_create(limit);
      const ProtobufCMessage *message = NULL;
      struct refusal refusal = {0};
      status = codec_decode(codec, &(struct encoded){.type = sample, .bytes = text, .json = true}, small, &message,
                            &refusal);
      cr_assert(status == LUMIN_OK || status == LUMIN_NO_MEMORY, "%zu: %s", limit, status_name(status));
      arena_destroy(small);
    }
  }
}

// ... and a bad one never good, nor is a refusal without its texts.
Test(json_random, arena_full_refusing) {
  struct span text = SPAN_LITERAL("{\"inners\":[{\"inner\":{\"count\":-1}}]}");
  enum lumin_status status = LUMIN_NO_MEMORY;
  for (size_t limit = 0; status == LUMIN_NO_MEMORY; limit += 16) {
    cr_assert_lt(limit, 1U << 20);
    struct arena *small = arena_create(limit);
    const ProtobufCMessage *message = NULL;
    struct refusal refusal = {0};
    status =
        codec_decode(codec, &(struct encoded){.type = sample, .bytes = text, .json = true}, small, &message, &refusal);
    if (status != LUMIN_NO_MEMORY) {
      check_refusal(&refusal, status, text);
      cr_expect(span_equal(refusal.field, SPAN_LITERAL("inners[0].inner.count")));
    }
    arena_destroy(small);
  }
}
