// SPDX-License-Identifier: MIT
// Events as messages, and answers about them. Part of guarantee 8: the relay only counts on what it hears here.
#include "relay_wire.h"

#include <stdlib.h>

#include "lumin/base/clock.h"

static struct span outgoing_place(char **end, struct span source) {
  struct span placed = {*end, source.len};
  if (source.len > 0) {
    memcpy(*end, source.data, source.len);
  }
  (*end)[source.len] = '\0';
  *end += source.len + 1;
  return placed;
}

struct outgoing *outgoing_create(const struct outgoing *source, size_t *ret_bytes) {
  size_t text = source->actor.len + source->traceparent.len + source->tracestate.len + source->body.len + 4;
  struct outgoing *outgoing = malloc(sizeof *outgoing + text);
  if (outgoing != NULL) {
    char *end = (char *)(outgoing + 1);
    *outgoing = *source;
    outgoing->actor = outgoing_place(&end, source->actor);
    outgoing->traceparent = outgoing_place(&end, source->traceparent);
    outgoing->tracestate = outgoing_place(&end, source->tracestate);
    outgoing->body = outgoing_place(&end, source->body);
    *ret_bytes = sizeof *outgoing + text;
  }
  return outgoing;
}

struct relay_limits relay_limits_of(const struct config *config) {
  return (struct relay_limits){
      .partitions = (uint32_t)config->partitions,
      .window = (uint32_t)config->relay_window,
      .entries = (uint32_t)config->relay_entries,
      .bytes = config->relay_memory,
      .ack_timeout_ns = config->relay_ack_timeout_ms * NS_PER_MS,
      .careful_after_ns = config->streams_events_duplicate_window_ms * NS_PER_MS / 2,
      .backoff_ns = 50 * NS_PER_MS,
  };
}

// ---- the message

struct span outgoing_subject(const struct relay_entry *entry, struct span prefix, struct arena *arena) {
  const struct outgoing *outgoing = entry->message;
  char user_id[UUID_TEXT_LEN + 1];
  uuid_format(&entry->user_id, user_id);
  return arena_printf(arena, "%.*s.event.%s.%s", SPAN_ARGS(prefix), event_name(outgoing->type), user_id);
}

static size_t headers_make(const struct relay_entry *entry, struct span prefix, struct arena *arena,
                           struct link_header headers[OUTGOING_HEADERS_MAX]) {
  const struct outgoing *outgoing = entry->message;
  char user_id[UUID_TEXT_LEN + 1], command_id[UUID_TEXT_LEN + 1], time[CLOCK_RFC3339_MAX];
  uuid_format(&entry->user_id, user_id);
  uuid_format(&outgoing->command_id, command_id);
  (void)clock_format_rfc3339(outgoing->time_ns, time);
  struct span id = arena_printf(arena, "%s:%llu", user_id, (unsigned long long)entry->version);
  size_t count = 0;
  headers[count++] = (struct link_header){"Nats-Msg-Id", id};
  headers[count++] = (struct link_header){"ce-specversion", SPAN_LITERAL("1.0")};
  headers[count++] = (struct link_header){"ce-id", id};
  headers[count++] = (struct link_header){"ce-source", SPAN_LITERAL("/lumin/user")};
  headers[count++] =
      (struct link_header){"ce-type", arena_printf(arena, "%.*s.%s", SPAN_ARGS(prefix), event_name(outgoing->type))};
  headers[count++] = (struct link_header){"ce-subject", arena_printf(arena, "%s", user_id)};
  headers[count++] = (struct link_header){"ce-time", arena_printf(arena, "%s", time)};
  headers[count++] = (struct link_header){"ce-datacontenttype", SPAN_LITERAL("application/protobuf")};
  headers[count++] =
      (struct link_header){"ce-sequence", arena_printf(arena, "%llu", (unsigned long long)entry->version)};
  headers[count++] = (struct link_header){"ce-partition", arena_printf(arena, "%u", (unsigned)entry->partition)};
  headers[count++] =
      (struct link_header){"ce-position", arena_printf(arena, "%llu", (unsigned long long)entry->position)};
  headers[count++] = (struct link_header){"Lumin-Command-Id", arena_printf(arena, "%s", command_id)};
  const struct link_header optional[] = {
      {"Lumin-Actor", outgoing->actor}, {"traceparent", outgoing->traceparent}, {"tracestate", outgoing->tracestate}};
  for (size_t i = 0; i < 3; i++) {
    if (optional[i].value.len > 0) {
      headers[count++] = optional[i];
    }
  }
  return count;
}

bool headers_are_whole(const struct link_header *headers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (headers[i].value.data == NULL) {
      return false;
    }
  }
  return true;
}

enum lumin_status outgoing_message(const struct relay_entry *entry, const struct outgoing_form *form,
                                   struct arena *arena, struct link_message *ret_message) {
  const struct outgoing *outgoing = entry->message;
  struct link_header *headers = ARENA_ARRAY(arena, OUTGOING_HEADERS_MAX, struct link_header);
  if (headers == NULL) {
    return LUMIN_NO_MEMORY;
  }
  size_t count = headers_make(entry, form->prefix, arena, headers);
  if (form->expected_last >= 0) {
    headers[count++] = (struct link_header){"Nats-Expected-Last-Subject-Sequence",
                                            arena_printf(arena, "%lld", (long long)form->expected_last)};
  }
  struct span subject = outgoing_subject(entry, form->prefix, arena);
  if (subject.data == NULL || form->reply.data == NULL || !headers_are_whole(headers, count)) {
    return LUMIN_NO_MEMORY;
  }
  *ret_message = (struct link_message){subject, form->reply, outgoing->body, headers, count};
  return LUMIN_OK;
}

// ---- answers

void relay_hear_ack(struct relay *relay, const struct relay_answer *answer, struct arena *arena) {
  uint64_t token = 0;
  struct js_pub_ack ack;
  struct js_error error = {0};
  int64_t now = clock_monotonic_ns();
  if (!span_to_u64(answer->token, &token)) {
    return;
  }
  if (answer->status != 0 || js_pub_ack_parse(answer->payload, arena, &ack, &error) != LUMIN_OK || error.code != 0) {
    bool wrong_last =
        error.err_code == JS_ERR_WRONG_LAST_SEQUENCE || error.err_code == JS_ERR_WRONG_LAST_SEQUENCE_CLUSTER;
    (void)relay_refused(relay, token, wrong_last, now);
    return;
  }
  (void)relay_acknowledged(relay, token, ack.seq, ack.duplicate, now);
}

void relay_hear_last(struct relay *relay, const struct relay_answer *answer, struct arena *arena) {
  uint64_t token = 0, version = 0;
  struct js_message message;
  struct js_error error = {0};
  struct span value = SPAN_EMPTY;
  int64_t now = clock_monotonic_ns();
  if (!span_to_u64(answer->token, &token)) {
    return;
  }
  if (answer->status != 0 || js_message_parse(answer->payload, arena, &message, &error) != LUMIN_OK ||
      (error.code != 0 && (error.code != 404 || error.err_code == JS_ERR_STREAM_NOT_FOUND))) {
    (void)relay_refused(relay, token, false, now);
  } else if (error.code == 404) {
    (void)relay_last_missing(relay, token, now);
  } else if (js_header_find(message.headers, SPAN_LITERAL("ce-sequence"), &value) && span_to_u64(value, &version)) {
    (void)relay_last_found(relay, token, message.seq, version, now);
  } else { // somebody else's message on our subject: behind it comes ours
    (void)relay_last_found(relay, token, message.seq, 0, now);
  }
}
