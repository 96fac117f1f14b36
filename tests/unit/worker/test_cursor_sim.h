// SPDX-License-Identifier: MIT
// The world of test_cursor_random.c, in steps of a millisecond: a stream that grows, expires, loses its tail, is made
// anew; a pull consumer as nats-server 2.9 has it; a network with two independent channels; and a lane that commits.
#pragma once

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "lumin/base/clock.h"
#include "lumin/worker/cursor.h"

#define SIM_STREAM 20000
#define SIM_EVENTS 4096
#define SIM_PULLS 16
#define SIM_REASONS 12

static const struct cursor_limits sim_limits = {
    .pull_batch = 8,
    .buffer = 20,
    .heartbeat_ns = 500 * NS_PER_MS,
    .expires_ns = 1500 * NS_PER_MS,
    .reply_timeout_ns = 300 * NS_PER_MS,
    .advance_interval_ns = 600 * NS_PER_MS,
    .inspect_interval_ns = 1000 * NS_PER_MS,
};

static const char *const sim_reasons[SIM_REASONS] = {
    "a question was not answered in time",
    "the JetStream API answered with an error",
    "the consumer is gone",
    "the consumer is silent",
    "a gap in the consumer's sequence",
    "a consumer sequence came again",
    "a stream sequence that is not above the last one",
    "a heartbeat tells of messages that did not come",
    "a heartbeat of a consumer that delivered less",
    "the consumer has delivered less than was read",
    "the consumer has delivered messages that did not come",
    "the stream ends before what was read",
};

struct sim_counts {
  uint64_t taken, advanced, anew, lost, reported, blind;
  uint64_t reasons[SIM_REASONS];
};

struct sim_message {
  uint64_t id; // of all messages ever
  int64_t ts_ns;
  bool ours;
  bool held; // in the stream still
  bool applied;
  bool reported;      // by LOST or ANEW
  int64_t expired_ms; // -1: it did not
  int64_t passed_ms;  // the cursor read beyond it; -1: not yet
};

struct sim_event {
  int64_t at_ms;
  struct cursor_input input;
  uint64_t id; // of a message
};

struct sim_taken {
  uint64_t id;
  struct stream_position position;
};

struct sim {
  uint64_t seed, random;
  int64_t now_ms;
  bool trouble;
  struct sim_counts counts;
  // the stream
  struct sim_message stream[SIM_STREAM]; // by sequence
  uint64_t last, expired_seq, next_id;
  uint64_t kept_seq;  // the least `last` since the position was last taken in a stream that was compared
  bool compared;      // a consumer was made since the stream was last shortened
  int64_t max_age_ms; // 0: none
  int64_t busy_ms;    // bursts of publishing end here
  int64_t refill_ms;  // after a loss, publishing starts again here
  // the consumer
  bool alive;
  uint64_t consumer_generation, start_seq, sseq, cseq;
  int64_t spoke_ms;
  struct {
    uint64_t id;
    uint32_t left;
    int64_t ends_ms;
  } pulls[SIM_PULLS];
  size_t pull_count;
  bool drops_all; // nothing of this consumer arrives any more
  // the network
  struct sim_event events[SIM_EVENTS];
  size_t event_count;
  int64_t consumer_channel_ms;
  // the lane
  struct cursor cursor;
  struct stream_position position, advance;
  struct sim_taken queue[64];
  uint32_t queued, in_batch; // the batch is the front of the queue
  int64_t commit_ms, attach_ms, stall_ms;
  bool disturbed;
  uint64_t taken_seq;
};

// Chance.

static uint64_t sim_below(struct sim *sim, uint64_t bound) {
  sim->random ^= sim->random << 13;
  sim->random ^= sim->random >> 7;
  sim->random ^= sim->random << 17;
  return (sim->random * UINT64_C(0x2545F4914F6CDD1D) >> 33) % bound;
}

// Once in so many times, and only in times of trouble.
static bool sim_fault(struct sim *sim, uint64_t once_in) { return sim->trouble && sim_below(sim, once_in) == 0; }

// Network.

