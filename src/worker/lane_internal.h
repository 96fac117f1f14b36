// SPDX-License-Identifier: MIT
// A lane from the inside, shared by the files that make it up:
//   lane.c             the thread and its loop: the story
//   lane_connect.c     its link and session, built anew after a loss
//   lane_partitions.c  taking, retaking and dropping partitions
//   lanes_used.c       which of a worker's lanes own partitions
//   lane_handover.c    giving partitions up, so that others can go on where this lane has ended
//   lane_reader.c      one reader of the command stream for all its partitions: what is whose, and what is to be taken
//   lane_input.c       the reader's actions as JetStream requests, and messages as its input
//   backlog.c          whether a batch waits for more of what the stream holds
//   lane_batch.c       one batch, and every surprise on its way to the commit
//   lane_cache.c       new states to the worker's cache
//   lane_outcome.c     outcomes to those who wait for them
//   lane_relay.c       the relay's port: events to their stream
//   lane_dead.c        dead commands to theirs
//   lane_checkpoint.c  positions that move without a batch
//   lane_show.c        what other threads may know of it
//   lane_alarms.c      what is wrong with partitions, for those who look at the table
//   survey.c           at attach: what is on the event stream already
//   survey_places.c    where events of an earlier layout stand now
// Handlers that run inside a turn of the loop only feed state machines and queues; nothing there asks the database,
// since whoever waits for the database turns the loop.
#pragma once

#include <pthread.h>

#include "backlog.h"
#include "lumin/application/pipeline.h"
#include "lumin/infrastructure/codec/codec.h"
#include "lumin/infrastructure/nats/js.h"
#include "lumin/infrastructure/postgres/store.h"
#include "lumin/worker/cursor.h"
#include "lumin/worker/lane.h"
#include "lumin/worker/relay.h"
#include "survey.h"

// A message taken from a cursor, until its batch is committed.
struct taken {
  struct inbound inbound; // handle: the natsMsg
  size_t bytes;
};

enum partition_state {
  PARTITION_FOREIGN,  // not this lane's
  PARTITION_SURVEYED, // owned; the event stream is being looked at
  PARTITION_OPEN,     // its commands are read and its events relayed
  PARTITION_AHEAD,    // owned and closed: the event stream knows more than the table
};

#define PARTITION_ALARM_UNKNOWN "unknown"
#define PARTITION_LOST_MAX 4 // where more are found between two batches, the last one grows over the gap

struct partition {
  enum partition_state state;
  bool leaving;    // being given up: its commands are read no more, its events still relayed
  bool attach;     // the reader must begin anew, at this partition's position at the latest
  bool verified;   // its input position was seen on the stream, or compared: what is behind it is to be taken
  bool from_start; // the stream is another one: all of it is to be taken
  struct stream_position advanced; // idle: may be written as the input position; seq 0: nothing
  struct lost_range {
    uint64_t first, last;
  } lost[PARTITION_LOST_MAX]; // ranges to record before the next batch
  size_t lost_count;
  bool behind;            // events wait in the table that the relay had no room for
  bool dirty;             // a position moved that no batch has written yet
  int64_t owned_since_ns; // the database's clock
  struct survey_part survey;
  uint64_t mark_position; // see lane_checkpoint.c
  uint64_t idle_sends;
  bool idle_at_request;
  uint64_t stuck_prefix; // of the relay, and since when it stands there with more to come
  int64_t stuck_since_ns;
  const char *alarm; // as told; NULL: none
  // dead commands: one on its way at a time
  bool dead_sent;
  int64_t dead_deadline_ns;
};

struct lane {
  struct worker *worker;
  int number;
  pthread_t thread;
  char consumer_prefix[40]; // "lumin_<token>_<lane>"

