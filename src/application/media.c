// SPDX-License-Identifier: MIT
// Which of the two formats a message is in, and which its sender wants back.
#include "lumin/application/tokens.h"

// Without parameters and blanks.
static struct span media_name(struct span type) {
  struct span name = span_cut(&type, ';');
  while (name.len > 0 && name.data[0] == ' ') {
    name = span_skip(name, 1);
  }
  while (name.len > 0 && name.data[name.len - 1] == ' ') {
    name.len--;
  }
  return name;
}

// Media types know no case.
static bool name_is(struct span name, const char *wanted) {
  size_t at = 0;
  while (at < name.len && wanted[at] != '\0') {
    char c = name.data[at];
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != wanted[at]) {
      return false;
    }
    at++;
  }
  return at == name.len && wanted[at] == '\0';
}

bool media_is_json(struct span type) { return name_is(media_name(type), "application/json"); }

bool payload_is_json(struct span payload, struct span content_type) {
  return (payload.len > 0 && payload.data[0] == '{') || media_is_json(content_type);
}

bool media_choose(struct span accept, bool json, bool *ret_json) {
  static const struct {
    const char *name;
    bool any, json;
  } known[] = {
      {"application/json", false, true},        {"application/protobuf", false, false},
      {"application/x-protobuf", false, false}, {"application/octet-stream", false, false},
      {"application/*", true, false},           {"*/*", true, false},
  };
  if (accept.len == 0) {
    *ret_json = json;
    return true;
  }
  while (accept.len > 0) {
    struct span name = media_name(span_cut(&accept, ','));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
      if (name_is(name, known[i].name)) {
        *ret_json = known[i].any ? json : known[i].json;
        return true;
      }
    }
  }
  return false;
}
