// SPDX-License-Identifier: MIT
// What a query's file gets to see and gives back. A query has two steps, so that many share one round trip: `plan`
// looks at the request and says which rows are needed, `answer` makes the reply of them. Neither waits; the door does
// that.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/application/message.h"

struct query {
  // the request's
  bool has_user_id; // from the subject's suffix or the payload, a lower-case UUID
  struct uuid user_id;
  uint64_t min_version; // Lumin-Min-Version, 0 where absent
  int64_t timeout_ms;   // rpc.timeout
  int64_t time_ns;      // when it came

  // the plan
  bool needs_user;    // the row of `user_id`
  bool needs_outcome; // the row of `command_id`; news of it are listened to
  struct uuid command_id;
  int64_t patience_ms; // how long LUMIN_RETRY is taken for an answer
  int64_t again_ms;    // how long to wait between two readings of the rows
};

// NULL where there is no row.
struct query_rows {
  const struct user *user; // as of the query's time
  const struct outcome *outcome;
};

// One of both where the answer is OK, else a refusal.
struct query_reply {
  const struct user *user;
  const struct outcome *outcome;
  struct refusal refusal;
};

struct query_handler {
  // `message` is the row's request message, decoded.
  enum lumin_status (*plan)(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal);
  // RETRY: not yet, read the rows again. With `last` set, patience is over and RETRY is no answer.
  enum lumin_status (*answer)(const struct query *query, const struct query_rows *rows, bool last,
                              struct query_reply *ret_reply);
};

#define COMMAND(name, Request, user, summary)
#define QUERY(name, Request, Reply, summary) extern const struct query_handler query_##name;
#include "lumin/application/catalog.def"
#undef COMMAND
#undef QUERY
