// SPDX-License-Identifier: MIT
// The temporary table "staged". It is analyzed by hand: nobody else does that for such a table.
#include "lumin/infrastructure/postgres/staging.h"

#include "columns.h"

#define EVENT_COLUMNS                                                                                                  \
  "stream_seq, user_id, version, partition, position, type, time_ns, command_id, actor, traceparent, tracestate, body"

enum lumin_status staging_create(struct database *database) {
  return database_run(database, "CREATE TEMP TABLE staged (stream_seq int8 NOT NULL, user_id uuid NOT NULL, "
                                "version int8 NOT NULL, partition int4 NOT NULL, position int8 NOT NULL, "
                                "type int2 NOT NULL, time_ns int8 NOT NULL, command_id uuid NOT NULL, "
                                "actor text COLLATE \"C\", traceparent text COLLATE \"C\", tracestate text COLLATE "
                                "\"C\", body bytea NOT NULL, seq int8, PRIMARY KEY (partition, position), "
                                "UNIQUE (user_id, version))");
}

enum lumin_status staging_index(struct database *database) {
  return database_run(database,
                      "CREATE INDEX ON pg_temp.staged (command_id); CREATE INDEX ON pg_temp.staged (stream_seq); "
                      "ANALYZE pg_temp.staged");
}

// ---- asking

static enum lumin_status rows_ask(struct database *database, const char *sql, const struct params *params,
                                  PGresult **ret_rows) {
  struct database_query query = {.sql = sql, .params = params, .binary = true};
  return database_ask(database, &query, ret_rows);
}

// A statement whose rows nobody wants.
static enum lumin_status rows_change(struct database *database, const char *sql, const struct params *params) {
  PGresult *rows = NULL;
  enum lumin_status status = rows_ask(database, sql, params, &rows);
  if (status == LUMIN_OK) {
    PQclear(rows);
  }
  return status;
}

static struct column ids_column(struct staged_ids ids, struct arena *arena) {
  struct column column = column_begin(arena, COLUMN_UUID, ids.count);
  for (size_t i = 0; i < ids.count; i++) {
    column_uuid(&column, &ids.ids[i]);
  }
  return column;
}

// ---- adding

static enum lumin_status events_params(const struct staged_events *events, struct arena *arena,
                                       struct params *ret_params) {
  static const enum column_type types[] = {COLUMN_INT8, COLUMN_UUID, COLUMN_INT8, COLUMN_INT4,
                                           COLUMN_INT8, COLUMN_INT2, COLUMN_INT8, COLUMN_UUID,
                                           COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_BYTEA};
  struct columns columns = columns_begin(arena, types, sizeof types / sizeof types[0], events->count);
  for (size_t i = 0; i < events->count; i++) {
    const struct staged_event *event = &events->rows[i];
    struct column *items = columns.items;
    column_int8(&items[0], (int64_t)event->stream_seq);
    column_uuid(&items[1], &event->user_id);
    column_int8(&items[2], (int64_t)event->version);
    column_int4(&items[3], event->partition);
    column_int8(&items[4], (int64_t)event->position);
    column_int2(&items[5], (int16_t)event->type);
    column_int8(&items[6], event->time_ns);
    column_uuid(&items[7], &event->command_id);
    column_optional(&items[8], event->actor);
    column_optional(&items[9], event->traceparent);
    column_optional(&items[10], event->tracestate);
    column_bytes(&items[11], event->body);
  }
  return params_columns(ret_params, &columns);
}

#define EVENT_ARRAYS                                                                                                   \
  "unnest($1::int8[], $2::uuid[], $3::int8[], $4::int4[], $5::int8[], $6::int2[], $7::int8[], $8::uuid[], "            \
  "$9::text[], $10::text[], $11::text[], $12::bytea[]) AS b(" EVENT_COLUMNS ")"

