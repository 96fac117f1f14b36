// SPDX-License-Identifier: MIT
// Profile views at rate: however often a profile is viewed, a batch writes one row a viewer. How often in all is part
// of the fold (users.profile_views); here is who, how often, and when last.
#include <stdlib.h>

#include "batch.h"

static int pair_compare(const void *a, const void *b) {
  const struct profile_view *x = a, *y = b;
  int by_user = uuid_compare(&x->user_id, &y->user_id);
  return by_user != 0 ? by_user : uuid_compare(&x->viewer_id, &y->viewer_id);
}

static int id_compare(const void *a, const void *b) { return uuid_compare(a, b); }

// Views of a user that is gone at the end of the batch leave no row.
static bool event_is_view(struct batch *batch, const struct new_event *event) {
  return event->event.type == EVENT_PROFILE_VIEWED && batch_working(batch, &event->user_id)->now.status != USER_DELETED;
}

// Neighbours of one pair become one.
static size_t views_merge(struct profile_view *views, size_t count) {
  size_t merged = 0;
  for (size_t i = 0; i < count; i++) {
    struct profile_view *last = merged > 0 ? &views[merged - 1] : NULL;
    if (last == NULL || pair_compare(last, &views[i]) != 0) {
      views[merged++] = views[i];
    } else {
      last->count += views[i].count;
      last->last_ns = last->last_ns > views[i].last_ns ? last->last_ns : views[i].last_ns;
    }
  }
  return merged;
}

// Only those that had viewers: a user without costs no statement.
static bool is_unviewed(struct batch *batch, const struct new_event *event) {
  return event->event.type == EVENT_USER_DELETED && batch_working(batch, &event->user_id)->before.profile_views > 0;
}

enum lumin_status views_gather(struct batch *batch, struct record *record) {
  size_t views = 0, unviewed = 0;
  for (size_t i = 0; i < batch->event_count; i++) {
    views += event_is_view(batch, &batch->events[i]);
    unviewed += is_unviewed(batch, &batch->events[i]);
  }
  if (views + unviewed == 0) {
    return LUMIN_OK;
  }
  struct profile_view *rows = ARENA_ARRAY(batch->arena, views, struct profile_view);
  struct uuid *users = ARENA_ARRAY(batch->arena, unviewed, struct uuid);
  if (rows == NULL || users == NULL) {
    return LUMIN_NO_MEMORY;
  }
  for (size_t i = 0; i < batch->event_count; i++) {
    const struct new_event *event = &batch->events[i];
    if (event_is_view(batch, event)) {
      rows[record->view_count++] = (struct profile_view){.user_id = event->user_id,
                                                         .viewer_id = event->event.profile_viewed.viewer_id,
                                                         .last_ns = event->event.time_ns,
                                                         .count = 1};
    }
    if (is_unviewed(batch, event)) {
      users[record->unviewed_count++] = event->user_id;
    }
  }
  qsort(rows, record->view_count, sizeof *rows, pair_compare);
  qsort(users, record->unviewed_count, sizeof *users, id_compare);
  record->views = rows;
  record->view_count = views_merge(rows, record->view_count);
  record->unviewed = users;
  return LUMIN_OK;
}
