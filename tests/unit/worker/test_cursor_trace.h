// SPDX-License-Identifier: MIT
// Scripted traces for the cursor: an input a line, beside the actions it must bring about, written as text.
//   info, get 100, create 101, delete g1, inspect, pull 1x100, take 101, advance 120@99, anew 1 (why), lost 11-20,
//   disturbed (why); several are joined by "; ".
#pragma once

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

#include "lumin/base/clock.h"
#include "lumin/worker/cursor.h"

struct trace_step {
  int64_t at_ms;
  struct cursor_input input; // its time is set from at_ms; its generation, where 0, is the current one
  const char *want;
};

#define ATTACH(s, t)                                                                                                   \
  {                                                                                                                    \
    .kind = CURSOR_IN_ATTACH, .position = {(s), (t) }                                                                  \
  }
#define DETACH                                                                                                         \
  { .kind = CURSOR_IN_DETACH }
#define TIMER                                                                                                          \
  { .kind = CURSOR_IN_TIMER }
#define STREAM(f, l)                                                                                                   \
  { .kind = CURSOR_IN_STREAM_INFO, .first_seq = (f), .last_seq = (l) }
#define FOUND(s, t)                                                                                                    \
  { .kind = CURSOR_IN_STREAM_MESSAGE, .seq = (s), .ts_ns = (t) }
#define MISSING(s)                                                                                                     \
  { .kind = CURSOR_IN_NO_MESSAGE, .seq = (s) }
#define CREATED                                                                                                        \
  { .kind = CURSOR_IN_CONSUMER_CREATED }
#define CONSUMER(c)                                                                                                    \
  { .kind = CURSOR_IN_CONSUMER_INFO, .consumer_seq = (c) }
#define API_ERROR                                                                                                      \
  { .kind = CURSOR_IN_API_ERROR }
#define GONE                                                                                                           \
  { .kind = CURSOR_IN_CONSUMER_GONE }
#define MESSAGE(s, c)                                                                                                  \
  { .kind = CURSOR_IN_MESSAGE, .seq = (s), .consumer_seq = (c) }
#define MESSAGE_OF(s, c, p)                                                                                            \
  { .kind = CURSOR_IN_MESSAGE, .seq = (s), .consumer_seq = (c), .pull_id = (p) }
#define HEARTBEAT(s, c)                                                                                                \
  { .kind = CURSOR_IN_HEARTBEAT, .seq = (s), .consumer_seq = (c) }
#define ENDED(p)                                                                                                       \
  { .kind = CURSOR_IN_PULL_ENDED, .pull_id = (p) }
#define COMMITTED(s, t, n)                                                                                             \
  { .kind = CURSOR_IN_COMMITTED, .position = {(s), (t)}, .count = (n) }

// Heartbeats of 1 s, requests of 10 s, answers within 2 s, an advance each 5 s, an inspection each 60 s.
static const struct cursor_limits trace_limits = {
    .pull_batch = 10,
    .buffer = 25,
    .heartbeat_ns = NS_PER_SECOND,
    .expires_ns = 10 * NS_PER_SECOND,
    .reply_timeout_ns = 2 * NS_PER_SECOND,
    .advance_interval_ns = 5 * NS_PER_SECOND,
    .inspect_interval_ns = 60 * NS_PER_SECOND,
};

static size_t action_print(char *text, size_t size, const struct cursor_action *a) {
  int n = 0;
  switch (a->kind) {
  case CURSOR_DO_ASK_STREAM_INFO:
    n = snprintf(text, size, "info");
    break;
  case CURSOR_DO_ASK_MESSAGE:
    n = snprintf(text, size, "get %" PRIu64, a->seq);
    break;
  case CURSOR_DO_CREATE_CONSUMER:
    n = snprintf(text, size, "create %" PRIu64, a->seq);
    break;
  case CURSOR_DO_DELETE_CONSUMER:
    n = snprintf(text, size, "delete g%" PRIu64, a->generation);
    break;
  case CURSOR_DO_ASK_CONSUMER_INFO:
    n = snprintf(text, size, "inspect");
    break;
  case CURSOR_DO_PULL:
    n = snprintf(text, size, "pull %" PRIu64 "x%" PRIu32, a->pull_id, a->count);
    break;
  case CURSOR_DO_TAKE:
    n = snprintf(text, size, "take %" PRIu64, a->seq);
    break;
  case CURSOR_DO_ADVANCE:
    n = snprintf(text, size, "advance %" PRIu64 "@%" PRId64, a->position.seq, a->position.ts_ns);
    break;
  case CURSOR_DO_REPORT_ANEW:
    n = snprintf(text, size, "anew %" PRIu64 " (%s)", a->seq, a->text);
    break;
  case CURSOR_DO_REPORT_LOST:
    n = snprintf(text, size, "lost %" PRIu64 "-%" PRIu64, a->seq, a->last_seq);
    break;
  case CURSOR_DO_REPORT_DISTURBED:
    n = snprintf(text, size, "disturbed (%s)", a->text);
    break;
  }
  cr_assert(n > 0 && (size_t)n < size);
  return (size_t)n;
}

static void actions_print(char *text, size_t size, const struct cursor_actions *actions) {
  size_t used = 0;
  text[0] = 0;
  for (size_t i = 0; i < actions->count; i++) {
    if (i > 0)
      used += (size_t)snprintf(text + used, size - used, "; ");
    used += action_print(text + used, size - used, &actions->items[i]);
  }
}

// Where the action does not name its own consumer's generation, the lane would route the answers wrongly.
static void actions_check_generation(const struct cursor *cursor, const struct cursor_actions *actions) {
  for (size_t i = 0; i < actions->count; i++)
    if (actions->items[i].kind != CURSOR_DO_DELETE_CONSUMER)
      cr_assert_eq(actions->items[i].generation, cursor->generation);
}

static void trace_run_from(struct cursor *cursor, const struct trace_step *steps, size_t count, int line) {
  for (size_t i = 0; i < count; i++) {
    struct cursor_input input = steps[i].input;
    struct cursor_actions actions;
    char text[1024];
    input.now_ns = steps[i].at_ms * NS_PER_MS;
    if (input.generation == 0)
      input.generation = cursor->generation;
    cursor_step(cursor, &input, &actions);
    actions_print(text, sizeof(text), &actions);
    cr_assert_str_eq(text, steps[i].want, "trace of line %d, step %zu at %" PRId64 " ms: got \"%s\", want \"%s\"", line,
                     i, steps[i].at_ms, text, steps[i].want);
    actions_check_generation(cursor, &actions);
  }
}

#define TRACE_WITH(limits, ...)                                                                                        \
  do {                                                                                                                 \
    const struct trace_step trace_steps[] = {__VA_ARGS__};                                                             \
    struct cursor trace_cursor;                                                                                        \
    cursor_init(&trace_cursor, &(limits));                                                                             \
    trace_run_from(&trace_cursor, trace_steps, sizeof(trace_steps) / sizeof(trace_steps[0]), __LINE__);                \
  } while (0)

#define TRACE(...) TRACE_WITH(trace_limits, __VA_ARGS__)
