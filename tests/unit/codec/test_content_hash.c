// SPDX-License-Identifier: MIT
// When two commands are the same: by method, user, expected version and decoded content, however the bytes say it
// (guarantee 2). Hashes are stored, so their values are a contract too.
#include <criterion/criterion.h>

#include "lumin/infrastructure/codec/codec.h"
#include "lumin/user/v1/commands.pb-c.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static struct arena *arena;
static struct codec *codec;
static void setup(void) {
  arena = arena_create(1U << 20);
  codec = codec_create(64U * 1024);
  cr_assert(arena && codec);
}
static void teardown(void) {
  codec_destroy(codec);
  arena_destroy(arena);
}
TestSuite(content_hash, .init = setup, .fini = teardown);

struct content {
  const char *method; // NULL: unknown
  struct span payload;
  const char *expected;
  uint8_t user; // the id's last byte
};

static void hash_refused(const struct content *content, uint8_t refused_headers, uint8_t ret_hash[CONTENT_HASH_LEN]) {
  struct codec_port port = codec_port(codec);
  struct inbound inbound = {.payload = content->payload};
  struct command command = {
      .inbound = &inbound,
      .method = method_find(span_from_text(content->method)),
      .method_token = content->method ? span_from_text(content->method) : SPAN_LITERAL("unknown"),
      .user_id = {{0xaa, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 0, content->user}},
      .has_expected_version = content->expected != NULL,
      .refused_headers = refused_headers,
  };
  struct refusal refusal = {0};
  if (content->expected)
    cr_assert(span_to_u64(span_from_text(content->expected), &command.expected_version));
  if (command.method)
    cr_assert_eq(port.decode(port.self, &(struct encoded){.type = command.method->request, .bytes = content->payload},
                             arena, &command.message, &refusal),
                 LUMIN_OK);
  cr_assert_eq(port.hash_content(port.self, &command, arena, ret_hash), LUMIN_OK);
}

static void hash(const struct content *content, uint8_t ret_hash[CONTENT_HASH_LEN]) {
  hash_refused(content, 0, ret_hash);
}

#define PAYLOAD                                                                                                        \
  "\x12\x03"                                                                                                           \
  "Ada\"\x0d"                                                                                                          \
  "a@example.com"
#define USER_FIELD                                                                                                     \
  "\x0a\x24"                                                                                                           \
  "aa010203-0405-4607-8809-0a0b0c0d0001"

static const struct content create = {"create", SPAN_LITERAL(PAYLOAD), NULL, 1};

Test(content_hash, known_values) {
  static const struct {
    struct content content;
    const char hash[CONTENT_HASH_LEN + 1];
  } known[] = {
      {{"create", SPAN_LITERAL(PAYLOAD), NULL, 1},
       "{+Q8\xc7\x8d\x86\x1bL\xb5\x98\xe6\x9e\xa1\xa0"
       "D"},
      {{"create", SPAN_LITERAL(PAYLOAD), "7", 1},
       "\x8d-\xfe}\x17tk\xc3\x81\x97\xd4"
       "dB\xcc%\xad"},
      {{"delete", SPAN_LITERAL(""), NULL, 1},
       "\xc4\xd7\x9f\x1c"
       "A\xc8\xa0p\x91P\xc5\xd9Z\xa3\xe9\x96"},
      {{"delete", SPAN_LITERAL(USER_FIELD), NULL, 1},
       "\xc4\xd7\x9f\x1c"
       "A\xc8\xa0p\x91P\xc5\xd9Z\xa3\xe9\x96"},
  };
  for (size_t i = 0; i < COUNT(known); i++) {
    uint8_t value[CONTENT_HASH_LEN];
    hash(&known[i].content, value);
    cr_expect_eq(memcmp(value, known[i].hash, CONTENT_HASH_LEN), 0, "case %zu", i);
  }
}

// What a serialiser is free to do.
static const struct span same[] = {
    SPAN_LITERAL(USER_FIELD PAYLOAD),
    SPAN_LITERAL(PAYLOAD USER_FIELD),
    SPAN_LITERAL("\x22\x0d"
                 "a@example.com"
                 "\x12\x03"
                 "Ada"), // another order
    SPAN_LITERAL("\x12\x03"
                 "Eve" PAYLOAD),              // the last one counts
    SPAN_LITERAL(PAYLOAD "\x1a\x00\x2a\x00"), // empty fields
    SPAN_LITERAL("\x12\x83\x00"
                 "Ada"
                 "\xa2\x00\x8d\x00"
                 "a@example.com"),           // longer numbers than need be
    SPAN_LITERAL(PAYLOAD "\xfa\x3f\x03new"), // fields that are not known
    SPAN_LITERAL("\xf8\x3f\x01" PAYLOAD "\xfd\x3f"
                 "1234\xf9\x3f"
                 "12345678"),
};

