// SPDX-License-Identifier: MIT
// One batch, one transaction, one round trip: the fence first (guarantee 5: it raises), then only the statements that
// have rows. Keeps guarantees 2, 3 and 7 by primary keys and count checks that raise.
#include "lumin/infrastructure/codec/codec.h"
#include "store_internal.h"
#include "user_row.h"

// Types, rows, and the parameters made of them: what every statement of a batch has in common.
#define TYPES(...)                                                                                                     \
  (const enum column_type[]){__VA_ARGS__}, sizeof((const enum column_type[]){__VA_ARGS__}) / sizeof(enum column_type)

struct params *params_begin(struct statements *statements, enum session_statement statement) {
  if (statements->count == STATEMENTS_MAX) {
    return NULL;
  }
  statements->items[statements->count].statement = statement;
  struct params *params = &statements->items[statements->count++].params;
  *params = (struct params){0};
  return params;
}

enum lumin_status statements_add(struct statements *statements, enum session_statement statement,
                                 const struct columns *columns) {
  struct params *params = params_begin(statements, statement);
  return params != NULL ? params_columns(params, columns) : LUMIN_INTERNAL;
}

enum lumin_status statements_run(struct store *store, const struct statements *statements,
                                 const struct session_sink *sink) {
  if (store->session == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < statements->count && status == LUMIN_OK; i++) {
    status = session_send(store->session, statements->items[i].statement, &statements->items[i].params);
  }
  return status == LUMIN_OK ? session_sync(store->session, sink) : status;
}

enum lumin_status fence_add(const struct store *store, const struct partition_mark *marks, size_t count,
                            struct arena *arena, struct statements *statements) {
  struct columns columns =
      columns_begin(arena,
                    TYPES(COLUMN_INT4, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8,
                          COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8),
                    count);
  for (size_t i = 0; i < count; i++) {
    const struct partition_mark *mark = &marks[i];
    const int64_t values[] = {(int64_t)mark->epoch,
                              (int64_t)mark->old_seq,
                              mark->old_ts_ns,
                              (int64_t)mark->new_seq,
                              mark->new_ts_ns,
                              (int64_t)mark->event_position,
                              (int64_t)mark->relayed_position,
                              (int64_t)mark->event_stream_seq,
                              mark->event_stream_ts_ns,
                              (int64_t)mark->dead_position,
                              (int64_t)mark->dead_relayed};
    column_int4(&columns.items[0], mark->partition);
    for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
      column_int8(&columns.items[1 + j], values[j]);
    }
  }
  struct params *params = params_begin(statements, STATEMENT_FENCE);
  enum lumin_status status = params != NULL ? params_uuid(params, arena, &store->worker_id) : LUMIN_INTERNAL;
  return status == LUMIN_OK ? params_columns(params, &columns) : status;
}

static enum lumin_status events_add(const struct record *record, struct arena *arena, struct statements *statements) {
  struct columns columns =
      columns_begin(arena,
                    TYPES(COLUMN_UUID, COLUMN_INT8, COLUMN_INT4, COLUMN_INT8, COLUMN_INT2, COLUMN_INT8, COLUMN_UUID,
                          COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_BYTEA),
                    record->event_count);
  for (size_t i = 0; i < record->event_count; i++) {
    const struct new_event *event = &record->events[i];
    column_uuid(&columns.items[0], &event->user_id);
    column_int8(&columns.items[1], (int64_t)event->event.version);
    column_int4(&columns.items[2], event->partition);
    column_int8(&columns.items[3], (int64_t)event->position);
    column_int2(&columns.items[4], (int16_t)event->event.type);
    column_int8(&columns.items[5], event->event.time_ns);
    column_uuid(&columns.items[6], &event->command->command_id);
    column_optional(&columns.items[7], event->command->actor);
    column_optional(&columns.items[8], event->command->traceparent);
    column_optional(&columns.items[9], event->command->tracestate);
    column_bytes(&columns.items[10], event->body);
  }
  return statements_add(statements, STATEMENT_EVENTS_INSERT, &columns);
}

