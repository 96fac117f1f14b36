// SPDX-License-Identifier: MIT
// What comes with a delivered message: its reply subject, and raw header blocks.
#include "lumin/infrastructure/nats/js.h"

enum {
  TOKENS_OLD = 9,  // $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
  TOKENS_NEW = 11, // with domain and account hash before the stream; a server may add more at the end
};

static bool read_number(struct span *rest, uint64_t *ret_value);
static size_t count_tokens(struct span subject);
static bool cut_line(struct span *rest, struct span *ret_line);
static struct span trim(struct span text);

enum lumin_status js_delivery_parse(struct span reply, struct js_delivery *ret_delivery) {
  struct js_delivery delivery;
  struct span rest = reply;
  uint64_t deliveries, ts_ns;
  size_t tokens = count_tokens(reply);
  if (!span_starts_with(reply, SPAN_LITERAL("$JS.ACK.")) || (tokens != TOKENS_OLD && tokens < TOKENS_NEW))
    return LUMIN_INTERNAL;
  for (size_t skipped = tokens == TOKENS_OLD ? 2 : 4; skipped > 0; skipped--)
    (void)span_cut(&rest, '.');

  delivery.stream = span_cut(&rest, '.');
  delivery.consumer = span_cut(&rest, '.');
  if (delivery.stream.len == 0 || delivery.consumer.len == 0 || !read_number(&rest, &deliveries) ||
      !read_number(&rest, &delivery.stream_seq) || !read_number(&rest, &delivery.consumer_seq) ||
      !read_number(&rest, &ts_ns) || !read_number(&rest, &delivery.pending))
    return LUMIN_INTERNAL;
  // The server's numbers have 63 bits, as in its JSON.
  if (deliveries == 0 || delivery.stream_seq == 0 || delivery.stream_seq > INT64_MAX || delivery.consumer_seq == 0 ||
      delivery.consumer_seq > INT64_MAX || ts_ns > INT64_MAX)
    return LUMIN_INTERNAL;
  delivery.ts_ns = (int64_t)ts_ns;
  *ret_delivery = delivery;
  return LUMIN_OK;
}

bool js_header_find(struct span headers, struct span name, struct span *ret_value) {
  struct span rest = headers;
  struct span line;
  if (!span_starts_with(headers, SPAN_LITERAL("NATS/1.0")) || !cut_line(&rest, &line))
    return false;
  while (cut_line(&rest, &line) && line.len > 0) {
    if (span_starts_with(line, name) && line.len > name.len && line.data[name.len] == ':') {
      *ret_value = trim(span_skip(line, name.len + 1));
      return true;
    }
  }
  return false;
}

static bool read_number(struct span *rest, uint64_t *ret_value) { return span_to_u64(span_cut(rest, '.'), ret_value); }

static size_t count_tokens(struct span subject) {
  size_t tokens = 1;
  for (size_t i = 0; i < subject.len; i++)
    tokens += subject.data[i] == '.';
  return tokens;
}

// Lines end with CR LF; what has no such end is no line.
static bool cut_line(struct span *rest, struct span *ret_line) {
  const char *end = rest->len == 0 ? NULL : memmem(rest->data, rest->len, "\r\n", 2);
  if (!end)
    return false;
  *ret_line = span_of(rest->data, (size_t)(end - rest->data));
  *rest = span_skip(*rest, ret_line->len + 2);
  return true;
}

static struct span trim(struct span text) {
  while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
    text = span_skip(text, 1);
  while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
    text.len--;
  return text;
}

// 409 says in words what it means (nats-server, consumer.go). "Batch Completed" (2.10): the next message would go
// beyond the request's max_bytes.
bool js_status_ends_pull(int status, struct span description) {
  if (status != 409)
    return status == 404 || status == 408;
  return span_starts_with(description, SPAN_LITERAL("Exceeded Max")) ||
         span_starts_with(description, SPAN_LITERAL("Message Size Exceeds MaxBytes")) ||
         span_starts_with(description, SPAN_LITERAL("Batch Completed"));
}