Test(content_hash, the_same_said_otherwise) {
  uint8_t expected[CONTENT_HASH_LEN], value[CONTENT_HASH_LEN];
  hash(&create, expected);
  for (size_t i = 0; i < COUNT(same); i++) {
    struct content content = {"create", same[i], NULL, 1};
    hash(&content, value);
    cr_expect_eq(memcmp(value, expected, sizeof value), 0, "case %zu", i);
  }
}

// Each differs from each.
static const struct content different[] = {
    {"create", SPAN_LITERAL(PAYLOAD), NULL, 1},
    {"create", SPAN_LITERAL(PAYLOAD), NULL, 2},
    {"create", SPAN_LITERAL(PAYLOAD), "0", 1},
    {"create", SPAN_LITERAL(PAYLOAD), "1", 1},
    {"create", SPAN_LITERAL(PAYLOAD), "256", 1},
    {"create", SPAN_LITERAL(PAYLOAD), "18446744073709551615", 1},
    {"create", SPAN_LITERAL(PAYLOAD "\x1a\x01x"), NULL, 1},
    {"create",
     SPAN_LITERAL("\x1a\x03"
                  "Ada"
                  "\x22\x0d"
                  "a@example.com"),
     NULL, 1}, // as the last name
    {"create",
     SPAN_LITERAL("\x12\x03"
                  "ada"
                  "\x22\x0d"
                  "a@example.com"),
     NULL, 1},
    {"create",
     SPAN_LITERAL("\x12\x03"
                  "Ada"
                  "\x22\x0d"
                  "A@example.com"),
     NULL, 1}, // as sent, not as compared
    {"create", SPAN_LITERAL(""), NULL, 1},
    {"change_username",
     SPAN_LITERAL("\x12\x03"
                  "Ada"),
     NULL, 1},
    {"change_email",
     SPAN_LITERAL("\x12\x03"
                  "Ada"),
     NULL, 1}, // the same bytes, another method
    {"delete", SPAN_LITERAL(""), NULL, 1},
    {"probe", SPAN_LITERAL(""), NULL, 1},
    {NULL, SPAN_LITERAL(""), NULL, 1},
    {NULL, SPAN_LITERAL("\xff"), NULL, 1},
    {NULL, SPAN_LITERAL("\xff\xff"), NULL, 1},
};

Test(content_hash, something_else) {
  uint8_t values[COUNT(different)][CONTENT_HASH_LEN];
  for (size_t i = 0; i < COUNT(different); i++) {
    hash(&different[i], values[i]);
    for (size_t j = 0; j < i; j++)
      cr_expect_neq(memcmp(values[i], values[j], CONTENT_HASH_LEN), 0, "cases %zu and %zu", i, j);
  }
}

Test(content_hash, refused_headers) {
  enum { ALL = REFUSED_EXPECTED_VERSION | REFUSED_ACTOR | REFUSED_REPLY_TO };
  uint8_t values[2 * (ALL + 1)][CONTENT_HASH_LEN];
  const struct content expecting = {"create", SPAN_LITERAL(PAYLOAD), "0", 1};
  for (size_t i = 0; i < COUNT(values); i++) {
    hash_refused(i <= ALL ? &create : &expecting, (uint8_t)(i & ALL), values[i]);
    for (size_t j = 0; j < i; j++)
      cr_expect_neq(memcmp(values[i], values[j], CONTENT_HASH_LEN), 0, "%zu and %zu", i, j);
  }
}

// Hashing looks at the message and leaves it as it is.
Test(content_hash, the_message_stays) {
  struct codec_port port = codec_port(codec);
  const struct method *method = method_find(SPAN_LITERAL("create"));
  struct refusal refusal = {0};
  struct inbound inbound = {.payload = SPAN_LITERAL(USER_FIELD PAYLOAD)};
  struct command command = {.inbound = &inbound, .method = method, .method_token = SPAN_LITERAL("create")};
  uint8_t value[CONTENT_HASH_LEN];
  cr_assert_eq(port.decode(port.self, &(struct encoded){.type = method->request, .bytes = inbound.payload}, arena,
                           &command.message, &refusal),
               LUMIN_OK);
  cr_assert_eq(port.hash_content(port.self, &command, arena, value), LUMIN_OK);
  const Lumin__User__V1__Create *message = (const void *)command.message;
  cr_expect_str_eq(message->user_id, "aa010203-0405-4607-8809-0a0b0c0d0001");
  cr_expect_str_eq(message->first_name, "Ada");
  struct arena *none = arena_create(0);
  cr_expect_eq(port.hash_content(port.self, &command, none, value), LUMIN_NO_MEMORY);
  arena_destroy(none);
}
