// SPDX-License-Identifier: MIT
// The order of a repartition. What it has reached stands in lumin.repartitions: nothing, begun (workers may not start;
// it can be given up), rewritten (it can only be ended), finished. Each step looks for itself whether it is done, so
// that an interrupted one is simply run again.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"
#include "repartition_internal.h"

#define SCRATCH_MEMORY ((size_t)16 << 20)
#define PAUSE (NS_PER_SECOND / 4)

static enum program_exit repartition_make(struct repartition *repartition);

// ---- what all files use

enum lumin_status repartition_failed(struct repartition *repartition, enum lumin_status status) {
  if (status == LUMIN_NO_MEMORY) {
    return status;
  }
  program_complain(repartition->program, "PostgreSQL: %s", database_error(repartition->database));
  return LUMIN_IO;
}

int64_t repartition_deadline_ns(const struct repartition *repartition) {
  return clock_monotonic_ns() + repartition->options->wait_ns;
}

bool repartition_pause(const struct repartition *repartition, int64_t deadline_ns) {
  int64_t now = clock_monotonic_ns();
  if (now >= deadline_ns) {
    return false;
  }
  for (int64_t until = now + PAUSE; clock_monotonic_ns() < until;) {
    client_turn(repartition->program->client, until); // or the server would take this for a dead client
  }
  return true;
}

