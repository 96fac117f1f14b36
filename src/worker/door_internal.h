// SPDX-License-Identifier: MIT
// The door from the inside, shared by the files that make it up:
//   door.c           the thread and its loop: the story
//   door_link.c      its link, built anew after a loss; what arrives on it
//   door_request.c   one request, looked at
//   door_command.c   commands on their way to the stream, and their outcomes back
//   door_acks.c      their PubAcks, and the streams that do not take them
//   door_query.c     queries as they come, those that wait, and those that go on
//   door_cache.c     queries that memory can answer, and what loads leave there
//   door_load.c      queries gathered into loads, and their answers
//   door_database.c  its PostgreSQL session, opened by a thread of its own so that commands never wait for it
//   door_reply.c     answers, and what is counted of them
//   door_pending.c   the table of waiting commands; pure
//   door_parse.c     subjects; pure
// All of it runs on one thread. Who waits for the database turns the loop meanwhile, and there requests are taken and
// commands answered; loads are begun, and connections closed, by the story alone.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/queue.h>

#include "door_parse.h"
#include "door_pending.h"
#include "lumin/application/query.h"
#include "lumin/application/tokens.h"
#include "lumin/base/clock.h"
#include "lumin/base/log.h"
#include "lumin/infrastructure/codec/codec.h"
#include "lumin/infrastructure/postgres/store.h"
#include "lumin/worker/door.h"

// Guarantee 11: what waits is bounded in number and in bytes, the listening subscriptions too, and so is what the
// server has not read from us yet.
#define COMMANDS_MAX 65536
#define QUERIES_MAX 16384
#define WAITING_BYTES_MAX (64U << 20)
#define PATIENT_MAX 1024 // queries that read their rows again and again
#define OUTPUT_BYTES_MAX (32U << 20)
#define LOAD_ROWS_MAX 1000 // of one load; a single query may want more, and those that go on come on top
#define ONGOING_IN_LOAD 2  // the oldest of them, so that it comes to its end, and one of the others by turns
#define ACK_INBOXES 8

// Whom an answer goes to, and what it is about.
struct caller {
  const struct method *method; // NULL: an unknown one
  struct span reply;           // NUL-terminated behind its length, as all here
  struct span traceparent;     // a valid one, or empty
  bool json;                   // what it wants to read
  bool typed;                  // it has named a type, and is told the answer's
  int64_t started_ns;
  struct uuid command_id; // commands; nil while it is not known
  struct uuid user_id;    // commands; nil while it is not known
};

// A message from a caller, while it is looked at.
struct request {
  natsMsg *message;
  struct caller caller;
  struct rpc_subject subject;
  struct span payload;
  const ProtobufCMessage *body; // decoded, in the scratch arena
  bool json;
  bool has_user_id;
  struct uuid user_id;
};

// A command on its way to the stream or through it.
struct door_command {
  struct pending pending;
  struct caller caller;
  size_t bytes;
  uint32_t partition;
  uint64_t ack_generation; // of the inbox its PubAck goes to
  bool stored;             // its PubAck has come
  char texts[];
};

// An inbox for PubAcks, and how many of its commands have been answered there.
struct ack_inbox {
  natsSubscription *subscription; // NULL: not in use yet
  uint64_t generation;
  uint64_t published, acked, refused;
};

struct door_query {
  TAILQ_ENTRY(door_query) others;
  struct caller caller;
  struct query query;
  size_t bytes;
  int64_t deadline_ns;         // patience is over
  bool patient;                // its first answer was "not yet"
  bool leads;                  // of those that go on: its turn is every load's until it is answered
  int64_t due_ns;              // when the rows are to be read again
  natsSubscription *listening; // to news of the outcome; NULL: none
  size_t holder, page;         // its places in the load under way
  char texts[];
};

TAILQ_HEAD(query_list, door_query);

enum database_state { DATABASE_DOWN, DATABASE_OPENING, DATABASE_UP };

struct database {
  enum database_state state;
  struct store store;
  struct loop_watch watch;
  bool watched;
  bool readable;            // something came though nothing was asked
  int64_t load_deadline_ns; // of the load under way; 0: none is
  bool reported;            // the loss is in the log
  bool proven;              // it was up once
  int64_t retry_ns, pause_ns;
  char name[160];
  // of the opener, written before `opened`
  pthread_t opener;
  atomic_bool opened;
  struct session *fresh;
  char error[160];
};

struct door_method {
  atomic_uint_fast64_t requests, errors, processing_ns;
  char last_error[128]; // under the lock
};

struct door {
  struct worker *worker;
  pthread_t thread;
  bool running;
  atomic_bool stopping;
  int64_t stop_deadline_ns; // 0: not stopping yet
  int64_t stop_wait_ns;     // from then on nobody is kept waiting

  struct loop *loop;
  struct codec *codec;
  struct arena *scratch; // of the request or answer at hand
  struct arena *rows;    // of the load under way
  struct arena *answers; // of one answer to a query

  struct link *link; // NULL: none
  natsSubscription *requests, *outcomes;
  struct ack_inbox acks[ACK_INBOXES];
  size_t ack_inbox; // the one that commands name now
  uint64_t ack_generations;
  bool draining;
  bool link_reported;
  int64_t link_retry_ns, link_pause_ns;
  char own_subject[128]; // "<prefix>.door.<worker token>"
  char link_name[160];

  struct pending_table *commands;
  uint32_t *waiting;         // commands by partition
  struct query_list asking;  // for the next load
  struct query_list loading; // in the load under way
  struct query_list patient; // to be asked again when due
  struct query_list ongoing; // to be asked on where they stopped, a few in each load
  size_t query_count, patient_count;
  int64_t next_due_ns; // of the patient ones, at the earliest
  size_t waiting_bytes;
  struct uuid_map *user_rows, *outcome_rows; // of a load
  int64_t loaded_ns;                         // before it asked

