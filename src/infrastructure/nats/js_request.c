// SPDX-License-Identifier: MIT
// Requests to the JetStream API. Names and subjects are put into subjects and JSON texts as they are, so every one is
// checked first: what would need escaping, or would be a second token or command, makes no request at all.
#include "lumin/infrastructure/nats/js.h"

#include <inttypes.h>
#include <stdio.h>

#include "lumin/base/clock.h"

static bool is_safe(struct span text);
static bool is_token(struct span text);
static struct span stream_request(struct arena *arena, const char *api, const char *stream);
static struct span consumer_request(struct arena *arena, const char *api, const char *stream, struct span consumer);

struct span js_stream_info_subject(struct arena *arena, const char *stream) {
  return stream_request(arena, "STREAM.INFO", stream);
}

struct span js_message_get_subject(struct arena *arena, const char *stream) {
  return stream_request(arena, "STREAM.MSG.GET", stream);
}

struct span js_message_delete_subject(struct arena *arena, const char *stream) {
  return stream_request(arena, "STREAM.MSG.DELETE", stream);
}

struct span js_message_get_by_seq(struct arena *arena, uint64_t seq) {
  return arena_printf(arena, "{\"seq\":%" PRIu64 "}", seq);
}

struct span js_message_get_last(struct arena *arena, struct span subject) {
  if (!is_safe(subject))
    return SPAN_EMPTY;
  return arena_printf(arena, "{\"last_by_subj\":\"%.*s\"}", SPAN_ARGS(subject));
}

struct span js_stream_purge_subject(struct arena *arena, const char *stream) {
  return stream_request(arena, "STREAM.PURGE", stream);
}

// Without a sequence the server would purge the whole stream.
struct span js_stream_purge_body(struct arena *arena, uint64_t before_seq) {
  return before_seq > 0 ? arena_printf(arena, "{\"seq\":%" PRIu64 "}", before_seq) : SPAN_EMPTY;
}

struct span js_pull_subject(struct arena *arena, const char *stream, struct span consumer) {
  return consumer_request(arena, "MSG.NEXT", stream, consumer);
}

struct span js_pull_body(struct arena *arena, const struct js_pull *pull) {
  char max_bytes[40] = "";
  if (pull->batch == 0 || pull->expires_ns < 0 || pull->heartbeat_ns < 0 || pull->max_bytes > INT64_MAX)
    return SPAN_EMPTY;
  if (pull->max_bytes > 0)
    snprintf(max_bytes, sizeof max_bytes, ",\"max_bytes\":%" PRIu64, pull->max_bytes);
  return arena_printf(arena, "{\"batch\":%" PRIu32 ",\"expires\":%" PRId64 ",\"idle_heartbeat\":%" PRId64 "%s}",
                      pull->batch, pull->expires_ns, pull->heartbeat_ns, max_bytes);
}

// The server wants the filter both in the subject, where permissions see it, and in the body.
struct span js_consumer_create_subject(struct arena *arena, const struct js_consumer *consumer) {
  struct span plain = consumer_request(arena, "CREATE", consumer->stream, consumer->name);
  if (!plain.data || consumer->filter.len == 0)
    return plain;
  if (!is_safe(consumer->filter))
    return SPAN_EMPTY;
  return arena_printf(arena, "%.*s.%.*s", SPAN_ARGS(plain), SPAN_ARGS(consumer->filter));
}

// data is NULL where there is no start, or more than one.
static struct span start_policy(struct arena *arena, const struct js_consumer *consumer) {
  if (consumer->only_new) {
    bool alone = consumer->start_seq == 0 && consumer->start_ns == 0;
    return alone ? SPAN_LITERAL(",\"deliver_policy\":\"new\"") : SPAN_EMPTY;
  }
  if (consumer->start_seq > 0)
    return arena_printf(arena, ",\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%" PRIu64,
                        consumer->start_seq);
  char time[CLOCK_RFC3339_MAX];
  (void)clock_format_rfc3339(consumer->start_ns, time);
  return consumer->start_ns > 0
             ? arena_printf(arena, ",\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"%s\"", time)
             : SPAN_EMPTY;
}

struct span js_consumer_create_body(struct arena *arena, const struct js_consumer *consumer) {
  struct span stream = span_from_text(consumer->stream);
  struct span filter = SPAN_LITERAL("");
  struct span start = start_policy(arena, consumer);
  if (!is_token(stream) || !is_token(consumer->name) || !start.data || consumer->inactive_threshold_ns < 0)
    return SPAN_EMPTY;
  if (consumer->filter.len > 0) {
    if (!is_safe(consumer->filter))
      return SPAN_EMPTY;
    filter = arena_printf(arena, ",\"filter_subject\":\"%.*s\"", SPAN_ARGS(consumer->filter));
    if (!filter.data)
      return SPAN_EMPTY;
  }
  return arena_printf(arena,
                      "{\"stream_name\":\"%.*s\",\"config\":{\"name\":\"%.*s\""
                      "%.*s,\"ack_policy\":\"none\",\"replay_policy\":\"instant\"%.*s"
                      ",\"inactive_threshold\":%" PRId64 ",\"num_replicas\":1,\"mem_storage\":true%s}}",
                      SPAN_ARGS(stream), SPAN_ARGS(consumer->name), SPAN_ARGS(start), SPAN_ARGS(filter),
                      consumer->inactive_threshold_ns, consumer->headers_only ? ",\"headers_only\":true" : "");
}

struct span js_consumer_delete_subject(struct arena *arena, const char *stream, struct span consumer) {
  return consumer_request(arena, "DELETE", stream, consumer);
}

struct span js_consumer_info_subject(struct arena *arena, const char *stream, struct span consumer) {
  return consumer_request(arena, "INFO", stream, consumer);
}

// Printable ASCII without what JSON escapes: a subject, perhaps with wildcards.
static bool is_safe(struct span text) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    if (c <= ' ' || c > '~' || c == '"' || c == '\\')
      return false;
  }
  return text.len > 0 && text.len <= INT32_MAX;
}

// One token of a subject, such as the name of a stream or consumer.
static bool is_token(struct span text) {
  return is_safe(text) && !memchr(text.data, '.', text.len) && !memchr(text.data, '*', text.len) &&
         !memchr(text.data, '>', text.len);
}

static struct span stream_request(struct arena *arena, const char *api, const char *stream) {
  struct span name = span_from_text(stream);
  return is_token(name) ? arena_printf(arena, "$JS.API.%s.%s", api, stream) : SPAN_EMPTY;
}

static struct span consumer_request(struct arena *arena, const char *api, const char *stream, struct span consumer) {
  struct span name = span_from_text(stream);
  if (!is_token(name) || !is_token(consumer))
    return SPAN_EMPTY;
  return arena_printf(arena, "$JS.API.CONSUMER.%s.%s.%.*s", api, stream, SPAN_ARGS(consumer));
}
