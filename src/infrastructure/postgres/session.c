// SPDX-License-Identifier: MIT
// libpq in pipeline mode, without blocking. Success is PIPELINE_SYNC with no error before it, nothing less (guarantee
// 1).
#include "lumin/infrastructure/postgres/session.h"

#include <poll.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"
#include "lumin/infrastructure/postgres/users_table.h"

struct session {
  PGconn *connection;
  struct session_wait wait;
  int sent;    // statements since the last sync
  bool broken; // what was sent is in doubt: of no further use, whatever libpq thinks
  char sqlstate[6];
  char message[200];
};

static const char *const statement_sql[STATEMENT_COUNT] = {
#define STATEMENT(symbol, sql) [STATEMENT_##symbol] = (sql),
#include "lumin/infrastructure/postgres/statements.def"
#undef STATEMENT
};

static const char *const statement_names[STATEMENT_COUNT] = {
#define STATEMENT(symbol, sql) [STATEMENT_##symbol] = #symbol,
#include "lumin/infrastructure/postgres/statements.def"
#undef STATEMENT
};

static void wait_poll(void *self, int fd, bool for_write) {
  (void)self;
  struct pollfd wanted = {.fd = fd, .events = for_write ? POLLIN | POLLOUT : POLLIN};
  (void)poll(&wanted, 1, 1000);
}

static PGconn *connection_start(const struct session_options *options) {
  char timeout[24];
  (void)snprintf(timeout, sizeof timeout, "%lld",
                 (long long)((options->connect_timeout_ns + NS_PER_SECOND - 1) / NS_PER_SECOND));
  const char *const keywords[] = {"dbname",           "fallback_application_name", "connect_timeout",
                                  "keepalives_idle",  "keepalives_interval",       "keepalives_count",
                                  "tcp_user_timeout", "client_encoding",           NULL};
  const char *const values[] = {options->url, options->name, timeout, "5", "2", "3", "15000", "UTF8", NULL};
  return PQconnectdbParams(keywords, values, 1);
}

// By SET, not by start-up options: a pooler in session mode does not pass those on.
static enum lumin_status settings_apply(PGconn *connection, const struct session_options *options) {
  char sql[720];
  int64_t ms = options->statement_timeout_ns / NS_PER_MS;
  bool listens = options->channel != NULL;
  (void)snprintf(sql, sizeof sql,
                 "SET statement_timeout = %lld; SET lock_timeout = %lld; "
                 "SET idle_in_transaction_session_timeout = %lld; SET plan_cache_mode = force_generic_plan; "
                 "SET client_min_messages = warning; SET search_path = pg_catalog; SET jit = off; "
                 "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; "
                 "SET synchronous_commit = on%s%s%s",
                 (long long)ms, (long long)ms, (long long)ms,
                 options->one_snapshot ? "; SET default_transaction_isolation = 'repeatable read'" : "",
                 listens ? "; LISTEN " : "", listens ? options->channel : "");
  PGresult *result = PQexec(connection, sql);
  bool fine = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  return fine ? LUMIN_OK : LUMIN_RETRY;
}

static enum lumin_status statements_prepare(struct session *session) {
  for (int i = 0; i < STATEMENT_COUNT; i++) {
    if (PQsendPrepare(session->connection, statement_names[i], statement_sql[i], 0, NULL) != 1) {
      return LUMIN_CONNECTION_LOST;
    }
    session->sent++;
  }
  return session_sync(session, NULL);
}

static void notice_ignore(void *self, const PGresult *result) {
  (void)self;
  (void)result;
}

static void error_copy(const PGconn *connection, char *ret_error, size_t size) {
  if (ret_error != NULL && size > 0) {
    const char *text = connection != NULL ? PQerrorMessage(connection) : "out of memory";
    (void)snprintf(ret_error, size, "%s", text);
    ret_error[strcspn(ret_error, "\n")] = '\0';
  }
}

