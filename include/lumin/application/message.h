// SPDX-License-Identifier: MIT
// A message of the command stream, the command in it, and the outcome it ends in.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/application/catalog.h"

// The headers a command may carry, as they came; empty where absent.
struct metadata {
  struct span command_id;
  struct span msg_id;
  struct span expected_version;
  struct span actor;
  struct span reply_to;
  struct span content_type;
  struct span accept;
  struct span traceparent;
  struct span tracestate;
  bool unreadable; // the headers are no NATS headers: all others are empty
};

// As taken from the stream. Spans live as long as `handle`, which belongs to whoever took it.
struct inbound {
  uint16_t partition; // the one whose cursor took it
  uint64_t seq;
  int64_t ts_ns;
  struct span subject; // "<prefix>.command.<partition>.<method>.<user_id>"
  struct metadata headers;
  struct span payload;
  void *handle;
  bool expired; // made up by a repair for a command that is gone: only its events are known (precedent.h)
};

// Numbers are stored and are the wire's OutcomeStatus.
enum outcome_status {
  OUTCOME_NONE = 0,
  OUTCOME_APPLIED = 1,
  OUTCOME_UNCHANGED = 2,
  OUTCOME_REJECTED = 3,
  OUTCOME_DEAD = 4
};

#define CONTENT_HASH_LEN 16

struct outcome {
  struct uuid command_id;
  struct uuid user_id; // nil where the message named none
  enum outcome_status status;
  uint64_t version;
  struct refusal refusal; // REJECTED and DEAD
  uint64_t stream_seq;
  int64_t stream_ts_ns;
  uint8_t content_hash[CONTENT_HASH_LEN];
};

// Headers that a command was refused for; bits.
enum refused_headers {
  REFUSED_EXPECTED_VERSION = 1,
  REFUSED_ACTOR = 2,
  REFUSED_REPLY_TO = 4,
};

// In a repair: whether a command of which nothing is published has taken an e-mail or a phone.
enum command_claim {
  CLAIM_NONE,
  CLAIM_MADE,
  CLAIM_DISPUTED, // that another user had when the batch began
};

struct command {
  const struct inbound *inbound;
  const struct method *method; // NULL: unknown
  struct span method_token;    // as in the subject; fit to be a token, else "unknown"
  struct span user_token;      // the same
  struct uuid command_id;
  struct uuid user_id;
  bool has_expected_version;
  uint64_t expected_version;
  uint8_t refused_headers; // part of the content: the command without them is another one
  bool json;               // the payload
  bool json_outcome;       // the outcome goes back so
  struct span actor;
  struct span reply_to;    // allowed ones only
  struct span traceparent; // valid ones only
  struct span tracestate;
  const ProtobufCMessage *message;
  uint8_t content_hash[CONTENT_HASH_LEN];
  struct refusal fault;               // found while decoding; reason OK: none
  bool dead;                          // the fault is of a kind that only an operator can mend
  bool poisoned;                      // PostgreSQL would not take what it leads to: dead
  bool wrong_partition;               // published past the mapping
  const struct precedent *precedents; // of a repair: the events it has led to already
  size_t precedent_count;
  bool id_is_others; // of a repair: the event stream holds events of another command under its id
  bool disproved;    // of a repair: the place that it would fill is another's, so it was refused; for good

  // of the last decision
  struct outcome outcome;
  bool unrecorded; // gives an earlier outcome again, refuses a used id, or a later decision replaces it
  bool replaces;   // its earlier outcome, DEAD, has a row
  enum command_claim claim;
};
