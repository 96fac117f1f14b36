// SPDX-License-Identifier: MIT
// One batch on its way to the commit. Keeps guarantees 1 (OK means committed), 5 (a lost partition ends the batch) and
// 10 (what the database will not take is cornered by halving, and only that command dies).
#include "command_log.h"
#include "lane_internal.h"
#include "lumin/base/clock.h"

#define RETRY_PAUSE_FIRST (20 * NS_PER_MS)
#define RETRY_PAUSE_LONGEST (2 * NS_PER_SECOND)
#define FULL_BYTES (4U << 20)   // a batch that has so many waits for no more
#define QUARRELS_BEFORE_PAUSE 8 // conflicts in a row; somebody else got on with each of them

static bool poison_is(const struct lane *lane, const struct inbound *message) {
  const struct poison *poison = &lane->poison;
  return poison->known && poison->partition == message->partition && poison->position.seq == message->seq &&
         poison->position.ts_ns == message->ts_ns;
}

static struct batch *batch_of_queue(struct lane *lane, size_t count) {
  struct inbound *messages = ARENA_ARRAY(lane->arena, count, struct inbound);
  if (messages == NULL) {
    return NULL;
  }
  for (size_t i = 0; i < count; i++) {
    messages[i] = queue_at(lane, i)->inbound;
  }
  struct batch *batch = batch_create(&lane->pipeline, lane->arena, messages, count);
  if (batch != NULL && count == 1 && poison_is(lane, &messages[0])) {
    (void)batch_halve(batch); // of one message: it is made dead
  }
  return batch;
}

// Not for long, and only while the reader brings more: backlog.h says why.
static bool batch_waits(struct lane *lane) {
  size_t room = lane->worker->config->lane_buffer / 2; // beyond it the reader may be waiting for the batch
  size_t full = lane->batch_limit < room ? lane->batch_limit : room;
  return lane->queue_count < full && lane->queue_bytes < FULL_BYTES && lane->reader.state == CURSOR_READING &&
         backlog_holds(&lane->backlog, clock_monotonic_ns());
}

// The first messages of the queue, in a batch of their own. They stay in the queue until the batch is committed.
struct batch *lane_take(struct lane *lane) {
  bool able = lane->queue_count > 0 && lane->store.session != NULL && !lane->retake;
  if (able && batch_waits(lane)) {
    return NULL;
  }
  backlog_release(&lane->backlog);
  if (!able) {
    return NULL;
  }
  truths_refresh(lane);
  for (;;) {
    size_t count = lane->queue_count < lane->batch_limit ? lane->queue_count : lane->batch_limit;
    struct batch *batch = batch_of_queue(lane, count);
    if (batch != NULL || count == 1) {
      return batch;
    }
    arena_reset(lane->arena); // too many for the arena
    lane->batch_limit = count / 2;
  }
}

static enum lumin_status batch_attempt(struct lane *lane, struct batch *batch) {
  lane->attempted_ns = clock_monotonic_ns();
  enum lumin_status status = lost_ranges_record(lane, lane->arena);
  if (status == LUMIN_OK) {
    status = batch_load(batch);
  }
  if (status == LUMIN_OK) {
    status = batch_decide(batch);
  }
  return status == LUMIN_OK ? batch_record(batch) : status;
}

// ---- surprises: what a failed attempt means. OK: try again; anything else ends the batch uncommitted.

struct attempt {
  struct lane *lane;
  struct batch *batch;
  unsigned failures; // in a row
  bool looked;       // again, with every row read, at the one command that PostgreSQL does not take
  enum lumin_status status;
};

static void lane_back_off(struct lane *lane, unsigned failures) {
  int64_t pause = RETRY_PAUSE_FIRST;
  for (unsigned i = 1; i < failures && pause < RETRY_PAUSE_LONGEST; i++) {
    pause *= 2;
  }
  lane_pause(lane, pause / 2 + (int64_t)random_below((uint64_t)pause));
}

static enum lumin_status surprise_conflict(struct attempt *attempt) {
  attempt->lane->counters.conflicts++;
  batch_doubt(attempt->batch);
  if (attempt->failures > QUARRELS_BEFORE_PAUSE) {
    lane_back_off(attempt->lane, attempt->failures);
  }
  return LUMIN_OK;
}

static enum lumin_status surprise_deadlock(struct attempt *attempt) {
  attempt->lane->counters.conflicts++;
  batch_doubt(attempt->batch);
  lane_pause(attempt->lane, (int64_t)random_below((uint64_t)RETRY_PAUSE_FIRST));
  return LUMIN_OK;
}

