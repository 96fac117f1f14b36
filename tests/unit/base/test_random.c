// SPDX-License-Identifier: MIT
// Random bytes: that they are there at every size, differ, and are not repeated by a child process or another thread.
#include "lumin/base/random.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

Test(random, every_byte_of_every_size_is_written_and_none_behind_it) {
  for (size_t len = 0; len < 200; len++) {
    unsigned char seen[200] = {0}, bytes[201];
    for (int round = 0; round < 12; round++) { // a byte stays 0 in all twelve once in 2^96
      bytes[len] = 0x5a;
      cr_assert_eq(random_bytes(bytes, len), LUMIN_OK);
      cr_assert_eq(bytes[len], 0x5a);
      for (size_t i = 0; i < len; i++)
        seen[i] |= bytes[i];
    }
    cr_assert_null(memchr(seen, 0, len), "len %zu", len);
  }
}

Test(random, a_large_request_is_filled_to_its_end) {
  enum { LARGE = 1 << 20 };
  unsigned char *bytes = calloc(1, LARGE);
  cr_assert_eq(random_bytes(bytes, LARGE), LUMIN_OK);
  size_t counts[256] = {0};
  for (size_t i = 0; i < LARGE; i++)
    counts[bytes[i]]++;
  for (size_t i = 0; i < 256; i++) // mean 4,096, standard deviation 64
    cr_assert(counts[i] > 3400 && counts[i] < 4800, "byte %zu came %zu times", i, counts[i]);
  free(bytes);
}

static int compare_tokens(const void *a, const void *b) { return strcmp(a, b); }

static void assert_all_differ(char (*tokens)[RANDOM_TOKEN_LEN + 1], size_t count) {
  qsort(tokens, count, sizeof *tokens, compare_tokens);
  for (size_t i = 1; i < count; i++)
    cr_assert_str_neq(tokens[i - 1], tokens[i]);
}

Test(random, tokens_are_base62_and_never_the_same) {
  enum { TOKENS = 20000 };
  char(*tokens)[RANDOM_TOKEN_LEN + 1] = calloc(TOKENS, sizeof *tokens);
  for (size_t i = 0; i < TOKENS; i++) {
    cr_assert_eq(random_token(tokens[i]), LUMIN_OK);
    cr_assert_eq(strspn(tokens[i], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), RANDOM_TOKEN_LEN);
    cr_assert_eq(tokens[i][RANDOM_TOKEN_LEN], '\0');
  }
  assert_all_differ(tokens, TOKENS);
  free(tokens);
}

Test(random, below_keeps_its_bound_and_reaches_all_below_it) {
  cr_assert_eq(random_below(0), 0);
  cr_assert_eq(random_below(1), 0);
  unsigned counts[7] = {0};
  for (int i = 0; i < 7000; i++) {
    uint64_t number = random_below(7);
    cr_assert_lt(number, 7);
    counts[number]++;
  }
  for (int i = 0; i < 7; i++) // mean 1,000, standard deviation 29
    cr_assert(counts[i] > 700 && counts[i] < 1300, "%d came %u times", i, counts[i]);
  uint64_t bits = 0;
  for (int i = 0; i < 200; i++)
    bits |= random_below(UINT64_MAX);
  cr_assert_eq(bits, UINT64_MAX);
}

Test(random, a_forked_child_does_not_repeat_its_parent) {
  char warm[RANDOM_TOKEN_LEN + 1], parent[RANDOM_TOKEN_LEN + 1], child[RANDOM_TOKEN_LEN + 1];
  int ends[2];
  cr_assert_eq(random_token(warm), LUMIN_OK);
  cr_assert_eq(pipe(ends), 0);
  pid_t pid = fork();
  cr_assert_geq(pid, 0);
  if (pid == 0)
    _exit(random_token(child) != LUMIN_OK || write(ends[1], child, sizeof child) != sizeof child);
  int exit_status;
  cr_assert_eq(waitpid(pid, &exit_status, 0), pid);
  cr_assert_eq(exit_status, 0);
  cr_assert_eq(read(ends[0], child, sizeof child), sizeof child);
  cr_assert_eq(random_token(parent), LUMIN_OK);
  cr_assert_str_neq(parent, child);
  close(ends[0]);
  close(ends[1]);
}

enum { THREADS = 4, PER_THREAD = 20000 };

static void *draw_tokens(void *context) {
  char(*tokens)[RANDOM_TOKEN_LEN + 1] = context;
  for (size_t i = 0; i < PER_THREAD; i++)
    if (random_token(tokens[i]) != LUMIN_OK)
      return NULL;
  return context;
}

Test(random, threads_drawing_at_once_never_get_the_same) {
  char(*tokens)[RANDOM_TOKEN_LEN + 1] = calloc(THREADS * PER_THREAD, sizeof *tokens);
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, draw_tokens, tokens + i * PER_THREAD), 0);
  for (size_t i = 0; i < THREADS; i++) {
    void *drawn;
    pthread_join(threads[i], &drawn);
    cr_assert_not_null(drawn);
  }
  assert_all_differ(tokens, THREADS * PER_THREAD);
  free(tokens);
}
