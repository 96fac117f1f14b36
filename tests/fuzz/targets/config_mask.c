// SPDX-License-Identifier: MIT
// What a configuration shows of URLs: whatever stands around a password, it does not show. The input makes two values
// that differ in the password alone; what is shown of them is the same.
#include "fuzz.h"

#include "infrastructure/config/internal.h"

#define PASSWORD_A "Kx7qZ0w9"
#define PASSWORD_B "mP3vT8yd"

static const enum config_mask masks[] = {CONFIG_MASK_ALL, CONFIG_MASK_NATS_URL, CONFIG_MASK_POSTGRES_URL};

static void shown(enum config_mask mask, const char *const parts[4], char *buffer, size_t size) {
  static char value[CONFIG_VALUE_MAX + 1];
  int len = snprintf(value, sizeof value, "%s%s%s%s", parts[0], parts[1], parts[2], parts[3]);
  struct text text = {buffer, size, 0};
  buffer[0] = '\0';
  config_mask_write(&text, mask, span_of(value, len < CONFIG_VALUE_MAX ? (size_t)len : CONFIG_VALUE_MAX));
  FUZZ_CHECK(text.len < size && buffer[text.len] == '\0');
}

// Where a password can stand: behind the colon of a URL's user, or behind a key that is called so.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char one[2 * CONFIG_VALUE_MAX], other[2 * CONFIG_VALUE_MAX];
  static const char *const forms[][3] = {
      {"nats://u:", "@", "n"},
      {"postgresql://u:", "@", "p"},
      {"postgres://h/d?password=", "&", "p"},
      {"host=h password=", " ", "p"},
      {"password='", "' host=h", "p"},
      {"nats://a:1,nats://u:", "@", "n"},
      {"sslpassword = ", " ", "p"},
      {"postgresql://h/d?sslpassword=", "&", "p"},
  };
  struct bytes feed = {span_of(data, size)};
  const char *const *form = forms[bytes_u8(&feed) % (sizeof forms / sizeof forms[0])];
  struct arena *arena = fuzz_arena();
  enum config_mask mask = form[2][0] == 'n' ? CONFIG_MASK_NATS_URL : CONFIG_MASK_POSTGRES_URL;
  if (feed.rest.len > CONFIG_VALUE_MAX / 2 || (feed.rest.len > 0 && memchr(feed.rest.data, 0, feed.rest.len) != NULL)) {
    return -1;
  }
  const char *behind = arena_copy(arena, feed.rest).data;
  shown(mask, (const char *const[]){form[0], PASSWORD_A, form[1], behind}, one, sizeof one);
  shown(mask, (const char *const[]){form[0], PASSWORD_B, form[1], behind}, other, sizeof other);
  FUZZ_CHECK(strcmp(one, other) == 0);
  for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) { // any text at all
    shown(masks[i], (const char *const[]){behind, "", "", ""}, one, sizeof one);
  }
  return 0;
}
