// SPDX-License-Identifier: MIT
// PubAcks: the scan must take what servers write, and must never read anything otherwise than a JSON parser does. The
// judge here is jansson, called on its own.
#include "lumin/infrastructure/nats/js.h"

#include <criterion/criterion.h>
#include <jansson.h>

#define SPAN(text) SPAN_LITERAL(text)

static const struct {
  const char *text;
  uint64_t seq;
  bool duplicate;
} written[] = {
    {"{\"stream\":\"LUMIN_USER_EVENTS\", \"seq\":1}", 1, false},
    {"{\"stream\":\"S\", \"seq\":18,\"duplicate\": true}", 18, true},
    {"{\"stream\":\"S\", \"domain\":\"hub\", \"seq\":7}", 7, false},
    {"{\"stream\":\"S\", \"domain\":\"hub\", \"seq\":7,\"duplicate\": true}", 7, true},
    {"{\"stream\":\"S\",\"seq\":7}", 7, false},
    {"{\"stream\":\"S\",\"seq\":7,\"domain\":\"hub\",\"duplicate\":true}", 7, true},
    {"{\"stream\":\"S\",\"seq\":7,\"duplicate\":true,\"domain\":\"hub\"}", 7, true},
    {"{\"stream\":\"S\",\"seq\":9223372036854775807}", INT64_MAX, false},
};
enum { WRITTEN = sizeof written / sizeof written[0] };

static size_t allocations;
static void *counting_malloc(size_t size) {
  allocations++;
  return malloc(size);
}

Test(js_pub_ack, what_servers_write_is_read_without_the_parser) {
  json_set_alloc_funcs(counting_malloc, free);
  for (size_t i = 0; i < WRITTEN; i++) {
    struct js_pub_ack ack;
    struct js_error error = {.code = 1};
    cr_assert_eq(js_pub_ack_parse(span_from_text(written[i].text), NULL, &ack, &error), LUMIN_OK, "%s",
                 written[i].text);
    cr_assert(ack.seq == written[i].seq && ack.duplicate == written[i].duplicate && error.code == 0, "%s",
              written[i].text);
  }
  cr_assert_eq(allocations, 0);
}

Test(js_pub_ack, what_the_scan_does_not_know_is_read_by_the_parser) {
  static const struct {
    const char *text;
    uint64_t seq;
    bool duplicate;
  } other[] = {
      {"{\"seq\":7,\"stream\":\"S\",\"batch\":\"b\",\"count\":3}", 7, false},
      {"{ \"stream\" : \"\\u0053\" , \"seq\" : 7 } ", 7, false},
      {"{\"stream\":\"S\",\"seq\":7,\"duplicate\":false}", 7, false},
      {"{\"stream\":\"S\",\"seq\":7,\"seq\":8}", 8, false},
      {"{\"stream\":\"\xc3\xa9\",\"seq\":7,\"duplicate\":true}", 7, true},
      {"{\"stream\":\"S\",\"seq\":7,\"domain\":null}", 7, false},
      {"{\"error\":null,\"stream\":\"S\",\"seq\":7}", 7, false},
  };
  ARENA_SCOPED struct arena *arena = arena_create(1 << 12);
  json_set_alloc_funcs(counting_malloc, free);
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
    struct js_pub_ack ack;
    struct js_error error;
    allocations = 0;
    cr_assert_eq(js_pub_ack_parse(span_from_text(other[i].text), arena, &ack, &error), LUMIN_OK, "%s", other[i].text);
    cr_assert(ack.seq == other[i].seq && ack.duplicate == other[i].duplicate, "%s", other[i].text);
    cr_assert_gt(allocations, 0, "%s", other[i].text);
  }
}

Test(js_pub_ack, refusals) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 12);
  struct js_pub_ack ack = {.seq = 77};
  struct js_error error;
  struct span bytes = SPAN("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence: 2\"},"
                           "\"stream\":\"S\",\"seq\":0}");
  cr_assert_eq(js_pub_ack_parse(bytes, arena, &ack, &error), LUMIN_OK);
  cr_assert(error.code == 400 && error.err_code == JS_ERR_WRONG_LAST_SEQUENCE && ack.seq == 77);
  cr_assert(span_equal(error.description, SPAN("wrong last sequence: 2")));
}

