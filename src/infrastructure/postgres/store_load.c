// SPDX-License-Identifier: MIT
// Reading rows: what a batch needs to decide, and what queries are answered from. However many rows, one round trip.
#include "lumin/infrastructure/codec/codec.h"
#include "store_internal.h"
#include "user_row.h"

_Static_assert(4 + LOAD_PAGES_MAX <= STATEMENTS_MAX, "a load has room for its pages");

struct load {
  struct arena *arena;
  const struct load_request *request;
  struct load_result result;
  struct statements statements;
  size_t first_page; // of the statements
};

static enum lumin_status users_take(struct load *load, const PGresult *rows) {
  struct page_rows users = {0};
  enum lumin_status status = users_read(rows, load->arena, &users);
  load->result.users = users.users;
  load->result.user_count = users.count;
  return status;
}

// The last column says which key it is.
static enum lumin_status holders_take(struct load *load, const PGresult *rows) {
  for (int i = 0; i < PQntuples(rows); i++) {
    size_t place = (size_t)field_int(rows, i, USER_COLUMNS) - 1;
    if (!user_read(rows, i, load->arena, &load->result.holders[place])) {
      return LUMIN_NO_MEMORY;
    }
  }
  return LUMIN_OK;
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
  size_t place = (size_t)index;
  switch (load->statements.items[place].statement) {
  case STATEMENT_USERS_LOAD:
    return users_take(load, rows);
  case STATEMENT_IDENTIFIERS_LOAD:
    return identifiers_take(load, rows);
  case STATEMENT_HOLDERS_LOAD:
    return holders_take(load, rows);
  case STATEMENT_OUTCOMES_LOAD:
    return outcomes_take(load, rows);
  default:
    place -= load->first_page;
    return page_read(&load->request->pages[place], rows, load->arena, &load->result.pages[place]);
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

static enum lumin_status keys_add(struct load *load, enum session_statement statement, const struct identifier *keys,
                                  size_t count) {
  if (count == 0) {
    return LUMIN_OK;
  }
  struct columns columns = columns_begin(load->arena, (const enum column_type[]){COLUMN_INT2, COLUMN_TEXT}, 2, count);
  for (size_t i = 0; i < count; i++) {
    column_int2(&columns.items[0], (int16_t)keys[i].kind);
    column_bytes(&columns.items[1], keys[i].key);
  }
  return statements_add(&load->statements, statement, &columns);
}

// Last, so that what a page shows is not older than its user's row.
static enum lumin_status pages_add(struct load *load) {
  const struct load_request *request = load->request;
  enum lumin_status status = LUMIN_OK;
  load->first_page = load->statements.count;
  for (size_t i = 0; i < request->page_count && status == LUMIN_OK; i++) {
    status = page_add(&request->pages[i], load->arena, &load->statements);
  }
  return status;
}

static enum lumin_status load_prepare(struct load *load) {
  const struct load_request *request = load->request;
  load->result.holders = ARENA_ARRAY(load->arena, request->holder_count, struct user);
  load->result.pages = ARENA_ARRAY(load->arena, request->page_count, struct page_rows);
  if (load->result.holders == NULL || load->result.pages == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = ids_add(load, STATEMENT_USERS_LOAD, request->users, request->user_count);
  if (status == LUMIN_OK) {
    status = keys_add(load, STATEMENT_IDENTIFIERS_LOAD, request->keys, request->key_count);
  }
  if (status == LUMIN_OK) {
    status = keys_add(load, STATEMENT_HOLDERS_LOAD, request->holders, request->holder_count);
  }
  if (status == LUMIN_OK) {
    status = ids_add(load, STATEMENT_OUTCOMES_LOAD, request->commands, request->command_count);
  }
  return status == LUMIN_OK ? pages_add(load) : status;
}

enum lumin_status store_load(struct store *store, const struct load_request *request, struct arena *arena,
                             struct load_result *ret_result) {
  struct load load = {.arena = arena, .request = request};
  enum lumin_status status = load_prepare(&load);
  if (status == LUMIN_OK && load.statements.count > 0) {
    struct session_sink sink = {&load, load_rows};
    status = statements_run(store, &load.statements, &sink);
  }
  if (status == LUMIN_OK) {
    *ret_result = load.result;
  }
  return status;
}