enum lumin_status repartition_text(struct repartition *repartition, const char *sql, const char **ret_text) {
  PGresult *rows = NULL;
  struct database_query query = {.sql = sql};
  enum lumin_status status = database_ask(repartition->database, &query, &rows);
  if (status != LUMIN_OK) {
    return repartition_failed(repartition, status);
  }
  struct span text = arena_printf(repartition->scratch, "%s", PQntuples(rows) > 0 ? PQgetvalue(rows, 0, 0) : "");
  PQclear(rows);
  if (text.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *ret_text = text.data;
  return LUMIN_OK;
}

// ---- birth and end

static enum program_exit schema_look(struct program *program) {
  struct schema_problem problem = {""};
  enum lumin_status status = schema_check(program->database, schema_plan(), &problem);
  if (status == LUMIN_OK) {
    status = schema_layout(program->database, &program->layout, &problem);
  }
  if (status == LUMIN_OK) {
    struct schema_settings settings = {program->layout.partitions, program->config->service_prefix};
    status = schema_check_settings(program->database, &settings, &program->layout, &problem);
  }
  if (status != LUMIN_OK) {
    program_complain(program, "%s", problem.text);
  }
  return program_exit_of(status);
}

// The configuration may have either number. The prefix is the one that the streams have.
static enum program_exit program_begin(struct program *program) {
  enum program_exit end = program_open_postgres(program, 0); // a large table takes its time
  if (end == PROGRAM_OK) {
    end = program_open_nats(program);
  }
  if (end == PROGRAM_OK) {
    end = program_lock(program); // from here on it is nobody else's
  }
  return end == PROGRAM_OK ? schema_look(program) : end;
}

enum program_exit repartition_run(const struct config *config, const struct repartition_options *options) {
  struct program program;
  if (program_init(&program, config, "repartition") != LUMIN_OK) {
    return PROGRAM_FAILED;
  }
  (void)setvbuf(stdout, NULL, _IOLBF, 0); // somebody waits for what it says
  struct repartition repartition = {.program = &program, .options = options, .prefix = config->service_prefix};
  repartition.scratch = arena_create(SCRATCH_MEMORY);
  enum program_exit end = repartition.scratch != NULL ? program_begin(&program) : PROGRAM_FAILED;
  if (end == PROGRAM_OK) {
    repartition.database = program.database;
    repartition.before = program.layout.partitions;
    end = repartition_make(&repartition);
  }
  arena_destroy(repartition.scratch);
  program_finish(&program);
  return end;
}

// ---- the note

// `sql` may use the numbers of partitions, $1 before and $2 after.
static enum lumin_status note_run(struct repartition *repartition, const char *sql) {
  char before[16], after[16];
  PGresult *rows = NULL;
  const char *values[] = {before, after};
  (void)snprintf(before, sizeof before, "%u", repartition->before);
  (void)snprintf(after, sizeof after, "%u", repartition->options->partitions);
  struct database_query query = {.sql = sql, .values = values, .count = 2};
  enum lumin_status status = database_ask(repartition->database, &query, &rows);
  if (status != LUMIN_OK) {
    return repartition_failed(repartition, status);
  }
  PQclear(rows);
  return LUMIN_OK;
}

// From now on no worker takes a partition.
static enum lumin_status note_write(struct repartition *repartition) {
  enum lumin_status status =
      note_run(repartition, repartition->begun ? "UPDATE lumin.repartitions SET partitions_before = $1::int4, "
                                                 "partitions = $2::int4 WHERE finished_at IS NULL"
                                               : "INSERT INTO lumin.repartitions (partitions_before, partitions) "
                                                 "VALUES ($1::int4, $2::int4)");
  repartition->begun = repartition->begun || status == LUMIN_OK;
  return status;
}

// What is left to be done only a worker can do.
static enum lumin_status note_remove(struct repartition *repartition) {
  enum lumin_status status = database_run(
      repartition->database, "DELETE FROM lumin.repartitions WHERE finished_at IS NULL AND rewritten_at IS NULL");
  return status == LUMIN_OK ? status : repartition_failed(repartition, status);
}

// ---- whether it may begin

static enum lumin_status others_look(struct repartition *repartition) {
  int64_t repairs = 0, locked = 0;
  enum lumin_status status =
      database_number(repartition->database, "SELECT count(*) FROM lumin.repairs WHERE finished_at IS NULL", &repairs);
  if (status == LUMIN_OK) {
    status =
        database_number(repartition->database, "SELECT pg_try_advisory_lock(hashtext('lumin.rebuild'))::int", &locked);
  }
  if (status != LUMIN_OK) {
    return repartition_failed(repartition, status);
  }
  if (repairs > 0) {
    program_complain(repartition->program, "a repair was begun and has not ended: run lumin-user repair again first");
    return LUMIN_RETRY;
  }
  if (locked == 0) {
    program_complain(repartition->program, "a rebuild is running: wait for its end");
    return LUMIN_RETRY;
  }
  return LUMIN_OK;
}

// What an earlier run has reached.
static enum lumin_status state_load(struct repartition *repartition) {
  int64_t rewritten = 0;
  uint32_t wanted = repartition->options->partitions, under_way = repartition->program->layout.under_way;
  enum lumin_status status = database_number(repartition->database,
                                             "SELECT count(*) FROM lumin.repartitions WHERE finished_at IS NULL AND "
                                             "rewritten_at IS NOT NULL",
                                             &rewritten);
  if (status != LUMIN_OK) {
    return repartition_failed(repartition, status);
  }
  repartition->begun = under_way != 0;
  repartition->rewritten = rewritten > 0;
  if (repartition->rewritten && under_way != wanted) {
    program_complain(repartition->program, "the one to %u has come too far: run lumin-user repartition %u to its end",
                     under_way, under_way);
    return LUMIN_RETRY;
  }
  if (repartition->begun && !repartition->options->check) {
    (void)printf("going on with a repartition that was begun\n");
  }
  return LUMIN_OK;
}

// ---- what is said

static void next_print(const struct repartition *repartition) {
  uint32_t partitions = repartition->options->partitions;
  (void)printf("done: there are %u partitions. What comes next:\n", partitions);
  (void)printf("1. commands in again: this line in the account of nats-server's configuration, and a reload\n");
  mapping_print(repartition->prefix, partitions);
  (void)printf("2. partitions: %u in the configuration of all workers and programs\n", partitions);
  (void)printf("3. lumin-user setup, which checks both\n");
  (void)printf("4. start the workers, and lumin-user verify\n");
  (void)printf("5. take a base backup: from one of before this no repair leads on\n");
}

static enum program_exit given_up(struct repartition *repartition) {
  uint32_t partitions = repartition->before;
  if (!repartition->begun) {
    (void)printf("there are %u partitions: nothing to do\n", partitions);
    return PROGRAM_OK;
  }
  enum lumin_status status = note_remove(repartition);
  if (status == LUMIN_OK) {
    (void)printf("given up: there are %u partitions as before. Workers may start; commands come in again with this "
                 "line in the account of nats-server's configuration, and a reload\n",
                 partitions);
    mapping_print(repartition->prefix, partitions);
  }
  return program_exit_of(status);
}

// ---- the story

static enum program_exit check_make(struct repartition *repartition) {
  struct drain drain = {0};
  const char *names = "";
  bool open = false;
  if (repartition->rewritten) {
    (void)printf("the tables are rewritten; run it to its end\n");
    return PROGRAM_OK;
  }
  enum lumin_status status = layout_count(repartition);
  if (status == LUMIN_OK) {
    status = mapping_look(repartition, &open);
  }
  if (status == LUMIN_OK) {
    (void)printf("the mapping is %s\n", open ? "open: commands come in" : "closed: no command comes in");
    status = drain_look(repartition, &drain);
  }
  if (status == LUMIN_OK) {
    drain_say(&drain);
    status = workers_look(repartition, &names);
  }
  if (status == LUMIN_OK) {
    (void)printf("workers: %s\n", names[0] != '\0' ? names : "none");
  }
  return program_exit_of(status);
}

// Up to where nobody is left who could change anything.
static enum lumin_status still_stand(struct repartition *repartition) {
  enum lumin_status status = mapping_await(repartition);
  if (status == LUMIN_OK) {
    status = drain_await(repartition);
  }
  if (status == LUMIN_OK) {
    status = note_write(repartition);
  }
  FAILPOINT("repartition.begun");
  return status == LUMIN_OK ? workers_await(repartition) : status;
}

static enum lumin_status rewrite(struct repartition *repartition) {
  enum lumin_status status = still_stand(repartition);
  if (status == LUMIN_OK) {
    status = layout_write(repartition);
    if (status == LUMIN_NOT_FOUND) {
      status = note_remove(repartition);
      program_complain(repartition->program, "start a worker, which does that, and run this again");
      status = status == LUMIN_OK ? LUMIN_RETRY : status;
    }
  }
  return status;
}

static enum program_exit repartition_make(struct repartition *repartition) {
  enum lumin_status status = state_load(repartition);
  if (status == LUMIN_OK && repartition->options->check) {
    return check_make(repartition);
  }
  if (status == LUMIN_OK && !repartition->rewritten && repartition->options->partitions == repartition->before) {
    return given_up(repartition);
  }
  if (status == LUMIN_OK) {
    status = others_look(repartition);
  }
  if (status == LUMIN_OK && !repartition->rewritten) {
    status = rewrite(repartition);
  }
  if (status == LUMIN_OK) {
    FAILPOINT("repartition.rewritten");
    status = commands_remove(repartition);
  }
  if (status == LUMIN_OK) {
    next_print(repartition);
  }
  return program_exit_of(status);
}
