// SPDX-License-Identifier: MIT
// A message of the event stream as the event that it is, read back by its CloudEvents headers.
#pragma once

#include <nats/nats.h>

#include "lumin/domain/event.h"

struct stream_event {
  uint64_t seq;  // of the message
  bool readable; // it names an event: the next five make sense
  struct uuid user_id;
  uint64_t version;
  uint32_t partition;
  uint64_t position;
  enum event_type type;
  bool whole; // ... and so do these
  int64_t time_ns;
  struct uuid command_id;
  struct span actor, traceparent, tracestate; // as long as the message
  struct span body;                           // the same; empty where only headers were read
};

struct stream_event stream_event_read(natsMsg *message, uint64_t seq, struct span prefix);

// Number and name of its type: "lumin.user.v1.user_created"; EVENT_NONE for any other.
enum event_type stream_event_type(struct span ce_type, struct span prefix);
