// SPDX-License-Identifier: MIT
// The cursor under any sequence of inputs, from a server that may say anything and a lane that keeps to its part. The
// checker knows the rules of cursor.h and none of the code: each message is taken once, in stream order, in the
// consumer's sequence, and never beyond what was asked for; the position moves on only over what is known to be taken
// or absent; one question is open at a time; a disturbed cursor rests (guarantees 4, 9 and 11).
#include "fuzz.h"

#include "lumin/base/clock.h"
#include "lumin/worker/cursor.h"

#define STEPS_MAX 400
#define QUEUE_MAX 64

static const struct cursor_limits limits = {
    .pull_batch = 4,
    .buffer = 10,
    .heartbeat_ns = 1000 * NS_PER_MS,
    .expires_ns = 3000 * NS_PER_MS,
    .reply_timeout_ns = 700 * NS_PER_MS,
    .advance_interval_ns = 1500 * NS_PER_MS,
    .inspect_interval_ns = 5000 * NS_PER_MS,
};

struct checker {
  struct cursor cursor;
  struct bytes feed;
  int64_t now_ns;

  bool attached, reading, disturbed; // reading: the consumer was asked for
  uint64_t generation;
  enum cursor_action_kind question; // DELETE_CONSUMER: none is open
  uint64_t asked_seq;

  uint64_t floor_seq;         // nothing is to be taken up to here
  uint64_t last_consumer_seq; // taken
  uint64_t heard_seq;         // the highest that a heartbeat named
  uint64_t lost_seq;          // end of the last lost range
  struct stream_position taken[QUEUE_MAX];
  uint32_t taken_count;      // not yet committed
  uint64_t committed_seq;    // of the last COMMITTED
  struct stream_position ad; // the last ADVANCE, not yet written
  uint64_t last_pull_id;
};

// ---- actions

static void question_open(struct checker *checker, const struct cursor_action *action) {
  FUZZ_CHECK(checker->question == CURSOR_DO_DELETE_CONSUMER);
  checker->question = action->kind;
  checker->asked_seq = action->seq;
}

static void do_create(struct checker *checker, const struct cursor_action *action) {
  FUZZ_CHECK(!checker->reading && action->seq >= 1);
  question_open(checker, action);
  checker->reading = true;
  checker->floor_seq = action->seq - 1;
}

static void do_delete(struct checker *checker, const struct cursor_action *action) {
  FUZZ_CHECK(checker->reading && action->generation == checker->generation);
  checker->reading = false;
}

static void do_pull(struct checker *checker, const struct cursor_action *action) {
  FUZZ_CHECK(checker->reading && action->count >= 1 && action->count <= limits.pull_batch);
  FUZZ_CHECK(action->pull_id > checker->last_pull_id);
  FUZZ_CHECK(checker->taken_count + action->count <= limits.buffer);
  checker->last_pull_id = action->pull_id;
}

static void do_take(struct checker *checker, const struct cursor_input *input) {
  FUZZ_CHECK(input->kind == CURSOR_IN_MESSAGE && input->generation == checker->generation && checker->reading);
  FUZZ_CHECK(input->seq > checker->floor_seq && input->consumer_seq == checker->last_consumer_seq + 1);
  FUZZ_CHECK(checker->taken_count < limits.buffer);
  checker->floor_seq = input->seq;
  checker->last_consumer_seq = input->consumer_seq;
  checker->taken[checker->taken_count++] = (struct stream_position){input->seq, input->ts_ns};
}

// Only a heartbeat tells that nothing is up to there, and only where nothing waits is it the partition's position.
static void do_advance(struct checker *checker, const struct cursor_action *action) {
  FUZZ_CHECK(checker->reading && checker->taken_count == 0);
  FUZZ_CHECK(action->position.seq > checker->committed_seq && action->position.seq > checker->ad.seq);
  FUZZ_CHECK(action->position.seq <= checker->heard_seq);
  checker->floor_seq = action->position.seq > checker->floor_seq ? action->position.seq : checker->floor_seq;
  checker->ad = action->position;
}

static void do_report_lost(struct checker *checker, const struct cursor_action *action) {
  FUZZ_CHECK(action->seq >= 1 && action->seq <= action->last_seq && action->seq > checker->lost_seq);
  checker->lost_seq = action->last_seq;
}

