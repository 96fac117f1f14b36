// SPDX-License-Identifier: MIT
// Guarantee 6: every users row beside the fold of its events, both read in the order of user ids; and by the way, that
// a user's events lie in its own partition in the order of their versions (guarantee 4).
#include <inttypes.h>

#include "fold.h"
#include "lumin/application/pipeline.h"
#include "lumin/infrastructure/postgres/users_table.h"
#include "verify_internal.h"

struct comparison {
  uint32_t partitions;
  struct fold fold;
  struct page events, users;
  bool more_events, more_users;
  struct verdict rows, order;

  // of the user at hand
  struct uuid id;
  char id_text[UUID_TEXT_LEN + 1];
  uint64_t position; // of its last event
  bool unreadable;
};

static enum lumin_status folds_compare(struct comparison *comparison, struct database *database);

enum lumin_status verify_folds(struct program *program, bool *ret_fine) {
  struct comparison comparison = {
      .partitions = (uint32_t)program->config->partitions,
      .rows = {.name = "6 users", .unit = "users"},
      .order = {.name = "4 order", .unit = "events"},
  };
  enum lumin_status status = fold_init(&comparison.fold);
  if (status != LUMIN_OK) {
    return status;
  }
  status = folds_compare(&comparison, program->database);
  PQclear(comparison.events.rows);
  PQclear(comparison.users.rows);
  fold_finish(&comparison.fold);
  if (status == LUMIN_OK) {
    bool rows_fine = verdict_print(&comparison.rows), order_fine = verdict_print(&comparison.order);
    *ret_fine = *ret_fine && rows_fine && order_fine;
  }
  return status;
}

// ---- reading both

static enum lumin_status page_step(struct page *page, bool *ret_more) {
  enum lumin_status status = page_next(page);
  *ret_more = status == LUMIN_OK;
  return status == LUMIN_NOT_FOUND ? LUMIN_OK : status;
}

static enum lumin_status pages_open(struct comparison *comparison, struct database *database) {
  enum lumin_status status =
      page_open(&comparison->events, database, "all_events",
                "SELECT user_id, version, partition, position, type, time_ns, body FROM lumin.events "
                "ORDER BY user_id, version");
  if (status == LUMIN_OK) {
    status = page_open(&comparison->users, database, "all_users",
                       "SELECT " USERS_COLUMNS " FROM lumin.users ORDER BY user_id");
  }
  if (status == LUMIN_OK) {
    status = page_step(&comparison->events, &comparison->more_events);
  }
  return status == LUMIN_OK ? page_step(&comparison->users, &comparison->more_users) : status;
}

static void user_begin(struct comparison *comparison);
static enum lumin_status events_apply(struct comparison *comparison);
static void row_compare(struct comparison *comparison);

static enum lumin_status folds_compare(struct comparison *comparison, struct database *database) {
  enum lumin_status status = pages_open(comparison, database);
  while (status == LUMIN_OK && (comparison->more_events || comparison->more_users)) {
    user_begin(comparison);
    status = events_apply(comparison);
    if (status == LUMIN_OK) {
      row_compare(comparison);
      struct uuid row = comparison->more_users ? page_uuid(&comparison->users, 0) : (struct uuid){{0}};
      if (comparison->more_users && uuid_equal(&row, &comparison->id)) {
        status = page_step(&comparison->users, &comparison->more_users);
      }
    }
  }
  if (status == LUMIN_OK) {
    status = page_close(&comparison->events);
  }
  return status == LUMIN_OK ? page_close(&comparison->users) : status;
}

// The lower of the two ids is next.
static void user_begin(struct comparison *comparison) {
  struct uuid of_event = comparison->more_events ? page_uuid(&comparison->events, 0) : (struct uuid){{0}};
  struct uuid of_row = comparison->more_users ? page_uuid(&comparison->users, 0) : (struct uuid){{0}};
  bool from_event = comparison->more_events && (!comparison->more_users || uuid_compare(&of_event, &of_row) <= 0);
  comparison->id = from_event ? of_event : of_row;
  uuid_format(&comparison->id, comparison->id_text);
  fold_begin(&comparison->fold, &comparison->id);
  comparison->position = 0;
  comparison->unreadable = false;
  comparison->rows.looked_at++;
}

// ---- the fold

static void order_check(struct comparison *comparison) {
  int64_t version = page_int(&comparison->events, 1), partition = page_int(&comparison->events, 2);
  uint64_t position = (uint64_t)page_int(&comparison->events, 3);
  uint32_t own = partition_of(span_of(comparison->id_text, UUID_TEXT_LEN), comparison->partitions);
  comparison->order.looked_at++;
  if (partition != own) {
    verdict_differ(&comparison->order, "user %s, version %" PRId64 ": in partition %" PRId64 ", its own is %" PRIu32,
                   comparison->id_text, version, partition, own);
  } else if (position <= comparison->position) {
    verdict_differ(&comparison->order,
                   "user %s, version %" PRId64 ": at position %" PRIu64 ", its predecessor at %" PRIu64,
                   comparison->id_text, version, position, comparison->position);
  }
  comparison->position = position;
}

static enum lumin_status event_apply(struct comparison *comparison) {
  const struct page *row = &comparison->events;
  struct stored_event event = {.type = (enum event_type)page_int(row, 4),
                               .version = (uint64_t)page_int(row, 1),
                               .time_ns = page_int(row, 5),
                               .body = page_bytes(row, 6)};
  enum lumin_status status = fold_event(&comparison->fold, &event);
  if (status == LUMIN_OK || status == LUMIN_NO_MEMORY) {
    return status;
  }
  verdict_differ(&comparison->rows, "user %s: the event of version %" PRIu64 " cannot be read", comparison->id_text,
                 event.version);
  comparison->unreadable = true;
  return LUMIN_OK;
}

static enum lumin_status events_apply(struct comparison *comparison) {
  enum lumin_status status = LUMIN_OK;
  while (status == LUMIN_OK && comparison->more_events) {
    struct uuid id = page_uuid(&comparison->events, 0);
    if (!uuid_equal(&id, &comparison->id)) {
      break;
    }
    order_check(comparison);
    if (!comparison->unreadable) {
      status = event_apply(comparison);
    }
    if (status == LUMIN_OK) {
      status = page_step(&comparison->events, &comparison->more_events);
    }
  }
  return status;
}

// ---- the row

static void row_compare(struct comparison *comparison) {
  struct uuid id = comparison->more_users ? page_uuid(&comparison->users, 0) : (struct uuid){{0}};
  if (comparison->unreadable) {
    return; // said already
  }
  if (!comparison->more_users || !uuid_equal(&id, &comparison->id)) {
    verdict_differ(&comparison->rows, "user %s: has events, and no row", comparison->id_text);
    return;
  }
  if (comparison->fold.state.version == 0) {
    verdict_differ(&comparison->rows, "user %s: has a row, and no events", comparison->id_text);
    return;
  }
  const char *field = users_row_difference(comparison->users.rows, comparison->users.row, &comparison->fold.state);
  if (field != NULL) {
    verdict_differ(&comparison->rows,
                   "user %s: %s of its row at version %" PRId64 " is not that of its events at %" PRIu64,
                   comparison->id_text, field, page_int(&comparison->users, 1), comparison->fold.state.version);
  }
}
