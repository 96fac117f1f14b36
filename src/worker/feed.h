// SPDX-License-Identifier: MIT
// Listening to a stream from now on, by a consumer that may have to be made anew at any time: when everything is heard,
// and when something may have been missed. A pure state machine: inputs in, actions out; no socket, no clock.
//
//   SILENT --LINKED or a pause over--> CREATING --CREATED--> HEARING
//      both --(refused, silence, a gap, the consumer or the link gone, or nobody wants to hear)--> SILENT
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct feed_limits {
  uint32_t batch; // messages a pull request asks for
  int64_t heartbeat_ns;
  int64_t expires_ns; // of a pull request
  int64_t reply_timeout_ns;
};

enum feed_state { FEED_SILENT, FEED_CREATING, FEED_HEARING };

struct feed {
  // private; zeroed by feed_init
  struct feed_limits limits;
  enum feed_state state;
  bool linked;
  uint64_t generation;   // of the consumer: names it, and is echoed in every input about it
  uint64_t consumer_seq; // last heard
  uint64_t pull_id;      // of the latest request
  uint32_t left;         // of it
  uint32_t barren;       // requests ended in a row with nothing between
  int64_t asked_ns;      // CREATING: when the consumer was asked for; HEARING: the latest request
  int64_t heard_ns;
  int64_t resume_ns; // SILENT: when to try again; HEARING: no request before this
  int64_t pause_ns;
  // for whoever asks
  const char *reason; // why it was silent last; literal
};

enum feed_input_kind {
  FEED_IN_LINKED,    // a new link: everything asked for on the last one is gone; or, after REST, the same one
  FEED_IN_UNLINKED,  // it is lost
  FEED_IN_REST,      // nobody wants to hear: nothing is done until LINKED, which may say the same link again
  FEED_IN_CREATED,   // generation
  FEED_IN_REFUSED,   // generation: an error instead
  FEED_IN_MESSAGE,   // generation, consumer_seq
  FEED_IN_HEARTBEAT, // generation, consumer_seq: the last one sent
  FEED_IN_ENDED,     // generation, pull_id: that request is over
  FEED_IN_GONE,      // generation: the consumer is no more
  FEED_IN_TIMER,
};

struct feed_input {
  enum feed_input_kind kind;
  int64_t now_ns; // monotonic
  uint64_t generation, consumer_seq, pull_id;
};

// What is to be done, in this order.
enum feed_action {
  FEED_SUSPECT = 1, // from here on something may have been missed
  FEED_DELETE = 2,  // the consumer of `old_generation`
  FEED_CREATE = 4,  // the consumer of `generation`
  FEED_TRUST = 8,   // from here on everything is heard
  FEED_PULL = 16,   // `pull_id`
};

void feed_init(struct feed *feed, const struct feed_limits *limits);
// One step; returns enum feed_action bits. What was delivered is to be used whatever it returns.
unsigned feed_step(struct feed *feed, const struct feed_input *input);
// The next moment at which a TIMER input has an effect; INT64_MAX where there is none.
int64_t feed_deadline_ns(const struct feed *feed);
