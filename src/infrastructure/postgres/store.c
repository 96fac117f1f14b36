// SPDX-License-Identifier: MIT
// Reading rows, and the rows of ownership and relay.
#include "lumin/infrastructure/postgres/store.h"

#include "lumin/infrastructure/codec/codec.h"
#include "store_internal.h"
#include "user_row.h"

static enum lumin_status port_load(void *self, const struct load_request *request, struct arena *arena,
                                   struct load_result *ret_result) {
  return store_load(self, request, arena, ret_result);
}

struct store_port store_port(struct store *store) {
  return (struct store_port){.self = store, .load = port_load, .record = store_record};
}

// Sends one statement and takes its rows.
static enum lumin_status store_ask(struct store *store, enum session_statement statement, const struct params *params,
                                   const struct session_sink *sink) {
  if (store->session == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  enum lumin_status status = session_send(store->session, statement, params);
  return status == LUMIN_OK ? session_sync(store->session, sink) : status;
}

// ---- load

struct load {
  struct arena *arena;
  struct load_result result;
  struct statements statements;
};

static enum lumin_status users_take(struct load *load, const PGresult *rows) {
  int count = PQntuples(rows);
  struct user *users = ARENA_ARRAY(load->arena, (size_t)count, struct user);
  for (int i = 0; users != NULL && i < count; i++) {
    if (!user_read(rows, i, load->arena, &users[i])) {
      return LUMIN_NO_MEMORY;
    }
  }
  load->result.users = users;
  load->result.user_count = (size_t)count;
  return users != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

static enum lumin_status identifiers_take(struct load *load, const PGresult *rows) {
  int count = PQntuples(rows);
  struct identifier *identifiers = ARENA_ARRAY(load->arena, (size_t)count, struct identifier);
  for (int i = 0; identifiers != NULL && i < count; i++) {
    identifiers[i].kind = (enum identifier_kind)field_int(rows, i, 0);
    identifiers[i].user_id = field_uuid(rows, i, 2);
    if (!field_text(rows, i, 1, load->arena, &identifiers[i].key)) {
      return LUMIN_NO_MEMORY;
    }
  }
  load->result.identifiers = identifiers;
  load->result.identifier_count = (size_t)count;
  return identifiers != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

static enum lumin_status outcome_read(const PGresult *rows, int row, struct arena *arena, struct outcome *ret_outcome) {
  *ret_outcome = (struct outcome){
      .command_id = field_uuid(rows, row, 0),
      .user_id = field_uuid(rows, row, 1),
      .status = (enum outcome_status)field_int(rows, row, 3),
      .version = (uint64_t)field_int(rows, row, 4),
      .stream_seq = (uint64_t)field_int(rows, row, 5),
      .stream_ts_ns = field_int(rows, row, 6),
  };
  if (PQgetlength(rows, row, 2) == CONTENT_HASH_LEN) {
    memcpy(ret_outcome->content_hash, PQgetvalue(rows, row, 2), CONTENT_HASH_LEN);
  }
  if (PQgetisnull(rows, row, 7)) {
    return LUMIN_OK;
  }
  struct span error = span_of(PQgetvalue(rows, row, 7), (size_t)PQgetlength(rows, row, 7));
  return codec_decode_refusal(error, arena, &ret_outcome->refusal);
}

static enum lumin_status outcomes_take(struct load *load, const PGresult *rows) {
  int count = PQntuples(rows);
  struct outcome *outcomes = ARENA_ARRAY(load->arena, (size_t)count, struct outcome);
  enum lumin_status status = outcomes != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  for (int i = 0; i < count && status == LUMIN_OK; i++) {
    status = outcome_read(rows, i, load->arena, &outcomes[i]);
  }
  load->result.outcomes = outcomes;
  load->result.outcome_count = (size_t)count;
  return status;
}

static enum lumin_status load_rows(void *self, int index, const PGresult *rows) {
  struct load *load = self;
  switch (load->statements.items[index].statement) {
  case STATEMENT_USERS_LOAD:
    return users_take(load, rows);
  case STATEMENT_IDENTIFIERS_LOAD:
    return identifiers_take(load, rows);
  default:
    return outcomes_take(load, rows);
  }
}

static enum lumin_status ids_add(struct load *load, enum session_statement statement, const struct uuid *ids,
                                 size_t count) {
  if (count == 0) {
    return LUMIN_OK;
  }
  struct columns columns = columns_begin(load->arena, (const enum column_type[]){COLUMN_UUID}, 1, count);
  for (size_t i = 0; i < count; i++) {
    column_uuid(&columns.items[0], &ids[i]);
  }
  return statements_add(&load->statements, statement, &columns);
}

static enum lumin_status keys_add(struct load *load, const struct load_request *request) {
  if (request->key_count == 0) {
    return LUMIN_OK;
  }
  struct columns columns =
      columns_begin(load->arena, (const enum column_type[]){COLUMN_INT2, COLUMN_TEXT}, 2, request->key_count);
  for (size_t i = 0; i < request->key_count; i++) {
    column_int2(&columns.items[0], (int16_t)request->keys[i].kind);
    column_bytes(&columns.items[1], request->keys[i].key);
  }
  return statements_add(&load->statements, STATEMENT_IDENTIFIERS_LOAD, &columns);
}

enum lumin_status store_load(struct store *store, const struct load_request *request, struct arena *arena,
                             struct load_result *ret_result) {
  struct load load = {.arena = arena};
  enum lumin_status status = ids_add(&load, STATEMENT_USERS_LOAD, request->users, request->user_count);
  if (status == LUMIN_OK) {
    status = keys_add(&load, request);
  }
  if (status == LUMIN_OK) {
    status = ids_add(&load, STATEMENT_OUTCOMES_LOAD, request->commands, request->command_count);
  }
  if (status == LUMIN_OK && load.statements.count > 0) {
    struct session_sink sink = {&load, load_rows};
    status = statements_run(store, &load.statements, &sink);
  }
  if (status == LUMIN_OK) {
    *ret_result = load.result;
  }
  return status;
}

// ---- partitions

struct rows_taker {
  struct arena *arena;
  struct partition_rows rows;
};

static enum lumin_status partition_rows_take(void *self, int index, const PGresult *rows) {
  (void)index;
  struct rows_taker *taker = self;
  int count = PQntuples(rows);
  taker->rows.rows = ARENA_ARRAY(taker->arena, (size_t)count, struct partition_row);
  for (int i = 0; taker->rows.rows != NULL && i < count; i++) {
    taker->rows.rows[i] = (struct partition_row){
        .partition = (uint16_t)field_int(rows, i, 0),
        .epoch = (uint64_t)field_int(rows, i, 1),
        .input_seq = (uint64_t)field_int(rows, i, 2),
        .input_ts_ns = field_int(rows, i, 3),
        .event_position = (uint64_t)field_int(rows, i, 4),
        .relayed_position = (uint64_t)field_int(rows, i, 5),
        .event_stream_seq = (uint64_t)field_int(rows, i, 6),
        .event_stream_ts_ns = field_int(rows, i, 7),
        .dead_position = (uint64_t)field_int(rows, i, 8),
        .dead_relayed = (uint64_t)field_int(rows, i, 9),
    };
  }
  taker->rows.count = (size_t)count;
  return taker->rows.rows != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

static enum lumin_status partitions_ask(struct store *store, enum session_statement statement,
                                        const struct params *params, struct arena *arena,
                                        struct partition_rows *ret_rows) {
  struct rows_taker taker = {.arena = arena};
  struct session_sink sink = {&taker, partition_rows_take};
  enum lumin_status status = store_ask(store, statement, params, &sink);
  if (status == LUMIN_OK && ret_rows != NULL) {
    *ret_rows = taker.rows;
  }
  return status;
}

static struct column set_column(struct partition_set set, struct arena *arena) {
  struct column numbers = column_begin(arena, COLUMN_INT4, set.count);
  for (size_t i = 0; i < set.count; i++) {
    column_int4(&numbers, set.numbers[i]);
  }
  return numbers;
}

enum lumin_status store_take(struct store *store, const struct take_request *request, struct arena *arena,
                             struct partition_rows *ret_rows) {
  struct params params = {0};
  struct column held = set_column(request->held, arena);
  bool fine = params_uuid(&params, arena, &store->worker_id) == LUMIN_OK &&
              params_int4(&params, arena, request->lane) == LUMIN_OK &&
              params_int4(&params, arena, request->lanes) == LUMIN_OK && params_column(&params, &held) == LUMIN_OK;
  return fine ? partitions_ask(store, STATEMENT_TAKE, &params, arena, ret_rows) : LUMIN_NO_MEMORY;
}

static enum lumin_status mine_ask(struct store *store, enum session_statement statement, struct partition_set set,
                                  struct arena *arena, struct partition_rows *ret_rows) {
  struct params params = {0};
  struct column numbers = set_column(set, arena);
  bool fine =
      params_uuid(&params, arena, &store->worker_id) == LUMIN_OK && params_column(&params, &numbers) == LUMIN_OK;
  return fine ? partitions_ask(store, statement, &params, arena, ret_rows) : LUMIN_NO_MEMORY;
}

enum lumin_status store_retake(struct store *store, struct partition_set set, struct arena *arena,
                               struct partition_rows *ret_rows) {
  return mine_ask(store, STATEMENT_RETAKE, set, arena, ret_rows);
}

enum lumin_status store_owned(struct store *store, struct partition_set set, struct arena *arena,
                              struct partition_rows *ret_rows) {
  return mine_ask(store, STATEMENT_OWNED, set, arena, ret_rows);
}

enum lumin_status store_release(struct store *store, struct partition_set set, struct arena *arena) {
  return mine_ask(store, STATEMENT_RELEASE, set, arena, NULL);
}

enum lumin_status store_checkpoint(struct store *store, const struct partition_mark *marks, size_t count,
                                   struct arena *arena) {
  struct statements statements = {.count = 0};
  enum lumin_status status = fence_add(store, marks, count, arena, &statements);
  return status == LUMIN_OK ? statements_run(store, &statements, NULL) : status;
}

enum lumin_status store_lost_range(struct store *store, uint16_t partition, uint64_t first_seq, uint64_t last_seq,
                                   struct arena *arena) {
  struct params params = {0};
  bool fine = params_int4(&params, arena, partition) == LUMIN_OK &&
              params_int8(&params, arena, (int64_t)first_seq) == LUMIN_OK &&
              params_int8(&params, arena, (int64_t)last_seq) == LUMIN_OK;
  return fine ? store_ask(store, STATEMENT_LOST_RANGE, &params, NULL) : LUMIN_NO_MEMORY;
}
