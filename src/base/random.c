// SPDX-License-Identifier: MIT
// Random bytes from getrandom(2). Small requests are served from a buffer of the thread's own, so that a token per
// request does not cost a system call per request.
#include "lumin/base/random.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

enum { POOL_SIZE = 1024, POOLED_MAX = 64 };

static _Thread_local struct {
  unsigned char bytes[POOL_SIZE];
  size_t left; // unused bytes, at the end of `bytes`
} pool;

static enum lumin_status read_kernel(unsigned char *bytes, size_t len);
static size_t put_base62(char *text, uint64_t value);

enum lumin_status random_bytes(void *ret_bytes, size_t len) {
  if (len > POOLED_MAX)
    return read_kernel(ret_bytes, len);
  if (len == 0)
    return LUMIN_OK;
  if (pool.left < len) {
    pool.left = 0; // a read that fails half-way leaves a mixture
    enum lumin_status status = read_kernel(pool.bytes, POOL_SIZE);
    if (status != LUMIN_OK)
      return status;
    pool.left = POOL_SIZE;
  }
  unsigned char *from = pool.bytes + POOL_SIZE - pool.left;
  memcpy(ret_bytes, from, len);
  explicit_bzero(from, len); // what was handed out is not to be found here later
  pool.left -= len;
  return LUMIN_OK;
}

enum lumin_status random_token(char ret_token[RANDOM_TOKEN_LEN + 1]) {
  // 62^11 > 2^64: eleven characters hold one number, two numbers keep all 128 bits.
  uint64_t numbers[2];
  enum lumin_status status = random_bytes(numbers, sizeof numbers);
  if (status != LUMIN_OK)
    return status;
  size_t len = put_base62(ret_token, numbers[0]);
  len += put_base62(ret_token + len, numbers[1]);
  ret_token[len] = '\0';
  return LUMIN_OK;
}

uint64_t random_below(uint64_t bound) {
  uint64_t number;
  if (random_bytes(&number, sizeof number) != LUMIN_OK)
    return 0;
  // The high half of the product: its bias is below bound / 2^64, nothing for jitter.
  __extension__ typedef unsigned __int128 wide;
  return (uint64_t)(((wide)number * bound) >> 64);
}

static enum lumin_status read_kernel(unsigned char *bytes, size_t len) {
  for (size_t done = 0; done < len;) {
    ssize_t got = getrandom(bytes + done, len - done, 0);
    if (got > 0)
      done += (size_t)got;
    else if (errno != EINTR)
      return LUMIN_IO;
  }
  return LUMIN_OK;
}

static size_t put_base62(char *text, uint64_t value) {
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  enum { WIDTH = RANDOM_TOKEN_LEN / 2 };
  for (size_t i = WIDTH; i > 0; i--) {
    text[i - 1] = digits[value % 62];
    value /= 62;
  }
  return WIDTH;
}

// A child must not repeat its parent's buffer. It has only the thread that forked, and this runs in it.
static void forget_pool(void) { pool.left = 0; }

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_pool); }
