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
static enum lumin_status answer_await(struct client *client, struct span reply, int64_t deadline_ns,
                                      natsMsg **ret_message);
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

// nats.c's close waits half a second for output that only a turn of the loop would send.
static void output_flush(struct client *client) {
  int64_t until = clock_monotonic_ns() + NS_PER_SECOND / 10;
  while (natsConnection_Buffered(link_connection(client->link)) > 0 && clock_monotonic_ns() < until) {
    loop_turn(client->loop, until);
  }
}

void client_close(struct client *client) {
  if (client == NULL) {
    return;
  }
  if (link_is_alive(client->link)) {
    output_flush(client);
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
  natsMsg *message = NULL;
  status = answer_await(client, reply, clock_monotonic_ns() + question->timeout_ns, &message);
  if (status == LUMIN_OK) {
    status = answer_copy(message, arena, ret_answer);
    natsMsg_Destroy(message);
  }
  return status;
}

static enum lumin_status question_send(struct client *client, const struct client_question *question,
                                       struct span reply) {
  if (question->header_count == 0) {
    return link_publish(client->link, question->subject, reply, question->payload);
  }
  return link_publish_message(client->link, &(struct link_message){question->subject, reply, question->payload,
                                                                   question->headers, question->header_count});
}

// RETRY: not here yet. Answers to earlier questions are dropped. nats.c swallows the message that says "no responders"
// and its subject with it; with one question at a time it is this question's, or late for one that has timed out.
static enum lumin_status answer_take(struct client *client, struct span reply, natsMsg **ret_message) {
  for (;;) {
    natsMsg *message = NULL;
    natsStatus status = natsSubscription_NextMsg(&message, client->answers, 0);
    if (status == NATS_NO_RESPONDERS) {
      return LUMIN_UNAVAILABLE;
    }
    if (status != NATS_OK) {
      return LUMIN_RETRY;
    }
    if (span_equal(span_from_text(natsMsg_GetSubject(message)), reply)) {
      *ret_message = message;
      return LUMIN_OK;
    }
    natsMsg_Destroy(message);
  }
}

static enum lumin_status answer_await(struct client *client, struct span reply, int64_t deadline_ns,
                                      natsMsg **ret_message) {
  for (;;) {
    enum lumin_status status = answer_take(client, reply, ret_message);
    if (status != LUMIN_RETRY) {
      return status;
    }
    if (!link_is_alive(client->link)) {
      return LUMIN_CONNECTION_LOST;
    }
    if (clock_monotonic_ns() >= deadline_ns) {
      return LUMIN_DEADLINE_EXCEEDED;
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