static void sim_send(struct sim *sim, int64_t at_ms, struct cursor_input input, uint64_t id) {
  cr_assert_lt(sim->event_count, SIM_EVENTS);
  size_t at = sim->event_count++;
  for (; at > 0 && sim->events[at - 1].at_ms > at_ms; at--)
    sim->events[at] = sim->events[at - 1];
  sim->events[at] = (struct sim_event){at_ms, input, id};
}

static void sim_answer(struct sim *sim, struct cursor_input input) {
  input.generation = sim->cursor.generation;
  if (sim_fault(sim, 300))
    input.kind = CURSOR_IN_API_ERROR;
  if (!sim_fault(sim, 200))
    sim_send(sim, sim->now_ms + 1 + (int64_t)sim_below(sim, 20), input, 0);
}

// The consumer's channel keeps its order.
static void sim_say(struct sim *sim, struct cursor_input input, uint64_t id) {
  const int64_t at = sim->now_ms + 1 + (int64_t)sim_below(sim, 15);
  if (at > sim->consumer_channel_ms)
    sim->consumer_channel_ms = at;
  input.generation = sim->consumer_generation;
  if (!sim->drops_all)
    sim_send(sim, sim->consumer_channel_ms, input, id);
}

// Stream.

static struct sim_message *sim_held(struct sim *sim, uint64_t seq) {
  return seq >= 1 && seq <= sim->last && sim->stream[seq].held ? &sim->stream[seq] : NULL;
}

static uint64_t sim_first(struct sim *sim) {
  for (uint64_t seq = sim->expired_seq + 1; seq <= sim->last; seq++)
    if (sim->stream[seq].held)
      return seq;
  return sim->last == 0 ? sim_below(sim, 2) : sim->last + 1;
}

static void sim_publish(struct sim *sim, bool ours) {
  cr_assert_lt(sim->last + 1, SIM_STREAM);
  sim->stream[++sim->last] = (struct sim_message){.id = ++sim->next_id,
                                                  .ts_ns = sim->now_ms * NS_PER_MS + (int64_t)(sim->next_id % 1000000),
                                                  .ours = ours,
                                                  .held = true,
                                                  .expired_ms = -1,
                                                  .passed_ms = -1};
}

static void sim_stream_live(struct sim *sim) {
  if (!sim->trouble || sim->now_ms < sim->refill_ms)
    return;
  if (sim_below(sim, 1500) == 0)
    sim->busy_ms = sim->now_ms + (int64_t)sim_below(sim, 500);
  if (sim_below(sim, sim->now_ms < sim->busy_ms ? 3 : 100) == 0)
    sim_publish(sim, sim_below(sim, 4) == 0);
}

static void sim_stream_expire(struct sim *sim) {
  if (!sim->trouble || sim->max_age_ms == 0)
    return;
  while (sim->expired_seq < sim->last) {
    struct sim_message *m = &sim->stream[sim->expired_seq + 1];
    if (m->held && m->ts_ns / NS_PER_MS + sim->max_age_ms > sim->now_ms)
      return;
    if (m->held)
      m->expired_ms = sim->now_ms;
    m->held = false;
    sim->expired_seq++;
  }
}

// The tail is lost, or everything; the sequences are used again a little later, with or without the old consumer.
static void sim_stream_shorten(struct sim *sim, uint64_t to, bool consumer_survives) {
  sim->last = to;
  sim->compared = false;
  if (sim->kept_seq > to)
    sim->kept_seq = to;
  if (sim->expired_seq > to)
    sim->expired_seq = to;
  sim->refill_ms = sim->now_ms + 100;
  sim->busy_ms = sim->refill_ms + (int64_t)sim_below(sim, 1500);
  if (!consumer_survives)
    sim->alive = false;
  else if (sim->sseq > to + 1)
    sim->sseq = to + 1;
}

// An operator deletes one, the message at the position by preference.
static void sim_stream_delete(struct sim *sim) {
  const bool at_position = sim_below(sim, 2) && sim->position.seq >= 1 && sim->position.seq <= sim->last;
  sim->stream[at_position ? sim->position.seq : 1 + sim_below(sim, sim->last)].held = false;
}