// The batch is put back and a smaller one taken; alone, the command is to blame.
static enum lumin_status surprise_halve(struct attempt *attempt) {
  struct lane *lane = attempt->lane;
  size_t count = 0;
  const struct command *commands = batch_commands(attempt->batch, &count);
  lane->batch_limit = count > 1 ? count / 2 : 1;
  bool used_up = attempt->status == LUMIN_NO_MEMORY && attempt->failures > 1; // by earlier attempts: it starts afresh
  if (count == 1 && !used_up) {
    const struct inbound *message = commands[0].inbound;
    lane->poison = (struct poison){true, message->partition, {message->seq, message->ts_ns}};
    struct command_mark mark;
    log_error("command_poisoned", log_number("lane", lane->number), log_command_id(&commands[0].command_id, &mark),
              log_trace_id(commands[0].traceparent), log_number("partition", message->partition),
              log_number("seq", (int64_t)message->seq),
              log_string("sqlstate", lane->store.session ? session_sqlstate(lane->store.session) : ""));
  }
  return attempt->status;
}

// A command alone is not to blame before it was decided on rows that were read: where a guess was wrong it leads to a
// refusal, or has its outcome already.
static enum lumin_status surprise_bad_data(struct attempt *attempt) {
  size_t count = 0;
  (void)batch_commands(attempt->batch, &count);
  if (count > 1 || attempt->looked) {
    return surprise_halve(attempt);
  }
  attempt->looked = true;
  batch_doubt(attempt->batch);
  return LUMIN_OK;
}

// Nobody's fault: the batch is put back, and taken again after a while, with an empty arena however long it lasts.
static enum lumin_status surprise_wait(struct attempt *attempt) {
  struct lane *lane = attempt->lane;
  if (++lane->failures == 1) {
    log_warn("batch_waits", log_number("lane", lane->number),
             log_string("sqlstate", lane->store.session ? session_sqlstate(lane->store.session) : ""),
             log_optional("reason", span_from_text(lane->store.session ? session_message(lane->store.session) : "")));
  }
  lane_back_off(lane, lane->failures);
  return attempt->status;
}

static enum lumin_status surprise_fenced(struct attempt *attempt) {
  enum lumin_status status = lane_review(attempt->lane);
  if (status != LUMIN_OK) {
    attempt->lane->retake = true; // looked at again once the session is back
  }
  return attempt->status;
}

static enum lumin_status surprise_foreign(struct attempt *attempt) {
  const struct session *session = attempt->lane->store.session;
  log_error("foreign_write", log_number("lane", attempt->lane->number),
            log_string("what", "somebody else wrote what this lane counts; everything is dropped and read anew"),
            log_optional("reason", span_from_text(session != NULL ? session_message(session) : "")));
  attempt->lane->counters.foreign_writes++;
  attempt->lane->quarrel = true;
  lane_release(attempt->lane);
  lane_pause(attempt->lane, NS_PER_SECOND); // it may well be so again
  return attempt->status;
}

// All marks of a batch move together, so one of them tells. Where none does the batch is decided again, which changes
// nothing if it was committed (guarantee 2).
static bool batch_is_committed(const struct batch *batch, const struct partition_rows *rows) {
  size_t count = 0;
  const struct partition_mark *marks = batch_marks(batch, &count);
  for (size_t i = 0; i < rows->count; i++) {
    for (size_t j = 0; j < count; j++) {
      struct partition_truth now = partition_row_truth(&rows->rows[i]);
      if (rows->rows[i].partition == marks[j].partition && mark_shows_commit(&marks[j], &now)) {
        return true;
      }
    }
  }
  return false;
}

// What is queued is read again from where the partitions stand. Nor may an idle position stay that lies before these.
static void lane_read_again(struct lane *lane) {
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    lane->partitions[lane->owned[i]].advanced = (struct stream_position){0};
  }
  reader_forget(lane);
  queue_pop(lane, lane->queue_count);
  lane->attach = true;
  lane->attach_at_ns = 0;
}

static bool lane_find_out(struct lane *lane, struct partition_rows *ret_rows) {
  arena_reset(lane->scratch); // however often it is tried
  return lane_reopen_session(lane) == LUMIN_OK && lane_retake(lane, lane->scratch, ret_rows) == LUMIN_OK;
}

