// SPDX-License-Identifier: MIT
// The cursor while it reads: which messages are the next ones, how many are asked for, what an idle partition may skip,
// and what shows that the consumer or the stream is not what it was. Keeps guarantees 4, 9 and 11.
#include "cursor_check.h"
#include "cursor_steps.h"
#include "lumin/base/clock.h"

#define SILENT_HEARTBEATS 3 // missed in a row: the consumer is lost
#define LATE_HEARTBEATS 2   // past a request's expiry: it has ended, though nobody said so (2.9 may lose a 408)
#define BARREN_PULLS 3      // that end in a row with nothing between: the next one waits a heartbeat
#define AHEAD_MIN_NS NS_PER_SECOND
#define BEHIND_INSPECTIONS 2 // in a row, before the message that does not come is asked for

static uint64_t u64_max(uint64_t a, uint64_t b) { return a > b ? a : b; }
static int64_t i64_max(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t i64_min(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t late_pull_due_ns(const struct cursor *cursor);

// Pull requests.

static uint32_t pulls_outstanding(const struct cursor_private *p) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < p->pull_count; i++)
    sum += p->pulls[i].left;
  return sum;
}

static void pull_remove(struct cursor_private *p, uint32_t index) {
  p->pull_count--;
  for (uint32_t i = index; i < p->pull_count; i++)
    p->pulls[i] = p->pulls[i + 1];
}

static void pull_issue(struct cursor *cursor, uint32_t count, int64_t now_ns, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  if (p->pull_count == 0)
    p->heard_ns = now_ns; // silence before the first request says nothing
  p->pulls[p->pull_count++] = (struct cursor_pull){.id = ++p->last_pull_id, .left = count, .asked_ns = now_ns};
  struct cursor_action *pull = action_add(cursor, actions, CURSOR_DO_PULL);
  pull->pull_id = p->last_pull_id;
  pull->count = count;
}

// Keeps between half a batch and one and a half asked for, within the buffer.
static void pulls_refill(struct cursor *cursor, int64_t now_ns, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  const uint32_t batch = cursor->limits.pull_batch;
  if (now_ns < p->resume_ns)
    return;
  while (p->pull_count < CURSOR_PULLS) {
    const uint32_t outstanding = pulls_outstanding(p);
    const uint32_t used = p->buffered + outstanding;
    if (outstanding > batch / 2 || used >= cursor->limits.buffer)
      return;
    const uint32_t room = cursor->limits.buffer - used;
    pull_issue(cursor, room < batch ? room : batch, now_ns, actions);
  }
}

// The server may serve open requests in turn, so the request is looked up; where its id is not known, it is the oldest.
static void pulls_count_message(struct cursor_private *p, uint64_t pull_id) {
  for (uint32_t i = 0; i < p->pull_count; i++) {
    if (pull_id != 0 && p->pulls[i].id != pull_id)
      continue;
    if (--p->pulls[i].left == 0)
      pull_remove(p, i);
    return;
  }
}

static void pulls_drop_late(struct cursor *cursor, int64_t now_ns) {
  while (now_ns >= late_pull_due_ns(cursor))
    pull_remove(&cursor->p, 0);
}

// A server that ends every request at once must not be asked in a hot loop.
static void pulls_note_barren(struct cursor *cursor, int64_t now_ns) {
  struct cursor_private *p = &cursor->p;
  if (p->barren < BARREN_PULLS)
    p->barren++;
  if (p->barren == BARREN_PULLS)
    p->resume_ns = now_ns + cursor->limits.heartbeat_ns;
}

void pull_ended(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  p->heard_ns = input->now_ns;
  for (uint32_t i = 0; i < p->pull_count; i++) {
    if (p->pulls[i].id != input->pull_id)
      continue;
    pull_remove(p, i);
    pulls_note_barren(cursor, input->now_ns);
    pulls_refill(cursor, input->now_ns, actions);
    return;
  }
}

// Messages and commits.

static void consumer_heard(struct cursor_private *p, int64_t now_ns) {
  p->heard_ns = now_ns;
  p->barren = 0;
  p->resume_ns = 0;
}

void reading_begin(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  if (!question_answer(cursor, CURSOR_ASKED_CREATE, input))
    return;
  cursor->state = CURSOR_READING;
  cursor->p.inspected_ns = input->now_ns;
  pulls_refill(cursor, input->now_ns, actions);
}

