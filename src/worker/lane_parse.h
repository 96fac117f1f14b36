// SPDX-License-Identifier: MIT
// What arrives in a lane's inbox, as far as it is text; pure.
#pragma once

#include "lumin/worker/cursor.h"

// A status message that answers a pull request, by its headers; empty where absent.
struct pull_status {
  int code;                // 100, 404, 408, 409, 503 ...; 0: none
  struct span description; // "Description"
  struct span last_consumer;
  struct span last_stream; // "Nats-Last-Consumer" and "Nats-Last-Stream", of a heartbeat
};

// Sets kind, and a heartbeat's seq and consumer_seq. False, and *ret_input untouched, where it says nothing.
bool pull_status_parse(const struct pull_status *status, struct cursor_input *ret_input);

struct consumer_name {
  struct span kind; // "r": the reader's, "s": the survey's
  uint64_t generation;
};

// "<prefix>_<kind>_<generation>"; false for any other.
bool consumer_name_parse(struct span prefix, struct span name, struct consumer_name *ret_name);
