// SPDX-License-Identifier: MIT
// NATS for programs that ask and end (setup, health, verify): one question at a time, waiting for its answer. What
// serves uses a link on its own loop instead.
#pragma once

#include "lumin/base/arena.h"
#include "lumin/infrastructure/nats/link.h"

struct client;

// As link_open, whose options these are.
LUMIN_MUST_USE enum lumin_status client_open(const struct link_options *options, struct client **ret_client,
                                             const char **ret_error);
void client_close(struct client *client); // NULL is fine

struct client_question {
  struct span subject; // NUL-terminated behind its length, as for link_publish
  struct span payload;
  const struct link_header *headers;
  size_t header_count;
  int64_t timeout_ns;
};

// An answer's texts are in the arena of the question.
struct client_answer {
  struct span payload;
  struct span error_code; // "Nats-Service-Error-Code", empty where the answer is no refusal
  struct span error;      // "Nats-Service-Error"
};

// UNAVAILABLE: nobody listens there. DEADLINE_EXCEEDED: no answer in time, perhaps because of missing rights
// (client_complaint). CONNECTION_LOST, NO_MEMORY.
LUMIN_MUST_USE enum lumin_status client_ask(struct client *client, const struct client_question *question,
                                            struct arena *arena, struct client_answer *ret_answer);

// Why the last question got no answer, in words: what the server complained of, else what the status means. In the
// arena of the question or literal.
const char *client_complaint(struct client *client, enum lumin_status status);

// Turns the loop once, until `deadline_ns` at the longest: for those who read subscriptions of their own.
void client_turn(struct client *client, int64_t deadline_ns);
struct link *client_link(struct client *client);
