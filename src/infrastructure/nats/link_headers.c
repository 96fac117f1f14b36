// SPDX-License-Identifier: MIT
// Headers of messages that came. nats.c hands them out as C strings, so what cannot be such a string has to be noticed
// here: a value that is cut at a NUL byte would pass for another one. Part of guarantee 10.
#include "lumin/infrastructure/nats/link.h"

#include <stdlib.h>

static bool is_header_name(const char *name);
static bool a_value_is_cut(natsMsg *message, const char **names, int count);

// nats.c takes all up to a colon for a name, line ends too: a line without one swallows the name behind it.
bool link_headers_are_readable(natsMsg *message) {
  const char **names = NULL;
  int count = 0;
  natsStatus status = natsMsgHeader_Keys(message, &names, &count);
  bool readable = status == NATS_OK || status == NATS_NOT_FOUND;
  for (int i = 0; readable && i < count; i++) {
    readable = is_header_name(names[i]);
  }
  readable = readable && !(count > 0 && a_value_is_cut(message, names, count));
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

// As they lie in the message: behind its subject and reply, before its payload, each ended by a NUL byte.
static struct span header_block(natsMsg *message) {
  static const char first[] = "NATS/1.0";
  const char *reply = natsMsg_GetReply(message);
  const char *before = reply != NULL ? reply : natsMsg_GetSubject(message);
  const char *begin = before + strlen(before) + 1, *end = natsMsg_GetData(message) - 1;
  bool there = begin < end && (size_t)(end - begin) >= sizeof first && memcmp(begin, first, sizeof first - 1) == 0;
  return there ? span_of(begin, (size_t)(end - begin)) : SPAN_EMPTY;
}

static size_t values_count(natsMsg *message, const char **names, int count) {
  size_t all = 0;
  for (int i = 0; i < count; i++) {
    const char **values = NULL;
    int found = 0;
    all += natsMsgHeader_Values(message, names[i], &values, &found) == NATS_OK ? (size_t)found : 0;
    free(values);
  }
  return all;
}

// Once nats.c has read them, a NUL byte ends the first line, each name, each value and each line that goes on with the
// value before it. Any more were sent.
static bool a_value_is_cut(natsMsg *message, const char **names, int count) {
  struct span block = header_block(message);
  size_t nuls = 0, folds = 0;
  for (size_t i = 0; i < block.len; i++) {
    nuls += block.data[i] == '\0';
    folds += i > 0 && block.data[i - 1] == '\n' && (block.data[i] == ' ' || block.data[i] == '\t');
  }
  return nuls > 1 + 2 * (size_t)count && nuls > 1 + 2 * values_count(message, names, count) + folds;
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