  struct loop *loop;
  struct link *link; // NULL: none
  natsSubscription *inbox;
  struct cursor reader; // of the whole command stream, for all its partitions
  bool attach;          // the reader is to be attached at the next batch boundary
  int64_t attach_at_ns; // not before
  int64_t attach_pause_ns;
  bool anew;                       // a partition's position was not on the stream: read from its beginning
  struct stream_position attached; // where the last attach began
  struct stream_position read;     // last message delivered, or last position told by a heartbeat; seq 0: none
  uint64_t read_consumer_seq;
  struct backlog backlog;
  uint64_t verify_next;  // the least position that is still to be seen; UINT64_MAX: none
  uint64_t denied_pull;  // a pull that found the queue full: told to the cursor at the next turn; 0: none
  int64_t advance_at_ns; // when the positions of idle partitions are next written
  natsMsg *arriving;     // the message whose cursor input is under way
  size_t arriving_bytes;
  struct loop_watch session_watch;
  bool session_watched, session_waiting;
  int64_t link_retry_ns, session_retry_ns; // not before
  int64_t link_pause_ns, session_pause_ns;
  struct store store;
  struct codec *codec;
  struct memory *memory;
  struct relay *relay;
  struct pipeline pipeline;
  struct arena *arena;   // of the batch
  struct arena *scratch; // of whatever is done between batches
  struct arena *turn;    // of one handler inside a turn
  struct survey survey;

  uint32_t partition_count;
  struct partition *partitions;   // by number
  struct partition_truth *truths; // by number
  uint16_t *owned;                // numbers
  uint32_t owned_count;
  unsigned registration; // of the worker, at the last take
  int64_t take_at_ns;    // when to look for free partitions next
  bool stood_by;         // when it last looked: others of its worker's lanes own partitions
  int64_t review_at_ns;  // ... and for lost ones
  int64_t linked_ns;     // when the link was last there
  int64_t leaving_ns;    // since when partitions are being given up
  uint64_t leaving_mark; // the question whose answer is awaited before they are; 0: not asked yet
  bool retake;           // the session was lost: what is owned needs a new epoch

  struct taken *queue; // a ring, in the order of taking
  size_t queue_head, queue_count, queue_room;
  size_t queue_bytes;
  size_t batch_limit;   // shrinks when a batch must be halved
  size_t committed;     // messages at the queue's head that the last batch committed: freed by lane_forget
  int64_t attempted_ns; // begin of the last attempt to commit: no event of its batch is older
  struct poison {
    bool known;
    uint16_t partition;
    struct stream_position position;
  } poison;          // the message that is to be made dead when it is next taken alone
  unsigned failures; // attempts at a batch in a row that failed for nobody's fault
  bool quarrel;      // somebody else wrote: everything is dropped

  int64_t checkpoint_at_ns;
  int64_t alarms_at_ns;
  // the busy mark: a stream sequence whose timestamp is being asked for
  uint64_t mark_number;   // of the question: answers to earlier ones say nothing
  uint64_t mark_answered; // the last one with an answer
  uint64_t mark_seq;
  int64_t mark_ts_ns;
  int64_t event_stream_created_ns; // as last seen: a hint that the stream may be another one
  uint64_t outcome_bytes;

  struct lane_counters counters; // this thread's
  pthread_mutex_t shown_lock;
  struct lane_counters shown; // a copy for others
  struct lane_partition *shown_partitions;
  size_t shown_count;
  int64_t show_partitions_ns; // when next
};

// lane.c
struct lane *lane_create(struct worker *worker, int number); // without its thread: fault tests drive the steps
void lane_destroy(struct lane *lane);                        // NULL is fine
void lane_turn(struct lane *lane, int64_t deadline_ns);      // one turn of the loop, and its upkeep
void lane_pause(struct lane *lane, int64_t ns);              // turns the loop for so long
static inline bool lane_stopping(const struct lane *lane) { return atomic_load(&lane->worker->stopping); }