Test(js_pub_ack, no_pub_ack) {
  static const char *const bad[] = {
      "",
      "+OK",
      "{}",
      "{\"stream\":\"S\"}",
      "{\"seq\":7}",
      "{\"stream\":\"S\",\"seq\":0}",
      "{\"stream\":\"S\",\"seq\":00}",
      "{\"stream\":\"S\",\"seq\":07}",
      "{\"stream\":\"S\",\"seq\":-7}",
      "{\"stream\":\"S\",\"seq\":+7}",
      "{\"stream\":\"S\",\"seq\":7.0}",
      "{\"stream\":\"S\",\"seq\":7e0}",
      "{\"stream\":\"S\",\"seq\":\"7\"}",
      "{\"stream\":\"S\",\"seq\":9223372036854775808}",
      "{\"stream\":\"S\",\"seq\":18446744073709551617}",
      "{\"stream\":7,\"seq\":7}",
      "{\"stream\":\"S\",\"seq\":7,\"duplicate\":1}",
      "{\"stream\":\"S\",\"seq\":7,\"duplicate\":tru}",
      "{\"stream\":\"S\",\"seq\":7,}",
      "{\"stream\":\"S\",,\"seq\":7}",
      "{\"stream\":\"S\"\"seq\":7}",
      "{\"stream\":\"S\",\"seq\":7}x",
      "{\"stream\":\"S\",\"seq\":7",
      "{\"stream\":\"S,\"seq\":7}",
      "{\"stream\":\"S\n\",\"seq\":7}",
  };
  ARENA_SCOPED struct arena *arena = arena_create(1 << 12);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct js_pub_ack ack = {.seq = 77};
    struct js_error error = {.code = 88};
    cr_assert_eq(js_pub_ack_parse(span_from_text(bad[i]), arena, &ack, &error), LUMIN_INTERNAL, "%s", bad[i]);
    cr_assert(ack.seq == 77 && error.code == 88, "%s", bad[i]);
  }
}

// What a JSON parser says of the bytes.
static enum lumin_status judge(struct span bytes, struct js_pub_ack *ret_ack, int *ret_code) {
  json_auto_t *root = json_loadb(bytes.data, bytes.len, JSON_ALLOW_NUL, NULL);
  json_t *error = json_object_get(root, "error");
  json_t *seq = json_object_get(root, "seq");
  json_t *duplicate = json_object_get(root, "duplicate");
  *ret_code = 0;
  if (error && !json_is_null(error)) {
    json_t *code = json_object_get(error, "code");
    json_t *err_code = json_object_get(error, "err_code");
    *ret_code = (int)json_integer_value(code);
    return json_integer_value(code) < 1 || json_integer_value(code) > INT32_MAX ||
                   (err_code && (!json_is_integer(err_code) || json_integer_value(err_code) < 0 ||
                                 json_integer_value(err_code) > INT32_MAX))
               ? LUMIN_INTERNAL
               : LUMIN_OK;
  }
  if (!json_is_string(json_object_get(root, "stream")) || json_integer_value(seq) < 1 ||
      (duplicate && !json_is_boolean(duplicate)))
    return LUMIN_INTERNAL;
  *ret_ack = (struct js_pub_ack){.seq = (uint64_t)json_integer_value(seq), .duplicate = json_is_true(duplicate)};
  return LUMIN_OK;
}

static uint64_t next(uint64_t *state) { // splitmix64
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

// One change: a byte replaced, left out or put in, or a piece of another text spliced in.
static size_t mutate(char *text, size_t len, size_t room, uint64_t *state) {
  static const char alphabet[] = "{}[]\",:\\ \t\n0179.-+eEtrusaqdomin\x01\x7f\xc3\xa9";
  static const char *const pieces[] = {"\"seq\":",
                                       "\"seq\":9",
                                       ",\"seq\":3",
                                       "\"stream\":\"T\",",
                                       ",\"duplicate\":true",
                                       ",\"duplicate\": false",
                                       "\"domain\":",
                                       "\\u0022",
                                       "\\\"",
                                       "00",
                                       "18446744073709551616",
                                       "\"error\":{\"code\":5},"};
  size_t at = next(state) % (len + 1);
  char byte = alphabet[next(state) % (sizeof alphabet - 1)];
  const char *piece = pieces[next(state) % (sizeof pieces / sizeof pieces[0])];
  size_t insert = next(state) % 4;
  if (insert < 2 && at < len) { // replace, leave out
    if (insert == 0)
      text[at] = byte;
    else
      memmove(text + at, text + at + 1, len - at - 1);
    return len - insert;
  }
  size_t size = insert == 2 ? 1 : strlen(piece);
  if (len + size > room)
    return len;
  memmove(text + at + size, text + at, len - at);
  memcpy(text + at, insert == 2 ? &byte : piece, size);
  return len + size;
}

Test(js_pub_ack, agrees_with_the_parser_on_a_million_mutations) {
  enum { ROUNDS = 1000000 };
  ARENA_SCOPED struct arena *arena = arena_create(1 << 16);
  uint64_t state = 7;
  size_t accepted = 0;
  for (int round = 0; round < ROUNDS; round++) {
    char text[256];
    const char *seed = written[next(&state) % WRITTEN].text;
    size_t len = strlen(seed);
    memcpy(text, seed, len);
    for (uint64_t changes = 1 + next(&state) % 3; changes > 0; changes--)
      len = mutate(text, len, sizeof text, &state);

    struct js_pub_ack ack = {0}, expected = {0};
    struct js_error error = {0};
    int code;
    enum lumin_status wanted = judge(span_of(text, len), &expected, &code);
    enum lumin_status status = js_pub_ack_parse(span_of(text, len), arena, &ack, &error);
    if (status != wanted || ack.seq != expected.seq || ack.duplicate != expected.duplicate ||
        (status == LUMIN_OK && error.code != code))
      cr_assert_fail("%s for %.*s", status_name(status), (int)len, text);
    accepted += status == LUMIN_OK && code == 0;
    arena_reset(arena);
  }
  cr_assert_gt(accepted, ROUNDS / 50); // the mutations are not all rubbish
}
