// SPDX-License-Identifier: MIT
// The cursor: where a reader stands in the command stream, and what to do about all that can go wrong there.
// A pure state machine: inputs in, actions out; no socket, no clock. Keeps guarantees 4 (order of the stream) and 9
// (nothing that the stream still holds is skipped in silence). Rules and traps: DESIGN section 5, "The cursor".
//
//   DETACHED --ATTACH--> CHECKING --(position compared)--> CREATING --(consumer made)--> READING
//      any of these three --(error, gap, silence, ...)--> DISTURBED --ATTACH--> CHECKING
//
// The lane sends ATTACH when no batch holds a message of the partition, its queue for the partition is empty and no
// write of its position is under way, with the committed position; so "taken but not committed" never survives an
// attach, and COMMITTED is ignored between ATTACH and READING. It hands over what has arrived before it sends TIMER:
// time spent waiting in the lane would look like silence.
#pragma once

#include "lumin/base/span.h"

struct stream_position {
  uint64_t seq;  // 0: nothing read yet
  int64_t ts_ns; // timestamp of the message with this sequence
};

enum cursor_state { CURSOR_DETACHED, CURSOR_CHECKING, CURSOR_CREATING, CURSOR_READING, CURSOR_DISTURBED };

struct cursor_limits {
  uint32_t pull_batch;         // messages a pull request asks for, at least 1
  uint32_t buffer;             // messages taken but not committed, plus asked for, at most
  int64_t heartbeat_ns;        // what the pull requests ask of the server
  int64_t expires_ns;          // of a pull request: at least twice heartbeat_ns (the server wants that too)
  int64_t reply_timeout_ns;    // for a question to the JetStream API
  int64_t advance_interval_ns; // an idle partition moves on at most this often
  int64_t inspect_interval_ns; // how often STREAM.INFO and CONSUMER.INFO are asked
};

#define CURSOR_PULLS 4 // pull requests open at once, at most

// One question to the JetStream API is open at a time.
enum cursor_question {
  CURSOR_ASKED_NOTHING,
  CURSOR_ASKED_STREAM,
  CURSOR_ASKED_MESSAGE,
  CURSOR_ASKED_CREATE,
  CURSOR_ASKED_CONSUMER,
};

struct cursor {
  // private; zeroed by cursor_init, looked at by nobody else but through the functions below
  struct cursor_limits limits;
  enum cursor_state state;
  uint64_t generation; // grows with every attach; names the consumer, and is echoed in every input about it
  struct cursor_private {
    struct stream_position position; // as told by ATTACH and COMMITTED
    bool consumer;                   // one of this generation may exist on the server
    uint64_t committed_seq;          // position.seq, or what counts as committed after the stream was made anew
    uint64_t floor_seq;              // nothing of the partition is to come up to here: taken, or known to be absent
    uint64_t last_consumer_seq;      // last taken
    uint32_t buffered;               // taken, not yet committed

    enum cursor_question question;
    int64_t asked_ns;
    uint64_t asked_seq;          // of the message asked for
    uint64_t asked_floor_seq;    // floor_seq and last_consumer_seq when the question was asked: what arrives before
    uint64_t asked_consumer_seq; // the answer may be newer than the answer

    uint64_t info_first; // within CHECKING: the stream as last told
    uint64_t info_last;
    uint64_t missing_seq; // the message last found missing; 0: none
    uint32_t missing_count;

    struct cursor_pull {
      uint64_t id;
      uint32_t left;
      int64_t asked_ns;
    } pulls[CURSOR_PULLS]; // oldest first
    uint32_t pull_count;
    uint64_t last_pull_id;
    uint32_t barren;   // pull requests ended in a row without a message or a heartbeat between
    int64_t resume_ns; // no pull request before this; 0: no pause

    int64_t heard_ns;       // last sign of life of the consumer
    int64_t advanced_ns;    // last ADVANCE
    int64_t inspected_ns;   // start of the last inspection
    uint64_t ahead_seq;     // CONSUMER.INFO said this was delivered, above what was taken; 0: no suspicion
    int64_t ahead_since_ns; // since when