enum lumin_status session_open(const struct session_options *options, struct session **ret_session, char *ret_error,
                               size_t size) {
  struct session *session = calloc(1, sizeof *session);
  if (session == NULL) {
    return LUMIN_NO_MEMORY;
  }
  session->wait = options->wait;
  if (session->wait.wait == NULL) {
    session->wait.wait = wait_poll;
  }
  session->connection = connection_start(options);
  bool open = PQstatus(session->connection) == CONNECTION_OK;
  if (open) {
    (void)PQsetNoticeReceiver(session->connection, notice_ignore, NULL);
  }
  if (!open || settings_apply(session->connection, options) != LUMIN_OK ||
      PQenterPipelineMode(session->connection) != 1 || PQsetnonblocking(session->connection, 1) != 0) {
    error_copy(session->connection, ret_error, size);
    session_close(session);
    return LUMIN_RETRY;
  }
  enum lumin_status status = statements_prepare(session);
  if (status != LUMIN_OK) {
    if (ret_error != NULL) {
      (void)snprintf(ret_error, size, "%s", session->message[0] ? session->message : "connection lost");
    }
    session_close(session);
    return LUMIN_RETRY;
  }
  *ret_session = session;
  return LUMIN_OK;
}

void session_close(struct session *session) {
  if (session != NULL) {
    PQfinish(session->connection);
    free(session);
  }
}

bool session_is_alive(const struct session *session) {
  return session != NULL && !session->broken && PQstatus(session->connection) == CONNECTION_OK;
}

PGconn *session_connection(struct session *session) { return session->connection; }

bool session_notified(struct session *session) {
  bool any = false;
  for (PGnotify *one = NULL; (one = PQnotifies(session->connection)) != NULL; any = true) {
    PQfreemem(one);
  }
  return any;
}

const char *session_sqlstate(const struct session *session) { return session->sqlstate; }
const char *session_message(const struct session *session) { return session->message; }

enum lumin_status session_send(struct session *session, enum session_statement statement, const struct params *params) {
  static const int binary[PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  if (session->broken || PQsendQueryPrepared(session->connection, statement_names[statement], params->count,
                                             params->values, params->lengths, binary, 1) != 1) {
    session->broken = true;
    return LUMIN_CONNECTION_LOST;
  }
  session->sent++;
  FAILPOINT("pg.sent");
  return LUMIN_OK;
}

// ---- answers

struct sqlstate_meaning {
  const char *prefix;     // of the SQLSTATE
  const char *constraint; // prefix of its name, or NULL: any
  enum lumin_status status;
};

static const struct sqlstate_meaning meanings[] = {
    {"LU001", NULL, LUMIN_NOT_OWNER},
    {"LU002", NULL, LUMIN_POSITION_MOVED},
    {"LU003", NULL, LUMIN_VERSION_TAKEN},
    {"LU004", NULL, LUMIN_CONFLICT},
    {"23505", "identifiers", LUMIN_CONFLICT},
    {"23505", "outcomes", LUMIN_CONFLICT},
    {"23505", "events", LUMIN_VERSION_TAKEN},
    {"23505", "users", LUMIN_VERSION_TAKEN},
    {"23505", "dead_commands", LUMIN_VERSION_TAKEN}, // counted by the owner, as positions are
    {"40P01", NULL, LUMIN_DEADLOCK},
    {"40001", NULL, LUMIN_DEADLOCK},
    {"22", NULL, LUMIN_BAD_DATA},
    {"23", NULL, LUMIN_BAD_DATA},
};

static enum lumin_status refusal_meaning(const char *sqlstate, const char *constraint) {
  for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
    const struct sqlstate_meaning *meaning = &meanings[i];
    if (strncmp(sqlstate, meaning->prefix, strlen(meaning->prefix)) == 0 &&
        (meaning->constraint == NULL || strncmp(constraint, meaning->constraint, strlen(meaning->constraint)) == 0)) {
      return meaning->status;
    }
  }
  return LUMIN_RETRY;
}

// PostgreSQL's own words name things, not values, except where they are about a value (class 22) or a row (class 23);
// what a trigger of somebody else's raises may hold anything.
static bool message_is_safe(const char *sqlstate, const PGresult *result) {
  const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
  bool raised = function == NULL || strcmp(function, "exec_stmt_raise") == 0;
  return !raised && strncmp(sqlstate, "22", 2) != 0 && strncmp(sqlstate, "23", 2) != 0;
}