// Two statements at most: those that are new, and those that change (a last column: the version they change from).
static enum lumin_status users_add(const struct record *record, struct arena *arena, struct statements *statements) {
  size_t fresh_count = 0, changed_count = 0;
  for (size_t i = 0; i < record->user_count; i++) {
    fresh_count += record->users[i].old_version == 0;
  }
  changed_count = record->user_count - fresh_count;
  struct columns fresh = columns_begin(arena, user_column_types, USER_COLUMNS, fresh_count);
  struct columns changed = columns_begin(arena, user_column_types, USER_COLUMNS, changed_count);
  for (size_t i = 0; i < record->user_count; i++) {
    const struct changed_user *row = &record->users[i];
    struct columns *columns = row->old_version == 0 ? &fresh : &changed;
    user_put(columns, row->user);
    column_int8(&columns->items[USER_CREATED], row->old_version == 0 ? row->user->created_ns : row->user->updated_ns);
    column_int8(&columns->items[USER_UPDATED],
                row->old_version == 0 ? row->user->updated_ns : (int64_t)row->old_version);
  }
  enum lumin_status status = LUMIN_OK;
  if (fresh_count > 0) {
    status = statements_add(statements, STATEMENT_USERS_INSERT, &fresh);
  }
  if (status == LUMIN_OK && changed_count > 0) {
    status = statements_add(statements, STATEMENT_USERS_UPDATE, &changed);
  }
  return status;
}

static enum lumin_status identifiers_add(enum session_statement statement, const struct identifier *identifiers,
                                         size_t count, struct arena *arena, struct statements *statements) {
  struct columns columns = columns_begin(arena, TYPES(COLUMN_INT2, COLUMN_TEXT, COLUMN_UUID), count);
  for (size_t i = 0; i < count; i++) {
    column_int2(&columns.items[0], (int16_t)identifiers[i].kind);
    column_bytes(&columns.items[1], identifiers[i].key);
    column_uuid(&columns.items[2], &identifiers[i].user_id);
  }
  return statements_add(statements, statement, &columns);
}

// A DEAD outcome that is decided anew makes room first.
static enum lumin_status replaced_add(const struct record *record, struct arena *arena, struct statements *statements) {
  size_t count = 0;
  for (size_t i = 0; i < record->outcome_count; i++) {
    count += record->outcomes[i]->replaces;
  }
  if (count == 0) {
    return LUMIN_OK;
  }
  struct columns columns = columns_begin(arena, TYPES(COLUMN_UUID), count);
  for (size_t i = 0; i < record->outcome_count; i++) {
    if (record->outcomes[i]->replaces) {
      column_uuid(&columns.items[0], &record->outcomes[i]->command_id);
    }
  }
  return statements_add(statements, STATEMENT_OUTCOMES_DELETE_DEAD, &columns);
}

static enum lumin_status outcomes_add(const struct record *record, struct arena *arena, struct statements *statements) {
  enum lumin_status status = replaced_add(record, arena, statements);
  struct columns columns = columns_begin(
      arena,
      TYPES(COLUMN_UUID, COLUMN_UUID, COLUMN_BYTEA, COLUMN_INT2, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_BYTEA),
      record->outcome_count);
  for (size_t i = 0; i < record->outcome_count && status == LUMIN_OK; i++) {
    const struct outcome *outcome = &record->outcomes[i]->outcome;
    struct span error = SPAN_EMPTY;
    if (outcome->refusal.reason != LUMIN_OK) {
      status = codec_encode_refusal(&outcome->refusal, arena, &error);
    }
    column_uuid(&columns.items[0], &outcome->command_id);
    column_uuid(&columns.items[1], &outcome->user_id);
    column_bytes(&columns.items[2], span_of(outcome->content_hash, CONTENT_HASH_LEN));
    column_int2(&columns.items[3], (int16_t)outcome->status);
    column_int8(&columns.items[4], (int64_t)outcome->version);
    column_int8(&columns.items[5], (int64_t)outcome->stream_seq);
    column_int8(&columns.items[6], outcome->stream_ts_ns);
    column_optional(&columns.items[7], error);
  }
  return status == LUMIN_OK ? statements_add(statements, STATEMENT_OUTCOMES_INSERT, &columns) : status;
}

// The headers that a replay needs, as lines.
static struct span dead_headers(const struct command *command, struct arena *arena) {
  const struct metadata *headers = &command->inbound->headers;
  const struct {
    const char *name;
    struct span value;
  } lines[] = {{"Lumin-Command-Id", headers->command_id},
               {"Nats-Msg-Id", headers->msg_id},
               {"Lumin-Expected-Version", headers->expected_version},
               {"Lumin-Actor", headers->actor},
               {"Content-Type", headers->content_type},
               {"traceparent", headers->traceparent},
               {"tracestate", headers->tracestate}};
  struct span all = headers->unreadable ? SPAN_LITERAL("Lumin-Dead-Headers: unreadable\r\n") : SPAN_LITERAL("");
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    if (lines[i].value.len > 0) {
      all = arena_printf(arena, "%.*s%s: %.*s\r\n", SPAN_ARGS(all), lines[i].name, SPAN_ARGS(lines[i].value));
    }
  }
  return all;
}

