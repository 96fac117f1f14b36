// SPDX-License-Identifier: MIT
// The relay's port: committed events as CloudEvents in binary mode on the event stream.
// Keeps guarantee 8 with relay.c, which decides what is sent when. Fresh events come from memory, right after their
// commit; all others are read back from the tables, which are the outbox.
#include <stdlib.h>

#include "lane_internal.h"
#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"

#define REFILL_ROWS 512

// An event on its way, in one block; texts stand behind the struct, each with a NUL.
struct outgoing {
  enum event_type type;
  int64_t time_ns;
  struct uuid command_id;
  struct span actor, traceparent, tracestate;
  struct span body;
};

static struct span outgoing_place(char **end, struct span source) {
  struct span placed = {*end, source.len};
  if (source.len > 0) {
    memcpy(*end, source.data, source.len);
  }
  (*end)[source.len] = '\0';
  *end += source.len + 1;
  return placed;
}

static struct outgoing *outgoing_create(const struct outgoing *source, size_t *ret_bytes) {
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

// ---- the port

static struct span event_subject(struct lane *lane, const struct relay_entry *entry) {
  const struct outgoing *outgoing = entry->message;
  char user_id[UUID_TEXT_LEN + 1];
  uuid_format(&entry->user_id, user_id);
  return arena_printf(lane->turn, "%.*s.event.%s.%s", SPAN_ARGS(worker_prefix(lane->worker)),
                      event_name(outgoing->type), user_id);
}

static size_t event_headers(struct lane *lane, const struct relay_entry *entry, struct link_header headers[16]) {
  const struct outgoing *outgoing = entry->message;
  struct arena *arena = lane->turn;
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
  headers[count++] = (struct link_header){
      "ce-type", arena_printf(arena, "%.*s.%s", SPAN_ARGS(worker_prefix(lane->worker)), event_name(outgoing->type))};
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

static bool headers_are_whole(const struct link_header *headers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (headers[i].value.data == NULL) {
      return false;
    }
  }
  return true;
}

// The relay looks at the age too; the process may have been stopped since, and published by another meanwhile. What
// then still lies in a buffer is for the server: it drops a silent client within the duplicate window.
static bool message_id_is_stale(const struct lane *lane, const struct relay_entry *entry) {
  int64_t careful_after = lane->worker->config->streams_events_duplicate_window_ms * NS_PER_MS / 2;
  return clock_monotonic_ns() - entry->committed_ns > careful_after;
}

static enum lumin_status port_publish(void *self, const struct relay_entry *entry, uint64_t token,
                                      int64_t expected_last) {
  struct lane *lane = self;
  const struct outgoing *outgoing = entry->message;
  if (lane->link == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  arena_reset(lane->turn);
  struct link_header headers[16];
  size_t count = event_headers(lane, entry, headers);
  if (expected_last >= 0) {
    headers[count++] = (struct link_header){"Nats-Expected-Last-Subject-Sequence",
                                            arena_printf(lane->turn, "%lld", (long long)expected_last)};
  }
  struct span subject = event_subject(lane, entry);
  struct span reply = lane_inbox_subject(lane, lane->turn, "r.%llu", (unsigned long long)token);
  if (subject.data == NULL || reply.data == NULL || !headers_are_whole(headers, count)) {
    return LUMIN_NO_MEMORY;
  }
  FAILPOINT("relay.publish");
  if (expected_last < 0 && message_id_is_stale(lane, entry)) {
    return LUMIN_RETRY; // with care
  }
  return link_publish_message(lane->link, &(struct link_message){subject, reply, outgoing->body, headers, count});
}

static enum lumin_status port_ask_last(void *self, const struct relay_entry *entry, uint64_t token) {
  struct lane *lane = self;
  if (lane->link == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  arena_reset(lane->turn);
  return lane_ask(lane, js_message_get_subject(lane->turn, STREAM_EVENTS),
                  js_message_get_last(lane->turn, event_subject(lane, entry)),
                  lane_inbox_subject(lane, lane->turn, "l.%llu", (unsigned long long)token));
}

static void port_release(void *self, struct relay_entry *entry) {
  (void)self;
  free(entry->message);
  entry->message = NULL;
}

struct relay_port lane_relay_port_of(struct lane *lane) {
  return (struct relay_port){lane, port_publish, port_ask_last, port_release};
}

// ---- answers

void lane_pub_ack(struct lane *lane, struct span token_text, struct span payload, int status) {
  uint64_t token = 0;
  struct js_pub_ack ack;
  struct js_error error = {0};
  int64_t now = clock_monotonic_ns();
  if (!span_to_u64(token_text, &token)) {
    return;
  }
  FAILPOINT("relay.acknowledged");
  if (status != 0 || js_pub_ack_parse(payload, lane->turn, &ack, &error) != LUMIN_OK || error.code != 0) {
    bool wrong_last =
        error.err_code == JS_ERR_WRONG_LAST_SEQUENCE || error.err_code == JS_ERR_WRONG_LAST_SEQUENCE_CLUSTER;
    (void)relay_refused(lane->relay, token, wrong_last, now);
    return;
  }
  (void)relay_acknowledged(lane->relay, token, ack.seq, ack.duplicate, now);
}

void lane_last_message(struct lane *lane, struct span token_text, struct span payload, int status) {
  uint64_t token = 0, version = 0;
  struct js_message message;
  struct js_error error = {0};
  struct span value = SPAN_EMPTY;
  int64_t now = clock_monotonic_ns();
  if (!span_to_u64(token_text, &token)) {
    return;
  }
  if (status != 0 || js_message_parse(payload, lane->turn, &message, &error) != LUMIN_OK ||
      (error.code != 0 && (error.code != 404 || error.err_code == JS_ERR_STREAM_NOT_FOUND))) {
    (void)relay_refused(lane->relay, token, false, now);
  } else if (error.code == 404) {
    (void)relay_last_missing(lane->relay, token, now);
  } else if (js_header_find(message.headers, SPAN_LITERAL("ce-sequence"), &value) && span_to_u64(value, &version)) {
    (void)relay_last_found(lane->relay, token, message.seq, version, now);
  } else { // somebody else's message on our subject: behind it comes ours
    (void)relay_last_found(lane->relay, token, message.seq, 0, now);
  }
}

// ---- what is pushed

static enum lumin_status event_push(struct lane *lane, const struct outgoing *source, struct relay_entry *entry) {
  struct outgoing *outgoing = outgoing_create(source, &entry->bytes);
  if (outgoing == NULL) {
    return LUMIN_RESOURCE_EXHAUSTED;
  }
  entry->message = outgoing;
  enum lumin_status status = relay_push(lane->relay, entry);
  if (status != LUMIN_OK) {
    free(outgoing);
  }
  return status;
}

void lane_publish_events(struct lane *lane, const struct batch *batch) {
  size_t count = 0;
  const struct new_event *events = batch_events(batch, &count);
  FAILPOINT("relay.push");
  for (size_t i = 0; i < count; i++) {
    const struct new_event *event = &events[i];
    struct partition *partition = &lane->partitions[event->partition];
    if (partition->behind || partition->state != PARTITION_OPEN) {
      continue; // it comes from the table, in its turn
    }
    struct relay_entry entry = {.user_id = event->user_id,
                                .version = event->event.version,
                                .position = event->position,
                                .partition = event->partition,
                                .committed_ns = lane->attempted_ns};
    struct outgoing source = {event->event.type,
                              event->event.time_ns,
                              event->command->command_id,
                              event->command->actor,
                              event->command->traceparent,
                              event->command->tracestate,
                              event->body};
    partition->behind = event_push(lane, &source, &entry) != LUMIN_OK;
  }
  if (lane->link != NULL) {
    relay_run(lane->relay, clock_monotonic_ns());
  }
}

// ---- what is read back

// A repair may have left positions without an event in front of this one.
static bool positions_skip(struct lane *lane, uint16_t number, uint64_t position) {
  while (relay_pushed(lane->relay, number) + 1 < position) {
    if (relay_skip(lane->relay, number, relay_pushed(lane->relay, number) + 1) != LUMIN_OK) {
      return false;
    }
  }
  return true;
}

static void events_refill(struct lane *lane, uint16_t number) {
  struct partition *partition = &lane->partitions[number];
  struct stored_events events = {0};
  struct rows_after after = {number, relay_pushed(lane->relay, number), REFILL_ROWS};
  arena_reset(lane->scratch);
  if (store_events_after(&lane->store, &after, lane->scratch, &events) != LUMIN_OK) {
    return;
  }
  for (size_t i = 0; i < events.count; i++) {
    const struct stored_event *event = &events.rows[i];
    if (!positions_skip(lane, number, event->position)) {
      return;
    }
    if (survey_has(&partition->survey, event->position)) {
      if (relay_skip(lane->relay, number, event->position) != LUMIN_OK) {
        return;
      }
      continue;
    }
    struct relay_entry entry = {.user_id = event->user_id,
                                .version = event->version,
                                .position = event->position,
                                .partition = number,
                                .careful = true,
                                .absent = survey_lacks(&partition->survey, event->position)};
    struct outgoing source = {event->type,        event->time_ns,    event->command_id, event->actor,
                              event->traceparent, event->tracestate, event->body};
    if (event_push(lane, &source, &entry) != LUMIN_OK) {
      return;
    }
  }
  partition->behind = relay_pushed(lane->relay, number) < lane->truths[number].event_position;
}

void lane_refill_relay(struct lane *lane) {
  int64_t now = clock_monotonic_ns();
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    uint16_t number = lane->owned[i];
    struct partition *partition = &lane->partitions[number];
    const struct partition_truth *truth = &lane->truths[number];
    if (partition->state != PARTITION_OPEN || lane->link == NULL || lane->store.session == NULL) {
      continue;
    }
    // A commit that was in doubt has left its events to the table.
    partition->behind = partition->behind || relay_pushed(lane->relay, number) < truth->event_position;
    if (partition->behind && relay_held(lane->relay) < lane->worker->config->relay_entries / 2) {
      events_refill(lane, number);
    }
    lane_relay_dead(lane, number, now);
  }
}
