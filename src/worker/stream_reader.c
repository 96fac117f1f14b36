// SPDX-License-Identifier: MIT
// Reading a stream from one message to another.
#include "stream_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"

#define PULL_HEADERS 256 // messages of one pull
#define PULL_BODIES 64   // a command may have 256 KiB
#define PULL_EXPIRES (5 * NS_PER_SECOND)
#define PULL_HEARTBEAT NS_PER_SECOND
#define SILENCE (3 * NS_PER_SECOND) // without a heartbeat: the consumer is gone
#define INACTIVE (60 * NS_PER_SECOND)
#define ATTEMPTS 5 // without a message between them
#define PATIENCE (5 * NS_PER_SECOND)
#define MESSAGE_MEMORY ((size_t)8 << 20) // an answer with a message of 1 MiB in base64

struct stream_reader {
  struct client *client;
  struct stream_reading reading;
  natsSubscription *inbox; // "<inbox>.pull.*"
  uint64_t next_seq;
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

struct stream_reader *stream_reader_create(struct program *program, const struct stream_reading *reading) {
  struct stream_reader *reader = calloc(1, sizeof *reader);
  struct arena *arena = arena_create((size_t)1 << 20);
  if (reader == NULL || arena == NULL || random_token(reader->token) != LUMIN_OK) {
    free(reader);
    arena_destroy(arena);
    return NULL;
  }
  reader->client = program->client;
  reader->reading = *reading;
  reader->next_seq = reading->first_seq > 0 ? reading->first_seq : 1;
  reader->arena = arena;
  struct link *link = client_link(program->client);
  struct span all = arena_printf(arena, "%.*s.pull_%s.*", SPAN_ARGS(link_inbox(link)), reader->token);
  if (all.data == NULL || link_subscribe(link, all.data, NULL, &reader->inbox) != LUMIN_OK) {
    stream_reader_destroy(reader);
    return NULL;
  }
  return reader;
}

static uint32_t pull_batch(const struct stream_reader *reader) {
  return reader->reading.headers_only ? PULL_HEADERS : PULL_BODIES;
}

// ---- asking

static enum lumin_status api_ask(struct stream_reader *reader, struct span subject, struct span body,
                                 struct client_answer *ret_answer) {
  struct client_question question = {.subject = subject, .payload = body, .timeout_ns = PATIENCE};
  if (body.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  return client_ask(reader->client, &question, reader->arena, ret_answer);
}

static void consumer_delete(struct stream_reader *reader) {
  struct client_answer answer;
  if (reader->consumer[0] != '\0') {
    struct span subject =
        js_consumer_delete_subject(reader->arena, reader->reading.stream, span_from_text(reader->consumer));
    (void)!api_ask(reader, subject, SPAN_LITERAL(""), &answer); // it would end by itself in a minute
  }
  reader->consumer[0] = '\0';
}

void stream_reader_destroy(struct stream_reader *reader) {
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

static enum lumin_status consumer_create(struct stream_reader *reader) {
  struct client_answer answer;
  struct js_consumer_info info = {0};
  struct js_error error = {0};
  (void)snprintf(reader->consumer, sizeof reader->consumer, "lumin_read_%s_%u", reader->token, ++reader->generation);
  struct js_consumer consumer = {.stream = reader->reading.stream,
                                 .name = span_from_text(reader->consumer),
                                 .filter = reader->reading.filter,
                                 .start_seq = reader->next_seq,
                                 .inactive_threshold_ns = INACTIVE,
                                 .headers_only = reader->reading.headers_only};
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

static enum lumin_status pull_send(struct stream_reader *reader) {
  struct link *link = client_link(reader->client);
  struct js_pull pull = {.batch = pull_batch(reader), .expires_ns = PULL_EXPIRES, .heartbeat_ns = PULL_HEARTBEAT};
  struct span subject = js_pull_subject(reader->arena, reader->reading.stream, span_from_text(reader->consumer));
  struct span reply =
      arena_printf(reader->arena, "%.*s.pull_%s.%" PRIu64, SPAN_ARGS(link_inbox(link)), reader->token, ++reader->pulls);
  struct span body = js_pull_body(reader->arena, &pull);
  if (subject.data == NULL || reply.data == NULL || body.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  reader->awaited = pull.batch;
  reader->pulled_empty = false;
  reader->heard_ns = clock_monotonic_ns();
  return link_publish(link, subject, reply, body);
}

// What was to come may have been removed meanwhile: NOT_FOUND where nothing is left.
static enum lumin_status rest_ask(struct stream_reader *reader) {
  struct client_answer answer;
  struct js_consumer_info info = {0};
  struct js_error error = {0};
  struct span subject =
      js_consumer_info_subject(reader->arena, reader->reading.stream, span_from_text(reader->consumer));
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

// Whether this was the pull's end.
static bool status_take(struct stream_reader *reader, natsMsg *message, int status) {
  char subject[192];
  struct span inbox = link_inbox(client_link(reader->client));
  (void)snprintf(subject, sizeof subject, "%.*s.pull_%s.%" PRIu64, SPAN_ARGS(inbox), reader->token, reader->pulls);
  if (strcmp(natsMsg_GetSubject(message), subject) != 0) {
    return false; // an earlier pull's
  }
  reader->heard_ns = clock_monotonic_ns();
  if (status != 100) {
    reader->pulled_empty = reader->awaited == pull_batch(reader);
    reader->awaited = 0;
  }
  return status != 100;
}

// OK: it is the next. RETRY: something else came. INTERNAL: the consumer is no longer to be trusted.
static enum lumin_status message_take(struct stream_reader *reader, natsMsg *message,
                                      struct stream_message *ret_message) {
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
  if (delivery.pending == 0) {
    reader->reading.last_seq = delivery.stream_seq; // what was up to there has been deleted since
  }
  *ret_message = (struct stream_message){message, delivery.stream_seq, delivery.ts_ns};
  return LUMIN_OK;
}

static enum lumin_status message_await(struct stream_reader *reader, struct stream_message *ret_message) {
  natsMsg *message;
  while ((message = link_next(reader->inbox, NULL)) != NULL) {
    enum lumin_status status = message_take(reader, message, ret_message);
    if (status != LUMIN_OK) {
      natsMsg_Destroy(message);
    }
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

enum lumin_status stream_reader_next(struct stream_reader *reader, struct stream_message *ret_message) {
  enum lumin_status status = LUMIN_RETRY;
  while (status == LUMIN_RETRY || status == LUMIN_INTERNAL) {
    if (reader->next_seq > reader->reading.last_seq) {
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
      status = message_await(reader, ret_message);
      continue;
    }
    status = status == LUMIN_OK ? LUMIN_RETRY : status;
  }
  return status;
}

// ---- questions about a stream

static enum lumin_status program_ask(struct program *program, struct arena *arena, struct span subject,
                                     struct span body, struct client_answer *ret_answer) {
  struct client_question question = {.subject = subject, .payload = body, .timeout_ns = PATIENCE};
  return body.data != NULL ? client_ask(program->client, &question, arena, ret_answer) : LUMIN_NO_MEMORY;
}

enum lumin_status stream_ask(struct program *program, const char *stream, struct js_stream_info *ret_info) {
  struct client_answer answer;
  struct js_error error = {0};
  enum lumin_status status =
      program_ask(program, program->arena, js_stream_info_subject(program->arena, stream), SPAN_LITERAL(""), &answer);
  if (status == LUMIN_OK) {
    status = js_stream_info_parse(answer.payload, program->arena, ret_info, &error);
  }
  if (status == LUMIN_OK && error.code == 0) {
    return LUMIN_OK;
  }
  program_complain(
      program, "stream %s: %.*s", stream,
      SPAN_ARGS(status == LUMIN_OK ? error.description : span_from_text(client_complaint(program->client, status))));
  return LUMIN_UNAVAILABLE;
}

enum lumin_status stream_ask_time(struct program *program, const char *stream, uint64_t seq, int64_t *ret_ts_ns) {
  struct client_answer answer;
  struct js_error error = {0};
  struct js_message message;
  ARENA_SCOPED struct arena *arena = arena_create(MESSAGE_MEMORY);
  if (arena == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status =
      program_ask(program, arena, js_message_get_subject(arena, stream), js_message_get_by_seq(arena, seq), &answer);
  if (status == LUMIN_OK) {
    status = js_message_parse(answer.payload, arena, &message, &error);
  }
  if (status == LUMIN_OK && error.code == 404 && error.err_code != JS_ERR_STREAM_NOT_FOUND) {
    return LUMIN_NOT_FOUND;
  }
  if (status != LUMIN_OK || error.code != 0) {
    return stream_unreadable(program, stream, status);
  }
  *ret_ts_ns = message.ts_ns;
  return LUMIN_OK;
}

enum lumin_status stream_unreadable(struct program *program, const char *stream, enum lumin_status status) {
  program_complain(program, "stream %s cannot be read: %s", stream, client_complaint(program->client, status));
  return LUMIN_UNAVAILABLE;
}
