// SPDX-License-Identifier: MIT
// The partition of a user is nats-server's to choose and ours to know: FNV-1a 32 modulo N, by published values.
#include <criterion/criterion.h>

#include "lumin/application/pipeline.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const struct {
  struct span text;
  uint32_t hash;
} hashes[] = {
    // test vectors of the FNV page (Noll), as far as they are texts
    {SPAN_LITERAL(""), 0x811c9dc5U},
    {SPAN_LITERAL("a"), 0xe40c292cU},
    {SPAN_LITERAL("b"), 0xe70c2de5U},
    {SPAN_LITERAL("foobar"), 0xbf9cf968U},
    {SPAN_LITERAL("\0"), 0x050c5d1fU},
    // computed with another implementation
    {SPAN_LITERAL("\xff"), 0x7a0b824eU},
    {SPAN_LITERAL("0192f5c4-8d7e-7c3a-9b1f-2a6d4e8f0c11"), 0x1fae3f38U},
    {SPAN_LITERAL("00000000-0000-0000-0000-000000000000"), 0xbe478ed1U},
};

Test(partition, is_the_hash_modulo_n) {
  static const uint32_t counts[] = {1, 2, 3, 4, 7, 32, 1000, 1024, 65536, UINT32_MAX};
  for (size_t i = 0; i < COUNT(hashes); i++)
    for (size_t j = 0; j < COUNT(counts); j++)
      cr_expect_eq(partition_of(hashes[i].text, counts[j]), hashes[i].hash % counts[j], "text %zu of %u", i, counts[j]);
}

// As the documentation of NATS shows its partition(3,1).
Test(partition, agrees_with_the_examples_of_nats) {
  static const struct {
    struct span token;
    uint32_t partition;
  } examples[] = {{SPAN_LITERAL("customerid1"), 0},
                  {SPAN_LITERAL("acme"), 1},
                  {SPAN_LITERAL("globex"), 1},
                  {SPAN_LITERAL("hooli"), 0},
                  {SPAN_LITERAL("wayne"), 2}};
  for (size_t i = 0; i < COUNT(examples); i++)
    cr_expect_eq(partition_of(examples[i].token, 3), examples[i].partition);
}

Test(partition, users_spread_evenly) {
  enum { PARTITIONS = 32, USERS = 32000 };
  size_t counts[PARTITIONS] = {0};
  for (unsigned i = 0; i < USERS; i++) {
    struct uuid id = {{0x01, 0x92, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 0, 0x70, [15] = 1}};
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&id, text);
    counts[partition_of(span_of(text, UUID_TEXT_LEN), PARTITIONS)]++;
  }
  for (size_t i = 0; i < PARTITIONS; i++)
    cr_expect(counts[i] > 800 && counts[i] < 1200, "partition %zu has %zu of 1000", i, counts[i]);
}
