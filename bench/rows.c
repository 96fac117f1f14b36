// SPDX-License-Identifier: MIT
// The limit of the write path: PostgreSQL given the service's rows by a loop that does nothing else. Two connections,
// one transaction under way on each, one round trip a transaction; every array is made before the clock starts.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "lumin/infrastructure/postgres/users_table.h"
#include "report.h"
#include "rows.h"

#define MEMORY ((size_t)4 << 30)

struct lane {
  PGconn *connection;
  const struct rows_batch *batches;
  size_t count, next;
  bool busy;
};

static const struct {
  const char *name, *sql;
} statements[STATEMENT_COUNT] = {
#define STATEMENT(symbol, sql) [STATEMENT_##symbol] = {#symbol, sql},
#include "lumin/infrastructure/postgres/statements.def"
#undef STATEMENT
};

static bool lane_complain(const struct lane *lane, const char *what) {
  (void)fprintf(stderr, "bench_rows: %s: %s\n", what, PQerrorMessage(lane->connection));
  return false;
}

static bool lane_open(struct lane *lane, const char *url) {
  lane->connection = PQconnectdb(url);
  PGresult *result = PQexec(lane->connection, "SET plan_cache_mode = force_generic_plan; SET search_path = pg_catalog; "
                                              "SET jit = off; SET synchronous_commit = on");
  bool fine = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  for (int i = 0; fine && i <= STATEMENT_OUTCOMES_INSERT; i++) {
    result = PQprepare(lane->connection, statements[i].name, statements[i].sql, 0, NULL);
    fine = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
  }
  fine = fine && PQenterPipelineMode(lane->connection) == 1 && PQsetnonblocking(lane->connection, 1) == 0;
  return fine || lane_complain(lane, "cannot begin");
}

// The partitions are this program's; a database that was used before has rows that would clash.
static bool partitions_own(const char *url, const struct uuid *owner) {
  char text[UUID_TEXT_LEN + 1], sql[160];
  PGconn *connection = PQconnectdb(url);
  uuid_format(owner, text);
  (void)snprintf(sql, sizeof sql, "UPDATE lumin.partitions SET owner = '%s', epoch = 1 WHERE input_seq = 0", text);
  PGresult *result = PQexec(connection, sql);
  bool fine = PQresultStatus(result) == PGRES_COMMAND_OK && atoi(PQcmdTuples(result)) == ROWS_PARTITIONS;
  if (!fine) {
    (void)fprintf(stderr, "bench_rows: no fresh schema of %d partitions: %s\n", ROWS_PARTITIONS,
                  PQerrorMessage(connection));
  }
  PQclear(result);
  PQfinish(connection);
  return fine;
}

static bool lane_send(struct lane *lane) {
  static const int binary[PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const struct rows_batch *batch = &lane->batches[lane->next++];
  for (size_t i = 0; i < batch->count; i++) {
    const struct params *params = &batch->params[i];
    if (PQsendQueryPrepared(lane->connection, statements[batch->statements[i]].name, params->count, params->values,
                            params->lengths, binary, 1) != 1) {
      return lane_complain(lane, "cannot send");
    }
  }
  lane->busy = true;
  return PQpipelineSync(lane->connection) == 1 || lane_complain(lane, "cannot sync");
}

// Takes what has come; the pipeline's sync ends the transaction.
static bool lane_take(struct lane *lane) {
  if (PQconsumeInput(lane->connection) != 1) {
    return lane_complain(lane, "connection lost");
  }
  while (lane->busy && !PQisBusy(lane->connection)) {
    PGresult *result = PQgetResult(lane->connection);
    ExecStatusType status = PQresultStatus(result);
    bool failed = result != NULL && (status == PGRES_FATAL_ERROR || status == PGRES_PIPELINE_ABORTED);
    if (failed) {
      (void)fprintf(stderr, "bench_rows: %s\n", PQresultErrorMessage(result));
    }
    lane->busy = result == NULL || status != PGRES_PIPELINE_SYNC;
    PQclear(result);
    if (failed) {
      return false;
    }
  }
  return true;
}

static bool lane_step(struct lane *lane, struct pollfd *ret_wanted) {
  bool fine = !lane->busy || lane_take(lane);
  if (fine && !lane->busy && lane->next < lane->count) {
    fine = lane_send(lane);
  }
  int unsent = fine && lane->busy ? PQflush(lane->connection) : 0;
  short events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN);
  *ret_wanted = (struct pollfd){.fd = lane->busy ? PQsocket(lane->connection) : -1, .events = events};
  return fine && (unsent >= 0 || lane_complain(lane, "cannot flush"));
}

static bool lanes_run(struct lane lanes[ROWS_LANES]) {
  bool fine = true, busy = true;
  while (fine && busy) {
    struct pollfd wanted[ROWS_LANES];
    busy = false;
    for (size_t i = 0; fine && i < ROWS_LANES; i++) {
      fine = lane_step(&lanes[i], &wanted[i]);
      busy = busy || lanes[i].busy;
    }
    if (fine && busy && poll(wanted, ROWS_LANES, 20000) == 0) {
      (void)fprintf(stderr, "bench_rows: no answer for 20 s\n");
      fine = false;
    }
  }
  return fine;
}

static bool phase_run(struct rows *rows, struct lane lanes[ROWS_LANES], uint64_t count, const char *name) {
  ARENA_SCOPED struct arena *arena = arena_create(MEMORY);
  struct rows_plan plan;
  if (arena == NULL || !rows_plan_make(rows, count, arena, &plan)) {
    return false;
  }
  for (size_t i = 0; i < ROWS_LANES; i++) {
    lanes[i].batches = plan.batches[i];
    lanes[i].count = plan.counts[i];
    lanes[i].next = 0;
  }
  double cpu = report_cpu_seconds();
  int64_t began = clock_monotonic_ns();
  bool fine = lanes_run(lanes);
  double seconds = (double)(clock_monotonic_ns() - began) / (double)NS_PER_SECOND;
  const struct report_line lines[] = {
      {name, (double)count},
      {"seconds", seconds},
      {"rate", (double)count / seconds},
      {"cpu_seconds", report_cpu_seconds() - cpu},
  };
  if (fine) {
    report_print(lines, sizeof lines / sizeof lines[0]);
    (void)fflush(stdout);
  }
  return fine;
}

// Waits for a line on stdin before each phase, so that its caller can read the servers' clocks in between.
static bool go(void) {
  char line[16];
  return fgets(line, sizeof line, stdin) != NULL;
}

int main(int count, char **texts) {
  uint64_t commands = argument_number(texts, count, "--count", 60000);
  struct rows rows = {.work = {.active = argument_number(texts, count, "--active", 10007)}};
  struct lane lanes[ROWS_LANES] = {0};
  const char *url = environment_text("DATABASE_URL");
  rows.user_room = 2 * commands;
  rows.users = calloc(rows.user_room, sizeof *rows.users);
  rows.owner = work_user_id(UINT64_MAX);
  bool fine = rows.users != NULL && commands > 0 && rows.work.active > 0 && partitions_own(url, &rows.owner);
  for (size_t i = 0; fine && i < ROWS_LANES; i++) {
    fine = lane_open(&lanes[i], url);
  }
  rows.work.kind = WORK_CREATE;
  fine = fine && go() && phase_run(&rows, lanes, commands, "create");
  rows.work.kind = WORK_MIXED;
  fine = fine && go() && phase_run(&rows, lanes, commands, "mixed");
  for (size_t i = 0; i < ROWS_LANES; i++) {
    PQfinish(lanes[i].connection);
  }
  free(rows.users);
  return fine ? 0 : 1;
}