static void sim_stream_faults(struct sim *sim) {
  if (sim_fault(sim, 6000) && sim->last > 0) {
    const uint64_t tail = 1 + sim_below(sim, sim->last < 30 ? sim->last : 30);
    sim_stream_shorten(sim, sim->last - tail, sim_below(sim, 2) == 0);
  }
  if (sim_fault(sim, 20000))
    sim_stream_shorten(sim, 0, false);
  if (sim_fault(sim, 3000) && sim->last > 0)
    sim_stream_delete(sim);
}

// Consumer.

static void sim_consumer_faults(struct sim *sim) {
  if (sim_fault(sim, 5000))
    sim->alive = false;
  if (sim_fault(sim, 8000))
    sim->drops_all = true;
  if (sim_fault(sim, 8000) && sim->alive) {
    sim->alive = false;
    sim_say(sim, (struct cursor_input){.kind = CURSOR_IN_CONSUMER_GONE}, 0);
  }
  if (sim_fault(sim, 8000)) { // made again under its name: it begins once more
    sim->cseq = 0;
    sim->sseq = sim->start_seq > sim->last + 1 ? sim->last + 1 : sim->start_seq;
  }
  if (sim->alive && sim->pull_count > 0 && sim_fault(sim, 1000)) { // "Exceeded MaxWaiting"
    sim->pull_count--;
    sim_say(sim, (struct cursor_input){.kind = CURSOR_IN_PULL_ENDED, .pull_id = sim->pulls[sim->pull_count].id}, 0);
  }
}

static void sim_pull_remove(struct sim *sim, size_t at) {
  sim->pull_count--;
  memmove(&sim->pulls[at], &sim->pulls[at + 1], (sim->pull_count - at) * sizeof(sim->pulls[0]));
}

static void sim_consumer_expire_pulls(struct sim *sim) {
  for (size_t i = sim->pull_count; i-- > 0;) {
    if (sim->now_ms < sim->pulls[i].ends_ms)
      continue;
    if (!sim_fault(sim, 4))
      sim_say(sim, (struct cursor_input){.kind = CURSOR_IN_PULL_ENDED, .pull_id = sim->pulls[i].id}, 0);
    sim_pull_remove(sim, i);
  }
}

static void sim_consumer_deliver(struct sim *sim, uint64_t seq) {
  const struct sim_message *m = &sim->stream[seq];
  const size_t pull = sim_below(sim, sim->pull_count); // open requests are served in turn
  const struct cursor_input input = {.kind = CURSOR_IN_MESSAGE,
                                     .seq = seq,
                                     .ts_ns = m->ts_ns,
                                     .consumer_seq = ++sim->cseq,
                                     .pull_id = sim->seed % 2 ? sim->pulls[pull].id : 0};
  sim->sseq = seq + 1;
  sim->spoke_ms = sim->now_ms;
  if (!sim_fault(sim, 300))
    sim_say(sim, input, m->id);
  if (sim_fault(sim, 800))
    sim_say(sim, input, m->id);
  if (--sim->pulls[pull].left == 0)
    sim_pull_remove(sim, pull);
}

static void sim_consumer_live(struct sim *sim) {
  if (!sim->alive)
    return;
  sim_consumer_expire_pulls(sim);
  for (; sim->pull_count > 0 && sim->sseq <= sim->last; sim->sseq++)
    if (sim->stream[sim->sseq].held && sim->stream[sim->sseq].ours) {
      sim_consumer_deliver(sim, sim->sseq);
      return;
    }
  if (sim->pull_count > 0 && sim->now_ms - sim->spoke_ms >= sim_limits.heartbeat_ns / NS_PER_MS) {
    sim->spoke_ms = sim->now_ms;
    struct cursor_input beat = {.kind = CURSOR_IN_HEARTBEAT, .seq = sim->sseq - 1, .consumer_seq = sim->cseq};
    if (sim_fault(sim, 100)) { // of a consumer that begins once more
      beat.seq = sim->start_seq - 1;
      beat.consumer_seq = 0;
    }
    if (!sim_fault(sim, 10))
      sim_say(sim, beat, 0);
  }
}

