// SPDX-License-Identifier: MIT
// A relay over a client's connection. All its entries are careful: each is asked about before it is published, and
// published behind what its subject held then.
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "relay_wire.h"
#include "republish_internal.h"

#define TURN_MEMORY ((size_t)4 << 20)
#define STALL (30 * NS_PER_SECOND) // without an event acknowledged

struct publisher {
  struct program *program;
  struct relay *relay;
  struct arena *arena; // of one handler
  natsSubscription *inbox;
  char token[RANDOM_TOKEN_LEN + 1];
  uint16_t partition;
  uint64_t acknowledged; // when the relay last got on, and when that was
  int64_t progress_ns;
};

// ---- the port

static struct span reply_make(struct publisher *publisher, const char *letter, uint64_t token) {
  return arena_printf(publisher->arena, "%.*s.%s.%s.%llu",
                      SPAN_ARGS(link_inbox(client_link(publisher->program->client))), publisher->token, letter,
                      (unsigned long long)token);
}

static struct span prefix_of(const struct publisher *publisher) {
  return span_from_text(publisher->program->config->service_prefix);
}

static enum lumin_status port_publish(void *self, const struct relay_entry *entry, uint64_t token,
                                      int64_t expected_last) {
  struct publisher *publisher = self;
  struct link_message message;
  arena_reset(publisher->arena);
  struct outgoing_form form = {prefix_of(publisher), reply_make(publisher, "r", token), expected_last};
  enum lumin_status status = outgoing_message(entry, &form, publisher->arena, &message);
  return status == LUMIN_OK ? link_publish_message(client_link(publisher->program->client), &message) : status;
}

static enum lumin_status port_ask_last(void *self, const struct relay_entry *entry, uint64_t token) {
  struct publisher *publisher = self;
  struct arena *arena = publisher->arena;
  arena_reset(arena);
  struct span subject = js_message_get_subject(arena, STREAM_EVENTS);
  struct span body = js_message_get_last(arena, outgoing_subject(entry, prefix_of(publisher), arena));
  struct span reply = reply_make(publisher, "l", token);
  if (subject.data == NULL || body.data == NULL || reply.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  return link_publish(client_link(publisher->program->client), subject, reply, body);
}

static void port_release(void *self, struct relay_entry *entry) {
  (void)self;
  free(entry->message);
  entry->message = NULL;
}

// ---- birth and end

struct publisher *publisher_create(struct program *program) {
  struct publisher *publisher = calloc(1, sizeof *publisher);
  if (publisher == NULL) {
    return NULL;
  }
  publisher->program = program;
  struct relay_limits limits = relay_limits_of(program->config);
  struct relay_port port = {publisher, port_publish, port_ask_last, port_release};
  publisher->relay = relay_create(&limits, &port);
  publisher->arena = arena_create(TURN_MEMORY);
  struct span all = SPAN_EMPTY;
  if (publisher->arena != NULL && random_token(publisher->token) == LUMIN_OK) {
    all = arena_printf(publisher->arena, "%.*s.%s.*.*", SPAN_ARGS(link_inbox(client_link(program->client))),
                       publisher->token);
  }
  if (publisher->relay == NULL || all.data == NULL ||
      link_subscribe(client_link(program->client), all.data, NULL, &publisher->inbox) != LUMIN_OK) {
    publisher_destroy(publisher);
    return NULL;
  }
  return publisher;
}

void publisher_destroy(struct publisher *publisher) {
  if (publisher == NULL) {
    return;
  }
  relay_destroy(publisher->relay);
  arena_destroy(publisher->arena);
  free(publisher);
}

uint64_t publisher_published(const struct publisher *publisher) {
  return relay_counters(publisher->relay).acknowledged;
}

// ---- answers

// "<inbox>.<token>.<letter>.<relay's token>"
static void answer_take(struct publisher *publisher, natsMsg *message) {
  struct span rest = span_from_text(natsMsg_GetSubject(message));
  rest = span_skip(rest, link_inbox(client_link(publisher->program->client)).len + 1 + RANDOM_TOKEN_LEN + 1);
  struct span letter = span_cut(&rest, '.');
  struct relay_answer answer = {.token = rest,
                                .payload = span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message))};
  answer.status = answer.payload.len == 0 ? link_status_get(message) : 0;
  arena_reset(publisher->arena);
  if (span_equal(letter, SPAN_LITERAL("r"))) {
    relay_hear_ack(publisher->relay, &answer, publisher->arena);
  } else {
    relay_hear_last(publisher->relay, &answer, publisher->arena);
  }
}