static const char *message_objection(const struct cursor *cursor, const struct cursor_input *input) {
  const struct cursor_private *p = &cursor->p;
  if (input->consumer_seq > p->last_consumer_seq + 1)
    return "a gap in the consumer's sequence";
  if (input->consumer_seq <= p->last_consumer_seq)
    return "a consumer sequence came again";
  if (input->seq <= p->floor_seq)
    return "a stream sequence that is not above the last one";
  if (p->buffered >= cursor->limits.buffer)
    return "more messages than were asked for";
  return NULL;
}

void message_accept(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  const char *objection = message_objection(cursor, input);
  if (objection) {
    cursor_disturb(cursor, actions, objection);
    return;
  }
  consumer_heard(p, input->now_ns);
  p->floor_seq = input->seq;
  p->last_consumer_seq = input->consumer_seq;
  if (p->last_consumer_seq >= p->ahead_seq)
    p->ahead_seq = 0;
  p->buffered++;
  pulls_count_message(p, input->pull_id);
  action_add(cursor, actions, CURSOR_DO_TAKE)->seq = input->seq;
  pulls_refill(cursor, input->now_ns, actions);
}

void batch_committed(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  p->position = input->position;
  p->committed_seq = input->position.seq;
  p->buffered -= input->count < p->buffered ? input->count : p->buffered;
  pulls_refill(cursor, input->now_ns, actions);
}

// An idle partition moves on.

static bool advance_possible(const struct cursor *cursor, uint64_t seq) {
  return cursor->p.buffered == 0 && seq > cursor->p.committed_seq;
}

void heartbeat_accept(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  if (input->consumer_seq > p->last_consumer_seq) {
    cursor_disturb(cursor, actions, "a heartbeat tells of messages that did not come");
    return;
  }
  if (input->consumer_seq < p->last_consumer_seq) {
    cursor_disturb(cursor, actions, "a heartbeat of a consumer that delivered less");
    return;
  }
  consumer_heard(p, input->now_ns);
  p->floor_seq = u64_max(p->floor_seq, input->seq);
  if (p->question == CURSOR_ASKED_NOTHING && advance_possible(cursor, input->seq) &&
      input->now_ns - p->advanced_ns >= cursor->limits.advance_interval_ns)
    question_ask(cursor, actions, CURSOR_ASKED_MESSAGE, input->seq, input->now_ns);
  pulls_refill(cursor, input->now_ns, actions);
}

static void behind_prove(struct cursor *cursor, struct cursor_actions *actions);

void advance_finish(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  if (!question_answer(cursor, CURSOR_ASKED_MESSAGE, input))
    return;
  if (p->proving) {
    behind_prove(cursor, actions);
    return;
  }
  if (!advance_possible(cursor, input->seq))
    return;
  p->committed_seq = input->seq;
  p->advanced_ns = input->now_ns;
  action_add(cursor, actions, CURSOR_DO_ADVANCE)->position =
      (struct stream_position){.seq = input->seq, .ts_ns = input->ts_ns};
}

void advance_forget(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  (void)actions;
  if (question_answer(cursor, CURSOR_ASKED_MESSAGE, input))
    cursor->p.proving = false;
}

// Inspection: what the consumer itself would never tell. The stream first, then the consumer.

// Only what lies above everything read and everything committed is sure to have gone unread: a janitor purges below.
static void inspect_expiry(struct cursor *cursor, struct stream_range range, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  const uint64_t read_seq = u64_max(p->asked_floor_seq, p->committed_seq);
  if (range.first <= read_seq + 1)
    return;
  struct cursor_action *report = action_add(cursor, actions, CURSOR_DO_REPORT_LOST);
  report->seq = read_seq + 1;
  report->last_seq = range.first - 1;
  p->floor_seq = u64_max(p->floor_seq, range.first - 1);
}

// A consumer may live on a server whose copy of the stream has not got all of it (a replica of a cluster that has come
// to disagree with its leader), and says with every heartbeat that there is no more. Where nothing was read, and asked
// for all along, over inspections that found the stream longer, its leader is asked for the message itself: a stream's
// last one may be deleted.
static bool behind_suspect(struct cursor_private *p, struct stream_range range) {
  const bool stands = p->asked_floor_seq == p->told_floor && p->pull_count > 0;
  p->told_behind = stands && p->told_last > p->asked_floor_seq ? p->told_behind + 1 : 0;
  if (p->told_behind >= BEHIND_INSPECTIONS) {
    p->told_behind = 0;
    return true;
  }
  p->told_last = range.last;
  p->told_floor = p->asked_floor_seq;
  return false;
}

