// SPDX-License-Identifier: MIT
// The limit of reads that go to PostgreSQL: the service's own statement for so many users at once, on one connection,
// by a loop that does nothing else. The arrays are made before the clock starts.
#include <stdio.h>
#include <stdlib.h>

#include "columns.h"
#include "lumin/application/ports.h"
#include "lumin/base/clock.h"
#include "lumin/infrastructure/postgres/users_table.h"
#include "report.h"
#include "work.h"

#define BATCHES 64
#define BATCH_MAX 4096
#define MEMORY ((size_t)256 << 20)

static const struct {
  const char *name, *sql;
} statements[STATEMENT_COUNT] = {
#define STATEMENT(symbol, sql) [STATEMENT_##symbol] = {#symbol, sql},
#include "lumin/infrastructure/postgres/statements.def"
#undef STATEMENT
};

struct reads {
  enum session_statement statement;
  struct work work;
  uint64_t batch;
  struct params params[BATCHES];
};

static bool users_fill(struct reads *reads, struct arena *arena, struct params *params) {
  struct columns columns = columns_begin(arena, (const enum column_type[]){COLUMN_UUID}, 1, reads->batch);
  for (uint64_t i = 0; i < reads->batch; i++) {
    struct act act = work_next(&reads->work);
    struct uuid id = work_user_id(act.user);
    column_uuid(&columns.items[0], &id);
  }
  return params_columns(params, &columns) == LUMIN_OK;
}

static bool emails_fill(struct reads *reads, struct arena *arena, struct params *params) {
  struct columns columns = columns_begin(arena, (const enum column_type[]){COLUMN_INT2, COLUMN_TEXT}, 2, reads->batch);
  for (uint64_t i = 0; i < reads->batch; i++) {
    struct act act = work_next(&reads->work);
    char email[WORK_EMAIL_MAX];
    size_t len = work_email(act.user, act.op, email);
    column_int2(&columns.items[0], IDENTIFIER_EMAIL);
    column_bytes(&columns.items[1], span_of(email, len));
  }
  return params_columns(params, &columns) == LUMIN_OK;
}

static bool reads_make(struct reads *reads, struct arena *arena) {
  bool fine = true;
  for (size_t i = 0; i < BATCHES && fine; i++) {
    fine = reads->work.kind == WORK_GET ? users_fill(reads, arena, &reads->params[i])
                                        : emails_fill(reads, arena, &reads->params[i]);
  }
  return fine;
}

static bool complain(PGconn *connection, const char *what) {
  (void)fprintf(stderr, "bench_reads: %s: %s\n", what, PQerrorMessage(connection));
  return false;
}

static bool session_prepare(PGconn *connection, enum session_statement statement) {
  PGresult *result = PQexec(connection, "SET plan_cache_mode = force_generic_plan; SET search_path = pg_catalog; "
                                        "SET jit = off");
  bool fine = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  result = fine ? PQprepare(connection, statements[statement].name, statements[statement].sql, 0, NULL) : NULL;
  fine = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  return fine || complain(connection, "cannot begin");
}

// Every user must be there, or the loop would measure something else.
static bool batch_read(PGconn *connection, const struct reads *reads, const struct params *params) {
  static const int binary[PARAMS_MAX] = {1, 1};
  PGresult *result = PQexecPrepared(connection, statements[reads->statement].name, params->count, params->values,
                                    params->lengths, binary, 1);
  bool fine = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == (int)reads->batch;
  PQclear(result);
  return fine || complain(connection, "not every user was found");
}

static bool reads_run(PGconn *connection, const struct reads *reads, int64_t run_ns) {
  uint64_t batches = 0;
  int64_t began = clock_monotonic_ns(), now = began;
  bool fine = true;
  for (; fine && now - began < run_ns; now = clock_monotonic_ns()) {
    fine = batch_read(connection, reads, &reads->params[batches++ % BATCHES]);
  }
  double seconds = (double)(now - began) / (double)NS_PER_SECOND;
  const struct report_line lines[] = {
      {"count", (double)(batches * reads->batch)},
      {"seconds", seconds},
      {"rate", (double)(batches * reads->batch) / seconds},
      {"next_op", (double)reads->work.next_op},
  };
  if (fine) {
    report_print(lines, sizeof lines / sizeof lines[0]);
  }
  return fine;
}

int main(int count, char **texts) {
  bool find = strcmp(argument_text(texts, count, "--work", "get"), "find") == 0;
  struct reads reads = {.statement = find ? STATEMENT_HOLDERS_LOAD : STATEMENT_USERS_LOAD,
                        .batch = argument_number(texts, count, "--batch", 1)};
  reads.work = (struct work){.kind = find ? WORK_FIND : WORK_GET,
                             .active = argument_number(texts, count, "--active", 1),
                             .next_op = argument_number(texts, count, "--next-op", 0),
                             .read_from = argument_number(texts, count, "--read-from", 0),
                             .read_op = argument_number(texts, count, "--read-op", 0)};
  if (reads.batch == 0 || reads.batch > BATCH_MAX || reads.batch > reads.work.active) {
    (void)fprintf(stderr, "bench_reads: --batch is 1 to %d, and no more than --active\n", BATCH_MAX);
    return 2;
  }
  struct arena *arena = arena_create(MEMORY);
  PGconn *connection = PQconnectdb(environment_text("DATABASE_URL"));
  int64_t run_ns = (int64_t)argument_number(texts, count, "--run-ms", 2000) * NS_PER_MS;
  bool fine = arena != NULL && reads_make(&reads, arena) && session_prepare(connection, reads.statement) &&
              reads_run(connection, &reads, run_ns);
  PQfinish(connection);
  arena_destroy(arena);
  return fine ? 0 : 1;
}