// What was there already may have been the same event.
static enum lumin_status clash_find(struct database *database, const struct params *params, uint64_t *ret_seq) {
  PGresult *rows = NULL;
  enum lumin_status status =
      rows_ask(database,
               "SELECT coalesce(min(b.stream_seq), 0) FROM " EVENT_ARRAYS " WHERE NOT EXISTS (SELECT FROM "
               "pg_temp.staged s WHERE s.partition = b.partition AND s.position = b.position AND s.user_id = "
               "b.user_id AND s.version = b.version AND s.type = b.type AND s.command_id = b.command_id "
               "AND s.body = b.body)",
               params, &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  uint64_t seq = (uint64_t)field_int(rows, 0, 0);
  PQclear(rows);
  if (seq == 0) {
    return LUMIN_OK;
  }
  *ret_seq = seq;
  return LUMIN_CONFLICT;
}

enum lumin_status staging_add(struct database *database, const struct staged_events *events, struct arena *arena,
                              uint64_t *ret_seq) {
  struct params params = {0};
  PGresult *rows = NULL;
  enum lumin_status status = events_params(events, arena, &params);
  if (status == LUMIN_OK) {
    status = rows_ask(database,
                      "WITH put AS (INSERT INTO pg_temp.staged (" EVENT_COLUMNS ") SELECT * FROM " EVENT_ARRAYS
                      " ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM put",
                      &params, &rows);
  }
  if (status != LUMIN_OK) {
    return status;
  }
  bool all = field_int(rows, 0, 0) == (int64_t)events->count;
  PQclear(rows);
  return all ? LUMIN_OK : clash_find(database, &params, ret_seq);
}

// ---- reading events back; columns as in EVENT_COLUMNS

static bool event_take(const PGresult *rows, int row, struct arena *arena, struct staged_event *ret_event) {
  *ret_event = (struct staged_event){
      .stream_seq = (uint64_t)field_int(rows, row, 0),
      .user_id = field_uuid(rows, row, 1),
      .version = (uint64_t)field_int(rows, row, 2),
      .partition = (uint16_t)field_int(rows, row, 3),
      .position = (uint64_t)field_int(rows, row, 4),
      .type = (enum event_type)field_int(rows, row, 5),
      .time_ns = field_int(rows, row, 6),
      .command_id = field_uuid(rows, row, 7),
  };
  return field_text(rows, row, 8, arena, &ret_event->actor) &&
         field_text(rows, row, 9, arena, &ret_event->traceparent) &&
         field_text(rows, row, 10, arena, &ret_event->tracestate) && field_text(rows, row, 11, arena, &ret_event->body);
}

static enum lumin_status events_ask(struct database *database, const char *sql, const struct params *params,
                                    struct arena *arena, struct staged_events *ret_events) {
  PGresult *rows = NULL;
  enum lumin_status status = rows_ask(database, sql, params, &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  int count = PQntuples(rows);
  struct staged_event *events = ARENA_ARRAY(arena, (size_t)count, struct staged_event);
  bool fine = events != NULL;
  for (int i = 0; fine && i < count; i++) {
    fine = event_take(rows, i, arena, &events[i]);
  }
  PQclear(rows);
  if (!fine) {
    return LUMIN_NO_MEMORY;
  }
  *ret_events = (struct staged_events){events, (size_t)count};
  return LUMIN_OK;
}

enum lumin_status staging_of_commands(struct database *database, struct staged_ids commands, struct arena *arena,
                                      struct staged_events *ret_events) {
  struct params params = {0};
  struct column ids = ids_column(commands, arena);
  enum lumin_status status = params_column(&params, &ids);
  return status == LUMIN_OK ? events_ask(database,
                                         "SELECT " EVENT_COLUMNS " FROM pg_temp.staged WHERE command_id = ANY "
                                         "($1::uuid[]) ORDER BY partition, position",
                                         &params, arena, ret_events)
                            : status;
}

enum lumin_status staging_orphans(struct database *database, uint16_t partition, uint32_t most, struct arena *arena,
                                  struct staged_events *ret_events) {
  struct params params = {0};
  bool fine =
      params_int4(&params, arena, partition) == LUMIN_OK && params_int4(&params, arena, (int32_t)most) == LUMIN_OK;
  return fine ? events_ask(database,
                           "SELECT " EVENT_COLUMNS " FROM pg_temp.staged s WHERE partition = $1::int4 AND seq IS NULL "
                           "AND position < coalesce((SELECT min(f.position) FROM pg_temp.staged f WHERE f.partition = "
                           "$1::int4 AND f.seq IS NOT NULL), 9223372036854775807) ORDER BY position LIMIT $2::int4",
                           &params, arena, ret_events)
              : LUMIN_NO_MEMORY;
}

// ---- commands

enum lumin_status staging_locate(struct database *database, const struct staged_command *commands, size_t count,
                                 struct arena *arena) {
  static const enum column_type types[] = {COLUMN_INT4, COLUMN_INT8, COLUMN_INT8, COLUMN_UUID};
  struct params params = {0};
  struct columns columns = columns_begin(arena, types, 4, count);
  for (size_t i = 0; i < count; i++) {
    column_int4(&columns.items[0], commands[i].partition);
    column_int8(&columns.items[1], (int64_t)commands[i].seq);
    column_int8(&columns.items[2], commands[i].ts_ns);
    column_uuid(&columns.items[3], &commands[i].command_id);
  }
  enum lumin_status status = params_columns(&params, &columns);
  return status == LUMIN_OK
             ? rows_change(database,
                           "UPDATE pg_temp.staged s SET seq = b.seq FROM (SELECT partition, min(seq) AS seq, min(ts) "
                           "AS ts, id FROM unnest($1::int4[], $2::int8[], $3::int8[], $4::uuid[]) AS u(partition, seq, "
                           "ts, id) GROUP BY partition, id) b WHERE s.command_id = b.id AND s.partition = b.partition "
                           "AND b.ts <= s.time_ns AND s.seq IS NULL",
                           &params)
             : status;
}

enum lumin_status staging_partitions(struct database *database, struct arena *arena,
                                     struct staged_partition **ret_partitions, size_t *ret_count) {
  PGresult *rows = NULL;
  enum lumin_status status = rows_ask(database,
                                      "SELECT partition, count(*), min(position), max(position), count(*) FILTER "
                                      "(WHERE seq IS NULL), coalesce(max(seq), 0) FROM pg_temp.staged "
                                      "GROUP BY partition ORDER BY partition",
                                      NULL, &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  int count = PQntuples(rows);
  struct staged_partition *partitions = ARENA_ARRAY(arena, (size_t)count, struct staged_partition);
  for (int i = 0; partitions != NULL && i < count; i++) {
    partitions[i] = (struct staged_partition){
        .partition = (uint16_t)field_int(rows, i, 0),
        .events = (uint64_t)field_int(rows, i, 1),
        .first = (uint64_t)field_int(rows, i, 2),
        .last = (uint64_t)field_int(rows, i, 3),
        .orphans = (uint64_t)field_int(rows, i, 4),
        .last_seq = (uint64_t)field_int(rows, i, 5),
    };
  }
  PQclear(rows);
  if (partitions == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *ret_partitions = partitions;
  *ret_count = (size_t)count;
  return LUMIN_OK;
}

// Rows of (partition, number) into an array by partition.
static enum lumin_status numbers_ask(struct database *database, const char *sql, const struct params *params,
                                     uint64_t *ret_numbers, size_t partitions) {
  PGresult *rows = NULL;
  enum lumin_status status = rows_ask(database, sql, params, &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  memset(ret_numbers, 0, partitions * sizeof *ret_numbers);
  for (int i = 0; i < PQntuples(rows); i++) {
    uint64_t partition = (uint64_t)field_int(rows, i, 0);
    if (partition < partitions) {
      ret_numbers[partition] = (uint64_t)field_int(rows, i, 1);
    }
  }
  PQclear(rows);
  return LUMIN_OK;
}

enum lumin_status staging_next(struct database *database, struct staged_ids commands, struct arena *arena,
                               uint64_t *ret_next, size_t partitions) {
  struct params params = {0};
  struct column ids = ids_column(commands, arena);
  bool fine =
      params_column(&params, &ids) == LUMIN_OK && params_int4(&params, arena, (int32_t)partitions - 1) == LUMIN_OK;
  return fine ? numbers_ask(database,
                            "SELECT p, s.position FROM generate_series(0, $2::int4) AS p, LATERAL (SELECT position "
                            "FROM pg_temp.staged s WHERE s.partition = p AND s.command_id <> ALL ($1::uuid[]) "
                            "ORDER BY position LIMIT 1) s",
                            &params, ret_next, partitions)
              : LUMIN_NO_MEMORY;
}

enum lumin_status staging_anchors(struct database *database, uint64_t *ret_seqs, size_t partitions) {
  return numbers_ask(database,
                     "SELECT o.partition, (SELECT b.seq FROM pg_temp.staged b WHERE b.partition = o.partition AND "
                     "b.position < o.first ORDER BY b.position DESC LIMIT 1) AS seq FROM (SELECT s.partition, "
                     "min(s.position) AS first FROM pg_temp.staged s WHERE s.seq IS NULL GROUP BY s.partition) o "
                     "WHERE EXISTS (SELECT FROM pg_temp.staged b WHERE b.partition = o.partition AND b.position < "
                     "o.first)",
                     NULL, ret_seqs, partitions);
}

// Takes the rows, which are cleared.
static enum lumin_status runs_take(PGresult *rows, struct arena *arena, struct staged_run **ret_runs,
                                   size_t *ret_count) {
  int count = PQntuples(rows);
  struct staged_run *runs = ARENA_ARRAY(arena, (size_t)count, struct staged_run);
  for (int i = 0; runs != NULL && i < count; i++) {
    runs[i] =
        (struct staged_run){field_uuid(rows, i, 0), (uint64_t)field_int(rows, i, 1), (uint64_t)field_int(rows, i, 2)};
  }
  PQclear(rows);
  if (runs == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *ret_runs = runs;
  *ret_count = (size_t)count;
  return LUMIN_OK;
}

enum lumin_status staging_runs(struct database *database, struct staged_ids users, struct arena *arena,
                               struct staged_run **ret_runs, size_t *ret_count) {
  PGresult *rows = NULL;
  struct params params = {0};
  struct column ids = ids_column(users, arena);
  enum lumin_status status = params_column(&params, &ids);
  if (status == LUMIN_OK) {
    status = rows_ask(database,
                      "SELECT user_id, min(version), max(version) FROM (SELECT user_id, version, "
                      "version - row_number() OVER (PARTITION BY user_id ORDER BY version) AS run "
                      "FROM pg_temp.staged WHERE user_id = ANY ($1::uuid[])) r GROUP BY user_id, run",
                      &params, &rows);
  }
  return status == LUMIN_OK ? runs_take(rows, arena, ret_runs, ret_count) : status;
}

enum lumin_status staging_users(struct database *database, const struct uuid *after, struct arena *arena,
                                struct staged_run **ret_users, size_t *ret_count) {
  PGresult *rows = NULL;
  struct params params = {0};
  if (params_uuid(&params, arena, after) != LUMIN_OK || params_int4(&params, arena, STAGED_CHUNK) != LUMIN_OK) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = rows_ask(database,
                                      "SELECT user_id, min(version), max(version) FROM pg_temp.staged "
                                      "WHERE user_id > $1::uuid GROUP BY user_id ORDER BY user_id LIMIT $2::int4",
                                      &params, &rows);
  return status == LUMIN_OK ? runs_take(rows, arena, ret_users, ret_count) : status;
}

enum lumin_status staging_sequences(struct database *database, uint64_t after, struct arena *arena, uint64_t **ret_seqs,
                                    size_t *ret_count) {
  struct params params = {0};
  PGresult *rows = NULL;
  bool fine =
      params_int8(&params, arena, (int64_t)after) == LUMIN_OK && params_int4(&params, arena, STAGED_CHUNK) == LUMIN_OK;
  enum lumin_status status = fine ? rows_ask(database,
                                             "SELECT stream_seq FROM pg_temp.staged WHERE stream_seq > $1::int8 "
                                             "ORDER BY stream_seq LIMIT $2::int4",
                                             &params, &rows)
                                  : LUMIN_NO_MEMORY;
  if (status != LUMIN_OK) {
    return status;
  }
  int count = PQntuples(rows);
  uint64_t *seqs = ARENA_ARRAY(arena, (size_t)count, uint64_t);
  for (int i = 0; seqs != NULL && i < count; i++) {
    seqs[i] = (uint64_t)field_int(rows, i, 0);
  }
  PQclear(rows);
  if (seqs == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *ret_seqs = seqs;
  *ret_count = (size_t)count;
  return LUMIN_OK;
}

enum lumin_status staging_forget(struct database *database, const struct staged_position *positions, size_t count,
                                 struct arena *arena) {
  static const enum column_type types[] = {COLUMN_INT4, COLUMN_INT8};
  struct params params = {0};
  struct columns columns = columns_begin(arena, types, 2, count);
  for (size_t i = 0; i < count; i++) {
    column_int4(&columns.items[0], positions[i].partition);
    column_int8(&columns.items[1], (int64_t)positions[i].position);
  }
  enum lumin_status status = params_columns(&params, &columns);
  return status == LUMIN_OK
             ? rows_change(database,
                           "DELETE FROM pg_temp.staged s USING unnest($1::int4[], $2::int8[]) AS b(partition, "
                           "position) WHERE s.partition = b.partition AND s.position <= b.position",
                           &params)
             : status;
}

// ---- what is missing

static const char missing_sql[] =
    "SELECT 0::int8, e.user_id, e.version, e.partition, e.position, e.type, e.time_ns, e.command_id, e.actor, "
    "e.traceparent, e.tracestate, e.body, EXISTS (SELECT FROM pg_temp.staged l WHERE l.user_id = e.user_id AND "
    "l.version > e.version) FROM lumin.events e WHERE e.partition = $1::int4 AND e.position > $2::int8 AND "
    "e.position <= $3::int8 AND ($4::uuid[] = '{}' OR e.user_id = ANY ($4::uuid[])) AND NOT EXISTS (SELECT FROM "
    "pg_temp.staged s WHERE s.user_id = e.user_id AND s.version = e.version) ORDER BY e.position LIMIT $5::int4";

static enum lumin_status missing_params(const struct missing_query *query, struct arena *arena,
                                        struct params *ret_params) {
  struct column users = ids_column((struct staged_ids){query->user_id, query->user_id != NULL ? 1 : 0}, arena);
  bool fine = params_int4(ret_params, arena, query->partition) == LUMIN_OK &&
              params_int8(ret_params, arena, (int64_t)query->after) == LUMIN_OK &&
              params_int8(ret_params, arena, (int64_t)query->to) == LUMIN_OK &&
              params_column(ret_params, &users) == LUMIN_OK &&
              params_int4(ret_params, arena, (int32_t)query->most) == LUMIN_OK;
  return fine ? LUMIN_OK : LUMIN_NO_MEMORY;
}

enum lumin_status staging_missing(struct database *database, const struct missing_query *query, struct arena *arena,
                                  struct missing_events *ret_events) {
  struct params params = {0};
  PGresult *rows = NULL;
  enum lumin_status status = missing_params(query, arena, &params);
  if (status == LUMIN_OK) {
    status = rows_ask(database, missing_sql, &params, &rows);
  }
  if (status != LUMIN_OK) {
    return status;
  }
  int count = PQntuples(rows);
  struct missing_event *events = ARENA_ARRAY(arena, (size_t)count, struct missing_event);
  bool fine = events != NULL;
  for (int i = 0; fine && i < count; i++) {
    fine = event_take(rows, i, arena, &events[i].event);
    events[i].late = field_bool(rows, i, 12);
  }
  PQclear(rows);
  if (!fine) {
    return LUMIN_NO_MEMORY;
  }
  *ret_events = (struct missing_events){events, (size_t)count};
  return LUMIN_OK;
}
