// SPDX-License-Identifier: MIT
// What was written since the snapshot is folded again: in rounds while the service goes on, and once more while it
// waits for the exchange. A round takes users as of one set of marks, so that addresses that pass from one user to
// another never belong to two of them here.
#include <inttypes.h>
#include <time.h>

#include "lumin/base/clock.h"
#include "rebuild_internal.h"

#define ROUNDS_MAX 10
#define FEW 500 // so few users are folded again while lanes wait
#define ATTEMPTS_MAX 30
#define ATTEMPT_PAUSE (NS_PER_SECOND / 5)

static enum lumin_status tables_finish(struct rebuild *rebuild);
static enum lumin_status round_make(struct rebuild *rebuild, uint64_t *ret_users);
static enum lumin_status exchange_try(struct rebuild *rebuild, uint64_t *ret_users);

enum lumin_status rebuild_exchange(struct rebuild *rebuild) {
  uint64_t changed = FEW + 1, waited = 0;
  enum lumin_status status = tables_finish(rebuild);
  for (int i = 0; status == LUMIN_OK && changed > FEW && i < ROUNDS_MAX; i++) {
    status = round_make(rebuild, &changed);
    waited += changed;
  }
  enum lumin_status end = LUMIN_RETRY;
  for (int i = 0; status == LUMIN_OK && end == LUMIN_RETRY && i < ATTEMPTS_MAX; i++) {
    if (i > 0) {
      struct timespec pause = {0, ATTEMPT_PAUSE};
      (void)nanosleep(&pause, NULL);
    }
    end = exchange_try(rebuild, &changed);
  }
  status = status == LUMIN_OK ? end : status;
  if (status == LUMIN_OK) {
    (void)printf("exchanged: %" PRIu64 " users, %" PRIu64 " of them written meanwhile\n", rebuild->verdict.looked_at,
                 waited + changed);
    (void)!database_run(rebuild->writer.database, "ANALYZE lumin.users, lumin.identifiers");
  }
  return status;
}

// Two users of one address have the events wrong: the index refuses, and nothing is exchanged.
static enum lumin_status tables_finish(struct rebuild *rebuild) {
  return database_run(rebuild->writer.database,
                      "INSERT INTO lumin.identifiers_rebuilt (kind, key, user_id) "
                      "SELECT 1, email_key, user_id FROM lumin.users_rebuilt WHERE status <> 5 AND email_key <> '' "
                      "UNION ALL "
                      "SELECT 2, phone, user_id FROM lumin.users_rebuilt WHERE status <> 5 AND phone <> ''; "
                      "SELECT lumin.rebuild_index(); "
                      "CREATE TEMP TABLE next_marks (partition integer, event_position bigint); "
                      "CREATE TEMP TABLE changed (user_id uuid, page bigint); "
                      "ANALYZE lumin.users_rebuilt, lumin.identifiers_rebuilt");
}

// ---- a round

static const char changed_find_sql[] =
    "TRUNCATE pg_temp.next_marks, pg_temp.changed; "
    "INSERT INTO pg_temp.next_marks SELECT partition, event_position FROM lumin.partitions; "
    "INSERT INTO pg_temp.changed SELECT user_id, (row_number() OVER (ORDER BY user_id) - 1) / 500 FROM ("
    "  SELECT DISTINCT e.user_id FROM pg_temp.marks m JOIN pg_temp.next_marks n USING (partition) "
    "    JOIN lumin.events e ON e.partition = m.partition AND e.position > m.event_position "
    "     AND e.position <= n.event_position) c; "
    "ANALYZE pg_temp.changed; "
    "DELETE FROM lumin.identifiers_rebuilt i USING lumin.users_rebuilt u, pg_temp.changed c "
    " WHERE u.user_id = c.user_id AND i.user_id = u.user_id "
    "   AND (i.kind = 1 AND i.key = u.email_key OR i.kind = 2 AND i.key = u.phone); "
    "DELETE FROM lumin.users_rebuilt u USING pg_temp.changed c WHERE u.user_id = c.user_id";

static const char page_sql[] =
    "SELECT e.user_id, e.version, e.type, e.time_ns, e.body FROM pg_temp.changed c JOIN lumin.events e USING (user_id) "
    "JOIN pg_temp.next_marks n ON n.partition = e.partition AND e.position <= n.event_position "
    "WHERE c.page = $1::bigint ORDER BY e.user_id, e.version";

