// SPDX-License-Identifier: MIT
// The rows of ownership.
#include "lumin/infrastructure/postgres/store.h"

#include "store_internal.h"

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

// ---- partitions

struct rows_taker {
  struct arena *arena;
  struct partition_rows rows;
};

struct partition_truth partition_row_truth(const struct partition_row *row) {
  return (struct partition_truth){
      .epoch = row->epoch,
      .input_seq = row->input_seq,
      .input_ts_ns = row->input_ts_ns,
      .event_position = row->event_position,
      .dead_position = row->dead_position,
      .relayed_position = row->relayed_position,
      .event_stream_seq = row->event_stream_seq,
      .event_stream_ts_ns = row->event_stream_ts_ns,
      .dead_relayed = row->dead_relayed,
  };
}

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
        .owned_since_ns = field_int(rows, i, 10),
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

struct take_taker {
  struct rows_taker rows;
  uint32_t surplus;
  int64_t expiry_ms;
  uint32_t others;
};

static enum lumin_status take_answer(void *self, int index, const PGresult *rows) {
  struct take_taker *taker = self;
  if (index == 0) {
    taker->surplus = (uint32_t)field_int(rows, 0, 0);
    taker->expiry_ms = field_int(rows, 0, 1);
    taker->others = (uint32_t)field_int(rows, 0, 2);
    return LUMIN_OK;
  }
  return partition_rows_take(&taker->rows, index, rows);
}

// What every statement on the lane's partitions begins with.
static bool owner_params(const struct store *store, struct arena *arena, struct params *params) {
  return params_uuid(params, arena, &store->worker_id) == LUMIN_OK &&
         params_int4(params, arena, store->lane) == LUMIN_OK;
}

enum lumin_status store_take(struct store *store, const struct take_request *request, struct arena *arena,
                             struct take_result *ret_result) {
  struct statements statements = {.count = request->able ? 2 : 1};
  statements.items[0].statement = STATEMENT_SURPLUS;
  statements.items[1].statement = STATEMENT_TAKE;
  struct params *surplus = &statements.items[0].params, *take = &statements.items[1].params;
  struct column held = set_column(request->held, arena);
  bool fine = owner_params(store, arena, surplus) && params_bool(surplus, arena, request->able) == LUMIN_OK &&
              owner_params(store, arena, take) && params_column(take, &held) == LUMIN_OK;
  struct take_taker taker = {.rows.arena = arena};
  struct session_sink sink = {&taker, take_answer};
  enum lumin_status status = fine ? statements_run(store, &statements, &sink) : LUMIN_NO_MEMORY;
  if (status == LUMIN_OK) {
    *ret_result = (struct take_result){taker.rows.rows, taker.surplus, taker.expiry_ms, taker.others};
  }
  return status;
}

static enum lumin_status mine_ask(struct store *store, enum session_statement statement, struct partition_set set,
                                  struct arena *arena, struct partition_rows *ret_rows) {
  struct params params = {0};
  struct column numbers = set_column(set, arena);
  bool fine = owner_params(store, arena, &params) && params_column(&params, &numbers) == LUMIN_OK;
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

enum lumin_status store_release(struct store *store, struct partition_set set, bool leaving, struct arena *arena) {
  struct params params = {0};
  struct column numbers = set_column(set, arena);
  bool fine = owner_params(store, arena, &params) && params_column(&params, &numbers) == LUMIN_OK &&
              params_bool(&params, arena, leaving) == LUMIN_OK;
  return fine ? store_ask(store, STATEMENT_RELEASE, &params, NULL) : LUMIN_NO_MEMORY;
}

enum lumin_status store_seize(struct store *store, struct partition_set set, struct arena *arena,
                              struct partition_rows *ret_rows) {
  return mine_ask(store, STATEMENT_SEIZE, set, arena, ret_rows);
}

enum lumin_status store_return(struct store *store, struct arena *arena) {
  struct params params = {0};
  enum lumin_status status = params_uuid(&params, arena, &store->worker_id);
  return status == LUMIN_OK ? store_ask(store, STATEMENT_RETURN, &params, NULL) : status;
}

enum lumin_status store_alarms(struct store *store, const struct partition_alarm *alarms, size_t count,
                               struct arena *arena) {
  struct params params = {0};
  struct column numbers = column_begin(arena, COLUMN_INT4, count), names = column_begin(arena, COLUMN_TEXT, count);
  for (size_t i = 0; i < count; i++) {
    column_int4(&numbers, alarms[i].partition);
    column_optional(&names, span_from_text(alarms[i].name));
  }
  bool fine = params_uuid(&params, arena, &store->worker_id) == LUMIN_OK &&
              params_column(&params, &numbers) == LUMIN_OK && params_column(&params, &names) == LUMIN_OK;
  return fine ? store_ask(store, STATEMENT_ALARMS, &params, NULL) : LUMIN_NO_MEMORY;
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
