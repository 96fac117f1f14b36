// SPDX-License-Identifier: MIT
// A command on its way through the command stream: published, taken, and, where that is wanted, decided.
#pragma once

#include "client.h"
#include "lumin/infrastructure/nats/js.h"
#include "reply.h"

struct order {
  struct client *client;
  const struct settings *settings;
  const struct reply_reader *reader;
  const char *command_id;
  struct client_message message;
  bool wait; // for the outcome, which is written then
};

// EXIT_FINE: it is on the stream, at ret_ack->seq; and with `wait` it ended well. Complains otherwise.
enum exit_code order_publish(const struct order *order, struct js_pub_ack *ret_ack);

// What is left to do for a command that nobody has answered for.
void report_doubt(const char *command_id);
