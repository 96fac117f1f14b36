// SPDX-License-Identifier: MIT
// Of a link what needs no server: which servers must not be talked to without TLS.
#include <criterion/criterion.h>

#include "lumin/infrastructure/nats/link.h"

Test(link, a_tls_url_anywhere_wants_tls) {
  static const char *const urls[] = {"tls://nats:4222", "TLS://nats", "nats://a,tls://b", "nats://a , Tls://b",
                                     " tls://a"};
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    cr_expect(link_url_wants_tls(urls[i]), "%s", urls[i]);
  }
}

Test(link, tls_elsewhere_in_a_url_is_none) {
  static const char *const urls[] = {
      "", ",", "nats://nats:4222", "tls", "tls:/a", "nats://tls://a", "nats://a,ntls://b"};
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    cr_expect_not(link_url_wants_tls(urls[i]), "%s", urls[i]);
  }
}