// What the server does with the cursor's requests.

static void sim_report(struct sim *sim, uint64_t from, uint64_t to) {
  for (uint64_t seq = from; seq <= to && seq <= sim->last; seq++)
    sim->stream[seq].reported = true;
}

// A tail that was lost, used again and has expired beyond the position, all unattended, looks like expiry alone:
// nothing in the stream tells of what lay below the position.
static void sim_excuse_unprovable(struct sim *sim) {
  if (sim->kept_seq < sim->position.seq && sim->expired_seq >= sim->position.seq)
    sim_report(sim, sim->kept_seq + 1, sim->position.seq);
}

static void sim_serve_create(struct sim *sim, const struct cursor_action *action) {
  cr_assert_geq(action->seq, 1);
  sim_excuse_unprovable(sim);
  sim->compared = true;
  sim->alive = true;
  sim->drops_all = false;
  sim->consumer_generation = action->generation;
  sim->start_seq = action->seq;
  sim->sseq = action->seq > sim->last + 1 ? sim->last + 1 : action->seq;
  sim->cseq = 0;
  sim->pull_count = 0;
  sim->spoke_ms = sim->now_ms;
  sim_answer(sim, (struct cursor_input){.kind = CURSOR_IN_CONSUMER_CREATED});
}

static void sim_serve_pull(struct sim *sim, const struct cursor_action *action) {
  if (!sim->alive || sim->consumer_generation != action->generation)
    return; // 2.9 says nothing here
  cr_assert_lt(sim->pull_count, SIM_PULLS);
  sim->pulls[sim->pull_count].id = action->pull_id;
  sim->pulls[sim->pull_count].left = action->count;
  sim->pulls[sim->pull_count++].ends_ms = sim->now_ms + sim_limits.expires_ns / NS_PER_MS;
}

static void sim_serve_get(struct sim *sim, uint64_t seq) {
  const struct sim_message *m = sim_held(sim, seq);
  sim_answer(sim, (struct cursor_input){.kind = m ? CURSOR_IN_STREAM_MESSAGE : CURSOR_IN_NO_MESSAGE,
                                        .seq = seq,
                                        .ts_ns = m ? m->ts_ns : 0});
}

static void sim_serve_inspect(struct sim *sim, const struct cursor_action *action) {
  const bool known = sim->alive && sim->consumer_generation == action->generation;
  sim_answer(sim, (struct cursor_input){.kind = known ? CURSOR_IN_CONSUMER_INFO : CURSOR_IN_API_ERROR,
                                        .consumer_seq = sim->cseq});
}

// Lane.

static void sim_pass(struct sim *sim, uint64_t below) {
  for (uint64_t seq = 1; seq < below && seq <= sim->last; seq++)
    if (sim->stream[seq].passed_ms < 0)
      sim->stream[seq].passed_ms = sim->now_ms;
}

static void sim_lane_take(struct sim *sim, const struct sim_event *event) {
  cr_assert(event && event->input.kind == CURSOR_IN_MESSAGE);
  cr_assert_gt(event->input.seq, sim->taken_seq, "seed %" PRIu64, sim->seed);
  sim->taken_seq = event->input.seq;
  cr_assert_lt(sim->queued, sim_limits.buffer, "seed %" PRIu64, sim->seed);
  sim->queue[sim->queued++] = (struct sim_taken){.id = event->id, .position = {event->input.seq, event->input.ts_ns}};
  sim->counts.taken++;
  sim_pass(sim, event->input.seq);
}

static void sim_lane_disturbed(struct sim *sim, const char *text) {
  for (size_t i = 0; i < SIM_REASONS; i++)
    if (strcmp(text, sim_reasons[i]) == 0)
      sim->counts.reasons[i]++;
  sim->disturbed = true;
  sim->queued = sim->in_batch;
  sim->advance.seq = 0;
  sim->attach_ms = sim->now_ms + (int64_t)sim_below(sim, 50);
}

