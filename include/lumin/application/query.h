// SPDX-License-Identifier: MIT
// What a query's file gets to see and gives back. A query has two steps, so that many share one round trip: `plan`
// looks at the request and says which rows are needed, `answer` makes the reply of them. Neither waits; the door does
// that. Rows may be read again and again until the answer is not RETRY.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lumin/application/message.h"
#include "lumin/application/ports.h"

// Most users that one query names.
#define QUERY_USERS_MAX 500

enum query_viewer { VIEWER_STRANGER, VIEWER_CONTACT, VIEWER_OWNER };

struct query {
  // the request's
  bool has_user_id; // from the subject's suffix or the payload, a lower-case UUID
  struct uuid user_id;
  uint64_t min_version; // Lumin-Min-Version, 0 where absent
  int64_t timeout_ms;   // Lumin-Timeout-Ms, else rpc.timeout
  int64_t time_ns;      // when it came
  struct arena *arena;  // for what `plan` makes; query_keep moves it on

  // the plan; what is not asked for stays zero
  const struct uuid *users; // whose rows are needed
  size_t user_count;
  struct identifier identifier; // whose holder's row is needed; its user_id is not looked at
  bool needs_outcome;           // the row of `command_id`; news of it are listened to
  struct uuid command_id;
  struct page_wanted page;
  struct uuid page_binding; // what the page's token is good for
  int64_t patience_ms;      // how long RETRY is taken for an answer
  int64_t again_ms;         // how long to wait between two readings of the rows; an answer may change it
  enum query_viewer viewer; // get_profile: who looks
  uint64_t at_version;      // get_at: as of this version, or where it is 0
  int64_t at_ns;            // as of this time

  // between two answers
  struct user *state; // malloc'ed in one piece
};

// What an answer is made of. Users are as stored: user_at the query's time is the answer's to do.
struct query_rows {
  const struct user *const *users; // in the order of the plan; NULL where there is no row
  const struct user *holder;       // of the identifier; NULL where there is none
  const struct outcome *outcome;   // NULL where there is none
  struct page_rows page;
  bool last;   // patience is over, and RETRY no answer any more
  size_t most; // items that the reply may hold, since more would make it too large
  struct arena *arena;
};

struct query_reply {
  const ProtobufCMessage *message;  // in the rows' arena
  size_t items;                     // of a reply that can be made with fewer
  enum outcome_status outcome_here; // of an Outcome
  struct refusal refusal;           // where the answer is not OK; its texts are literals or in the rows' arena
};

struct query_handler {
  bool by_user;    // its answer is of a version: Lumin-Min-Version has a meaning
  bool from_cache; // users are all it needs, and they may be as old as a cached one
  bool plain_user; // ... one user, and where that is not deleted its reply is the user itself
  // `message` is the row's request message, decoded.
  enum lumin_status (*plan)(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal);
  // RETRY: not yet, read the rows again; by then the plan may be another. The same rows give the same answer, so that
  // it can be asked for again with fewer items.
  enum lumin_status (*answer)(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply);
};

// What a query weighs in a load, in rows.
size_t query_rows_most(const struct query *query);

// A query that waits is copied, and what its plan points to into `room` of so many bytes.
size_t query_bytes(const struct query *query);
struct query query_keep(const struct query *query, char *room);
void query_finish(struct query *query); // frees its state

#define COMMAND(name, Request, user, summary)
#define QUERY(name, Request, Reply, summary) extern const struct query_handler query_##name;
#include "lumin/application/catalog.def"
#undef COMMAND
#undef QUERY
