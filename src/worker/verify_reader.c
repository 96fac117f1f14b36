// SPDX-License-Identifier: MIT
// The event stream's messages, headers only, by an ephemeral pull consumer of its own. Whatever disturbs the reading (a
// gap, silence, a consumer that is gone) ends in a new consumer behind the last message taken.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "verify_internal.h"

#define PULL_BATCH 256
#define PULL_EXPIRES (5 * NS_PER_SECOND)
#define PULL_HEARTBEAT NS_PER_SECOND
#define SILENCE (3 * NS_PER_SECOND) // without a heartbeat: the consumer is gone
#define INACTIVE (60 * NS_PER_SECOND)
#define ATTEMPTS 5 // without a message between them

struct reader {
  struct program *program;
  struct client *client;
  natsSubscription *inbox; // "<inbox>.pull.*"
  uint64_t next_seq, last_seq;
  char token[RANDOM_TOKEN_LEN + 1];
  unsigned generation; // of the consumer
  char consumer[64];   // "": none
  uint64_t consumer_seq;
  uint32_t awaited;  // messages that the pull may still bring
  bool pulled_empty; // the last pull ended without any
  uint64_t pulls;
  int64_t heard_ns;
  int attempts;
  struct arena *arena; // of requests and answers
};

struct reader *reader_create(struct program *program, uint64_t first_seq, uint64_t last_seq) {
  struct reader *reader = calloc(1, sizeof *reader);
  struct arena *arena = arena_create((size_t)1 << 20);
  if (reader == NULL || arena == NULL || random_token(reader->token) != LUMIN_OK) {
    free(reader);
    arena_destroy(arena);
    return NULL;
  }
  reader->program = program;
  reader->client = program->client;
  reader->next_seq = first_seq;
  reader->last_seq = last_seq;
  reader->arena = arena;
  struct link *link = client_link(program->client);
  struct span all = arena_printf(arena, "%.*s.pull.*", SPAN_ARGS(link_inbox(link)));
  if (all.data == NULL || link_subscribe(link, all.data, NULL, &reader->inbox) != LUMIN_OK) {
    reader_destroy(reader);
    return NULL;
  }
  return reader;
}

// ---- asking

