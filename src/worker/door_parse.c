// SPDX-License-Identifier: MIT
// Subjects come from outside and are protocol text: nats.c checks none of them (guarantee 10).
#include "door_parse.h"

static bool is_below(struct span subject, struct span parent);
static bool is_literal(struct span subject);

bool rpc_subject_parse(struct span prefix, struct span subject, struct rpc_subject *ret_subject) {
  struct span rest = span_skip(subject, prefix.len);
  if (!span_starts_with(subject, prefix) || !span_starts_with(rest, SPAN_LITERAL(".rpc."))) {
    return false;
  }
  rest = span_skip(rest, sizeof ".rpc." - 1);
  struct span method = span_cut(&rest, '.');
  // A dot with nothing behind it is a suffix too, and a wrong one.
  bool has_suffix = method.data != NULL && method.data + method.len < subject.data + subject.len;
  *ret_subject = (struct rpc_subject){.method = method, .has_suffix = has_suffix, .suffix = rest};
  return true;
}

bool reply_is_allowed(struct span prefix, struct span inbox_prefix, struct span reply) {
  if (!is_literal(reply) || reply.data[0] == '$' || is_below(reply, inbox_prefix)) {
    return false;
  }
  return !is_below(reply, prefix) || span_starts_with(span_skip(reply, prefix.len), SPAN_LITERAL(".reply."));
}

static bool is_below(struct span subject, struct span parent) {
  return span_starts_with(subject, parent) && (subject.len == parent.len || subject.data[parent.len] == '.');
}

// Tokens that are not empty, no wildcard among them, no blanks and no control characters.
static bool is_literal(struct span subject) {
  bool fine = subject.len > 0 && subject.data[subject.len - 1] != '.';
  for (size_t i = 0; fine && i < subject.len; i++) {
    fine = (unsigned char)subject.data[i] > ' ' && subject.data[i] != 0x7f;
  }
  while (fine && subject.len > 0) {
    struct span token = span_cut(&subject, '.');
    fine = token.len > 0 && !span_equal(token, SPAN_LITERAL("*")) && !span_equal(token, SPAN_LITERAL(">"));
  }
  return fine;
}
