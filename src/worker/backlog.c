// SPDX-License-Identifier: MIT
// How long a batch waits for more of a backlog. Keeps a bound on it whatever the server says is pending: what it counts
// has been wrong in its history.
#include "backlog.h"

void backlog_init(struct backlog *backlog, const struct backlog_limits *limits) {
  *backlog = (struct backlog){.limits = *limits};
}

void backlog_begin(struct backlog *backlog) {
  backlog_end(backlog);
  backlog->is_mistaken = false;
}

void backlog_message(struct backlog *backlog, uint64_t pending) {
  backlog->pending = pending;
  backlog->passed += backlog->since_ns != 0;
}

void backlog_end(struct backlog *backlog) { backlog->pending = 0; }

static bool patience_is_over(struct backlog *backlog, int64_t now_ns) {
  if (now_ns < backlog_deadline_ns(backlog)) {
    return false;
  }
  backlog->is_mistaken = backlog->passed == 0;
  return true;
}

bool backlog_holds(struct backlog *backlog, int64_t now_ns) {
  const struct backlog_limits *limits = &backlog->limits;
  if (backlog->is_mistaken || backlog->pending < limits->least || backlog->passed >= limits->window ||
      patience_is_over(backlog, now_ns)) {
    return false;
  }
  if (backlog->since_ns == 0) {
    backlog->since_ns = now_ns;
  }
  return true;
}

int64_t backlog_deadline_ns(const struct backlog *backlog) {
  return backlog->since_ns == 0 ? INT64_MAX : backlog->since_ns + backlog->limits.patience_ns;
}

void backlog_release(struct backlog *backlog) {
  backlog->passed = 0;
  backlog->since_ns = 0;
}