// In doubt: the retake waits for a commit still in flight and tells the truth about it.
static enum lumin_status surprise_lost(struct attempt *attempt) {
  struct lane *lane = attempt->lane;
  struct partition_rows rows = {0};
  uint32_t owned = lane->owned_count;
  lane->counters.in_doubt++;
  log_warn("commit_in_doubt", log_number("lane", lane->number));
  for (unsigned failures = 1; !lane_find_out(lane, &rows); failures += session_is_alive(lane->store.session)) {
    if (lane_stopping(lane)) {
      return LUMIN_STOPPED;
    }
    lane_back_off(lane, failures); // connecting has pauses of its own
  }
  bool committed = batch_is_committed(attempt->batch, &rows);
  log_info("doubt_resolved", log_number("lane", lane->number),
           log_string("commit", committed ? "happened" : "did not happen"));
  if (committed) {
    batch_settle(attempt->batch);
    memory_clear(lane->memory); // what was settled may belong to a partition that is lost
  }
  if (lane->owned_count != owned) {
    // A partition went, and its messages with it: the batch cannot be told in full any more.
    lane_read_again(lane);
    return LUMIN_NOT_OWNER;
  }
  lane->retake = !committed; // and compared: a failover may have lost what was committed before this batch, too
  attempt->status = committed ? LUMIN_OK : LUMIN_CONNECTION_LOST;
  return LUMIN_STOPPED; // no further attempt: what was not committed is taken again, with an empty arena
}

static const struct {
  enum lumin_status status;
  enum lumin_status (*meet)(struct attempt *attempt);
} surprises[] = {
    {LUMIN_CONFLICT, surprise_conflict},     {LUMIN_DEADLOCK, surprise_deadlock},
    {LUMIN_BAD_DATA, surprise_bad_data},     {LUMIN_NO_MEMORY, surprise_halve},
    {LUMIN_NOT_OWNER, surprise_fenced},      {LUMIN_POSITION_MOVED, surprise_fenced},
    {LUMIN_VERSION_TAKEN, surprise_foreign}, {LUMIN_CONNECTION_LOST, surprise_lost},
};

static enum lumin_status surprise_meet(struct attempt *attempt) {
  for (size_t i = 0; i < sizeof surprises / sizeof surprises[0]; i++) {
    if (surprises[i].status == attempt->status) {
      return surprises[i].meet(attempt);
    }
  }
  return surprise_wait(attempt);
}

static void batch_count(struct lane *lane, const struct batch *batch) {
  size_t commands = 0, events = 0;
  const struct command *all = batch_commands(batch, &commands);
  (void)batch_events(batch, &events);
  lane->counters.batches++;
  lane->counters.commands += commands;
  lane->counters.events += events;
  lane->counters.dead += batch_dead_count(batch);
  for (size_t i = 0; i < commands; i++) {
    lane->counters.duplicates += all[i].unrecorded;
  }
}

// Tells the reader, frees the messages, and lets the batch size grow again after it was halved.
static void batch_done(struct lane *lane, const struct batch *batch) {
  size_t count = 0;
  const struct partition_mark *marks = batch_marks(batch, &count);
  size_t commands = 0;
  const struct command *all = batch_commands(batch, &commands);
  arena_reset(lane->turn);
  for (size_t i = 0; i < count; i++) {
    lane->partitions[marks[i].partition].advanced = (struct stream_position){0};
    lane->partitions[marks[i].partition].from_start = false;
    lane->partitions[marks[i].partition].verified = true;
  }
  const struct inbound *last = all[commands - 1].inbound;
  reader_committed(lane, commands, (struct stream_position){last->seq, last->ts_ns});
  size_t full = lane->worker->config->lane_batch;
  lane->batch_limit = 2 * lane->batch_limit > full ? full : 2 * lane->batch_limit;
  lane->poison.known = false;
  lane->failures = 0;
  lane->committed = commands;
  batch_count(lane, batch);
}

enum lumin_status lane_commit(struct lane *lane, struct batch *batch) {
  struct attempt attempt = {.lane = lane, .batch = batch};
  attempt.status = batch_decode(batch);
  bool decoded = attempt.status == LUMIN_OK;
  if (decoded) {
    attempt.status = batch_attempt(lane, batch);
  }
  while (attempt.status != LUMIN_OK) {
    attempt.failures++;
    if (surprise_meet(&attempt) != LUMIN_OK || !decoded || lane_stopping(lane)) {
      break;
    }
    attempt.status = batch_attempt(lane, batch);
  }
  if (attempt.status == LUMIN_OK) {
    batch_done(lane, batch);
  }
  return attempt.status;
}

void lane_forget(struct lane *lane) {
  queue_pop(lane, lane->committed);
  lane->committed = 0;
  arena_reset(lane->arena);
}