  struct database database;

  pthread_mutex_t lock; // of every last_error
  struct door_method methods[METHOD_COUNT];
  struct {
    atomic_uint_fast64_t dropped, lost, shed, late;
  } totals;
};

// door_link.c
void door_connect(struct door *door);
int64_t door_retry_ns(const struct door *door); // without a link: when to try next
void door_disconnect(struct door *door);
void door_receive(struct door *door); // everything that is here
void door_drain(struct door *door);   // no more requests from now on, but those that are on their way
bool door_is_drained(const struct door *door);

// door_request.c
void request_take(struct door *door, natsMsg *message);
// The number in a header: `empty` where it is absent. INVALID_ARGUMENT with a refusal where it is none.
LUMIN_MUST_USE enum lumin_status header_number(const struct request *request, const char *name, uint64_t *ret_number,
                                               struct refusal *ret_refusal);

// door_command.c
void command_take(struct door *door, struct request *request);
void command_decided(struct door *door, natsMsg *message);        // an outcome
void command_stored(struct door *door, natsMsg *message);         // a PubAck
void commands_refuse(struct door *door, uint64_t ack_generation); // those without a PubAck: no stream takes them
void commands_expire(struct door *door);
void commands_forget(struct door *door); // the link they came by is lost
int64_t commands_deadline_ns(const struct door *door);

// door_acks.c
LUMIN_MUST_USE enum lumin_status acks_listen(struct door *door); // on a new link
void acks_forget(struct door *door);
void acks_receive(struct door *door);
uint64_t acks_generation(const struct door *door); // for the next command
void acks_expect(struct door *door);               // it was sent
struct span acks_subject(struct door *door, const struct door_command *command);

// door_query.c
void query_take(struct door *door, struct request *request);
void queries_listen(struct door *door); // to news of the outcomes that are waited for
void queries_wake(struct door *door);   // those that are due go into the next load
void queries_go_on(struct door *door);  // those whose turn it is, into the load; those whose time is over are refused
// It was in a load, and its rows are not yet what is asked for.
LUMIN_MUST_USE enum lumin_status query_wait(struct door *door, struct door_query *query);
void query_end(struct door *door, struct query_list *list, struct door_query *query);
void queries_forget(struct door *door);
int64_t queries_deadline_ns(const struct door *door);

struct reply {
  struct span body;
  bool json;              // the body
  struct span outcome;    // of Lumin-Outcome; empty: none
  struct span error_code; // empty: no refusal
  struct span error;
};

// A query, and whom its answer goes to; it need not wait anywhere.
struct asked {
  const struct caller *caller;
  struct query *query;
};

// door_cache.c
// Where the cache holds all that is asked for: answers at once, and returns true.
bool asked_answer(struct door *door, const struct asked *asked);
// Users that a load asks for on behalf of the cache, before it does so, and what it has found; NULL: no such user.
uint64_t load_ticket(struct door *door, const struct uuid *user_id);
void load_keep(struct door *door, const struct uuid *user_id, uint64_t ticket, const struct user *row);

// door_load.c
void queries_answer(struct door *door); // one load
// Ends a query of the load.
void query_refuse_reason(struct door *door, struct door_query *query, enum lumin_status reason, const char *message);
// OK with a reply; RETRY; else why not, in the answer's refusal or, where that says nothing, RESOURCE_EXHAUSTED: the
// reply does not fit into a message, NO_MEMORY. All in door->answers.
LUMIN_MUST_USE enum lumin_status answer_make(struct door *door, const struct asked *asked, struct query_rows *rows,
                                             struct refusal *ret_refusal, struct reply *ret_reply);
size_t reply_limit(const struct door *door); // bytes of a reply's body

// door_database.c
void door_database_keep(struct door *door);
void door_database_close(struct door *door);
int64_t database_deadline_ns(const struct door *door);
LUMIN_MUST_USE enum lumin_status door_database_load(struct door *door, const struct load_request *request,
                                                    struct load_result *ret_result);

// door_reply.c
void reply_send(struct door *door, const struct caller *caller, const struct reply *reply);
// Makes JSON of a protobuf body where the caller wants it.
LUMIN_MUST_USE enum lumin_status reply_convert(const struct caller *caller, const ProtobufCMessageDescriptor *type,
                                               struct arena *arena, struct reply *reply);
// A refusal by the door; uses the arena given.
void reply_refuse(struct door *door, const struct caller *caller, const struct refusal *refusal, struct arena *arena);
void reply_refuse_reason(struct door *door, const struct caller *caller, enum lumin_status reason, const char *message);
// Copies a caller's texts behind a struct that is to keep it.
size_t caller_bytes(const struct caller *caller);
struct caller caller_keep(const struct caller *caller, char *texts);

// door.c
void door_turn(struct door *door, int64_t deadline_ns); // one turn of the loop, and what may happen inside a load
int64_t door_backoff(int64_t *pause_ns);                // the next pause; doubles to 2 s, with jitter
// A flood of answers that nobody reads is not added to.
static inline bool door_output_is_full(const struct door *door) {
  return link_is_alive(door->link) && natsConnection_Buffered(link_connection(door->link)) >= (int)OUTPUT_BYTES_MAX;
}
static inline bool door_waits_no_more(const struct door *door) {
  return door->stop_deadline_ns != 0 && clock_monotonic_ns() >= door->stop_wait_ns;
}
static inline int64_t earliest(int64_t a, int64_t b) { return a < b ? a : b; }
