// SPDX-License-Identifier: MIT
// Headers of messages that came. nats.c hands them out as C strings: a value ends where it has a NUL byte.
#include "lumin/infrastructure/nats/link.h"

#include <stdlib.h>

static bool is_header_name(const char *name);

// nats.c takes all up to a colon for a name, line ends too: a line without one swallows the name behind it.
bool link_headers_are_readable(natsMsg *message) {
  const char **names = NULL;
  int count = 0;
  natsStatus status = natsMsgHeader_Keys(message, &names, &count);
  bool readable = status == NATS_OK || status == NATS_NOT_FOUND;
  for (int i = 0; readable && i < count; i++) {
    readable = is_header_name(names[i]);
  }
  free(names);
  return readable;
}

static bool is_header_name(const char *name) {
  const char *at = name;
  while (*at > ' ' && *at <= '~') {
    at++;
  }
  return at > name && *at == '\0';
}

struct span link_header_get(natsMsg *message, const char *name) {
  const char *value = NULL;
  return natsMsgHeader_Get(message, name, &value) == NATS_OK ? span_from_text(value) : SPAN_EMPTY;
}

int link_status_get(natsMsg *message) {
  uint64_t status = 0;
  struct span text = link_header_get(message, "Status");
  return text.len == 3 && span_to_u64(text, &status) ? (int)status : 0;
}
