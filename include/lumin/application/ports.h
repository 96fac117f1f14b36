// SPDX-License-Identifier: MIT
// What the pipeline asks of the world, as small tables of functions; infrastructure fills them.
#pragma once

#include "lumin/application/message.h"

// A message as it came.
struct encoded {
  const ProtobufCMessageDescriptor *type;
  struct span bytes;
  bool json;
};

// Bytes and their meaning.
struct codec_port {
  void *self;
  // Unpacks a message within a budget of the arena's memory. Bad bytes, UTF-8 or NULs: INVALID_ARGUMENT with a refusal.
  enum lumin_status (*decode)(void *self, const struct encoded *encoded, struct arena *arena,
                              const ProtobufCMessage **ret_message, struct refusal *ret_refusal);
  // The hash of method, user id, expected version, refused headers and the decoded message in canonical form
  // (guarantee 2).
  enum lumin_status (*hash_content)(void *self, const struct command *command, struct arena *arena,
                                    uint8_t ret_hash[CONTENT_HASH_LEN]);
  // The event's protobuf body.
  enum lumin_status (*encode_event)(void *self, const struct event *event, struct arena *arena, struct span *ret_body);
};

// One piece of a long answer: so many rows behind a place in an order that writing does not change.
enum page_kind {
  PAGE_NONE,
  PAGE_EVENTS, // a user's events by version
  PAGE_USERS,  // users by time of creation and id
  PAGE_VIEWERS // who has looked at a user, the last one first, by time and id
};

struct page_place {
  int64_t number; // a version, or a time in nanoseconds
  struct uuid id; // of users and viewers: whose
};

struct page_wanted {
  enum page_kind kind;
  struct page_place after; // the row before the page
  uint32_t most;
  struct uuid user_id; // EVENTS, VIEWERS: whose
  // USERS: of these statuses at that time, bits 1 << enum user_status; created in [from, until)
  unsigned statuses;
  int64_t time_ns;
  int64_t from_ns, until_ns;
};

struct recorded_event {
  enum event_type type; // as stored: a newer program may have written what this one does not know
  uint64_t version;
  int64_t time_ns;
  struct uuid command_id;
  struct span actor;
  const ProtobufCMessage *body; // NULL where it cannot be read
  struct event event;           // where it can
};

struct viewer {
  struct uuid viewer_id;
  int64_t last_viewed_ns;
  uint64_t view_count;
};

struct page_rows { // one of them, by the kind
  struct recorded_event *events;
  struct user *users;
  struct viewer *viewers;
  size_t count;
};

#define LOAD_PAGES_MAX 8

// Kinds of identifiers, as stored.
enum identifier_kind { IDENTIFIER_EMAIL = 1, IDENTIFIER_PHONE = 2 };

struct identifier {
  enum identifier_kind kind;
  struct span key;
  struct uuid user_id;
};

struct load_request {
  const struct uuid *users;
  size_t user_count;
  const struct identifier *keys; // user_id is not looked at
  size_t key_count;
  const struct uuid *commands;
  size_t command_count;
  const struct identifier *holders; // keys whose holders' rows are wanted
  size_t holder_count;
  const struct page_wanted *pages;
  size_t page_count; // LOAD_PAGES_MAX at most
};

// Rows that exist, in any order, in the arena of the call; holders and pages in the order of the request.
struct load_result {
  struct user *users;
  size_t user_count;
  struct identifier *identifiers;
  size_t identifier_count;
  struct outcome *outcomes;
  size_t outcome_count;
  struct user *holders; // version 0 where nobody holds the key
  struct page_rows *pages;
};

// One partition's part in a batch: the fence's row.
struct partition_mark {
  uint16_t partition;
  uint64_t epoch;
  uint64_t old_seq;
  int64_t old_ts_ns;
  uint64_t new_seq;
  int64_t new_ts_ns;
  uint64_t event_position;
  uint64_t relayed_position;
  uint64_t event_stream_seq;
  int64_t event_stream_ts_ns;
  uint64_t dead_position;
  uint64_t dead_relayed;
};

struct new_event {
  const struct command *command;
  struct uuid user_id;
  struct event event;
  uint16_t partition;
  uint64_t position;
  struct span body;
};

struct changed_user {
  uint64_t old_version; // 0: a new row
  const struct user *user;
};

// Somebody's views of a user's profile in this batch.
struct profile_view {
  struct uuid user_id;
  struct uuid viewer_id;
  int64_t last_ns; // time of the last one
  uint64_t count;
};

// Positions that no event has: what a repair found neither on the event stream nor among the commands.
struct void_range {
  uint16_t partition;
  uint64_t first, last;
};

struct dead_command {
  const struct command *command;
  uint64_t dead_position;
};

// All that one transaction writes.
struct record {
  const struct partition_mark *marks;
  size_t mark_count;
  const struct new_event *events;
  size_t event_count;
  const struct changed_user *users; // sorted by id
  size_t user_count;
  const struct identifier *released; // sorted by kind and key
  size_t released_count;
  const struct identifier *claimed; // sorted by kind and key
  size_t claimed_count;
  const struct command *const *outcomes; // sorted by command id
  size_t outcome_count;
  const struct dead_command *dead;
  size_t dead_count;
  const struct profile_view *views; // sorted by user and viewer, each pair once
  size_t view_count;
  const struct uuid *unviewed; // sorted: users whose viewers are forgotten, with them
  size_t unviewed_count;
  const struct void_range *voids; // of a repair
  size_t void_count;
};

// The database, for one lane. Both calls return when the answer is there; the lane's loop turns meanwhile.
struct store_port {
  void *self;
  enum lumin_status (*load)(void *self, const struct load_request *request, struct arena *arena,
                            struct load_result *ret_result);
  // OK: committed. NOT_OWNER, POSITION_MOVED, CONFLICT, DEADLOCK, VERSION_TAKEN, BAD_DATA, RETRY: not committed.
  // CONNECTION_LOST: in doubt; the caller finds out by retaking its partitions.
  enum lumin_status (*record)(void *self, const struct record *record, struct arena *arena);
};