static void sim_act(struct sim *sim, const struct cursor_action *action, const struct sim_event *event) {
  switch (action->kind) {
  case CURSOR_DO_ASK_STREAM_INFO:
    sim_answer(
        sim, (struct cursor_input){.kind = CURSOR_IN_STREAM_INFO, .first_seq = sim_first(sim), .last_seq = sim->last});
    break;
  case CURSOR_DO_ASK_MESSAGE:
    sim_serve_get(sim, action->seq);
    break;
  case CURSOR_DO_CREATE_CONSUMER:
    sim_serve_create(sim, action);
    break;
  case CURSOR_DO_DELETE_CONSUMER:
    sim->alive = sim->alive && sim->consumer_generation != action->generation;
    break;
  case CURSOR_DO_ASK_CONSUMER_INFO:
    sim_serve_inspect(sim, action);
    break;
  case CURSOR_DO_PULL:
    sim_serve_pull(sim, action);
    break;
  case CURSOR_DO_TAKE:
    sim_lane_take(sim, event);
    break;
  case CURSOR_DO_ADVANCE:
    cr_assert_eq(sim->queued, 0);
    sim->advance = action->position;
    sim->counts.advanced++;
    break;
  case CURSOR_DO_REPORT_ANEW:
    sim_report(sim, 1, action->seq - 1);
    sim->counts.anew++;
    break;
  case CURSOR_DO_REPORT_LOST:
    sim_report(sim, action->seq, action->last_seq);
    sim->counts.lost++;
    break;
  case CURSOR_DO_REPORT_DISTURBED:
    sim_lane_disturbed(sim, action->text);
    break;
  }
}

static void sim_step(struct sim *sim, struct cursor_input input, const struct sim_event *event) {
  struct cursor_actions actions;
  input.now_ns = sim->now_ms * NS_PER_MS;
  cursor_step(&sim->cursor, &input, &actions);
  cr_assert_leq(actions.count, CURSOR_ACTIONS_MAX);
  for (size_t i = 0; i < actions.count; i++)
    sim_act(sim, &actions.items[i], event);
}

static struct sim_message *sim_find(struct sim *sim, const struct sim_taken *taken) {
  struct sim_message *m = taken->position.seq <= sim->last ? &sim->stream[taken->position.seq] : NULL;
  return m && m->id == taken->id ? m : NULL;
}

// Guarantee 4 and 9: a message takes effect only after all before it that the stream holds.
static void sim_apply(struct sim *sim, const struct sim_taken *taken) {
  struct sim_message *m = sim_find(sim, taken);
  if (!m)
    return; // the stream lost it meanwhile
  for (uint64_t seq = 1; seq < taken->position.seq; seq++)
    cr_assert(!sim->stream[seq].ours || !sim->stream[seq].held || sim->stream[seq].applied,
              "seed %" PRIu64 " at %" PRId64 " ms: message %" PRIu64 " applied before %" PRIu64, sim->seed, sim->now_ms,
              taken->position.seq, seq);
  m->applied = true;
}

static void sim_position_move(struct sim *sim, struct stream_position position) {
  sim->position = position;
  if (sim->compared)
    sim->kept_seq = UINT64_MAX;
}

static void sim_lane_commit(struct sim *sim) {
  const uint32_t count = sim->in_batch;
  for (uint32_t i = 0; i < count; i++)
    sim_apply(sim, &sim->queue[i]);
  sim_position_move(sim, sim->queue[count - 1].position);
  sim->queued -= count;
  sim->in_batch = 0;
  memmove(sim->queue, sim->queue + count, sim->queued * sizeof(sim->queue[0]));
  sim_step(sim, (struct cursor_input){.kind = CURSOR_IN_COMMITTED, .position = sim->position, .count = count}, NULL);
}

static void sim_lane_attach(struct sim *sim) {
  sim->disturbed = false;
  sim->taken_seq = 0;
  for (uint64_t seq = sim->position.seq + 1; seq <= sim->last; seq++)
    sim->stream[seq].passed_ms = -1; // it is read, or missed, once more
  sim_step(sim, (struct cursor_input){.kind = CURSOR_IN_ATTACH, .position = sim->position}, NULL);
}

