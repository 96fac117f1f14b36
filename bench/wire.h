// SPDX-License-Identifier: MIT
// The NATS client protocol, by hand and with one buffer each way, so that the generator costs less than anything it
// measures. One connection, one thread; a failure is final.
#pragma once

#include "lumin/base/span.h"

struct wire;

struct wire_login {
  const char *url; // "nats://127.0.0.1:4222"
  const char *user, *password;
};

struct wire_message {
  struct span subject, headers, payload;
};

typedef void (*wire_handler)(void *self, const struct wire_message *message);

// NULL, with a line on stderr, where the server cannot be reached or refuses.
struct wire *wire_open(const struct wire_login *login);
void wire_close(struct wire *wire);

void wire_subscribe(struct wire *wire, struct span subject);
// Into the buffer; wire_turn sends it. `headers` empty: none, else the whole block with its last empty line.
void wire_publish(struct wire *wire, struct span subject, struct span reply, struct span headers, struct span payload);
// Sends what is buffered, waits up to `timeout_ms` for input and hands every whole message to the handler. False, with
// a line on stderr, where the connection is lost or the server complains.
bool wire_turn(struct wire *wire, int timeout_ms, wire_handler handler, void *self);