    uint64_t told_last;   // by the last inspection's STREAM.INFO
    uint64_t told_floor;  // floor_seq then
    uint32_t told_behind; // inspections in a row that found the stream longer, and nothing read
    bool proving;         // the open ASK_MESSAGE is about told_last
  } p;
};

enum cursor_input_kind {
  CURSOR_IN_ATTACH,           // position
  CURSOR_IN_STREAM_INFO,      // first_seq, last_seq
  CURSOR_IN_STREAM_MESSAGE,   // seq, ts_ns: the answer to ASK_MESSAGE
  CURSOR_IN_NO_MESSAGE,       // seq: there is none (404, err_code 10037)
  CURSOR_IN_CONSUMER_CREATED, // -
  CURSOR_IN_CONSUMER_INFO,    // consumer_seq: the last delivered one
  CURSOR_IN_API_ERROR,        // any question of this generation was answered with an error
  CURSOR_IN_MESSAGE,          // seq, ts_ns, consumer_seq; pull_id of the request it answers, 0 where not known
  CURSOR_IN_HEARTBEAT,        // consumer_seq = Nats-Last-Consumer, seq = Nats-Last-Stream
  CURSOR_IN_PULL_ENDED,       // pull_id: 404, 408, or a 409 that only ends the request (max bytes, max waiting)
  CURSOR_IN_CONSUMER_GONE,    // 409 Consumer Deleted, Leadership Change, 503 no responders, ...
  CURSOR_IN_COMMITTED,        // position, count: so many taken messages are committed up to there
  CURSOR_IN_TIMER,            // -
  CURSOR_IN_DETACH,           // the partition is given up or lost
};

struct cursor_input {
  enum cursor_input_kind kind;
  int64_t now_ns;      // monotonic; on every input
  uint64_t generation; // on every input that comes from the server: of the consumer or question it belongs to
  uint64_t seq;
  int64_t ts_ns;
  uint64_t consumer_seq;
  uint64_t pull_id;
  uint64_t first_seq;
  uint64_t last_seq;
  struct stream_position position;
  uint32_t count;
  const char *text; // of CONSUMER_GONE: why, a literal; NULL: nobody knows
};

enum cursor_action_kind {
  CURSOR_DO_ASK_STREAM_INFO, // while CHECKING, and at each inspection while READING
  CURSOR_DO_ASK_MESSAGE,     // seq: one to compare, or to move on to, or that the consumer does not tell of
  CURSOR_DO_CREATE_CONSUMER, // seq: start sequence
  CURSOR_DO_DELETE_CONSUMER, // generation: of the consumer to throw away
  CURSOR_DO_ASK_CONSUMER_INFO,
  CURSOR_DO_PULL,             // pull_id, count
  CURSOR_DO_TAKE,             // the message of this input is the next one: queue it
  CURSOR_DO_ADVANCE,          // position: nothing for this partition up to there; write it some time, then COMMITTED, 0
  CURSOR_DO_REPORT_ANEW,      // text: the stream was lost, made anew or shortened; reading starts at seq
  CURSOR_DO_REPORT_LOST,      // seq..last_seq expired unread: record it before the next batch. While CHECKING, and at
                              // inspections: again and again in a long stall, each range behind the one before
  CURSOR_DO_REPORT_DISTURBED, // text: drop the queue and attach again
};

struct cursor_action {
  enum cursor_action_kind kind;
  uint64_t generation;
  uint64_t seq;
  uint64_t last_seq;
  uint64_t pull_id;
  uint32_t count;
  struct stream_position position;
  const char *text; // literal
};

#define CURSOR_ACTIONS_MAX 8
struct cursor_actions {
  struct cursor_action items[CURSOR_ACTIONS_MAX];
  size_t count;
};

void cursor_init(struct cursor *cursor, const struct cursor_limits *limits);

// One step. Input of another generation than the current one changes nothing. Overwrites *ret_actions.
void cursor_step(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *ret_actions);

// The next moment at which a TIMER input has an effect; INT64_MAX where there is none.
int64_t cursor_deadline_ns(const struct cursor *cursor);