static enum lumin_status refusal_note(struct session *session, const PGresult *result) {
  const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
  const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  (void)snprintf(session->sqlstate, sizeof session->sqlstate, "%s", sqlstate ? sqlstate : "");
  if (sqlstate == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  constraint = constraint ? constraint : "";
  (void)snprintf(session->message, sizeof session->message, "%s",
                 message && message_is_safe(sqlstate, result) ? message : constraint);
  return refusal_meaning(sqlstate, constraint);
}

static enum lumin_status flush(struct session *session) {
  for (;;) {
    int left = PQflush(session->connection);
    if (left <= 0) {
      return left == 0 ? LUMIN_OK : LUMIN_CONNECTION_LOST;
    }
    session->wait.wait(session->wait.self, PQsocket(session->connection), true);
    if (PQconsumeInput(session->connection) != 1) { // or both sides would wait with full buffers
      return LUMIN_CONNECTION_LOST;
    }
  }
}

static enum lumin_status result_await(struct session *session, PGresult **ret_result) {
  while (PQisBusy(session->connection)) {
    session->wait.wait(session->wait.self, PQsocket(session->connection), false);
    if (PQconsumeInput(session->connection) != 1) {
      return LUMIN_CONNECTION_LOST;
    }
  }
  *ret_result = PQgetResult(session->connection);
  return LUMIN_OK;
}

// One statement's result and the NULL behind it. `status` is how the transaction stands.
static enum lumin_status statement_finish(struct session *session, int index, const struct session_sink *sink,
                                          enum lumin_status status) {
  for (;;) {
    PGresult *result = NULL;
    if (result_await(session, &result) != LUMIN_OK) {
      return LUMIN_CONNECTION_LOST;
    }
    if (result == NULL) {
      return status;
    }
    ExecStatusType kind = PQresultStatus(result);
    if (kind == PGRES_FATAL_ERROR && status == LUMIN_OK) {
      status = refusal_note(session, result);
    } else if (kind == PGRES_TUPLES_OK && status == LUMIN_OK && sink != NULL) {
      status = sink->rows(sink->self, index, result);
    }
    PQclear(result);
    if (PQstatus(session->connection) != CONNECTION_OK) {
      return LUMIN_CONNECTION_LOST;
    }
  }
}

// The sync's own answer. A refusal at the commit itself (a deferred constraint, a failed write) comes before it.
static enum lumin_status sync_finish(struct session *session, enum lumin_status status) {
  for (int idle = 0; idle < 3;) {
    PGresult *result = NULL;
    if (result_await(session, &result) != LUMIN_OK) {
      return LUMIN_CONNECTION_LOST;
    }
    ExecStatusType kind = PQresultStatus(result);
    if (kind == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      return status;
    }
    if (kind == PGRES_FATAL_ERROR && result != NULL && status == LUMIN_OK) {
      status = refusal_note(session, result);
    }
    idle += result == NULL;
    PQclear(result);
    if (status == LUMIN_CONNECTION_LOST || PQstatus(session->connection) != CONNECTION_OK) {
      return LUMIN_CONNECTION_LOST;
    }
  }
  return LUMIN_CONNECTION_LOST;
}

enum lumin_status session_sync(struct session *session, const struct session_sink *sink) {
  session->sqlstate[0] = session->message[0] = '\0';
  int sent = session->sent;
  session->sent = 0;
  if (session->broken || PQpipelineSync(session->connection) != 1) {
    session->broken = true;
    return LUMIN_CONNECTION_LOST;
  }
  FAILPOINT("pg.synced");
  enum lumin_status status = flush(session);
  FAILPOINT("pg.flushed");
  for (int i = 0; i < sent && status != LUMIN_CONNECTION_LOST; i++) {
    status = statement_finish(session, i, sink, status);
  }
  if (status != LUMIN_CONNECTION_LOST) {
    status = sync_finish(session, status);
  }
  session->broken = status == LUMIN_CONNECTION_LOST;
  FAILPOINT("pg.finished");
  return status;
}