static enum lumin_status api_ask(struct reader *reader, struct span subject, struct span body,
                                 struct client_answer *ret_answer) {
  struct client_question question = {.subject = subject, .payload = body, .timeout_ns = 5 * NS_PER_SECOND};
  if (body.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  return client_ask(reader->client, &question, reader->arena, ret_answer);
}

static void consumer_delete(struct reader *reader) {
  struct client_answer answer;
  if (reader->consumer[0] != '\0') {
    struct span subject = js_consumer_delete_subject(reader->arena, STREAM_EVENTS, span_from_text(reader->consumer));
    (void)!api_ask(reader, subject, SPAN_LITERAL(""), &answer); // it would end by itself in a minute
  }
  reader->consumer[0] = '\0';
}

void reader_destroy(struct reader *reader) {
  if (reader == NULL) {
    return;
  }
  consumer_delete(reader);
  if (reader->inbox != NULL) {
    link_unsubscribe(reader->inbox);
  }
  arena_destroy(reader->arena);
  free(reader);
}

static enum lumin_status consumer_create(struct reader *reader) {
  struct client_answer answer;
  struct js_consumer_info info = {0};
  struct js_error error = {0};
  (void)snprintf(reader->consumer, sizeof reader->consumer, "lumin_verify_%s_%u", reader->token, ++reader->generation);
  struct js_consumer consumer = {.stream = STREAM_EVENTS,
                                 .name = span_from_text(reader->consumer),
                                 .start_seq = reader->next_seq,
                                 .inactive_threshold_ns = INACTIVE,
                                 .headers_only = true};
  enum lumin_status status = api_ask(reader, js_consumer_create_subject(reader->arena, &consumer),
                                     js_consumer_create_body(reader->arena, &consumer), &answer);
  if (status == LUMIN_OK) {
    status = js_consumer_info_parse(answer.payload, reader->arena, &info, &error);
  }
  if (status != LUMIN_OK || error.code != 0) {
    reader->consumer[0] = '\0';
    return status == LUMIN_OK ? LUMIN_UNAVAILABLE : status;
  }
  reader->consumer_seq = 0;
  reader->awaited = 0;
  return LUMIN_OK;
}

static enum lumin_status pull_send(struct reader *reader) {
  struct link *link = client_link(reader->client);
  struct js_pull pull = {.batch = PULL_BATCH, .expires_ns = PULL_EXPIRES, .heartbeat_ns = PULL_HEARTBEAT};
  struct span subject = js_pull_subject(reader->arena, STREAM_EVENTS, span_from_text(reader->consumer));
  struct span reply = arena_printf(reader->arena, "%.*s.pull.%" PRIu64, SPAN_ARGS(link_inbox(link)), ++reader->pulls);
  struct span body = js_pull_body(reader->arena, &pull);
  if (subject.data == NULL || reply.data == NULL || body.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  reader->awaited = PULL_BATCH;
  reader->pulled_empty = false;
  reader->heard_ns = clock_monotonic_ns();
  return link_publish(link, subject, reply, body);
}

// What was to come may have been removed meanwhile: NOT_FOUND where nothing is left.
static enum lumin_status rest_ask(struct reader *reader) {
  struct client_answer answer;
  struct js_consumer_info info = {0};
  struct js_error error = {0};
  struct span subject = js_consumer_info_subject(reader->arena, STREAM_EVENTS, span_from_text(reader->consumer));
  enum lumin_status status = api_ask(reader, subject, SPAN_LITERAL(""), &answer);
  if (status == LUMIN_OK) {
    status = js_consumer_info_parse(answer.payload, reader->arena, &info, &error);
  }
  reader->pulled_empty = false;
  if (status == LUMIN_OK && error.code == 0 && info.pending == 0) {
    return LUMIN_NOT_FOUND;
  }
  return status == LUMIN_OK && error.code != 0 ? LUMIN_INTERNAL : status;
}

// ---- one message

static bool id_parse(struct span id, struct stream_event *event) {
  struct span user = span_cut(&id, ':');
  return uuid_parse(user, &event->user_id) == LUMIN_OK && span_to_u64(id, &event->version) && event->version > 0;
}

static int type_parse(const struct reader *reader, struct span type) {
  struct span prefix = span_from_text(reader->program->config->service_prefix);
  if (!span_starts_with(type, prefix) || type.len <= prefix.len || type.data[prefix.len] != '.') {
    return EVENT_NONE;
  }
  struct span name = span_skip(type, prefix.len + 1);
#define EVENT(symbol, number, text)                                                                                    \
  if (span_equal(name, SPAN_LITERAL(#text)))                                                                           \
    return number;
#include "lumin/domain/events.def"
#undef EVENT
  return EVENT_NONE;
}

static struct stream_event event_read(const struct reader *reader, natsMsg *message, uint64_t seq) {
  struct stream_event event = {.seq = seq};
  uint64_t partition = 0, sequence = 0;
  event.type = type_parse(reader, link_header_get(message, "ce-type"));
  event.readable = event.type != EVENT_NONE && id_parse(link_header_get(message, "ce-id"), &event) &&
                   span_to_u64(link_header_get(message, "ce-partition"), &partition) && partition < UINT32_MAX &&
                   span_to_u64(link_header_get(message, "ce-position"), &event.position) && event.position > 0 &&
                   event.position < INT64_MAX && event.version < INT64_MAX &&
                   span_to_u64(link_header_get(message, "ce-sequence"), &sequence) && sequence == event.version;
  event.partition = (uint32_t)partition;
  return event;
}

// Whether this was the pull's end.
static bool status_take(struct reader *reader, natsMsg *message, int status) {
  char subject[192];
  struct span inbox = link_inbox(client_link(reader->client));
  (void)snprintf(subject, sizeof subject, "%.*s.pull.%" PRIu64, SPAN_ARGS(inbox), reader->pulls);
  if (strcmp(natsMsg_GetSubject(message), subject) != 0) {
    return false; // an earlier pull's
  }
  reader->heard_ns = clock_monotonic_ns();
  if (status != 100) {
    reader->pulled_empty = reader->awaited == PULL_BATCH;
    reader->awaited = 0;
  }
  return status != 100;
}

// OK: *ret_event is the next. RETRY: something else came. INTERNAL: the consumer is no longer to be trusted.
static enum lumin_status message_take(struct reader *reader, natsMsg *message, struct stream_event *ret_event) {
  struct js_delivery delivery;
  int status = link_status_get(message);
  if (status != 0) {
    return status_take(reader, message, status) && status == 409 ? LUMIN_INTERNAL : LUMIN_RETRY;
  }
  const char *reply = natsMsg_GetReply(message);
  if (reply == NULL || js_delivery_parse(span_from_text(reply), &delivery) != LUMIN_OK ||
      !span_equal(delivery.consumer, span_from_text(reader->consumer))) {
    return LUMIN_RETRY; // of an earlier consumer
  }
  if (delivery.consumer_seq != reader->consumer_seq + 1 || delivery.stream_seq < reader->next_seq) {
    return LUMIN_INTERNAL;
  }
  reader->consumer_seq = delivery.consumer_seq;
  reader->next_seq = delivery.stream_seq + 1;
  reader->heard_ns = clock_monotonic_ns();
  reader->awaited -= reader->awaited > 0;
  reader->attempts = 0;
  *ret_event = event_read(reader, message, delivery.stream_seq);
  if (delivery.pending == 0) {
    reader->last_seq = delivery.stream_seq; // what was up to there has been deleted since
  }
  return LUMIN_OK;
}

static enum lumin_status message_await(struct reader *reader, struct stream_event *ret_event) {
  natsMsg *message;
  while ((message = link_next(reader->inbox, NULL)) != NULL) {
    enum lumin_status status = message_take(reader, message, ret_event);
    natsMsg_Destroy(message);
    if (status != LUMIN_RETRY) {
      return status;
    }
  }
  if (!link_is_alive(client_link(reader->client))) {
    return LUMIN_CONNECTION_LOST;
  }
  int64_t until = reader->heard_ns + SILENCE;
  if (reader->awaited > 0 && clock_monotonic_ns() >= until) {
    return LUMIN_INTERNAL;
  }
  if (reader->awaited > 0) {
    client_turn(reader->client, until);
  }
  return LUMIN_RETRY;
}

enum lumin_status reader_next(struct reader *reader, struct stream_event *ret_event) {
  enum lumin_status status = LUMIN_RETRY;
  while (status == LUMIN_RETRY || status == LUMIN_INTERNAL) {
    if (reader->next_seq > reader->last_seq) {
      return LUMIN_NOT_FOUND;
    }
    arena_reset(reader->arena);
    if (status == LUMIN_INTERNAL || reader->consumer[0] == '\0') {
      consumer_delete(reader);
      if (reader->attempts++ == ATTEMPTS) {
        return LUMIN_UNAVAILABLE;
      }
      status = consumer_create(reader);
    } else if (reader->pulled_empty) {
      status = rest_ask(reader);
    } else if (reader->awaited == 0) {
      status = pull_send(reader);
    } else {
      status = message_await(reader, ret_event);
      continue;
    }
    status = status == LUMIN_OK ? LUMIN_RETRY : status;
  }
  return status;
}