static void action_check(struct checker *checker, const struct cursor_action *action,
                         const struct cursor_input *input) {
  FUZZ_CHECK(checker->attached && !checker->disturbed);
  FUZZ_CHECK(action->generation == checker->generation);
  switch (action->kind) {
  case CURSOR_DO_ASK_STREAM_INFO:
  case CURSOR_DO_ASK_MESSAGE:
  case CURSOR_DO_ASK_CONSUMER_INFO:
    question_open(checker, action);
    return;
  case CURSOR_DO_CREATE_CONSUMER:
    do_create(checker, action);
    return;
  case CURSOR_DO_DELETE_CONSUMER:
    FUZZ_CHECK(!"thrown away without an attach or detach");
    return;
  case CURSOR_DO_PULL:
    do_pull(checker, action);
    return;
  case CURSOR_DO_TAKE:
    do_take(checker, input);
    return;
  case CURSOR_DO_ADVANCE:
    do_advance(checker, action);
    return;
  case CURSOR_DO_REPORT_ANEW:
    FUZZ_CHECK(!checker->reading && action->seq >= 1);
    return;
  case CURSOR_DO_REPORT_LOST:
    do_report_lost(checker, action);
    return;
  case CURSOR_DO_REPORT_DISTURBED:
    checker->disturbed = true;
    return;
  }
  FUZZ_CHECK(!"an action that is none");
}

// ---- inputs

static bool answers(const struct checker *checker, const struct cursor_input *input) {
  switch (checker->question) {
  case CURSOR_DO_ASK_STREAM_INFO:
    return input->kind == CURSOR_IN_STREAM_INFO;
  case CURSOR_DO_ASK_MESSAGE:
    return (input->kind == CURSOR_IN_STREAM_MESSAGE || input->kind == CURSOR_IN_NO_MESSAGE) &&
           input->seq == checker->asked_seq;
  case CURSOR_DO_CREATE_CONSUMER:
    return input->kind == CURSOR_IN_CONSUMER_CREATED;
  case CURSOR_DO_ASK_CONSUMER_INFO:
    return input->kind == CURSOR_IN_CONSUMER_INFO;
  default:
    return false;
  }
}

// An attach or detach begins with the old consumer's end.
static void attach_begin(struct checker *checker, const struct cursor_input *input, struct cursor_actions *actions) {
  bool deletes = actions->count > 0 && actions->items[0].kind == CURSOR_DO_DELETE_CONSUMER;
  FUZZ_CHECK(deletes == (checker->attached && checker->reading));
  if (deletes) {
    do_delete(checker, &actions->items[0]);
    actions->count--;
    memmove(&actions->items[0], &actions->items[1], actions->count * sizeof actions->items[0]);
  }
  checker->attached = input->kind == CURSOR_IN_ATTACH;
  checker->generation += checker->attached;
  checker->reading = checker->disturbed = false;
  checker->question = CURSOR_DO_DELETE_CONSUMER;
  checker->last_consumer_seq = checker->heard_seq = checker->lost_seq = 0;
  checker->taken_count = 0;
  checker->committed_seq = 0;
  checker->ad = (struct stream_position){0};
}

static bool is_from_server(enum cursor_input_kind kind) {
  return kind >= CURSOR_IN_STREAM_INFO && kind <= CURSOR_IN_CONSUMER_GONE;
}

static void step(struct checker *checker, struct cursor_input input) {
  struct cursor_actions actions;
  const struct cursor before = checker->cursor;
  input.now_ns = checker->now_ns;
  cursor_step(&checker->cursor, &input, &actions);
  FUZZ_CHECK(actions.count <= CURSOR_ACTIONS_MAX);
  bool stale = is_from_server(input.kind) && input.generation != checker->generation;
  if (stale || (!checker->attached && input.kind != CURSOR_IN_ATTACH)) {
    FUZZ_CHECK(actions.count == 0 && memcmp(&before, &checker->cursor, sizeof before) == 0);
    return;
  }
  if (input.kind == CURSOR_IN_ATTACH || input.kind == CURSOR_IN_DETACH) {
    attach_begin(checker, &input, &actions);
  } else if (answers(checker, &input)) {
    checker->question = CURSOR_DO_DELETE_CONSUMER;
  }
  if (input.kind == CURSOR_IN_HEARTBEAT && input.seq > checker->heard_seq) {
    checker->heard_seq = input.seq;
  }
  for (size_t i = 0; i < actions.count; i++) {
    action_check(checker, &actions.items[i], &input);
  }
  FUZZ_CHECK(checker->cursor.generation == checker->generation);
}