static const char changed_settle_sql[] =
    "INSERT INTO lumin.identifiers_rebuilt (kind, key, user_id) "
    "SELECT 1, u.email_key, u.user_id FROM lumin.users_rebuilt u JOIN pg_temp.changed USING (user_id) "
    " WHERE u.status <> 5 AND u.email_key <> '' UNION ALL "
    "SELECT 2, u.phone, u.user_id FROM lumin.users_rebuilt u JOIN pg_temp.changed USING (user_id) "
    " WHERE u.status <> 5 AND u.phone <> ''; "
    "TRUNCATE pg_temp.marks; INSERT INTO pg_temp.marks SELECT * FROM pg_temp.next_marks";

static enum lumin_status page_rows(struct rebuild *rebuild, struct database_rows *rows) {
  struct user *state = &rebuild->fold.state;
  fold_begin(&rebuild->fold, &(struct uuid){{0}});
  enum lumin_status status = LUMIN_OK;
  while (status == LUMIN_OK && (status = database_rows_next(rows)) == LUMIN_OK) {
    struct uuid id = row_user(rows->row);
    if (!uuid_equal(&id, &state->id)) {
      status = state->version > 0 ? writer_add(&rebuild->writer, state) : LUMIN_OK;
      fold_begin(&rebuild->fold, &id);
    }
    if (status == LUMIN_OK) {
      status = rebuild_apply(rebuild, rows->row);
    }
  }
  status = status == LUMIN_NOT_FOUND ? LUMIN_OK : status;
  return status == LUMIN_OK && state->version > 0 ? writer_add(&rebuild->writer, state) : status;
}

// At most 500 users: they are written when the connection is free again.
static enum lumin_status page_make(struct rebuild *rebuild, uint64_t page) {
  char number[24];
  const char *values[] = {number};
  struct database_rows rows = {0};
  (void)snprintf(number, sizeof number, "%" PRIu64, page);
  struct database_query query = {.sql = page_sql, .values = values, .count = 1};
  enum lumin_status status = database_rows_open(rebuild->writer.database, &query, &rows);
  if (status == LUMIN_OK) {
    status = page_rows(rebuild, &rows);
  }
  database_rows_close(&rows);
  return status == LUMIN_OK ? writer_flush(&rebuild->writer) : status;
}

static enum lumin_status round_make(struct rebuild *rebuild, uint64_t *ret_users) {
  int64_t users = 0, pages = 0;
  struct database *database = rebuild->writer.database;
  enum lumin_status status = database_run(database, changed_find_sql);
  if (status == LUMIN_OK) {
    status = database_number(database, "SELECT count(*) FROM pg_temp.changed", &users);
  }
  if (status == LUMIN_OK) {
    status = database_number(database, "SELECT coalesce(max(page) + 1, 0) FROM pg_temp.changed", &pages);
  }
  for (int64_t page = 0; status == LUMIN_OK && page < pages; page++) {
    status = page_make(rebuild, (uint64_t)page);
  }
  if (status == LUMIN_OK) {
    status = database_run(database, changed_settle_sql);
  }
  if (status == LUMIN_OK) {
    *ret_users = (uint64_t)users;
  }
  return status;
}

// ---- the exchange

// A lane's batch begins at the partitions: whoever holds those holds all lanes, between two batches. Where there was a
// difference, the epochs grow: what lanes remember of users may come from the wrong rows (memory dies with its epoch).
static enum lumin_status lanes_hold(struct rebuild *rebuild) {
  enum lumin_status status =
      database_run(rebuild->writer.database, "BEGIN; SET LOCAL lock_timeout = '2s'; "
                                             "LOCK TABLE lumin.partitions IN EXCLUSIVE MODE; "
                                             "LOCK TABLE lumin.users, lumin.identifiers IN ACCESS EXCLUSIVE MODE");
  if (status == LUMIN_OK && rebuild->verdict.differences > 0) {
    status =
        database_run(rebuild->writer.database, "UPDATE lumin.partitions SET epoch = epoch + 1 WHERE owner IS NOT NULL");
  }
  return status;
}

// RETRY: somebody else looks at the tables for long. Anything else that fails, fails again.
static enum lumin_status exchange_try(struct rebuild *rebuild, uint64_t *ret_users) {
  enum lumin_status status = lanes_hold(rebuild);
  if (status == LUMIN_OK) {
    status = round_make(rebuild, ret_users);
    if (status == LUMIN_OK) {
      status = database_run(rebuild->writer.database, "SELECT lumin.rebuild_swap(); COMMIT");
    }
    status = status == LUMIN_RETRY ? LUMIN_INVALID_STATE : status;
  }
  if (status != LUMIN_OK) {
    (void)!database_run(rebuild->writer.database, "ROLLBACK");
  }
  return status;
}