static void behind_prove(struct cursor *cursor, struct cursor_actions *actions) {
  cursor->p.proving = false;
  if (cursor->p.floor_seq == cursor->p.told_floor)
    cursor_disturb(cursor, actions, "the stream holds messages that the consumer does not tell of");
}

void inspect_stream(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  if (!question_answer(cursor, CURSOR_ASKED_STREAM, input))
    return;
  const struct stream_range range = range_of(input->first_seq, input->last_seq);
  if (range.last < p->asked_floor_seq) {
    cursor_disturb(cursor, actions, "the stream ends before what was read");
    return;
  }
  inspect_expiry(cursor, range, actions);
  p->proving = behind_suspect(p, range);
  const enum cursor_question next = p->proving ? CURSOR_ASKED_MESSAGE : CURSOR_ASKED_CONSUMER;
  question_ask(cursor, actions, next, p->proving ? p->told_last : 0, input->now_ns);
}

void inspect_consumer(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  if (!question_answer(cursor, CURSOR_ASKED_CONSUMER, input))
    return;
  if (input->consumer_seq < p->asked_consumer_seq) {
    cursor_disturb(cursor, actions, "the consumer has delivered less than was read");
    return;
  }
  if (input->consumer_seq > p->last_consumer_seq && p->ahead_seq == 0) {
    p->ahead_seq = input->consumer_seq; // on its way, or lost: a little later is told apart
    p->ahead_since_ns = input->now_ns;
  }
}

// Time.

static int64_t ahead_due_ns(const struct cursor *cursor) {
  return cursor->p.ahead_seq == 0 ? INT64_MAX
                                  : cursor->p.ahead_since_ns + i64_max(cursor->limits.heartbeat_ns, AHEAD_MIN_NS);
}

static int64_t silence_due_ns(const struct cursor *cursor) {
  return cursor->p.pull_count == 0 ? INT64_MAX : cursor->p.heard_ns + SILENT_HEARTBEATS * cursor->limits.heartbeat_ns;
}

static int64_t late_pull_due_ns(const struct cursor *cursor) {
  return cursor->p.pull_count == 0
             ? INT64_MAX
             : cursor->p.pulls[0].asked_ns + cursor->limits.expires_ns + LATE_HEARTBEATS * cursor->limits.heartbeat_ns;
}

static int64_t question_due_ns(const struct cursor *cursor) {
  return cursor->p.question == CURSOR_ASKED_NOTHING ? cursor->p.inspected_ns + cursor->limits.inspect_interval_ns
                                                    : cursor->p.asked_ns + cursor->limits.reply_timeout_ns;
}

int64_t reading_deadline_ns(const struct cursor *cursor) {
  int64_t due = question_due_ns(cursor);
  due = i64_min(due, ahead_due_ns(cursor));
  due = i64_min(due, silence_due_ns(cursor));
  due = i64_min(due, late_pull_due_ns(cursor));
  return cursor->p.resume_ns == 0 ? due : i64_min(due, cursor->p.resume_ns);
}

static const char *tick_objection(const struct cursor *cursor, int64_t now_ns) {
  if (question_overdue(cursor, now_ns))
    return "a question was not answered in time";
  if (now_ns >= ahead_due_ns(cursor))
    return "the consumer has delivered messages that did not come";
  if (now_ns >= silence_due_ns(cursor))
    return "the consumer is silent";
  return NULL;
}

void reading_tick(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  pulls_drop_late(cursor, input->now_ns); // before silence: a request that ended unheard is no proof of it
  const char *objection = tick_objection(cursor, input->now_ns);
  if (objection) {
    cursor_disturb(cursor, actions, objection);
    return;
  }
  if (input->now_ns >= p->resume_ns)
    p->resume_ns = 0;
  pulls_refill(cursor, input->now_ns, actions);
  if (p->question == CURSOR_ASKED_NOTHING && input->now_ns >= question_due_ns(cursor)) {
    p->inspected_ns = input->now_ns;
    question_ask(cursor, actions, CURSOR_ASKED_STREAM, 0, input->now_ns);
  }
}
