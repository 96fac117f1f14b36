// SPDX-License-Identifier: MIT
// What a relay says to JetStream and hears from it: events as CloudEvents in binary mode, and the answers to publishes
// and questions. For the lanes, and for programs that relay.
#pragma once

#include "lumin/domain/event.h"
#include "lumin/infrastructure/config/config.h"
#include "lumin/infrastructure/nats/js.h"
#include "lumin/infrastructure/nats/link.h"
#include "lumin/worker/relay.h"

// An event on its way, in one block of malloc's; texts stand behind the struct, each with a NUL. A relay entry's
// message.
struct outgoing {
  enum event_type type;
  int64_t time_ns;
  struct uuid command_id;
  struct span actor, traceparent, tracestate;
  struct span body;
};

struct relay_limits relay_limits_of(const struct config *config);

// A copy; *ret_bytes is what it takes. NULL: no memory.
struct outgoing *outgoing_create(const struct outgoing *source, size_t *ret_bytes);

struct span outgoing_subject(const struct relay_entry *entry, struct span prefix, struct arena *arena);

#define OUTGOING_HEADERS_MAX 16
bool headers_are_whole(const struct link_header *headers, size_t count); // none lacked memory

// The entry as a message, in the arena. `expected_last` < 0: without expectation.
struct outgoing_form {
  struct span prefix, reply;
  int64_t expected_last;
};
LUMIN_MUST_USE enum lumin_status outgoing_message(const struct relay_entry *entry, const struct outgoing_form *form,
                                                  struct arena *arena, struct link_message *ret_message);

// Answers to a publish and to the question for a subject's last message. `token` as in the reply subject; `status` of a
// status message, else 0.
struct relay_answer {
  struct span token, payload;
  int status;
};
void relay_hear_ack(struct relay *relay, const struct relay_answer *answer, struct arena *arena);
void relay_hear_last(struct relay *relay, const struct relay_answer *answer, struct arena *arena);