static enum lumin_status stall_check(struct publisher *publisher) {
  struct relay_counters counters = relay_counters(publisher->relay);
  uint64_t acknowledged = counters.acknowledged + counters.found_stored;
  int64_t now = clock_monotonic_ns();
  if (acknowledged != publisher->acknowledged || publisher->progress_ns == 0) {
    publisher->acknowledged = acknowledged;
    publisher->progress_ns = now;
  }
  if (now - publisher->progress_ns < STALL) {
    return LUMIN_OK;
  }
  program_complain(publisher->program, "stream %s takes no event: %s", STREAM_EVENTS,
                   client_complaint(publisher->program->client, LUMIN_DEADLINE_EXCEEDED));
  return LUMIN_UNAVAILABLE;
}

static enum lumin_status publisher_turn(struct publisher *publisher) {
  struct client *client = publisher->program->client;
  natsMsg *message = NULL;
  relay_run(publisher->relay, clock_monotonic_ns());
  int64_t until = clock_monotonic_ns() + NS_PER_SECOND, deadline = relay_deadline_ns(publisher->relay);
  client_turn(client, deadline < until ? deadline : until);
  while ((message = link_next(publisher->inbox, NULL)) != NULL) {
    answer_take(publisher, message);
    natsMsg_Destroy(message);
  }
  return link_is_alive(client_link(client)) ? stall_check(publisher) : LUMIN_CONNECTION_LOST;
}

// ---- events

void publisher_begin(struct publisher *publisher, uint16_t partition, uint64_t position) {
  publisher->partition = partition;
  publisher->progress_ns = 0;
  relay_open(publisher->relay, partition, position - 1);
}

static enum lumin_status positions_skip(struct publisher *publisher, uint64_t position) {
  enum lumin_status status = LUMIN_OK;
  while (status == LUMIN_OK && relay_pushed(publisher->relay, publisher->partition) + 1 < position) {
    status =
        relay_skip(publisher->relay, publisher->partition, relay_pushed(publisher->relay, publisher->partition) + 1);
    if (status == LUMIN_RESOURCE_EXHAUSTED) {
      status = publisher_turn(publisher);
    }
  }
  return status;
}

enum lumin_status publisher_take(struct publisher *publisher, const struct missing_event *missing) {
  const struct staged_event *event = &missing->event;
  struct outgoing source = {event->type,        event->time_ns,    event->command_id, event->actor,
                            event->traceparent, event->tracestate, event->body};
  struct relay_entry entry = {.user_id = event->user_id,
                              .version = event->version,
                              .position = event->position,
                              .partition = event->partition,
                              .careful = true,
                              .absent_seq = missing->late ? UINT64_MAX : 0};
  enum lumin_status status = positions_skip(publisher, event->position);
  if (status != LUMIN_OK) {
    return status;
  }
  struct outgoing *outgoing = outgoing_create(&source, &entry.bytes);
  if (outgoing == NULL) {
    return LUMIN_NO_MEMORY;
  }
  entry.message = outgoing;
  while ((status = relay_push(publisher->relay, &entry)) == LUMIN_RESOURCE_EXHAUSTED) {
    enum lumin_status turned = publisher_turn(publisher);
    if (turned != LUMIN_OK) {
      free(outgoing);
      return turned;
    }
  }
  if (status != LUMIN_OK) {
    free(outgoing);
  }
  return status;
}

enum lumin_status publisher_end(struct publisher *publisher, uint64_t *ret_seq) {
  enum lumin_status status = LUMIN_OK;
  while (status == LUMIN_OK && relay_held(publisher->relay) > 0) {
    status = publisher_turn(publisher);
  }
  if (status == LUMIN_OK) {
    *ret_seq = relay_highest_seq(publisher->relay);
  }
  relay_close(publisher->relay, publisher->partition);
  return status;
}
