// SPDX-License-Identifier: MIT
// UUIDs by RFC 9562: text both ways, versions 4, 5 and 7, and a hash for tables.
#include "lumin/base/uuid.h"

#include "lumin/base/clock.h"
#include "lumin/base/random.h"

#include <openssl/evp.h>
#include <pthread.h>

static enum lumin_status parse_text(struct span text, bool any_case, struct uuid *ret_uuid);
static bool digest_parts(EVP_MD_CTX *context, const struct uuid *name_space, const struct span *parts, size_t count,
                         unsigned char ret_digest[EVP_MAX_MD_SIZE]);
static const EVP_MD *sha1_method(void);
static void set_version(struct uuid *uuid, unsigned version);

enum lumin_status uuid_parse(struct span text, struct uuid *ret_uuid) { return parse_text(text, false, ret_uuid); }

enum lumin_status uuid_parse_any_case(struct span text, struct uuid *ret_uuid) {
  return parse_text(text, true, ret_uuid);
}

static bool dash_before(size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

void uuid_format(const struct uuid *uuid, char ret_text[UUID_TEXT_LEN + 1]) {
  static const char digits[] = "0123456789abcdef";
  char *at = ret_text;
  for (size_t i = 0; i < sizeof uuid->bytes; i++) {
    if (dash_before(i))
      *at++ = '-';
    *at++ = digits[uuid->bytes[i] >> 4];
    *at++ = digits[uuid->bytes[i] & 15];
  }
  *at = '\0';
}

bool uuid_is_nil(const struct uuid *uuid) {
  static const struct uuid nil;
  return uuid_equal(uuid, &nil);
}

// Drawn before main, and then only read: whoever chooses ids cannot choose where they meet in a table.
static uint64_t hash_seed[3] = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9};

__attribute__((constructor)) static void draw_hash_seed(void) {
  uint64_t drawn[3];
  if (random_bytes(drawn, sizeof drawn) == LUMIN_OK)
    memcpy(hash_seed, drawn, sizeof hash_seed);
}

// Both halves of the product depend on every bit of both factors.
static uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ typedef unsigned __int128 wide;
  wide product = (wide)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t uuid_hash(const struct uuid *uuid) {
  uint64_t halves[2];
  memcpy(halves, uuid->bytes, sizeof halves);
  uint64_t first = mix(halves[0] ^ hash_seed[0], halves[1] ^ hash_seed[1]);
  return mix(first ^ hash_seed[2], 0x9e3779b97f4a7c15);
}

enum lumin_status uuid_v5(const struct uuid *name_space, const struct span *parts, size_t count,
                          struct uuid *ret_uuid) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (!context)
    return LUMIN_NO_MEMORY;
  bool done = digest_parts(context, name_space, parts, count, digest);
  EVP_MD_CTX_free(context);
  if (!done)
    return LUMIN_IO;
  memcpy(ret_uuid->bytes, digest, sizeof ret_uuid->bytes);
  set_version(ret_uuid, 5);
  return LUMIN_OK;
}

enum lumin_status uuid_v4(struct uuid *ret_uuid) {
  enum lumin_status status = random_bytes(ret_uuid->bytes, sizeof ret_uuid->bytes);
  if (status == LUMIN_OK)
    set_version(ret_uuid, 4);
  return status;
}

enum lumin_status uuid_v7(struct uuid *ret_uuid) {
  enum lumin_status status = random_bytes(ret_uuid->bytes, sizeof ret_uuid->bytes);
  if (status != LUMIN_OK)
    return status;
  uint64_t wall_ms = (uint64_t)(clock_wall_ns() / NS_PER_MS);
  for (size_t i = 0; i < 6; i++)
    ret_uuid->bytes[i] = (uint8_t)(wall_ms >> (40 - 8 * i));
  set_version(ret_uuid, 7);
  return LUMIN_OK;
}

// A digit's value and one, so that 0 is no digit. By table: the digits of random ids would mislead a branch every other
// time.
#define UPPER 0x40
static const uint8_t digits_read[256] = {
    ['0'] = 1,          ['1'] = 2,          ['2'] = 3,          ['3'] = 4,          ['4'] = 5,
    ['5'] = 6,          ['6'] = 7,          ['7'] = 8,          ['8'] = 9,          ['9'] = 10,
    ['a'] = 11,         ['b'] = 12,         ['c'] = 13,         ['d'] = 14,         ['e'] = 15,
    ['f'] = 16,         ['A'] = 11 | UPPER, ['B'] = 12 | UPPER, ['C'] = 13 | UPPER, ['D'] = 14 | UPPER,
    ['E'] = 15 | UPPER, ['F'] = 16 | UPPER,
};

static enum lumin_status parse_text(struct span text, bool any_case, struct uuid *ret_uuid) {
  if (text.len != UUID_TEXT_LEN)
    return LUMIN_INVALID_ARGUMENT;
  struct uuid parsed;
  const unsigned char *at = (const unsigned char *)text.data;
  unsigned seen = 0;
  for (size_t i = 0; i < sizeof parsed.bytes; i++) {
    if (dash_before(i) && *at++ != '-')
      return LUMIN_INVALID_ARGUMENT;
    unsigned high = digits_read[*at++], low = digits_read[*at++];
    if (high == 0 || low == 0)
      return LUMIN_INVALID_ARGUMENT;
    seen |= high | low;
    parsed.bytes[i] = (uint8_t)(((high - 1) & 15) << 4 | ((low - 1) & 15));
  }
  if ((seen & UPPER) && !any_case)
    return LUMIN_INVALID_ARGUMENT;
  *ret_uuid = parsed;
  return LUMIN_OK;
}

static bool digest_parts(EVP_MD_CTX *context, const struct uuid *name_space, const struct span *parts, size_t count,
                         unsigned char ret_digest[EVP_MAX_MD_SIZE]) {
  const EVP_MD *sha1 = sha1_method();
  if (!sha1 || EVP_DigestInit_ex2(context, sha1, NULL) != 1 ||
      EVP_DigestUpdate(context, name_space->bytes, sizeof name_space->bytes) != 1)
    return false;
  for (size_t i = 0; i < count; i++)
    if (parts[i].len > 0 && EVP_DigestUpdate(context, parts[i].data, parts[i].len) != 1)
      return false;
  return EVP_DigestFinal_ex(context, ret_digest, NULL) == 1;
}

// Fetched once and kept until the process ends: EVP_sha1() makes every digest look the provider up anew.
static EVP_MD *sha1_fetched;

static void fetch_sha1(void) { sha1_fetched = EVP_MD_fetch(NULL, "SHA1", NULL); }

static const EVP_MD *sha1_method(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  return pthread_once(&once, fetch_sha1) == 0 ? sha1_fetched : NULL;
}

static void set_version(struct uuid *uuid, unsigned version) {
  uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | version << 4);
  uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80); // the variant of RFC 9562
}