// lane_connect.c
void lane_keep_connected(struct lane *lane);
void lane_disconnect(struct lane *lane);
void lane_close_session(struct lane *lane);
LUMIN_MUST_USE enum lumin_status lane_reopen_session(struct lane *lane);
struct span lane_inbox_subject(struct lane *lane, struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
LUMIN_MUST_USE enum lumin_status lane_ask(struct lane *lane, struct span subject, struct span body, struct span reply);

// lane_show.c
void lane_show(struct lane *lane);

// lane_partitions.c
void lane_keep_partitions(struct lane *lane);
void partition_drop(struct lane *lane, uint16_t number);
void partitions_close(struct lane *lane); // stay owned, and are surveyed before they open again
// After a lost session: new epochs. *ret_rows tells how the partitions stand.
LUMIN_MUST_USE enum lumin_status lane_retake(struct lane *lane, struct arena *arena, struct partition_rows *ret_rows);
// Compares with the rows: what is not mine any more is dropped; what stands elsewhere is attached anew.
LUMIN_MUST_USE enum lumin_status lane_review(struct lane *lane);

// lane_handover.c
void lane_yield(struct lane *lane, uint32_t count); // so many are being given up from now on
void lane_hand_over(struct lane *lane);             // gives up those that are, once all of theirs is published
void lane_release(struct lane *lane);               // gives up everything, as it stands

// lane_input.c
void lane_receive(struct lane *lane); // drains the inbox
void reader_feed(struct lane *lane, const struct cursor_input *input);
void reader_tick(struct lane *lane, int64_t now_ns);
void reader_detach(struct lane *lane);
bool queue_push(struct lane *lane, uint16_t number, const struct cursor_input *input);
void queue_drop_partition(struct lane *lane, uint16_t number);
void queue_pop(struct lane *lane, size_t count); // frees the first `count`
struct taken *queue_at(const struct lane *lane, size_t index);

// lane_reader.c
void lane_attach_reader(struct lane *lane); // where it is asked for
void reader_starts(struct lane *lane, uint64_t start_seq);
void reader_is_anew(struct lane *lane);
void reader_take(struct lane *lane, const struct cursor_input *input);
void reader_forget(struct lane *lane);
void reader_lost(struct lane *lane, uint64_t first_seq, uint64_t last_seq);
void reader_advance(struct lane *lane, const struct stream_position *position);
void reader_heartbeat(struct lane *lane, const struct cursor_input *input);
void reader_advance_idle(struct lane *lane);
void reader_advance_now(struct lane *lane, uint16_t number); // one of which nothing waits
void reader_committed(struct lane *lane, size_t count, struct stream_position position);

// lane_batch.c
struct batch *lane_take(struct lane *lane); // NULL: nothing waits
LUMIN_MUST_USE enum lumin_status lane_commit(struct lane *lane, struct batch *batch);
void lane_forget(struct lane *lane);

// lane_cache.c
void lane_tell_cache(struct lane *lane, const struct batch *batch);

// lane_outcome.c
void lane_publish_outcomes(struct lane *lane, const struct batch *batch);

// lane_relay.c
struct relay_port lane_relay_port_of(struct lane *lane);
void lane_publish_events(struct lane *lane, const struct batch *batch);
void lane_refill_relay(struct lane *lane); // reads back from the tables what the relay has room for
void lane_pub_ack(struct lane *lane, struct span token, struct span payload, int status);
void lane_last_message(struct lane *lane, struct span token, struct span payload, int status);

// lane_dead.c
void lane_relay_dead(struct lane *lane, uint16_t number, int64_t now); // the partition's next one, where it is time
void lane_dead_ack(struct lane *lane, struct span rest, struct span payload, int status);

// lane_alarms.c
void lane_tell_alarms(struct lane *lane);

// lane_checkpoint.c
void truths_refresh(struct lane *lane); // the relay's progress into the truths
void lane_checkpoint(struct lane *lane, bool now);
void lane_marks_ask(struct lane *lane); // where the event stream ends: lane->mark_answered tells of the answer
LUMIN_MUST_USE enum lumin_status lost_ranges_record(struct lane *lane, struct arena *arena);
void lane_mark_answer(struct lane *lane, struct span rest, struct span payload); // "<number>.<kind>"
