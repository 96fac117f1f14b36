// SPDX-License-Identifier: MIT
// For tests of the User as data: given these events, when this verb, then this event, none, or a refusal.
#pragma once

#include "cases.h"
#include "event_equal.h"

#define TEXT(text)                                                                                                     \
  { (text), sizeof(text) - 1 }
#define EMAIL(text)                                                                                                    \
  { TEXT(text), TEXT(text) }
#define NO_EMAIL                                                                                                       \
  {                                                                                                                    \
    {NULL, 0}, { NULL, 0 }                                                                                             \
  }
#define NOTHING                                                                                                        \
  { NULL, 0 }

static const struct uuid some_id = {{0x01, 0x8f, 0x10}};
static const struct event nothing = {EVENT_NONE, .version = 0};

// What a caller asks for: a verb and what goes with it.
struct when;
typedef enum lumin_status verb(const struct user *, const struct when *, struct event *, struct refusal *);
struct when {
  verb *verb;
  struct user_draft draft; // create, and the values of the changes
  struct user_block block;
  struct uuid viewer_id;
};

struct scenario {
  const char *name;
  const struct event *given[5];
  struct when when;
  const struct event *then; // NULL: refused
  struct refusal refusal;
};

#define REFUSED(reason_, status_, version_, ...)                                                                       \
  .refusal = {.reason = (reason_), .current_status = (status_), .current_version = (version_), __VA_ARGS__}

#define VERB(name, call)                                                                                               \
  static enum lumin_status name(const struct user *user, const struct when *when, struct event *event,                 \
                                struct refusal *refusal) {                                                             \
    (void)when;                                                                                                        \
    return call;                                                                                                       \
  }

// Event n at version n and 100 n nanoseconds.
static inline struct user fold(const struct event *const *events, size_t max) {
  struct user user = {.id = some_id};
  for (size_t i = 0; i < max && events[i]; i++) {
    struct event event = *events[i];
    event.version = i + 1;
    event.time_ns = 100 * (int64_t)(i + 1);
    user_apply(&user, &event);
  }
  return user;
}

static inline void expect_refusal(const struct scenario *s, const struct refusal *refusal) {
  cr_expect_eq(refusal->reason, s->refusal.reason, "%s", s->name);
  cr_expect_gt(refusal->message.len, 0, "%s", s->name);
  cr_expect(span_equal(refusal->field, s->refusal.field), "%s", s->name);
  cr_expect_eq(refusal->allowed.len > 0, s->refusal.field.len > 0, "%s", s->name);
  cr_expect(s->refusal.allowed.len == 0 || span_equal(refusal->allowed, s->refusal.allowed), "%s", s->name);
  cr_expect_eq(refusal->current_status, s->refusal.current_status, "%s", s->name);
  cr_expect_eq(refusal->current_version, s->refusal.current_version, "%s", s->name);
}

static inline void expect_scenario(const struct scenario *s) {
  const struct user user = fold(s->given, COUNT(s->given));
  const struct event untouched = {EVENT_USER_CREATED, .version = 77, .time_ns = 78};
  struct event event = untouched;
  struct refusal refusal = {.reason = LUMIN_OK};
  enum lumin_status status = s->when.verb(&user, &s->when, &event, &refusal);
  cr_expect_eq(status, s->refusal.reason, "%s: %d", s->name, status);
  cr_expect(event_equal(&event, s->then ? s->then : &untouched), "%s: event %d", s->name, event.type);
  if (s->then)
    cr_expect_eq(refusal.reason, LUMIN_OK, "%s", s->name);
  else
    expect_refusal(s, &refusal);
}