// One before the deadline changes nothing; one at the deadline settles it.
static void step_timer(struct checker *checker) {
  const struct cursor before = checker->cursor;
  bool due = cursor_deadline_ns(&checker->cursor) <= checker->now_ns;
  step(checker, (struct cursor_input){.kind = CURSOR_IN_TIMER});
  FUZZ_CHECK(due || memcmp(&before, &checker->cursor, sizeof before) == 0);
  FUZZ_CHECK(cursor_deadline_ns(&checker->cursor) > checker->now_ns);
}

// The lane commits what it took, the first of it first, or passes over something in between; then what was told idle.
static void step_committed(struct checker *checker, uint8_t count) {
  struct cursor_input input = {.kind = CURSOR_IN_COMMITTED};
  if (!checker->attached || !checker->reading) {
    return;
  }
  input.count = checker->taken_count < count ? checker->taken_count : count;
  if (input.count > 0) {
    input.position = checker->taken[input.count - 1];
    checker->taken_count -= input.count;
    memmove(checker->taken, checker->taken + input.count, checker->taken_count * sizeof checker->taken[0]);
  } else if (checker->ad.seq > 0) {
    input.position = checker->ad;
  } else {
    return;
  }
  checker->committed_seq = input.position.seq;
  step(checker, input);
}

// Near what is expected most of the time, anything that a server's number can be sometimes (63 bits; the parsers take
// no more).
static uint64_t number_near(struct checker *checker, uint64_t expected) {
  uint8_t byte = bytes_u8(&checker->feed);
  uint64_t number = expected + byte % 16 - (byte / 16 == 1 ? 8 : byte / 16 == 2 ? 2 : 0);
  if (byte >= 0xf0) {
    number = byte == 0xff ? (uint64_t)INT64_MAX : byte == 0xfe ? bytes_u64(&checker->feed) : byte - UINT64_C(0xf0);
  }
  return number & INT64_MAX;
}

static void step_any(struct checker *checker, uint8_t byte) {
  struct cursor_input input = {.kind = byte % (CURSOR_IN_DETACH + 1)};
  input.generation = checker->generation - ((byte & 0x80) != 0 ? 1 : 0);
  switch (input.kind) {
  case CURSOR_IN_ATTACH:
    input.position.seq = number_near(checker, checker->committed_seq);
    input.position.ts_ns = bytes_u8(&checker->feed);
    break;
  case CURSOR_IN_STREAM_INFO:
    input.first_seq = number_near(checker, checker->committed_seq);
    input.last_seq = number_near(checker, checker->floor_seq);
    break;
  case CURSOR_IN_STREAM_MESSAGE:
    input.ts_ns = bytes_u8(&checker->feed);
    input.seq = (byte & 0x40) != 0 ? number_near(checker, checker->asked_seq) : checker->asked_seq;
    break;
  case CURSOR_IN_NO_MESSAGE:
    input.seq = (byte & 0x40) != 0 ? number_near(checker, checker->asked_seq) : checker->asked_seq;
    break;
  case CURSOR_IN_CONSUMER_INFO:
    input.consumer_seq = number_near(checker, checker->last_consumer_seq);
    break;
  case CURSOR_IN_MESSAGE:
    input.seq = number_near(checker, checker->floor_seq + 1);
    input.consumer_seq = checker->last_consumer_seq + 1;
    if ((byte & 0x40) != 0) {
      input.consumer_seq = number_near(checker, input.consumer_seq);
      input.pull_id = number_near(checker, checker->last_pull_id);
    }
    break;
  case CURSOR_IN_HEARTBEAT:
    input.seq = number_near(checker, checker->floor_seq);
    input.consumer_seq =
        (byte & 0x40) != 0 ? number_near(checker, checker->last_consumer_seq) : checker->last_consumer_seq;
    break;
  case CURSOR_IN_PULL_ENDED:
    input.pull_id = number_near(checker, checker->last_pull_id);
    break;
  case CURSOR_IN_COMMITTED:
    step_committed(checker, bytes_u8(&checker->feed));
    return;
  case CURSOR_IN_TIMER:
    checker->now_ns += bytes_u8(&checker->feed) * 50 * NS_PER_MS;
    step_timer(checker);
    return;
  default:
    break;
  }
  step(checker, input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct checker checker = {
      .feed = {span_of(data, size)}, .now_ns = NS_PER_SECOND, .question = CURSOR_DO_DELETE_CONSUMER};
  cursor_init(&checker.cursor, &limits);
  for (size_t i = 0; i < STEPS_MAX && checker.feed.rest.len > 0; i++) {
    step_any(&checker, bytes_u8(&checker.feed));
  }
  return 0;
}
