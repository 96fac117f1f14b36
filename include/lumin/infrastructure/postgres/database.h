// SPDX-License-Identifier: MIT
// PostgreSQL for programs that ask and end (setup, health, verify): a plain connection, one statement at a time. It
// needs no schema to be there. What serves uses a session.
#pragma once

#include "lumin/infrastructure/postgres/session.h"

struct database;

// As session_open; `wait` is not used. A statement_timeout_ns of 0: no limit.
LUMIN_MUST_USE enum lumin_status database_open(const struct session_options *options, struct database **ret_database,
                                               char *ret_error, size_t size);
void database_close(struct database *database); // NULL is fine

// Statements without parameters, as many as the text holds. RETRY: the server refused. CONNECTION_LOST.
LUMIN_MUST_USE enum lumin_status database_run(struct database *database, const char *sql);

// One statement with parameters ($1 ...), as text or binary. The result's fields are text, or binary where `binary`;
// PQclear frees it.
struct database_query {
  const char *sql;
  const char *const *values; // NUL-terminated
  int count;
  const struct params *params; // in place of those; NULL: none
  bool binary;
};
LUMIN_MUST_USE enum lumin_status database_ask(struct database *database, const struct database_query *query,
                                              PGresult **ret_result);
// One statement with binary parameters, and no rows wanted.
LUMIN_MUST_USE enum lumin_status database_give(struct database *database, const char *sql, const struct params *params);
// One statement without parameters whose answer is one number.
LUMIN_MUST_USE enum lumin_status database_number(struct database *database, const char *sql, int64_t *ret_number);

// One statement's rows, binary, one at a time as they arrive: memory does not grow with their number. Until they are
// closed the connection is theirs.
struct database_rows {
  struct database *database;
  PGresult *row; // the current one, index 0; NULL before the first and after the last
};
LUMIN_MUST_USE enum lumin_status database_rows_open(struct database *database, const struct database_query *query,
                                                    struct database_rows *ret_rows);
// OK: there is a row. NOT_FOUND: there is none more.
LUMIN_MUST_USE enum lumin_status database_rows_next(struct database_rows *rows);
void database_rows_close(struct database_rows *rows); // what has not been read is thrown away

// What the last failed call was told: the primary message, never DETAIL.
const char *database_error(const struct database *database);
int database_server_version(const struct database *database); // 150008
