// SPDX-License-Identifier: MIT
// UUIDs: the vectors of RFC 9562, the text form both ways, and how evenly the hash spreads.
#include "lumin/base/uuid.h"

#include "lumin/base/clock.h"

#include <criterion/criterion.h>
#include <pthread.h>

static struct uuid parsed(const char *text) {
  struct uuid uuid = {{0}};
  cr_assert_eq(uuid_parse(span_from_text(text), &uuid), LUMIN_OK, "%s", text);
  return uuid;
}

static void assert_text(const struct uuid *uuid, const char *expected) {
  char text[UUID_TEXT_LEN + 1];
  uuid_format(uuid, text);
  cr_assert_str_eq(text, expected);
}

Test(uuid, text_goes_both_ways) {
  static const char *const texts[] = {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                      "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct uuid uuid = parsed(texts[i]);
    assert_text(&uuid, texts[i]);
  }
  static const struct uuid counted = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
  assert_text(&counted, "00010203-0405-0607-0809-0a0b0c0d0e0f");
}

Test(uuid, random_ids_come_back_as_they_went) {
  for (int i = 0; i < 1000; i++) {
    struct uuid uuid;
    char text[UUID_TEXT_LEN + 1];
    cr_assert_eq(uuid_v4(&uuid), LUMIN_OK);
    uuid_format(&uuid, text);
    struct uuid again = parsed(text);
    cr_assert(uuid_equal(&uuid, &again));
  }
}

