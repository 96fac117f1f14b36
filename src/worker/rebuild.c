// SPDX-License-Identifier: MIT
// One pass over all events in the order of users, under one snapshot: each user's fold is compared with its live row
// (guarantee 6) and written beside it. Memory holds a user and a page of rows, however many there are.
#include <inttypes.h>

#include "lumin/base/clock.h"
#include "lumin/infrastructure/postgres/users_table.h"
#include "rebuild_internal.h"

#define WRITER_MEMORY ((size_t)64 << 20)

static enum program_exit rebuild_open(struct rebuild *rebuild, bool check);
static void rebuild_close(struct rebuild *rebuild);
static enum lumin_status snapshot_take(struct rebuild *rebuild);
static enum lumin_status all_fold(struct rebuild *rebuild);
static enum lumin_status identifiers_check(struct rebuild *rebuild);
static enum program_exit failure_report(struct rebuild *rebuild, enum lumin_status status);

enum program_exit rebuild_run(const struct config *config, bool check) {
  struct rebuild rebuild = {.verdict = {.name = "6 users", .unit = "users"}};
  if (program_init(&rebuild.program, config, "rebuild") != LUMIN_OK) {
    return PROGRAM_FAILED;
  }
  bool fine = true;
  enum program_exit end = rebuild_open(&rebuild, check);
  if (end == PROGRAM_OK) {
    enum lumin_status status = snapshot_take(&rebuild);
    if (status == LUMIN_OK) {
      status = all_fold(&rebuild);
    }
    if (status == LUMIN_OK) {
      fine = verdict_print(&rebuild.verdict);
      status = identifiers_check(&rebuild);
      fine = fine && rebuild.verdict.differences == 0;
    }
    if (status == LUMIN_OK && !check) {
      status = rebuild_exchange(&rebuild);
    }
    end = status == LUMIN_OK ? PROGRAM_OK : failure_report(&rebuild, status);
  }
  rebuild_close(&rebuild);
  return end == PROGRAM_OK && check && !fine ? PROGRAM_FAILED : end;
}

static enum program_exit failure_report(struct rebuild *rebuild, enum lumin_status status) {
  const struct database *databases[] = {rebuild->program.database, rebuild->live, rebuild->writer.database};
  const char *reason = "";
  for (size_t i = 0; i < sizeof databases / sizeof databases[0]; i++) {
    if (databases[i] != NULL && database_error(databases[i])[0] != '\0') {
      reason = database_error(databases[i]);
    }
  }
  program_complain(&rebuild->program, "%s; nothing was replaced", reason[0] != '\0' ? reason : status_name(status));
  if (rebuild->writer.database != NULL) {
    (void)!database_run(rebuild->writer.database,
                        "DROP TABLE IF EXISTS lumin.users_rebuilt, lumin.identifiers_rebuilt");
  }
  return status == LUMIN_CONNECTION_LOST ? PROGRAM_UNAVAILABLE : PROGRAM_FAILED;
}

// ---- connections

// One more beside the first.
static enum program_exit connection_open(struct rebuild *rebuild, struct database **ret_database) {
  struct database *first = rebuild->program.database;
  rebuild->program.database = NULL;
  enum program_exit end = program_open_postgres(&rebuild->program, 0);
  *ret_database = rebuild->program.database;
  rebuild->program.database = first;
  return end;
}

static enum program_exit schema_look(struct rebuild *rebuild) {
  struct schema_problem problem = {""};
  if (schema_check(rebuild->program.database, schema_plan(), &problem) == LUMIN_OK) {
    return PROGRAM_OK;
  }
  program_complain(&rebuild->program, "%s", problem.text);
  return PROGRAM_FAILED;
}

// Two at a time would take each other's tables away. The connection's end frees the lock.
static enum program_exit writer_lock(struct rebuild *rebuild) {
  int64_t locked = 0;
  enum lumin_status status =
      database_number(rebuild->writer.database, "SELECT pg_try_advisory_lock(hashtext('lumin.rebuild'))::int", &locked);
  if (status == LUMIN_OK && locked == 1) {
    return PROGRAM_OK;
  }
  program_complain(&rebuild->program, "another rebuild is running, or a repartition");
  return PROGRAM_FAILED;
}

