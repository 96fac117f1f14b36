// SPDX-License-Identifier: MIT
// Bytes from strangers: cut off anywhere, changed anywhere, made up. Each is refused with its field, or is a message
// whose texts are sound; none costs more than its budget (guarantees 10 and 11).
#include <criterion/criterion.h>
#include <iconv.h>
#include <stdlib.h>

#include "../../../src/infrastructure/codec/unpack.h"
#include "../../../src/infrastructure/codec/wire.h"
#include "lumin/infrastructure/codec/codec.h"
#include "lumin/user/v1/commands.pb-c.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define PAYLOAD_LIMIT (64U * 1024)

static struct arena *arena;
static struct codec *codec;
static void setup(void) {
  arena = arena_create(16U << 20);
  codec = codec_create(PAYLOAD_LIMIT);
  cr_assert(arena && codec);
}
static void teardown(void) {
  codec_destroy(codec);
  arena_destroy(arena);
}
TestSuite(wire, .init = setup, .fini = teardown);

static const ProtobufCMessageDescriptor *const create = &lumin__user__v1__create__descriptor;
static const ProtobufCMessageDescriptor *const outcome = &lumin__user__v1__outcome__descriptor;

static const struct wire_case {
  const ProtobufCMessageDescriptor *type;
  struct span bytes;
  const char *field; // of the refusal; NULL: sound
} cases[] = {
    {create, SPAN_LITERAL(""), NULL},
    {create,
     SPAN_LITERAL("\x12\x03"
                  "Ada\x22\x0d"
                  "a@example.com"),
     NULL},
    // unknown fields of each wire type, and bytes that are no text
    {create, SPAN_LITERAL("\xf8\x3f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), NULL},
    {create,
     SPAN_LITERAL("\xf9\x3f"
                  "12345678"),
     NULL},
    {create, SPAN_LITERAL("\xfa\x3f\x02\xff\x00"), NULL},
    {create,
     SPAN_LITERAL("\xfd\x3f"
                  "1234"),
     NULL},
    {create, SPAN_LITERAL("\xf8\xff\xff\xff\x0f\x01"), NULL}, // the highest field number
    // numbers that do not end, do not fit, or name no field
    {create, SPAN_LITERAL("\x80"), "payload"},
    {create, SPAN_LITERAL("\xf8\x3f\x80"), "payload"},
    {create, SPAN_LITERAL("\xf8\x3f\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "payload"},
    {create, SPAN_LITERAL("\x02\x00"), "payload"},
    {create, SPAN_LITERAL("\xfa\xff\xff\xff\x1f\x00"), "payload"},
    {create, SPAN_LITERAL("\x92\x80\x80\x80\x80\x01\x00"), "payload"}, // 2 with a bit above 32
    // lengths beyond the end
    {create, SPAN_LITERAL("\x12"), "payload"},
    {create,
     SPAN_LITERAL("\x12\x04"
                  "Ada"),
     "payload"},
    {create,
     SPAN_LITERAL("\x12\xff\xff\xff\xff\x0f"
                  "Ada"),
     "payload"},
    {create,
     SPAN_LITERAL("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                  "Ada"),
     "payload"},
    {create,
     SPAN_LITERAL("\xf9\x3f"
                  "1234567"),
     "payload"},
    {create,
     SPAN_LITERAL("\xfd\x3f"
                  "123"),
     "payload"},
    // groups, and wire types that there are not
    {create, SPAN_LITERAL("\x13\x14"), "payload"},
    {create, SPAN_LITERAL("\xfb\x3f\xfc\x3f"), "payload"},
    {create, SPAN_LITERAL("\x16\x00"), "payload"},
    {create, SPAN_LITERAL("\x17\x00"), "payload"},
    // texts
    {create, SPAN_LITERAL("\x12\x01\x00"), "first_name"},
    {create,
     SPAN_LITERAL("\x1a\x03"
                  "a\x00"
                  "b"),
     "last_name"},
    {create, SPAN_LITERAL("\x22\x01\x80"), "email"},
    {create, SPAN_LITERAL("\x2a\x02\xc0\x80"), "phone"},       // NUL in two bytes
    {create, SPAN_LITERAL("\x0a\x03\xed\xa0\x80"), "user_id"}, // half of a surrogate pair
    {create, SPAN_LITERAL("\x12\x04\xf4\x90\x80\x80"), "first_name"},
    {create, SPAN_LITERAL("\x12\x04\xf4\x8f\xbf\xbf"), NULL},
    {create, SPAN_LITERAL("\x12\x02\xe2\x82\x1a\x01\xac"), "first_name"}, // across a boundary
    {create,
     SPAN_LITERAL("\x12\x01\xff\x12\x03"
                  "Ada"),
     "first_name"}, // the first one counts too
    // within messages
    {outcome, SPAN_LITERAL("\x2a\x04\x12\x02no"), NULL},
    {outcome, SPAN_LITERAL("\x2a\x04\x12\x02n\x00"), "error"},
    {outcome, SPAN_LITERAL("\x2a\x04\x12\x03no"), "payload"},
    {outcome, SPAN_LITERAL("\x2a\x05\x12\x02no"), "payload"},
};

static struct span copy_tight(struct span bytes, char **ret_copy) {
  *ret_copy = malloc(bytes.len ? bytes.len : 1);
  cr_assert(*ret_copy);
  if (bytes.len)
    memcpy(*ret_copy, bytes.data, bytes.len);
  return span_of(*ret_copy, bytes.len);
}

Test(wire, cases) {
  for (size_t i = 0; i < COUNT(cases); i++) {
    char *copy;
    struct refusal refusal = {0};
    enum lumin_status status = wire_check(cases[i].type, copy_tight(cases[i].bytes, &copy), &refusal);
    cr_expect_eq(status, cases[i].field ? LUMIN_INVALID_ARGUMENT : LUMIN_OK, "case %zu", i);
    cr_expect_eq(refusal.reason, status, "case %zu", i);
    cr_expect(span_equal(refusal.field, span_from_text(cases[i].field)), "case %zu: %.*s", i, SPAN_ARGS(refusal.field));
    cr_expect_eq(refusal.allowed.len > 0 && refusal.message.len > 0, cases[i].field != NULL, "case %zu", i);
    free(copy);
  }
}

// Every byte at every place: the quick look at plain texts sees what the slow one would.
Test(wire, one_byte_anywhere_decides_about_a_text) {
  char text[40];
  for (size_t len = 1; len <= 24; len++)
    for (size_t at = 0; at < len; at++)
      for (int byte = 0; byte < 256; byte++) {
        memset(text, 'a', sizeof text);
        text[at] = (char)byte;
        cr_assert_eq(text_is_sound(span_of(text, len)), byte > 0 && byte < 128, "%d at %zu of %zu", byte, at, len);
      }
  for (size_t at = 0; at <= 24; at++) {
    memset(text, 'a', sizeof text);
    memcpy(text + at, "\xf0\x9f\x98\x80", 4);
    cr_assert(text_is_sound(span_of(text, 30)), "%zu", at);
    cr_assert_not(text_is_sound(span_of(text, at + 3)), "%zu", at);
  }
}

// ---- what comes through: sound texts, and a message that stays the same however often it is written and read

static bool is_utf8(const char *text) {
  iconv_t converter = iconv_open("UTF-32LE", "UTF-8");
  cr_assert_neq(converter, (iconv_t)-1);
  char *in = (char *)(uintptr_t)text, out[4096], *out_at = out;
  size_t in_left = strlen(text), out_left = sizeof out;
  size_t converted = iconv(converter, &in, &in_left, &out_at, &out_left);
  (void)iconv_close(converter);
  return converted != (size_t)-1 && in_left == 0;
}

static void texts_check(const ProtobufCMessage *message) {
  const ProtobufCMessageDescriptor *type = message->descriptor;
  for (unsigned i = 0; i < type->n_fields; i++) {
    const void *member = (const char *)message + type->fields[i].offset;
    cr_assert_neq(type->fields[i].label, PROTOBUF_C_LABEL_REPEATED);
    if (type->fields[i].type == PROTOBUF_C_TYPE_STRING)
      cr_assert(is_utf8(*(const char *const *)member));
    else if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE && *(const ProtobufCMessage *const *)member)
      texts_check(*(const ProtobufCMessage *const *)member);
  }
  cr_assert_eq(message->n_unknown_fields, 0);
}

// Whether the bytes came through.
static bool decode_check(const ProtobufCMessageDescriptor *type, struct span bytes) {
  char *copy;
  const ProtobufCMessage *message = NULL, *again = NULL;
  struct refusal refusal = {0};
  enum lumin_status status = codec_decode(codec, &(struct encoded){.type = type, .bytes = copy_tight(bytes, &copy)},
                                          arena, &message, &refusal);
  free(copy); // the message is its own
  if (status == LUMIN_OK) {
    struct span packed = SPAN_EMPTY, repacked = SPAN_EMPTY;
    texts_check(message);
    cr_assert_eq(codec_pack(message, arena, &packed), LUMIN_OK);
    cr_assert_leq(packed.len, bytes.len, "no byte is made up");
    cr_assert_eq(codec_decode(codec, &(struct encoded){.type = type, .bytes = packed}, arena, &again, &refusal),
                 LUMIN_OK);
    cr_assert_eq(codec_pack(again, arena, &repacked), LUMIN_OK);
    cr_assert(span_equal(packed, repacked));
  } else {
    cr_assert_eq(status, LUMIN_INVALID_ARGUMENT);
    cr_assert(refusal.reason == status && refusal.field.len > 0 && refusal.allowed.len > 0);
    cr_assert_null(message, "untouched");
  }
  arena_reset(arena);
  return status == LUMIN_OK;
}

static const struct span samples[] = {
    SPAN_LITERAL("\x0a\x24"
                 "aa010203-0405-4607-8809-0a0b0c0d0001"),
    SPAN_LITERAL("\x12\x03"
                 "Ada\x1a\x08\xc5\x81ukasz!\x22\x0d"
                 "a@example.com\x2a\x0c+49301234567"),
    SPAN_LITERAL("\x12\x04\xf0\x9f\x98\x80\xf8\x3f\x81\x01\xf9\x3f"
                 "12345678\xfa\x3f\x02\xff\x00\xfd\x3f"
                 "1234"),
};

Test(wire, cut_off_anywhere) {
  static const size_t sound_places[COUNT(samples)] = {2, 5, 6}; // before, between and after its fields
  for (size_t i = 0; i < COUNT(samples); i++) {
    size_t sound = 0;
    for (size_t len = 0; len <= samples[i].len; len++)
      sound += decode_check(create, span_of(samples[i].data, len));
    cr_expect_eq(sound, sound_places[i], "sample %zu is sound in %zu places", i, sound);
  }
}

Test(wire, changed_anywhere, .timeout = 120) {
  size_t sound = 0, refused = 0;
  for (size_t i = 0; i < COUNT(samples); i++) {
    char bytes[128];
    memcpy(bytes, samples[i].data, samples[i].len);
    for (size_t at = 0; at < samples[i].len; at++) {
      for (int byte = 0; byte < 256; byte++) {
        bytes[at] = (char)byte;
        *(decode_check(create, span_of(bytes, samples[i].len)) ? &sound : &refused) += 1;
      }
      bytes[at] = samples[i].data[at];
    }
  }
  cr_expect(sound > 5000 && refused > 5000, "%zu sound, %zu refused", sound, refused);
}

Test(wire, made_up, .timeout = 120) {
  static const uint8_t likely[] = {0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x00, 0x01, 0x02, 0x03, 'A', 0x80, 0xc3, 0xff, 0xfa};
  uint64_t dice = 88172645463325252U;
  size_t sound = 0;
  for (size_t round = 0; round < 100000; round++) {
    uint8_t bytes[24];
    for (size_t i = 0; i < sizeof bytes; i++) {
      dice ^= dice << 13;
      dice ^= dice >> 7;
      dice ^= dice << 17;
      bytes[i] = dice & 1 ? likely[(dice >> 8) % sizeof likely] : (uint8_t)(dice >> 16);
    }
    sound += decode_check(create, span_of(bytes, (dice >> 32) % sizeof bytes));
  }
  cr_expect(sound > 1000 && sound < 99000, "%zu", sound);
}

// ---- limits

static struct span repeated(struct span unit, size_t count) {
  char *bytes = arena_alloc(arena, unit.len * count);
  cr_assert(bytes);
  for (size_t i = 0; i < count; i++)
    memcpy(bytes + i * unit.len, unit.data, unit.len);
  return span_of(bytes, unit.len * count);
}

Test(wire, at_most_4096_fields) {
  static const struct span units[] = {SPAN_LITERAL("\xf8\x3f\x01"), SPAN_LITERAL("\x12\x00")};
  for (size_t i = 0; i < COUNT(units); i++) {
    struct refusal refusal = {0};
    cr_expect_eq(wire_check(create, repeated(units[i], 4096), &refusal), LUMIN_OK);
    cr_expect_eq(wire_check(create, repeated(units[i], 4097), &refusal), LUMIN_INVALID_ARGUMENT);
    cr_expect(span_equal(refusal.field, SPAN_LITERAL("payload")));
  }
}

// Fields within fields count: here two each.
Test(wire, at_most_4096_fields_in_all) {
  struct refusal refusal = {0};
  cr_expect_eq(wire_check(outcome, repeated(SPAN_LITERAL("\x2a\x02\x12\x00"), 2048), &refusal), LUMIN_OK);
  cr_expect_eq(wire_check(outcome, repeated(SPAN_LITERAL("\x2a\x02\x12\x00"), 2049), &refusal), LUMIN_INVALID_ARGUMENT);
}

// An outcome whose error is an outcome: no message of the contract is recursive, and the check does not rely on it.
Test(wire, at_most_8_deep) {
  ProtobufCFieldDescriptor fields[16];
  ProtobufCMessageDescriptor recursive = *outcome;
  cr_assert_leq(outcome->n_fields, COUNT(fields));
  memcpy(fields, outcome->fields, outcome->n_fields * sizeof fields[0]);
  recursive.fields = fields;
  for (unsigned i = 0; i < recursive.n_fields; i++)
    if (strcmp(fields[i].name, "error") == 0)
      fields[i].descriptor = &recursive;
  char bytes[64];
  for (size_t depth = 0; depth <= 20; depth++) {
    for (size_t i = 0; i < depth; i++) {
      bytes[2 * i] = 0x2a;
      bytes[2 * i + 1] = (char)(2 * (depth - 1 - i));
    }
    struct refusal refusal = {0};
    cr_expect_eq(wire_check(&recursive, span_of(bytes, 2 * depth), &refusal),
                 depth <= 8 ? LUMIN_OK : LUMIN_INVALID_ARGUMENT, "depth %zu", depth);
  }
}

Test(wire, a_payload_has_its_limit) {
  struct codec *small = codec_create(20);
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  struct span bytes = repeated(SPAN_LITERAL("\x12\x00"), 11);
  cr_expect_eq(codec_decode(small, &(struct encoded){.type = create, .bytes = bytes}, arena, &message, &refusal),
               LUMIN_INVALID_ARGUMENT);
  cr_expect(span_equal(refusal.field, SPAN_LITERAL("payload")));
  bytes.len = 20;
  cr_expect_eq(codec_decode(small, &(struct encoded){.type = create, .bytes = bytes}, arena, &message, &refusal),
               LUMIN_OK);
  codec_destroy(small);
  codec_destroy(NULL);
}

// What is over its budget is bad; what finds the arena full is not.
Test(wire, budgets_and_arenas_are_told_apart) {
  ProtobufCMessage *message = NULL;
  size_t fits = 0;
  for (size_t budget = 0; budget <= 2048; budget += 16) {
    enum lumin_status status = message_unpack(create, samples[1], budget, arena, &message);
    cr_assert(status == (fits ? LUMIN_OK : LUMIN_INVALID_ARGUMENT) || (status == LUMIN_OK && !fits));
    fits = !fits && status == LUMIN_OK ? budget : fits;
  }
  cr_assert_gt(fits, 0);
  for (size_t limit = 0; limit <= 2048; limit += 16) {
    struct arena *small = arena_create(limit);
    const ProtobufCMessage *decoded = NULL;
    struct refusal refusal = {0};
    enum lumin_status status =
        codec_decode(codec, &(struct encoded){.type = create, .bytes = samples[1]}, small, &decoded, &refusal);
    cr_assert(status == LUMIN_OK || (status == LUMIN_NO_MEMORY && refusal.reason == LUMIN_OK));
    cr_assert(limit < 2048 || status == LUMIN_OK);
    arena_destroy(small);
  }
}

// Many small fields cost protobuf-c a multiple of their bytes; the arena sees no more than 16 times a payload's limit.
Test(wire, hostile_fields_stay_within_the_budget) {
  static const struct span units[] = {SPAN_LITERAL("\xf8\x3f\x01"), SPAN_LITERAL("\xfa\x3f\x01x"),
                                      SPAN_LITERAL("\x12\x00"), SPAN_LITERAL("\x12\x01x")};
  struct arena *own = arena_create(SIZE_MAX);
  for (size_t i = 0; i < COUNT(units); i++) {
    const ProtobufCMessage *message = NULL;
    struct refusal refusal = {0};
    struct span bytes = repeated(units[i], 4096);
    struct codec *tight = codec_create(bytes.len);
    enum lumin_status status =
        codec_decode(tight, &(struct encoded){.type = create, .bytes = bytes}, own, &message, &refusal);
    cr_expect(status == LUMIN_OK || status == LUMIN_INVALID_ARGUMENT);
    cr_expect_leq(arena_used(own), 16 * bytes.len + 16 * 8192, "unit %zu", i); // each piece is rounded up to 16
    codec_destroy(tight);
    arena_reset(own);
  }
  arena_destroy(own);
}
