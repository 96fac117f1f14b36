// SPDX-License-Identifier: MIT
// The feed under any sequence of inputs: from trust to suspicion no message is missed, what comes of another consumer
// changes nothing, and it is never stuck: some timer runs as long as there is a link.
#include "fuzz.h"

#include "lumin/base/clock.h"
#include "worker/feed.h"

#define STEPS_MAX 400

static const struct feed_limits limits = {
    .batch = 5, .heartbeat_ns = 1000 * NS_PER_MS, .expires_ns = 3000 * NS_PER_MS, .reply_timeout_ns = 700 * NS_PER_MS};

struct checker {
  struct feed feed;
  struct feed_input input; // of the step
  int64_t now_ns;
  bool linked, trusted, asked; // asked: for a consumer, and not yet answered
  uint64_t generation;
  uint64_t heard; // the last message's consumer sequence
  uint64_t pull_id;
};

// Whether, after this input, a trusted feed knows that it has missed something, or must fear it.
static bool is_missed(const struct checker *checker) {
  const struct feed_input *input = &checker->input;
  bool own = input->generation == checker->generation;
  switch (input->kind) {
  case FEED_IN_LINKED:
  case FEED_IN_UNLINKED:
  case FEED_IN_REST:
    return true;
  case FEED_IN_MESSAGE:
    return own && input->consumer_seq != checker->heard + 1;
  case FEED_IN_HEARTBEAT:
    return own && input->consumer_seq > checker->heard;
  case FEED_IN_GONE:
    return own;
  default:
    return false; // silence may be told by a timer
  }
}

static void check_actions(struct checker *checker, unsigned actions) {
  const struct feed_input *input = &checker->input;
  bool was_trusted = checker->trusted;
  FUZZ_CHECK((actions & FEED_SUSPECT) == 0 || was_trusted);
  FUZZ_CHECK(!was_trusted || !is_missed(checker) || (actions & FEED_SUSPECT) != 0);
  FUZZ_CHECK((actions & FEED_SUSPECT) == 0 || is_missed(checker) || input->kind == FEED_IN_TIMER);
  bool ends = input->kind == FEED_IN_UNLINKED || input->kind == FEED_IN_REST;
  checker->linked = input->kind == FEED_IN_LINKED || (checker->linked && !ends);
  checker->trusted = checker->trusted && (actions & FEED_SUSPECT) == 0;
  if ((actions & FEED_DELETE) != 0 || input->kind == FEED_IN_UNLINKED) {
    FUZZ_CHECK(was_trusted || checker->asked || input->kind == FEED_IN_UNLINKED);
    checker->asked = false;
  }
  if ((actions & FEED_CREATE) != 0) {
    FUZZ_CHECK(checker->linked && !checker->trusted && checker->feed.generation == checker->generation + 1);
    checker->asked = true;
    checker->generation++;
  }
  if ((actions & FEED_TRUST) != 0) {
    FUZZ_CHECK(input->kind == FEED_IN_CREATED && checker->asked && !checker->trusted);
    checker->trusted = true;
    checker->asked = false;
    checker->heard = 0;
  }
  if ((actions & FEED_PULL) != 0) {
    FUZZ_CHECK(checker->trusted && checker->feed.pull_id == checker->pull_id + 1);
    checker->pull_id++;
  }
}

static void step(struct checker *checker) {
  const struct feed before = checker->feed;
  struct feed_input *input = &checker->input;
  bool about_consumer = input->kind >= FEED_IN_CREATED && input->kind < FEED_IN_TIMER;
  input->now_ns = checker->now_ns;
  unsigned actions = feed_step(&checker->feed, input);
  if (about_consumer && input->generation != checker->generation) {
    FUZZ_CHECK(actions == 0 && memcmp(&before, &checker->feed, sizeof before) == 0);
    return;
  }
  check_actions(checker, actions);
  if (input->kind == FEED_IN_MESSAGE && checker->trusted) {
    checker->heard = input->consumer_seq;
  }
  FUZZ_CHECK(checker->feed.generation == checker->generation);
  FUZZ_CHECK((feed_deadline_ns(&checker->feed) < INT64_MAX) == checker->linked);
}

static void step_timer(struct checker *checker) {
  const struct feed before = checker->feed;
  bool due = feed_deadline_ns(&checker->feed) <= checker->now_ns;
  checker->input = (struct feed_input){.kind = FEED_IN_TIMER};
  step(checker);
  FUZZ_CHECK(due || memcmp(&before, &checker->feed, sizeof before) == 0);
  for (size_t turns = 0; feed_deadline_ns(&checker->feed) <= checker->now_ns; turns++) {
    FUZZ_CHECK(turns < 3); // what is due is done, and then it waits
    step(checker);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes bytes = {span_of(data, size)};
  struct checker checker = {.now_ns = NS_PER_SECOND};
  feed_init(&checker.feed, &limits);
  for (size_t i = 0; i < STEPS_MAX && bytes.rest.len > 0; i++) {
    uint8_t byte = bytes_u8(&bytes);
    enum feed_input_kind kind = (enum feed_input_kind)(byte % (FEED_IN_TIMER + 1));
    if (kind == FEED_IN_TIMER) {
      checker.now_ns += bytes_u8(&bytes) * 20 * NS_PER_MS;
      step_timer(&checker);
      continue;
    }
    checker.input = (struct feed_input){.kind = kind,
                                        .generation = checker.generation - (byte >= 0xf0),
                                        .consumer_seq = checker.heard + (kind == FEED_IN_MESSAGE),
                                        .pull_id = checker.pull_id};
    if (byte >= 0xc0) {
      uint8_t off = bytes_u8(&bytes);
      checker.input.consumer_seq += off % 8 - (uint64_t)4;
      checker.input.pull_id += off / 8 % 4 - (uint64_t)2;
    }
    step(&checker);
  }
  return 0;
}
