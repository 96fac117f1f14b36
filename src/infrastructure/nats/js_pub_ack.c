// SPDX-License-Identifier: MIT
// PubAcks: one arrives for each event. The scan knows the texts that servers write and nothing else; what it does not
// know goes to the JSON parser, so that it may be narrow but never reads anything otherwise than the parser would.
#include "js_json.h"

enum member { STREAM = 1, DOMAIN = 2, SEQ = 4, DUPLICATE = 8 };

static bool scan(struct span bytes, struct js_pub_ack *ret_ack);
static bool scan_member(struct span *rest, unsigned *seen, struct js_pub_ack *ack);
static bool skip_text(struct span *rest);
static bool take_number(struct span *rest, uint64_t *ret_value);
static bool take(struct span *rest, struct span text);
static enum lumin_status read_pub_ack(const json_t *root, struct js_pub_ack *ret_ack);

enum lumin_status js_pub_ack_parse(struct span bytes, struct arena *arena, struct js_pub_ack *ret_answer,
                                   struct js_error *ret_error) {
  if (scan(bytes, ret_answer)) {
    *ret_error = (struct js_error){0};
    return LUMIN_OK;
  }
  json_auto_t *root = NULL;
  struct js_error error;
  enum lumin_status status = js_json_open(bytes, arena, &root, &error);
  if (status == LUMIN_OK && error.code == 0)
    status = read_pub_ack(root, ret_answer);
  if (status == LUMIN_OK)
    *ret_error = error;
  return status;
}

// Members in any order, each once, with at most one space before each and before each value.
static bool scan(struct span bytes, struct js_pub_ack *ret_ack) {
  struct js_pub_ack ack = {0};
  struct span rest = bytes;
  unsigned seen = 0;
  if (bytes.len > 512 || !take(&rest, SPAN_LITERAL("{")))
    return false;
  do {
    if (!scan_member(&rest, &seen, &ack))
      return false;
  } while (take(&rest, SPAN_LITERAL(",")));
  if (!take(&rest, SPAN_LITERAL("}")) || rest.len > 0 || (seen & (STREAM | SEQ)) != (STREAM | SEQ))
    return false;
  *ret_ack = ack;
  return true;
}

static bool scan_member(struct span *rest, unsigned *seen, struct js_pub_ack *ack) {
  static const struct {
    struct span key;
    enum member member;
  } members[] = {
      {{"\"stream\":", 9}, STREAM},
      {{"\"seq\":", 6}, SEQ},
      {{"\"domain\":", 9}, DOMAIN},
      {{"\"duplicate\":", 12}, DUPLICATE},
  };
  size_t i = 0;
  (void)take(rest, SPAN_LITERAL(" "));
  while (i < sizeof members / sizeof members[0] && !take(rest, members[i].key))
    i++;
  if (i == sizeof members / sizeof members[0] || (*seen & members[i].member))
    return false;
  *seen |= members[i].member;
  (void)take(rest, SPAN_LITERAL(" "));
  if (members[i].member == SEQ)
    return take_number(rest, &ack->seq);
  if (members[i].member == DUPLICATE)
    return ack->duplicate = take(rest, SPAN_LITERAL("true"));
  return skip_text(rest);
}

// A text of printable ASCII without escapes.
static bool skip_text(struct span *rest) {
  if (!take(rest, SPAN_LITERAL("\"")))
    return false;
  size_t len = 0;
  while (len < rest->len && rest->data[len] >= ' ' && rest->data[len] <= '~' && rest->data[len] != '"' &&
         rest->data[len] != '\\')
    len++;
  *rest = span_skip(*rest, len);
  return take(rest, SPAN_LITERAL("\""));
}

// 1 to INT64_MAX, without leading zeros.
static bool take_number(struct span *rest, uint64_t *ret_value) {
  size_t len = 0;
  while (len < rest->len && rest->data[len] >= '0' && rest->data[len] <= '9')
    len++;
  if (len == 0 || rest->data[0] == '0' || !span_to_u64(span_of(rest->data, len), ret_value) || *ret_value > INT64_MAX)
    return false;
  *rest = span_skip(*rest, len);
  return true;
}

static bool take(struct span *rest, struct span text) {
  if (!span_starts_with(*rest, text))
    return false;
  *rest = span_skip(*rest, text.len);
  return true;
}

static enum lumin_status read_pub_ack(const json_t *root, struct js_pub_ack *ret_ack) {
  const json_t *duplicate = json_object_get(root, "duplicate");
  struct span stream;
  uint64_t seq;
  if (!js_json_text(root, "stream", &stream) || !js_json_u64(root, "seq", &seq) || seq == 0)
    return LUMIN_INTERNAL;
  if (duplicate && !json_is_boolean(duplicate))
    return LUMIN_INTERNAL;
  *ret_ack = (struct js_pub_ack){.seq = seq, .duplicate = json_is_true(duplicate)};
  return LUMIN_OK;
}
