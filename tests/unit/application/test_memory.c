// SPDX-License-Identifier: MIT
// What a lane remembers: copies that stand by themselves, thrown out by age of use, forgotten by partition
// (guarantee 11).
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/application/memory.h"

static struct uuid id_of(unsigned number) { return (struct uuid){{0xaa, [15] = (uint8_t)number}}; }

static struct user user_of(unsigned number, const char *first_name) {
  return (struct user){.id = id_of(number),
                       .version = number,
                       .status = USER_PENDING,
                       .first_name = span_from_text(first_name),
                       .last_name = SPAN_LITERAL("Last"),
                       .email = {SPAN_LITERAL("A@example.com"), SPAN_LITERAL("a@example.com")},
                       .phone = SPAN_LITERAL("+4930123456"),
                       .phone_verified = true,
                       .created_ns = 1,
                       .updated_ns = 2};
}

static void put(struct memory *memory, uint16_t partition, unsigned number, const char *first_name) {
  struct user user = user_of(number, first_name);
  memory_put(memory, partition, &user);
}

static const struct user *get(struct memory *memory, unsigned number) {
  struct uuid id = id_of(number);
  return memory_get(memory, &id);
}

static void kept(struct memory *memory, const char *numbers) {
  for (unsigned number = 1; number <= 9; number++)
    cr_expect_eq(get(memory, number) != NULL, strchr(numbers, '0' + (int)number) != NULL, "user %u", number);
}

static size_t cost_of_one(const char *first_name) {
  struct memory *memory = memory_create(SIZE_MAX);
  cr_assert(memory);
  put(memory, 0, 1, first_name);
  size_t bytes = memory_bytes(memory);
  memory_destroy(memory);
  return bytes;
}

Test(memory, a_user_is_copied) {
  struct memory *memory = memory_create(1U << 20);
  char *name = strdup("Ada");
  put(memory, 0, 1, name);
  memset(name, 'x', 3);
  free(name);
  const struct user *user = get(memory, 1);
  cr_assert(user);
  cr_expect(span_equal(user->first_name, SPAN_LITERAL("Ada")) && span_equal(user->last_name, SPAN_LITERAL("Last")));
  cr_expect(span_equal(user->email.text, SPAN_LITERAL("A@example.com")));
  cr_expect(span_equal(user->email.key, SPAN_LITERAL("a@example.com")));
  cr_expect(span_equal(user->phone, SPAN_LITERAL("+4930123456")));
  cr_expect(user->version == 1 && user->status == USER_PENDING && user->phone_verified && !user->email_verified);
  cr_expect(user->created_ns == 1 && user->updated_ns == 2);
  cr_expect_null(get(memory, 2));
  memory_destroy(memory);
}

// The new state's texts may be the old entry's own.
Test(memory, a_user_replaces_itself) {
  struct memory *memory = memory_create(1U << 20);
  put(memory, 0, 1, "Ada");
  size_t bytes = memory_bytes(memory);
  for (uint64_t version = 2; version < 50; version++) {
    struct user next = *get(memory, 1);
    next.version = version;
    memory_put(memory, 0, &next);
    cr_assert(get(memory, 1)->version == version && span_equal(get(memory, 1)->first_name, SPAN_LITERAL("Ada")));
  }
  cr_expect_eq(memory_bytes(memory), bytes, "one user, however often");
  memory_destroy(memory);
}

Test(memory, a_cleared_user_has_no_texts) {
  struct memory *memory = memory_create(1U << 20);
  struct user gone = {.id = id_of(1), .version = 3, .status = USER_DELETED};
  memory_put(memory, 0, &gone);
  cr_expect(get(memory, 1)->status == USER_DELETED && get(memory, 1)->email.key.len == 0);
  memory_destroy(memory);
}