static enum program_exit rebuild_open(struct rebuild *rebuild, bool check) {
  if (fold_init(&rebuild->fold) != LUMIN_OK || (rebuild->writer.arena = arena_create(WRITER_MEMORY)) == NULL) {
    return PROGRAM_FAILED;
  }
  enum program_exit end = program_open_postgres(&rebuild->program, 0);
  if (end == PROGRAM_OK) {
    end = schema_look(rebuild);
  }
  if (end == PROGRAM_OK) {
    end = connection_open(rebuild, &rebuild->live);
  }
  if (end == PROGRAM_OK && !check) {
    end = connection_open(rebuild, &rebuild->writer.database);
  }
  return end == PROGRAM_OK && !check ? writer_lock(rebuild) : end;
}

static void rebuild_close(struct rebuild *rebuild) {
  database_close(rebuild->live);
  database_close(rebuild->writer.database);
  arena_destroy(rebuild->writer.arena);
  fold_finish(&rebuild->fold);
  program_finish(&rebuild->program);
}

// ---- the snapshot

static enum lumin_status snapshot_share(struct database *database, const char *snapshot, const char *first) {
  char sql[512];
  int len = snprintf(sql, sizeof sql, "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '%s'; %s",
                     snapshot, first);
  return len < (int)sizeof sql ? database_run(database, sql) : LUMIN_INTERNAL;
}

// Where each partition's events end as of the snapshot: what comes later is caught up on.
static const char marks_sql[] =
    "CREATE TEMP TABLE marks AS SELECT partition, event_position FROM lumin.partitions; COMMIT; "
    "SELECT lumin.rebuild_begin()";

