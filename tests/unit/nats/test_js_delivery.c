// SPDX-License-Identifier: MIT
// Reply subjects of delivered messages, and raw header blocks.
#include "lumin/infrastructure/nats/js.h"

#include <criterion/criterion.h>

#define SPAN(text) SPAN_LITERAL(text)
#define NUMBERS "2.1204.7.1795302044101671003.5"

static void assert_delivery(const char *reply) {
  struct js_delivery delivery;
  cr_assert_eq(js_delivery_parse(span_from_text(reply), &delivery), LUMIN_OK, "%s", reply);
  cr_assert(span_equal(delivery.stream, SPAN("LUMIN")) && span_equal(delivery.consumer, SPAN("c1")), "%s", reply);
  cr_assert(delivery.stream_seq == 1204 && delivery.consumer_seq == 7 && delivery.pending == 5, "%s", reply);
  cr_assert_eq(delivery.ts_ns, INT64_C(1795302044101671003), "%s", reply);
}

Test(js_delivery, every_form) {
  assert_delivery("$JS.ACK.LUMIN.c1." NUMBERS);
  assert_delivery("$JS.ACK._.hash.LUMIN.c1." NUMBERS);
  assert_delivery("$JS.ACK.hub.hash.LUMIN.c1." NUMBERS ".aRandomToken");
  assert_delivery("$JS.ACK.hub.hash.LUMIN.c1." NUMBERS ".aRandomToken.more");
}

Test(js_delivery, no_delivery) {
  static const char *const bad[] = {
      "",
      "$JS.ACK",
      "_INBOX.x",
      "$JS.FC.LUMIN.c1." NUMBERS,
      "$JS.ACKX.LUMIN.c1." NUMBERS,
      "$JS.ACK.LUMIN.c1.2.1204.7.1795302044101671003",
      "$JS.ACK.hub.LUMIN.c1." NUMBERS,
      "$JS.ACK.LUMIN.c1." NUMBERS ".x",
      "$JS.ACK.LUMIN.c1.2.1204.7.1795302044101671003.",
      "$JS.ACK..c1." NUMBERS,
      "$JS.ACK.LUMIN.." NUMBERS,
      "$JS.ACK.LUMIN.c1.0.1204.7.1795302044101671003.5",
      "$JS.ACK.LUMIN.c1.2.0.7.1795302044101671003.5",
      "$JS.ACK.LUMIN.c1.2.1204.0.1795302044101671003.5",
      "$JS.ACK.LUMIN.c1.2.1204.7.9223372036854775808.5",
      "$JS.ACK.LUMIN.c1.2.9223372036854775808.7.1795302044101671003.5",
      "$JS.ACK.LUMIN.c1.2.1204.9223372036854775808.1795302044101671003.5",
      "$JS.ACK.LUMIN.c1.2.18446744073709551616.7.1795302044101671003.5",
      "$JS.ACK.LUMIN.c1.2.-1.7.1795302044101671003.5",
      "$JS.ACK.LUMIN.c1.2.12x.7.1795302044101671003.5",
      "$JS.ACK.LUMIN.c1.2. 12.7.1795302044101671003.5",
      "$JS.ACK.hub.hash.LUMIN.c1.x.1204.7.1795302044101671003.5",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct js_delivery delivery = {.pending = 77};
    cr_assert_eq(js_delivery_parse(span_from_text(bad[i]), &delivery), LUMIN_INTERNAL, "%s", bad[i]);
    cr_assert_eq(delivery.pending, 77, "%s", bad[i]);
  }
}

// Exactly sized copies, so that AddressSanitizer sees a read beyond the end.
Test(js_delivery, no_prefix_is_one) {
  static const char whole[] = "$JS.ACK.hub.hash.LUMIN.c1." NUMBERS;
  struct js_delivery delivery;
  for (size_t len = 0; len < sizeof whole - 2; len++) {
    char *copy = malloc(len ? len : 1);
    cr_assert_not_null(copy);
    memcpy(copy, whole, len);
    cr_assert_eq(js_delivery_parse(span_of(copy, len), &delivery), LUMIN_INTERNAL, "%zu", len);
    free(copy);
  }
}

static const char block_text[] = "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 6\r\nNats-Last-Stream:14 \r\n"
                                 "Empty:\r\nTwice: 1\r\nTwice: 2\r\nWith: a: b\r\nNo colon\r\n\r\nBehind: x\r\n";
static const struct span block = {block_text, sizeof block_text - 1};

static void assert_header(const char *name, const char *expected) {
  struct span value = SPAN("untouched");
  cr_assert_eq(js_header_find(block, span_from_text(name), &value), expected != NULL, "%s", name);
  struct span wanted = span_from_text(expected ? expected : "untouched");
  cr_assert(span_equal(value, wanted), "%s: \"%.*s\"", name, SPAN_ARGS(value));
}

Test(js_header, found_by_its_exact_name) {
  assert_header("Nats-Last-Consumer", "6");
  assert_header("Nats-Last-Stream", "14");
  assert_header("Empty", "");
  assert_header("Twice", "1");
  assert_header("With", "a: b");
  assert_header("nats-last-consumer", NULL);
  assert_header("Nats-Last", NULL);
  assert_header("No colon", NULL);
  assert_header("Behind", NULL);
  assert_header("NATS/1.0 100 Idle Heartbeat", NULL);
}

Test(js_header, nothing_in_what_is_no_header_block) {
  static const struct span none[] = {
      {NULL, 0},
      {"garbage\r\nA: 1\r\n\r\n", 17},
      {"A: 1\r\n\r\n", 8},
      {"NATS/1.0", 8},
      {"NATS/1.0\r\nA: 1", 14},
      {"NATS/1.0\r\nB: 2\nA: 1\r\n\r\n", 23}, // a line feed alone ends no line: it is part of B's value
      {"NATS/1.0\r\n\r\nA: 1\r\n", 18},
  };
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
    struct span value = SPAN_EMPTY;
    cr_assert_not(js_header_find(none[i], SPAN("A"), &value), "%zu", i);
  }
}
