// SPDX-License-Identifier: MIT
// Gives each new event its version and time, and folds it at once, so that a command's next verb sees its effect.
// Keeps part of guarantee 3 (versions are dense).
#include "lumin/application/decision.h"

enum lumin_status decision_emit(struct decision *decision, const struct event *event) {
  if (event->type == EVENT_NONE) {
    return LUMIN_OK;
  }
  if (decision->event_count == DECISION_EVENTS_MAX) {
    return LUMIN_INTERNAL;
  }
  struct event *next = &decision->events[decision->event_count++];
  *next = *event;
  next->version = decision->user.version + 1;
  next->time_ns = decision->time_ns;
  user_apply(&decision->user, next);
  return LUMIN_OK;
}