static enum lumin_status snapshot_take(struct rebuild *rebuild) {
  PGresult *result = NULL;
  struct database_query query = {.sql = "SELECT pg_export_snapshot()"};
  enum lumin_status status =
      database_run(rebuild->program.database, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off");
  if (status == LUMIN_OK) {
    status = database_ask(rebuild->program.database, &query, &result);
  }
  if (status == LUMIN_OK) {
    const char *snapshot = PQgetvalue(result, 0, 0);
    status = snapshot_share(rebuild->live, snapshot, "SET LOCAL jit = off");
    if (status == LUMIN_OK && rebuild->writer.database != NULL) {
      status = snapshot_share(rebuild->writer.database, snapshot, marks_sql);
    }
  }
  PQclear(result);
  return status;
}

// The exchange waits for everybody who still looks at the live tables, these two too.
static enum lumin_status snapshot_leave(struct rebuild *rebuild) {
  enum lumin_status status = database_run(rebuild->program.database, "COMMIT");
  return status == LUMIN_OK ? database_run(rebuild->live, "COMMIT") : status;
}

// ---- all users

// The two streams side by side.
struct pass {
  struct database_rows events, rows;
  bool more_events, more_rows;
  struct uuid id;
  char id_text[UUID_TEXT_LEN + 1];
};

struct uuid row_user(const PGresult *row) {
  struct uuid id = {{0}};
  if (PQgetlength(row, 0, 0) == sizeof id.bytes) {
    memcpy(id.bytes, PQgetvalue(row, 0, 0), sizeof id.bytes);
  }
  return id;
}

static enum lumin_status rows_step(struct database_rows *rows, bool *ret_more) {
  enum lumin_status status = database_rows_next(rows);
  *ret_more = status == LUMIN_OK;
  return status == LUMIN_NOT_FOUND ? LUMIN_OK : status;
}

// The lower of the two ids is next.
static void user_next(struct rebuild *rebuild, struct pass *pass) {
  struct uuid of_event = pass->more_events ? row_user(pass->events.row) : (struct uuid){{0}};
  struct uuid of_row = pass->more_rows ? row_user(pass->rows.row) : (struct uuid){{0}};
  bool from_event = pass->more_events && (!pass->more_rows || uuid_compare(&of_event, &of_row) <= 0);
  pass->id = from_event ? of_event : of_row;
  uuid_format(&pass->id, pass->id_text);
  fold_begin(&rebuild->fold, &pass->id);
  rebuild->verdict.looked_at++;
}

static enum lumin_status user_fold(struct rebuild *rebuild, struct pass *pass) {
  enum lumin_status status = LUMIN_OK;
  while (status == LUMIN_OK && pass->more_events) {
    struct uuid id = row_user(pass->events.row);
    if (!uuid_equal(&id, &pass->id)) {
      break;
    }
    status = rebuild_apply(rebuild, pass->events.row);
    progress_add(&rebuild->progress, 1);
    if (status == LUMIN_OK) {
      status = rows_step(&pass->events, &pass->more_events);
    }
  }
  return status;
}

static enum lumin_status user_compare(struct rebuild *rebuild, struct pass *pass) {
  const struct user *state = &rebuild->fold.state;
  struct uuid id = pass->more_rows ? row_user(pass->rows.row) : (struct uuid){{0}};
  if (!pass->more_rows || !uuid_equal(&id, &pass->id)) {
    verdict_differ(&rebuild->verdict, "user %s: has events, and no row", pass->id_text);
    return LUMIN_OK;
  }
  const char *field = users_row_difference(pass->rows.row, 0, state);
  if (state->version == 0) {
    verdict_differ(&rebuild->verdict, "user %s: has a row, and no events", pass->id_text);
  } else if (field != NULL) {
    verdict_differ(&rebuild->verdict, "user %s: %s of its row is not that of its events at version %" PRIu64,
                   pass->id_text, field, state->version);
  }
  return rows_step(&pass->rows, &pass->more_rows);
}

static enum lumin_status pass_make(struct rebuild *rebuild, struct pass *pass) {
  enum lumin_status status = rows_step(&pass->events, &pass->more_events);
  if (status == LUMIN_OK) {
    status = rows_step(&pass->rows, &pass->more_rows);
  }
  while (status == LUMIN_OK && (pass->more_events || pass->more_rows)) {
    user_next(rebuild, pass);
    status = user_fold(rebuild, pass);
    if (status == LUMIN_OK) {
      status = user_compare(rebuild, pass);
    }
    if (status == LUMIN_OK && rebuild->fold.state.version > 0) {
      status = writer_add(&rebuild->writer, &rebuild->fold.state);
    }
  }
  return status == LUMIN_OK ? writer_flush(&rebuild->writer) : status;
}

static enum lumin_status all_fold(struct rebuild *rebuild) {
  struct pass pass = {0};
  int64_t total = 0;
  struct database_query events = {.sql = "SELECT " EVENT_COLUMNS " FROM lumin.events ORDER BY user_id, version"};
  struct database_query rows = {.sql = "SELECT " USERS_COLUMNS " FROM lumin.users ORDER BY user_id"};
  enum lumin_status status = database_number(
      rebuild->program.database,
      "SELECT coalesce(sum(p.event_position - s.position_base), 0)::bigint FROM lumin.partitions p, lumin.settings s",
      &total);
  if (status == LUMIN_OK) {
    status = database_rows_open(rebuild->program.database, &events, &pass.events);
  }
  if (status == LUMIN_OK) {
    status = database_rows_open(rebuild->live, &rows, &pass.rows);
  }
  if (status == LUMIN_OK) {
    progress_begin(&rebuild->progress, (uint64_t)total);
    status = pass_make(rebuild, &pass);
    progress_end(&rebuild->progress);
  }
  database_rows_close(&pass.events);
  database_rows_close(&pass.rows);
  return status;
}

// int2 to int8, big-endian.
static int64_t row_number(const PGresult *row, int column) {
  const uint8_t *bytes = (const uint8_t *)PQgetvalue(row, 0, column);
  int len = PQgetlength(row, 0, column);
  uint64_t number = 0;
  for (int i = 0; i < len && i < 8; i++) {
    number = number << 8 | bytes[i];
  }
  return len == 2 ? (int16_t)number : (int64_t)number;
}

enum lumin_status rebuild_apply(struct rebuild *rebuild, const PGresult *row) {
  struct stored_event event = {.type = (enum event_type)row_number(row, 2),
                               .version = (uint64_t)row_number(row, 1),
                               .time_ns = row_number(row, 3),
                               .body = span_of(PQgetvalue(row, 0, 4), (size_t)PQgetlength(row, 0, 4))};
  enum lumin_status status = fold_event(&rebuild->fold, &event);
  if (status != LUMIN_OK && status != LUMIN_NO_MEMORY) {
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&rebuild->fold.state.id, id);
    program_complain(&rebuild->program, "user %s: the event of version %" PRIu64 " cannot be read", id, event.version);
  }
  return status;
}

// The live identifiers beside the live users, under the same snapshot.
static enum lumin_status identifiers_check(struct rebuild *rebuild) {
  uint64_t before = rebuild->verdict.differences;
  int64_t count = 0;
  struct verdict verdict = {.name = "7 identifiers", .unit = "identifiers"};
  enum lumin_status status =
      database_number(rebuild->program.database, "SELECT count(*) FROM lumin.identifiers", &count);
  if (status == LUMIN_OK) {
    verdict.looked_at = (uint64_t)count;
    status = verdict_query(&verdict, rebuild->program.database, verify_identifiers_sql);
  }
  if (status == LUMIN_OK) {
    (void)verdict_print(&verdict);
    rebuild->verdict.differences = before + verdict.differences;
    status = snapshot_leave(rebuild);
  }
  return status;
}