static enum lumin_status dead_add(const struct record *record, struct arena *arena, struct statements *statements) {
  struct columns columns = columns_begin(arena,
                                         TYPES(COLUMN_INT4, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_UUID,
                                               COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_BYTEA, COLUMN_BYTEA),
                                         record->dead_count);
  for (size_t i = 0; i < record->dead_count; i++) {
    const struct command *command = record->dead[i].command;
    struct span headers = dead_headers(command, arena);
    if (headers.data == NULL) {
      return LUMIN_NO_MEMORY;
    }
    column_int4(&columns.items[0], command->inbound->partition);
    column_int8(&columns.items[1], (int64_t)record->dead[i].dead_position);
    column_int8(&columns.items[2], (int64_t)command->inbound->seq);
    column_int8(&columns.items[3], command->inbound->ts_ns);
    column_uuid(&columns.items[4], &command->command_id);
    column_bytes(&columns.items[5], command->method_token);
    column_bytes(&columns.items[6], command->user_token);
    column_bytes(&columns.items[7], span_from_text(status_name(command->outcome.refusal.reason)));
    column_bytes(&columns.items[8], headers);
    column_bytes(&columns.items[9], command->inbound->payload);
  }
  return statements_add(statements, STATEMENT_DEAD_INSERT, &columns);
}

// One row a viewer, however often it looked.
static enum lumin_status views_add(const struct record *record, struct arena *arena, struct statements *statements) {
  struct columns columns =
      columns_begin(arena, TYPES(COLUMN_UUID, COLUMN_UUID, COLUMN_INT8, COLUMN_INT8), record->view_count);
  for (size_t i = 0; i < record->view_count; i++) {
    const struct profile_view *view = &record->views[i];
    column_uuid(&columns.items[0], &view->user_id);
    column_uuid(&columns.items[1], &view->viewer_id);
    column_int8(&columns.items[2], view->last_ns);
    column_int8(&columns.items[3], (int64_t)view->count);
  }
  return statements_add(statements, STATEMENT_VIEWS_UPSERT, &columns);
}

static enum lumin_status unviewed_add(const struct record *record, struct arena *arena, struct statements *statements) {
  struct columns columns = columns_begin(arena, TYPES(COLUMN_UUID), record->unviewed_count);
  for (size_t i = 0; i < record->unviewed_count; i++) {
    column_uuid(&columns.items[0], &record->unviewed[i]);
  }
  return statements_add(statements, STATEMENT_VIEWS_DELETE, &columns);
}

static enum lumin_status voids_add(const struct record *record, struct arena *arena, struct statements *statements) {
  struct columns columns = columns_begin(arena, TYPES(COLUMN_INT4, COLUMN_INT8, COLUMN_INT8), record->void_count);
  for (size_t i = 0; i < record->void_count; i++) {
    column_int4(&columns.items[0], record->voids[i].partition);
    column_int8(&columns.items[1], (int64_t)record->voids[i].first);
    column_int8(&columns.items[2], (int64_t)record->voids[i].last);
  }
  return statements_add(statements, STATEMENT_VOIDS_INSERT, &columns);
}

static enum lumin_status rows_add(const struct store *store, const struct record *record, struct arena *arena,
                                  struct statements *statements) {
  enum lumin_status status = fence_add(store, record->marks, record->mark_count, arena, statements);
  if (status == LUMIN_OK && record->event_count > 0) {
    status = events_add(record, arena, statements);
  }
  if (status == LUMIN_OK && record->user_count > 0) {
    status = users_add(record, arena, statements);
  }
  if (status == LUMIN_OK && record->released_count > 0) {
    status = identifiers_add(STATEMENT_IDENTIFIERS_DELETE, record->released, record->released_count, arena, statements);
  }
  if (status == LUMIN_OK && record->claimed_count > 0) {
    status = identifiers_add(STATEMENT_IDENTIFIERS_INSERT, record->claimed, record->claimed_count, arena, statements);
  }
  if (status == LUMIN_OK && record->outcome_count > 0) {
    status = outcomes_add(record, arena, statements);
  }
  if (status == LUMIN_OK && record->dead_count > 0) {
    status = dead_add(record, arena, statements);
  }
  if (status == LUMIN_OK && record->view_count > 0) {
    status = views_add(record, arena, statements);
  }
  if (status == LUMIN_OK && record->unviewed_count > 0) {
    status = unviewed_add(record, arena, statements);
  }
  if (status == LUMIN_OK && record->void_count > 0) {
    status = voids_add(record, arena, statements);
  }
  return status;
}

enum lumin_status store_record(void *self, const struct record *record, struct arena *arena) {
  struct store *store = self;
  struct statements statements = {.count = 0};
  enum lumin_status status = rows_add(store, record, arena, &statements);
  return status == LUMIN_OK ? statements_run(store, &statements, NULL) : status;
}
