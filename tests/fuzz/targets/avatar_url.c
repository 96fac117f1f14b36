// SPDX-License-Identifier: MIT
// Avatar URLs: https, printable ASCII of RFC 3986, no user before the host, and the input but for its case.
#include "value.h"

#include <ctype.h>

static void check_url(struct span url) {
  static const char marks[] = "-._~!$&'()*+,;=:@/?#[]%";
  FUZZ_CHECK(url.len <= 2048 && span_starts_with(url, SPAN_LITERAL("https://")));
  for (size_t i = 0; i < url.len; i++) {
    FUZZ_CHECK(isalnum((unsigned char)url.data[i]) || strchr(marks, url.data[i]) != NULL);
  }
  struct span authority = span_skip(url, 8);
  size_t len = 0;
  while (len < authority.len && strchr("/?#", authority.data[len]) == NULL) {
    FUZZ_CHECK(authority.data[len] != '@' && !isupper((unsigned char)authority.data[len]));
    len++;
  }
  FUZZ_CHECK(len > 0 && authority.data[0] != ':');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span url = SPAN_EMPTY;
  if (value_parse(avatar_url_parse, span_of(data, size), &url)) {
    FUZZ_CHECK(url.len == size);
    for (size_t i = 0; i < size; i++) {
      FUZZ_CHECK(tolower((unsigned char)url.data[i]) == tolower(data[i]));
    }
    check_url(url);
  }
  return 0;
}