Test(uuid, every_other_form_is_refused_and_leaves_the_output_alone) {
  static const struct span bad[] = {
      SPAN_EMPTY,
      SPAN_LITERAL("f81d4fae-7dec-11d0-a765-00a0c91e6bf"),
      SPAN_LITERAL("f81d4fae-7dec-11d0-a765-00a0c91e6bf60"),
      SPAN_LITERAL("f81d4fae-7dec-11d0-a765-00a0c91e6bf\0"),
      SPAN_LITERAL("f81d4fae-7dec-11d0-a765-00a0c91e6bfg"),
      SPAN_LITERAL("f81d4fae-7dec-11d0-a765-00a0c91e6bf\xff"),
      SPAN_LITERAL("f81d4fae07dec-11d0-a765-00a0c91e6bf6"),
      SPAN_LITERAL("f81d4fa-e7dec-11d0-a765-00a0c91e6bf6"),
      SPAN_LITERAL("f81d4fae-7dec-11d0-a765.00a0c91e6bf6"),
      SPAN_LITERAL("f81d4fae7dec11d0a76500a0c91e6bf6"),
      SPAN_LITERAL("{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}"),
      SPAN_LITERAL("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
      SPAN_LITERAL(" 81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
      SPAN_LITERAL("+81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
      SPAN_LITERAL("------------------------------------"),
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct uuid uuid = {{42}};
    cr_assert_eq(uuid_parse(bad[i], &uuid), LUMIN_INVALID_ARGUMENT, "row %zu", i);
    cr_assert_eq(uuid_parse_any_case(bad[i], &uuid), LUMIN_INVALID_ARGUMENT, "row %zu", i);
    cr_assert_eq(uuid.bytes[0], 42, "row %zu", i);
  }
}

Test(uuid, upper_case_only_where_it_is_asked_for) {
  struct uuid uuid = {{0}};
  struct span upper = SPAN_LITERAL("F81D4FAE-7dec-11D0-a765-00A0C91E6BF6");
  cr_assert_eq(uuid_parse(upper, &uuid), LUMIN_INVALID_ARGUMENT);
  cr_assert_eq(uuid_parse_any_case(upper, &uuid), LUMIN_OK);
  assert_text(&uuid, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
}

Test(uuid, order_and_nil) {
  struct uuid low = parsed("00000000-0000-0000-0000-000000000001"),
              high = parsed("80000000-0000-0000-0000-000000000000");
  struct uuid nil = parsed("00000000-0000-0000-0000-000000000000");
  cr_assert_lt(uuid_compare(&low, &high), 0);
  cr_assert_gt(uuid_compare(&high, &low), 0);
  cr_assert(uuid_is_nil(&nil));
  cr_assert_not(uuid_is_nil(&low));
  cr_assert_not(uuid_is_nil(&high));
}

Test(uuid, version_5_agrees_with_the_rfc_and_others) {
  static const struct {
    const char *name_space, *name, *expected;
  } vectors[] = {
      // RFC 9562, appendix A.4; the others by Python's uuid module.
      {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com", "2ed6657d-e927-568b-95e1-2665a8aea6a2"},
      {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "python.org", "886313e1-3b8a-5372-9b90-0c9aee199e5d"},
      {"6ba7b811-9dad-11d1-80b4-00c04fd430c8", "https://example.com/", "dd2c1780-811a-5296-81c5-178a0ef488bc"},
      {"6ba7b814-9dad-11d1-80b4-00c04fd430c8", "", "b4bdf874-8c03-5bd8-8fd7-5e409dfd82c0"},
  };
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    struct uuid name_space = parsed(vectors[i].name_space), uuid = {{0}};
    struct span name = span_from_text(vectors[i].name);
    cr_assert_eq(uuid_v5(&name_space, &name, 1, &uuid), LUMIN_OK);
    assert_text(&uuid, vectors[i].expected);
  }
}

Test(uuid, version_5_joins_its_parts) {
  struct uuid name_space = parsed("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), uuid = {{0}};
  struct span parts[] = {SPAN_LITERAL("www."), SPAN_EMPTY, SPAN_LITERAL("example"), SPAN_LITERAL(".com")};
  cr_assert_eq(uuid_v5(&name_space, parts, 4, &uuid), LUMIN_OK);
  assert_text(&uuid, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  cr_assert_eq(uuid_v5(&name_space, NULL, 0, &uuid), LUMIN_OK);
  assert_text(&uuid, "4ebd0208-8328-5d69-8c44-ec50939c0967");
  struct span with_nul = SPAN_LITERAL("a\0b");
  cr_assert_eq(uuid_v5(&name_space, &with_nul, 1, &uuid), LUMIN_OK);
  assert_text(&uuid, "0a63f66b-e02f-5d2d-9fd4-aad819cf5352");
}

static void *derive_many(void *wrong) {
  struct uuid name_space = parsed("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  struct uuid expected = parsed("2ed6657d-e927-568b-95e1-2665a8aea6a2"), uuid;
  struct span name = SPAN_LITERAL("www.example.com");
  for (int i = 0; i < 2000; i++)
    if (uuid_v5(&name_space, &name, 1, &uuid) != LUMIN_OK || !uuid_equal(&uuid, &expected))
      return wrong;
  return NULL;
}

Test(uuid, version_5_is_right_on_all_threads_at_once) {
  pthread_t threads[4];
  int wrong;
  for (size_t i = 0; i < 4; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, derive_many, &wrong), 0);
  for (size_t i = 0; i < 4; i++) {
    void *result;
    pthread_join(threads[i], &result);
    cr_assert_null(result);
  }
}

static void assert_version(const struct uuid *uuid, unsigned version) {
  cr_assert_eq(uuid->bytes[6] >> 4, version);
  cr_assert_eq(uuid->bytes[8] >> 6, 2);
}

Test(uuid, versions_4_and_7_are_marked_and_differ) {
  struct uuid a, b;
  cr_assert_eq(uuid_v4(&a), LUMIN_OK);
  cr_assert_eq(uuid_v4(&b), LUMIN_OK);
  assert_version(&a, 4);
  cr_assert_not(uuid_equal(&a, &b));
  cr_assert_eq(uuid_v7(&a), LUMIN_OK);
  cr_assert_eq(uuid_v7(&b), LUMIN_OK);
  assert_version(&a, 7);
  cr_assert_not(uuid_equal(&a, &b));
}

Test(uuid, version_7_carries_the_milliseconds) {
  struct uuid uuid;
  int64_t before = clock_wall_ns() / NS_PER_MS;
  cr_assert_eq(uuid_v7(&uuid), LUMIN_OK);
  int64_t after = clock_wall_ns() / NS_PER_MS, carried = 0;
  for (size_t i = 0; i < 6; i++)
    carried = carried << 8 | uuid.bytes[i];
  cr_assert(before <= carried && carried <= after);
}

// Pearson's chi-squared over the low bits, per degree of freedom: 1 for chance, standard deviation 0.022.
enum { BUCKETS = 4096, KEYS = 8 * BUCKETS };

static double spread_of(struct uuid (*make)(uint64_t i)) {
  unsigned counts[BUCKETS] = {0};
  for (uint64_t i = 0; i < KEYS; i++) {
    struct uuid key = make(i);
    counts[uuid_hash(&key) % BUCKETS]++;
  }
  double sum = 0, mean = (double)KEYS / BUCKETS;
  for (size_t i = 0; i < BUCKETS; i++)
    sum += (counts[i] - mean) * (counts[i] - mean) / mean;
  return sum / (BUCKETS - 1);
}

static struct uuid count_at(uint64_t i, size_t byte) {
  struct uuid uuid = {{0}};
  memcpy(uuid.bytes + byte, &i, 4);
  return uuid;
}
static struct uuid count_first(uint64_t i) { return count_at(i, 0); }
static struct uuid count_middle(uint64_t i) { return count_at(i, 6); }
static struct uuid count_last(uint64_t i) { return count_at(i, 12); }
static struct uuid count_both_halves(uint64_t i) {
  struct uuid uuid = {{0}};
  memcpy(uuid.bytes, &i, 8);
  memcpy(uuid.bytes + 8, &i, 8);
  return uuid;
}
static struct uuid make_v7(uint64_t i) {
  struct uuid uuid = count_at(i, 10);
  (void)!uuid_v7(&uuid);
  return uuid;
}

Test(uuid, the_hash_spreads_ids_that_resemble_each_other) {
  struct uuid (*const makers[])(uint64_t) = {count_first, count_middle, count_last, count_both_halves, make_v7};
  for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
    double spread = spread_of(makers[i]);
    cr_assert(spread > 0.8 && spread < 1.25, "row %zu: %f", i, spread);
  }
}

Test(uuid, the_hash_depends_on_every_bit) {
  struct uuid base = parsed("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
  uint64_t hash = uuid_hash(&base);
  cr_assert_eq(hash, uuid_hash(&base));
  for (unsigned bit = 0; bit < 128; bit++) {
    struct uuid other = base;
    other.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    int changed = __builtin_popcountll(hash ^ uuid_hash(&other)); // mean 32, standard deviation 4
    cr_assert(changed >= 4, "bit %u changes %d bits", bit, changed);
  }
}
