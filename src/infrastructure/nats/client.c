// SPDX-License-Identifier: MIT
// Questions and answers over a link of its own. Each question has its own reply subject, so that a late answer is never
// taken for another's.
#include "lumin/infrastructure/nats/client.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lumin/base/clock.h"

struct client {
  struct loop *loop;
  struct link *link;
  natsSubscription *answers; // "<inbox>.ask.*"
  uint64_t asked;
  struct arena *arena; // of subjects
};

static enum lumin_status client_connect(struct client *client, const struct link_options *options,
                                        const char **ret_error);
static enum lumin_status question_send(struct client *client, const struct client_question *question,
                                       struct span reply);
static natsMsg *answer_await(struct client *client, struct span reply, int64_t deadline_ns);
static enum lumin_status answer_copy(natsMsg *message, struct arena *arena, struct client_answer *ret_answer);

enum lumin_status client_open(const struct link_options *options, struct client **ret_client, const char **ret_error) {
  struct client *client = calloc(1, sizeof *client);
  if (client == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = client_connect(client, options, ret_error);
  if (status != LUMIN_OK) {
    client_close(client);
    return status;
  }
  *ret_client = client;
  return LUMIN_OK;
}

static enum lumin_status client_connect(struct client *client, const struct link_options *options,
                                        const char **ret_error) {
  client->loop = loop_create();
  client->arena = arena_create((size_t)1 << 16);
  if (client->loop == NULL || client->arena == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = link_open(client->loop, options, &client->link, ret_error);
  if (status != LUMIN_OK) {
    return status;
  }
  struct span all = arena_printf(client->arena, "%.*s.ask.*", SPAN_ARGS(link_inbox(client->link)));
  return all.data == NULL ? LUMIN_NO_MEMORY : link_subscribe(client->link, all.data, NULL, &client->answers);
}

void client_close(struct client *client) {
  if (client == NULL) {
    return;
  }
  link_close(client->link);
  loop_destroy(client->loop);
  arena_destroy(client->arena);
  free(client);
}

enum lumin_status client_ask(struct client *client, const struct client_question *question, struct arena *arena,
                             struct client_answer *ret_answer) {
  arena_reset(client->arena);
  struct span reply =
      arena_printf(client->arena, "%.*s.ask.%" PRIu64, SPAN_ARGS(link_inbox(client->link)), ++client->asked);
  if (reply.data == NULL || question->subject.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = question_send(client, question, reply);
  if (status != LUMIN_OK) {
    return status;
  }
  natsMsg *message = answer_await(client, reply, clock_monotonic_ns() + question->timeout_ns);
  if (message == NULL) {
    return link_is_alive(client->link) ? LUMIN_DEADLINE_EXCEEDED : LUMIN_CONNECTION_LOST;
  }
  status = link_status_get(message) == 503 ? LUMIN_UNAVAILABLE : answer_copy(message, arena, ret_answer);
  natsMsg_Destroy(message);
  return status;
}

static enum lumin_status question_send(struct client *client, const struct client_question *question,
                                       struct span reply) {
  if (question->header_count == 0) {
    return link_publish(client->link, question->subject, reply, question->payload);
  }
  return link_publish_headers(client->link, question->subject, reply, question->payload, question->headers,
                              question->header_count);
}

// NULL where there is none by the deadline; answers to earlier questions are dropped.
static natsMsg *answer_await(struct client *client, struct span reply, int64_t deadline_ns) {
  for (;;) {
    for (natsMsg *message; (message = link_next(client->answers)) != NULL; natsMsg_Destroy(message)) {
      if (span_equal(span_from_text(natsMsg_GetSubject(message)), reply)) {
        return message;
      }
    }
    if (!link_is_alive(client->link) || clock_monotonic_ns() >= deadline_ns) {
      return NULL;
    }
    loop_turn(client->loop, deadline_ns);
  }
}

static enum lumin_status answer_copy(natsMsg *message, struct arena *arena, struct client_answer *ret_answer) {
  struct client_answer answer = {
      .payload = arena_copy(arena, span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message))),
      .error_code = arena_copy(arena, link_header_get(message, "Nats-Service-Error-Code")),
      .error = arena_copy(arena, link_header_get(message, "Nats-Service-Error")),
  };
  if (answer.payload.data == NULL || answer.error_code.data == NULL || answer.error.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *ret_answer = answer;
  return LUMIN_OK;
}

const char *client_complaint(struct client *client, enum lumin_status status) {
  const char *text = "";
  if (status == LUMIN_UNAVAILABLE) {
    return "nobody listens there";
  }
  if (natsConnection_GetLastError(link_connection(client->link), &text) != NATS_OK && text != NULL && text[0] != '\0') {
    return text;
  }
  switch (status) {
  case LUMIN_DEADLINE_EXCEEDED:
    return "no answer";
  case LUMIN_CONNECTION_LOST:
    return "connection lost";
  case LUMIN_NO_MEMORY:
    return "out of memory";
  default:
    return "an answer that makes no sense";
  }
}

void client_turn(struct client *client, int64_t deadline_ns) { loop_turn(client->loop, deadline_ns); }
struct link *client_link(struct client *client) {
  return client->link;
}
