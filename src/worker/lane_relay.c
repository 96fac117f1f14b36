// SPDX-License-Identifier: MIT
// The relay's port in a lane: committed events onto the event stream.
// Keeps guarantee 8 with relay.c, which decides what is sent when. Fresh events come from memory, right after their
// commit; all others are read back from the tables, which are the outbox.
#include <stdlib.h>

#include "lane_internal.h"
#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"
#include "relay_wire.h"

#define REFILL_ROWS 512

// ---- the port

// The relay looks at the age too; the process may have been stopped since, and published by another meanwhile. What
// then still lies in a buffer is for the server: it drops a silent client within the duplicate window.
static bool message_id_is_stale(const struct lane *lane, const struct relay_entry *entry) {
  int64_t careful_after = lane->worker->config->streams_events_duplicate_window_ms * NS_PER_MS / 2;
  return clock_monotonic_ns() - entry->committed_ns > careful_after;
}

static enum lumin_status port_publish(void *self, const struct relay_entry *entry, uint64_t token,
                                      int64_t expected_last) {
  struct lane *lane = self;
  struct link_message message;
  if (lane->link == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  arena_reset(lane->turn);
  struct outgoing_form form = {worker_prefix(lane->worker),
                               lane_inbox_subject(lane, lane->turn, "r.%llu", (unsigned long long)token),
                               expected_last};
  enum lumin_status status = outgoing_message(entry, &form, lane->turn, &message);
  if (status != LUMIN_OK) {
    return status;
  }
  FAILPOINT("relay.publish");
  if (expected_last < 0 && message_id_is_stale(lane, entry)) {
    return LUMIN_RETRY; // with care
  }
  return link_publish_message(lane->link, &message);
}

static enum lumin_status port_ask_last(void *self, const struct relay_entry *entry, uint64_t token) {
  struct lane *lane = self;
  if (lane->link == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  arena_reset(lane->turn);
  return lane_ask(lane, js_message_get_subject(lane->turn, STREAM_EVENTS),
                  js_message_get_last(lane->turn, outgoing_subject(entry, worker_prefix(lane->worker), lane->turn)),
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

void lane_pub_ack(struct lane *lane, struct span token, struct span payload, int status) {
  FAILPOINT("relay.acknowledged");
  relay_hear_ack(lane->relay, &(struct relay_answer){token, payload, status}, lane->turn);
}

void lane_last_message(struct lane *lane, struct span token, struct span payload, int status) {
  relay_hear_last(lane->relay, &(struct relay_answer){token, payload, status}, lane->turn);
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
    if (event->position > lane->truths[number].event_position) {
      break; // whoever wrote it, it is not this lane's to publish: a stream forgets nothing
    }
    if (!positions_skip(lane, number, event->position)) {
      return;
    }
    if (survey_has(&partition->survey, event->position)) {
      if (relay_skip(lane->relay, number, event->position) != LUMIN_OK) {
        return;
      }
      continue;
    }
    const struct survey_part *survey = &partition->survey;
    struct relay_entry entry = {.user_id = event->user_id,
                                .version = event->version,
                                .position = event->position,
                                .partition = number,
                                .careful = true,
                                .absent_seq = survey_lacks(survey, event->position) ? survey->seen_seq : 0};
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
