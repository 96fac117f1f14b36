// SPDX-License-Identifier: MIT
// libpq, blocking. Connecting is bounded by a deadline of milliseconds, which libpq itself rounds up to two seconds.
#include "lumin/infrastructure/postgres/database.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"

struct database {
  PGconn *connection;
  char error[256];
};

static enum lumin_status connection_open(struct database *database, const struct session_options *options);
static enum lumin_status settings_apply(struct database *database, int64_t statement_timeout_ns);
static enum lumin_status failure_note(struct database *database, const PGresult *result);

enum lumin_status database_open(const struct session_options *options, struct database **ret_database, char *ret_error,
                                size_t size) {
  struct database *database = calloc(1, sizeof *database);
  if (database == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = connection_open(database, options);
  if (status == LUMIN_OK) {
    status = settings_apply(database, options->statement_timeout_ns);
  }
  if (status != LUMIN_OK) {
    (void)snprintf(ret_error, size, "%s", database->error);
    database_close(database);
    return LUMIN_RETRY;
  }
  *ret_database = database;
  return LUMIN_OK;
}

void database_close(struct database *database) {
  if (database != NULL) {
    PQfinish(database->connection);
    free(database);
  }
}

const char *database_error(const struct database *database) { return database->error; }
int database_server_version(const struct database *database) { return PQserverVersion(database->connection); }

// ---- connecting

static void error_set(struct database *database, const char *text) {
  (void)snprintf(database->error, sizeof database->error, "%s", text);
  database->error[strcspn(database->error, "\n")] = '\0';
}

static void notice_ignore(void *self, const PGresult *result) {
  (void)self;
  (void)result;
}

// How libpq stands once it has connected, failed, or used up its time.
static PostgresPollingStatusType connection_await(PGconn *connection, int64_t deadline_ns) {
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
    int64_t left_ms = (deadline_ns - clock_monotonic_ns()) / NS_PER_MS;
    if (left_ms <= 0) {
      break;
    }
    struct pollfd socket = {.fd = PQsocket(connection), .events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT};
    if (poll(&socket, 1, (int)left_ms) > 0) {
      wanted = PQconnectPoll(connection);
    }
  }
  return wanted;
}

static enum lumin_status connection_open(struct database *database, const struct session_options *options) {
  const char *const keywords[] = {
      "dbname",           "fallback_application_name", "keepalives_idle", "keepalives_interval",
      "keepalives_count", "tcp_user_timeout",          "client_encoding", NULL};
  const char *const values[] = {options->url, options->name, "5", "2", "3", "15000", "UTF8", NULL};
  int64_t deadline = clock_monotonic_ns() + options->connect_timeout_ns;
  database->connection = PQconnectStartParams(keywords, values, 1);
  if (database->connection == NULL) {
    error_set(database, "out of memory");
    return LUMIN_NO_MEMORY;
  }
  PostgresPollingStatusType end = PGRES_POLLING_FAILED;
  if (PQstatus(database->connection) != CONNECTION_BAD) {
    end = connection_await(database->connection, deadline);
  }
  if (end == PGRES_POLLING_OK) {
    (void)PQsetNoticeReceiver(database->connection, notice_ignore, NULL);
    return LUMIN_OK;
  }
  error_set(database,
            end == PGRES_POLLING_FAILED ? PQerrorMessage(database->connection) : "no answer while connecting");
  return LUMIN_RETRY;
}

static enum lumin_status settings_apply(struct database *database, int64_t statement_timeout_ns) {
  char sql[160];
  (void)snprintf(sql, sizeof sql,
                 "SET statement_timeout = %lld; SET search_path = pg_catalog; SET client_min_messages = warning; "
                 "SET synchronous_commit = on",
                 (long long)(statement_timeout_ns / NS_PER_MS));
  return database_run(database, sql);
}

// ---- asking

enum lumin_status database_run(struct database *database, const char *sql) {
  PGresult *result = PQexec(database->connection, sql);
  ExecStatusType kind = PQresultStatus(result);
  enum lumin_status status = LUMIN_OK;
  if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK) {
    status = failure_note(database, result);
  }
  PQclear(result);
  return status;
}

enum lumin_status database_ask(struct database *database, const struct database_query *query, PGresult **ret_result) {
  static const int binary[PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const struct params *params = query->params;
  PGresult *result = params != NULL ? PQexecParams(database->connection, query->sql, params->count, NULL,
                                                   params->values, params->lengths, binary, query->binary)
                                    : PQexecParams(database->connection, query->sql, query->count, NULL, query->values,
                                                   NULL, NULL, query->binary);
  ExecStatusType kind = PQresultStatus(result);
  if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK) {
    enum lumin_status status = failure_note(database, result);
    PQclear(result);
    return status;
  }
  *ret_result = result;
  return LUMIN_OK;
}

enum lumin_status database_give(struct database *database, const char *sql, const struct params *params) {
  int formats[PARAMS_MAX];
  for (int i = 0; i < params->count; i++) {
    formats[i] = 1;
  }
  PGresult *result =
      PQexecParams(database->connection, sql, params->count, NULL, params->values, params->lengths, formats, 1);
  ExecStatusType kind = PQresultStatus(result);
  enum lumin_status status = LUMIN_OK;
  if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK) {
    status = failure_note(database, result);
  }
  PQclear(result);
  return status;
}

// ---- rows one at a time

enum lumin_status database_rows_open(struct database *database, const struct database_query *query,
                                     struct database_rows *ret_rows) {
  if (PQsendQueryParams(database->connection, query->sql, query->count, NULL, query->values, NULL, NULL, 1) != 1 ||
      PQsetSingleRowMode(database->connection) != 1) {
    return failure_note(database, NULL);
  }
  *ret_rows = (struct database_rows){.database = database};
  return LUMIN_OK;
}

enum lumin_status database_rows_next(struct database_rows *rows) {
  PQclear(rows->row);
  rows->row = PQgetResult(rows->database->connection);
  ExecStatusType kind = PQresultStatus(rows->row);
  if (kind == PGRES_SINGLE_TUPLE) {
    return LUMIN_OK;
  }
  enum lumin_status status = kind == PGRES_TUPLES_OK ? LUMIN_NOT_FOUND : failure_note(rows->database, rows->row);
  PQclear(rows->row);
  rows->row = NULL;
  return status;
}

void database_rows_close(struct database_rows *rows) {
  PQclear(rows->row);
  rows->row = NULL;
  for (PGresult *rest; rows->database != NULL && (rest = PQgetResult(rows->database->connection)) != NULL;) {
    PQclear(rest);
  }
  rows->database = NULL;
}

// ---- numbers

enum lumin_status database_number(struct database *database, const char *sql, int64_t *ret_number) {
  PGresult *result = NULL;
  enum lumin_status status = database_ask(database, &(struct database_query){.sql = sql}, &result);
  if (status != LUMIN_OK) {
    return status;
  }
  char *end = NULL;
  const char *text = PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "";
  long long number = strtoll(text, &end, 10);
  bool fine = end != text && *end == '\0';
  PQclear(result);
  if (!fine) {
    error_set(database, "an answer that is no number");
    return LUMIN_INTERNAL;
  }
  *ret_number = number;
  return LUMIN_OK;
}

static enum lumin_status failure_note(struct database *database, const PGresult *result) {
  const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  error_set(database, message != NULL ? message : PQerrorMessage(database->connection));
  return PQstatus(database->connection) == CONNECTION_OK ? LUMIN_RETRY : LUMIN_CONNECTION_LOST;
}
