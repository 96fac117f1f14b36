// SPDX-License-Identifier: MIT
// E-mail addresses: the text within the limits of RFC 5321, its domain labels of letters, digits and hyphens in lower
// case; the key the text in lower case, and the same however the letters' case is given (guarantee 7).
#include "value.h"

#include <ctype.h>

static enum lumin_status text_parse(struct span input, const char *field, struct arena *arena, struct span *ret_text,
                                    struct refusal *ret_refusal) {
  struct email email;
  enum lumin_status status = email_parse(input, field, arena, &email, ret_refusal);
  if (status == LUMIN_OK) {
    *ret_text = email.text;
  }
  return status;
}

static void check_domain(struct span domain) {
  FUZZ_CHECK(domain.len > 0 && domain.len <= 252);
  size_t labels = 0;
  while (domain.len > 0) {
    struct span label = span_cut(&domain, '.');
    FUZZ_CHECK(label.len >= 1 && label.len <= 63 && label.data[0] != '-' && label.data[label.len - 1] != '-');
    for (size_t i = 0; i < label.len; i++) {
      FUZZ_CHECK(islower((unsigned char)label.data[i]) || isdigit((unsigned char)label.data[i]) ||
                 label.data[i] == '-');
    }
    labels++;
  }
  FUZZ_CHECK(labels >= 2);
}

static void check_email(const struct email *email) {
  struct span text = email->text;
  FUZZ_CHECK(text.len >= 5 && text.len <= 254);
  const char *at = memrchr(text.data, '@', text.len);
  FUZZ_CHECK(at != NULL && at > text.data && at - text.data <= 64);
  check_domain(span_skip(text, (size_t)(at - text.data) + 1));
  FUZZ_CHECK(email->key.len == text.len);
  for (size_t i = 0; i < text.len; i++) {
    FUZZ_CHECK(text.data[i] >= ' ' && text.data[i] <= '~');
    FUZZ_CHECK(email->key.data[i] == tolower((unsigned char)text.data[i]));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span text = SPAN_EMPTY;
  struct email email, upper;
  struct refusal refusal = {0};
  if (!value_parse(text_parse, span_of(data, size), &text)) {
    return 0;
  }
  struct arena *arena = fuzz_arena();
  FUZZ_CHECK(email_parse(span_of(data, size), "f", arena, &email, &refusal) == LUMIN_OK);
  check_email(&email);
  struct span shouted = arena_copy(arena, email.text);
  for (size_t i = 0; i < shouted.len; i++) {
    ((char *)(uintptr_t)shouted.data)[i] = (char)toupper((unsigned char)shouted.data[i]);
  }
  FUZZ_CHECK(email_parse(shouted, "f", arena, &upper, &refusal) == LUMIN_OK);
  FUZZ_CHECK(span_equal(upper.key, email.key));
  return 0;
}
