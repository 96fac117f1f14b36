// SPDX-License-Identifier: MIT
// A PostgreSQL session: one connection in pipeline mode with its statements prepared. What is sent between two syncs is
// one implicit transaction, and the sync commits it: no BEGIN, no COMMIT, and an error leaves nothing behind that holds
// locks. It never reconnects; a lost session is closed and a new one opened.
#pragma once

#include <libpq-fe.h>

#include "lumin/base/arena.h"
#include "lumin/base/uuid.h"

// What the session does while it waits for its socket: a lane turns its loop. NULL wait: poll(2).
struct session_wait {
  void *self;
  void (*wait)(void *self, int fd, bool for_write); // returns when ready, or sooner
};

struct session_options {
  const char *url; // conninfo or URI; "" leaves all to libpq's environment
  const char *name;
  int64_t connect_timeout_ns;
  int64_t statement_timeout_ns;
  const char *channel; // of notifications to hear; NULL: none
  bool one_snapshot;   // what is asked for up to one Sync sees one state of the database
  struct session_wait wait;
};

enum session_statement {
#define STATEMENT(symbol, sql) STATEMENT_##symbol,
#include "lumin/infrastructure/postgres/statements.def"
#undef STATEMENT
  STATEMENT_COUNT
};

struct session;

// RETRY where the server cannot be reached or refuses us; the text in ret_error (may be NULL, `size` bytes) says why,
// without a password.
LUMIN_MUST_USE enum lumin_status session_open(const struct session_options *options, struct session **ret_session,
                                              char *ret_error, size_t size);
void session_close(struct session *session); // NULL is fine
bool session_is_alive(const struct session *session);
PGconn *session_connection(struct session *session);
bool session_notified(struct session *session); // whether a notification has come since this was last asked

#define PARAMS_MAX 24

// Parameters of a statement, all binary; NULL data is SQL's NULL.
struct params {
  int count;
  const char *values[PARAMS_MAX];
  int lengths[PARAMS_MAX];
};

// Queues a statement. CONNECTION_LOST where the session is dead.
LUMIN_MUST_USE enum lumin_status session_send(struct session *session, enum session_statement statement,
                                              const struct params *params);

// Takes the rows of a statement; `index` counts the statements since the last sync from 0.
struct session_sink {
  void *self;
  enum lumin_status (*rows)(void *self, int index, const PGresult *result);
};

// Ends the transaction and waits for every answer. OK means committed. NOT_OWNER, POSITION_MOVED, CONFLICT, DEADLOCK,
// VERSION_TAKEN, BAD_DATA, RETRY: the server refused and rolled back. CONNECTION_LOST: in doubt. `sink` may be NULL.
LUMIN_MUST_USE enum lumin_status session_sync(struct session *session, const struct session_sink *sink);

// SQLSTATE and primary message of the last refusal (never DETAIL: it holds e-mails); "" where there is none.
const char *session_sqlstate(const struct session *session);
const char *session_message(const struct session *session);