Test(memory, the_least_recently_used_go_first) {
  struct memory *memory = memory_create(3 * cost_of_one("Ada"));
  for (unsigned number = 1; number <= 3; number++)
    put(memory, 0, number, "Ada");
  memory_trim(memory);
  kept(memory, "123"); // and used in this order
  put(memory, 0, 4, "Eve");
  kept(memory, "1234"); // only a trim throws out
  (void)get(memory, 1);
  memory_trim(memory);
  kept(memory, "134");
  put(memory, 0, 3, "Bob"); // being put is being used
  (void)get(memory, 4);
  put(memory, 0, 5, "Max");
  memory_trim(memory);
  kept(memory, "345");
  put(memory, 0, 6, "0123456789012345678901234567890123456789"); // a long one takes the room of two
  memory_trim(memory);
  cr_expect_leq(memory_bytes(memory), 3 * cost_of_one("Ada"));
  kept(memory, "56");
  memory_destroy(memory);
}

Test(memory, without_room_nothing_is_kept) {
  static const size_t limits[] = {0, 1, 100};
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    struct memory *memory = memory_create(limits[i]);
    put(memory, 0, 1, "Ada");
    memory_trim(memory);
    kept(memory, "");
    cr_expect_eq(memory_bytes(memory), 0);
    memory_destroy(memory);
  }
}

Test(memory, a_partition_is_forgotten_alone) {
  struct memory *memory = memory_create(1U << 20);
  size_t one = cost_of_one("Ada");
  for (unsigned number = 1; number <= 6; number++)
    put(memory, (uint16_t)(number % 3), number, "Ada");
  memory_forget_partition(memory, 7);
  kept(memory, "123456");
  memory_forget_partition(memory, 1);
  kept(memory, "2356");
  cr_expect_eq(memory_bytes(memory), 4 * one);
  memory_forget_partition(memory, 1);
  memory_forget_partition(memory, 0);
  kept(memory, "25");
  put(memory, 1, 2, "Ada"); // it moved
  memory_forget_partition(memory, 2);
  kept(memory, "2");
  memory_forget_partition(memory, 1);
  kept(memory, "");
  cr_expect_eq(memory_bytes(memory), 0);
  put(memory, 0, 9, "Ada");
  kept(memory, "9");
  memory_destroy(memory);
}

Test(memory, clearing_forgets_all) {
  struct memory *memory = memory_create(1U << 20);
  memory_clear(memory);
  for (unsigned number = 1; number <= 9; number++)
    put(memory, 0, number, "Ada");
  memory_clear(memory);
  kept(memory, "");
  cr_expect_eq(memory_bytes(memory), 0);
  put(memory, 0, 3, "Ada");
  kept(memory, "3");
  memory_destroy(memory);
  memory_destroy(NULL);
}

// Against a list of what was used when: thousands of random steps.
Test(memory, random_use) {
  enum { USERS = 40 };
  size_t one = cost_of_one("Ada"), limit = 10 * one;
  struct memory *memory = memory_create(limit);
  uint64_t used[USERS] = {0}, dice = 88172645463325252U; // 0: not there
  for (uint64_t now = 1; now <= 20000; now++) {
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    unsigned number = (unsigned)(dice >> 20) % USERS;
    if (dice % 3 == 0) {
      put(memory, 0, number, "Ada");
      memory_trim(memory);
      used[number] = now;
      size_t count = 0, oldest = number;
      for (size_t i = 0; i < USERS; i++) {
        count += used[i] > 0;
        oldest = used[i] > 0 && used[i] < used[oldest] ? i : oldest;
      }
      if (count > 10)
        used[oldest] = 0;
    } else {
      cr_assert_eq(get(memory, number) != NULL, used[number] > 0, "user %u at step %llu", number,
                   (unsigned long long)now);
      used[number] = used[number] > 0 ? now : 0;
    }
    cr_assert(memory_bytes(memory) <= limit && memory_bytes(memory) % one == 0);
  }
  memory_destroy(memory);
}
