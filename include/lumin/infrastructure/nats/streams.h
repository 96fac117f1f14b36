// SPDX-License-Identifier: MIT
// The streams as the service needs them: made where they are absent, only looked at where they exist. Another tool may
// own them, and a client that updates a stream drops what it does not know; so nothing here changes one.
#pragma once

#include "lumin/infrastructure/nats/client.h"
#include "lumin/infrastructure/nats/js.h"

struct stream_plan {
  const char *name;
  struct span subject;
  // A stream that maps subjects by itself (subject_transform, nats-server 2.10) takes this one; empty: none may.
  struct span subject_before_mapping;
  bool discard_new;
  bool limits_are_free; // its age and size are whatever the operator wants them to be
  bool memory;          // storage
  bool allow_direct;
  uint64_t replicas;
  int64_t max_messages;        // -1: no limit
  int64_t max_age_ns;          // 0: no limit
  int64_t duplicate_window_ns; // at least; 0: what the server takes
};

#define STREAM_DIFFERENCES_MAX 16

struct stream_finding {
  bool exists;
  bool durable_acks; // nats-server 2.10 or newer: can be set up so that a PubAck survives a power cut
  size_t difference_count;
  struct span differences[STREAM_DIFFERENCES_MAX]; // "max_age is 3600s, expected 604800s"
};

// How the stream stands. OK also where it does not exist. UNAVAILABLE: the account has no JetStream.
LUMIN_MUST_USE enum lumin_status stream_look(struct client *client, const struct stream_plan *plan, struct arena *arena,
                                             struct stream_finding *ret_finding);
// Makes it. INVALID_STATE where the server refuses: *ret_refusal says why.
LUMIN_MUST_USE enum lumin_status stream_create(struct client *client, const struct stream_plan *plan,
                                               struct arena *arena, struct span *ret_refusal);

// The request's body, and the reading of STREAM.INFO's answer: no socket.
struct span stream_create_body(struct arena *arena, const struct stream_plan *plan);
LUMIN_MUST_USE enum lumin_status stream_compare(const struct stream_plan *plan, struct span answer, struct arena *arena,
                                                struct stream_finding *ret_finding);