// A crash: what was in flight is gone, another worker begins with what is committed.
static void sim_lane_crash(struct sim *sim) {
  const uint64_t generation = sim->cursor.generation; // in place of a new inbox
  cursor_init(&sim->cursor, &sim_limits);
  sim->cursor.generation = generation;
  sim->queued = sim->in_batch = 0;
  sim->advance.seq = 0;
  sim->event_count = 0;
  sim->attach_ms = sim->now_ms + (int64_t)sim_below(sim, sim_below(sim, 4) == 0 ? 8000 : 300);
  sim->disturbed = true;
}

static void sim_lane_live(struct sim *sim) {
  if (sim_fault(sim, 10000))
    sim_lane_crash(sim);
  if (sim_fault(sim, 10000))
    sim->stall_ms = sim->now_ms + (int64_t)sim_below(sim, 9000); // PostgreSQL is away
  if (sim->now_ms < sim->stall_ms)
    return;
  if (sim->in_batch > 0 && sim->now_ms >= sim->commit_ms)
    sim_lane_commit(sim);
  if (sim->in_batch == 0 && sim->disturbed && sim->now_ms >= sim->attach_ms)
    sim_lane_attach(sim);
  if (sim->in_batch == 0 && sim->queued > 0) {
    sim->advance.seq = 0; // the batch moves the position further
    sim->in_batch = 1 + (uint32_t)sim_below(sim, sim->queued);
    sim->commit_ms = sim->now_ms + 1 + (int64_t)sim_below(sim, 30);
  }
  if (sim->in_batch == 0 && sim->advance.seq > 0 && sim_below(sim, 50) == 0) {
    sim_position_move(sim, sim->advance);
    sim->advance.seq = 0;
    sim_step(sim, (struct cursor_input){.kind = CURSOR_IN_COMMITTED, .position = sim->position}, NULL);
  }
}

// A TIMER before the deadline has no effect; one at the deadline settles it.
static void sim_timer(struct sim *sim) {
  const int64_t deadline = cursor_deadline_ns(&sim->cursor);
  if (deadline > sim->now_ms * NS_PER_MS) {
    const struct cursor before = sim->cursor;
    sim_step(sim, (struct cursor_input){.kind = CURSOR_IN_TIMER}, NULL);
    cr_assert(memcmp(&before, &sim->cursor, sizeof(before)) == 0, "seed %" PRIu64, sim->seed);
    return;
  }
  sim_step(sim, (struct cursor_input){.kind = CURSOR_IN_TIMER}, NULL);
  cr_assert_gt(cursor_deadline_ns(&sim->cursor), sim->now_ms * NS_PER_MS, "seed %" PRIu64, sim->seed);
}

static void sim_deliver(struct sim *sim) {
  while (sim->event_count > 0 && sim->events[0].at_ms <= sim->now_ms) {
    const struct sim_event event = sim->events[0];
    memmove(sim->events, sim->events + 1, --sim->event_count * sizeof(event));
    if (event.input.kind == CURSOR_IN_HEARTBEAT)
      sim_pass(sim, event.input.seq + 1);
    sim_step(sim, event.input, &event);
  }
}

static void sim_init(struct sim *sim, uint64_t seed) {
  memset(sim, 0, sizeof(*sim));
  sim->seed = seed;
  sim->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
  sim->max_age_ms = seed % 3 == 0 ? 0 : 4000;
  sim->kept_seq = UINT64_MAX;
  sim->disturbed = true; // to be attached
  cursor_init(&sim->cursor, &sim_limits);
}

static void sim_tick(struct sim *sim, bool trouble) {
  if (sim->trouble && !trouble) {
    sim->stall_ms = 0;
    sim->drops_all = false;
  }
  sim->trouble = trouble;
  sim->now_ms++;
  sim_stream_live(sim);
  sim_stream_faults(sim);
  sim_stream_expire(sim);
  sim_consumer_faults(sim);
  sim_consumer_live(sim);
  sim_deliver(sim);
  sim_timer(sim);
  sim_lane_live(sim);
}
