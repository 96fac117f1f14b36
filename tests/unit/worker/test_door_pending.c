// SPDX-License-Identifier: MIT
// The table of waiting commands, against a plain array.
#include "../../../src/worker/door_pending.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void fill(struct pending *entry, int64_t deadline_ns) {
  char token[RANDOM_TOKEN_LEN + 1];
  cr_assert_eq(random_token(token), LUMIN_OK);
  memcpy(entry->token, token, RANDOM_TOKEN_LEN);
  entry->deadline_ns = deadline_ns;
}

static struct span token_of(const struct pending *entry) { return span_of(entry->token, RANDOM_TOKEN_LEN); }

Test(pending, empty) {
  struct pending_table *table = pending_create();
  cr_assert_null(pending_oldest(table));
  cr_assert_null(pending_find(table, SPAN_EMPTY));
  cr_assert_null(pending_find(table, SPAN_LITERAL("short")));
  cr_assert_null(pending_find(table, SPAN_LITERAL("0123456789012345678901")));
  cr_assert_eq(pending_count(table), 0);
  pending_destroy(table);
  pending_destroy(NULL);
}

Test(pending, each_is_found_until_it_is_removed_and_the_oldest_comes_first) {
  enum { COUNT = 50000 };
  struct pending_table *table = pending_create();
  struct pending *entries = calloc(COUNT, sizeof *entries);
  bool *there = calloc(COUNT, sizeof *there);
  size_t left = COUNT;
  for (int i = 0; i < COUNT; i++) {
    fill(&entries[i], i);
    pending_add(table, &entries[i]);
    there[i] = true;
  }
  for (size_t first = 0; left > 0;) {
    while (!there[first]) {
      first++;
    }
    cr_assert_eq(pending_oldest(table), &entries[first]);
    cr_assert_eq(pending_count(table), left);
    size_t i = left % 3 == 0 ? first : (size_t)random_below(COUNT);
    cr_assert_eq(pending_find(table, token_of(&entries[i])), there[i] ? &entries[i] : NULL);
    if (there[i]) {
      pending_remove(table, &entries[i]);
      there[i] = false;
      left--;
      cr_assert_null(pending_find(table, token_of(&entries[i])));
    }
  }
  cr_assert_null(pending_oldest(table));
  free(entries);
  free(there);
  pending_destroy(table);
}

Test(pending, can_be_walked_by_age_while_entries_go) {
  struct pending_table *table = pending_create();
  struct pending entries[5] = {0};
  for (int i = 0; i < 5; i++) {
    fill(&entries[i], i);
    pending_add(table, &entries[i]);
  }
  pending_remove(table, &entries[2]);
  pending_remove(table, &entries[4]);
  int64_t seen[3] = {0};
  size_t count = 0;
  for (struct pending *entry = pending_oldest(table); entry != NULL && count < 3; entry = entry->newer) {
    seen[count++] = entry->deadline_ns;
  }
  cr_assert(count == 3 && seen[0] == 0 && seen[1] == 1 && seen[2] == 3);
  pending_add(table, &entries[4]);
  cr_assert_eq(entries[3].newer, &entries[4]);
  pending_destroy(table);
}
