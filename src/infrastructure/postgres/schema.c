// SPDX-License-Identifier: MIT
// Migrations. An applied one never changes: its checksum is kept beside it.
#include "schema_internal.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECKSUM_LEN 64
// The service's own number: "lumin us" in ASCII.
#define LOCK_SQL "SELECT pg_advisory_lock(7815273027957978483)"

// How far the database is beside the plan.
struct schema_progress {
  size_t applied; // of the plan's migrations
};

static enum lumin_status progress_read(struct database *database, struct schema_plan plan,
                                       struct schema_progress *ret_progress, struct schema_problem *ret_problem);
static enum lumin_status table_make(struct database *database);
static enum lumin_status migration_apply(struct database *database, const struct migration *migration);

enum lumin_status database_problem(const struct database *database, enum lumin_status status,
                                   struct schema_problem *ret_problem) {
  (void)snprintf(ret_problem->text, sizeof ret_problem->text, "PostgreSQL: %s", database_error(database));
  return status;
}

struct schema_plan schema_plan(void) {
  return (struct schema_plan){migrations, migration_count};
}

enum lumin_status schema_lock(struct database *database) {
  // Another setup may be at work; one that hangs must not stop all others for ever.
  enum lumin_status status = database_run(database, "SET lock_timeout = '60s'");
  return status == LUMIN_OK ? database_run(database, LOCK_SQL) : status;
}

enum lumin_status schema_apply(struct database *database, struct schema_plan plan, const struct schema_report *report,
                               struct schema_problem *ret_problem) {
  struct schema_progress progress = {0};
  enum lumin_status status = table_make(database);
  if (status != LUMIN_OK) {
    return database_problem(database, status, ret_problem);
  }
  status = progress_read(database, plan, &progress, ret_problem);
  for (size_t i = progress.applied; status == LUMIN_OK && i < plan.count; i++) {
    status = migration_apply(database, &plan.migrations[i]);
    if (status != LUMIN_OK) {
      (void)snprintf(ret_problem->text, sizeof ret_problem->text, "migration %s: %s", plan.migrations[i].name,
                     database_error(database));
      (void)!database_run(database, "ROLLBACK"); // the transaction is over either way
      return status;
    }
    char text[160];
    (void)snprintf(text, sizeof text, "applied migration %s", plan.migrations[i].name);
    report->done(report->self, text);
  }
  return status;
}

enum lumin_status schema_check(struct database *database, struct schema_plan plan, struct schema_problem *ret_problem) {
  int64_t found = 0;
  struct schema_progress progress = {0};
  enum lumin_status status = database_number(
      database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'lumin' AND tablename = 'migrations'", &found);
  if (status != LUMIN_OK) {
    return database_problem(database, status, ret_problem);
  }
  if (found > 0) {
    status = progress_read(database, plan, &progress, ret_problem);
  }
  if (status == LUMIN_OK && progress.applied < plan.count) {
    (void)snprintf(ret_problem->text, sizeof ret_problem->text,
                   "%zu of %zu migrations are applied: run lumin-user setup", progress.applied, plan.count);
    status = LUMIN_INVALID_STATE;
  }
  return status;
}

// ---- what is applied

static enum lumin_status checksum_make(const char *text, char ret_hex[CHECKSUM_LEN + 1]) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL) != 1 || len * 2 != CHECKSUM_LEN) {
    return LUMIN_INTERNAL;
  }
  for (unsigned i = 0; i < len; i++) {
    (void)snprintf(ret_hex + (size_t)2 * i, 3, "%02x", digest[i]);
  }
  return LUMIN_OK;
}

// A row of lumin.migrations beside the plan's migration in that place.
static enum lumin_status row_check(const PGresult *rows, int row, struct schema_plan plan,
                                   struct schema_problem *ret_problem) {
  char checksum[CHECKSUM_LEN + 1];
  long number = strtol(PQgetvalue(rows, row, 0), NULL, 10);
  const char *name = PQgetvalue(rows, row, 1);
  size_t place = (size_t)row;
  if (place >= plan.count || number > plan.migrations[plan.count - 1].number) {
    (void)snprintf(ret_problem->text, sizeof ret_problem->text,
                   "migration %s is applied, which this program does not know: a newer one has been here", name);
    return LUMIN_INVALID_STATE;
  }
  const struct migration *migration = &plan.migrations[place];
  if (number != migration->number) {
    (void)snprintf(ret_problem->text, sizeof ret_problem->text, "migration %s is applied, but %s before it is not",
                   name, migration->name);
    return LUMIN_INVALID_STATE;
  }
  if (checksum_make(migration->text, checksum) != LUMIN_OK || strcmp(checksum, PQgetvalue(rows, row, 2)) != 0) {
    (void)snprintf(ret_problem->text, sizeof ret_problem->text,
                   "migration %s is applied in another text than this program's: one of them was changed", name);
    return LUMIN_INVALID_STATE;
  }
  return LUMIN_OK;
}

static enum lumin_status progress_read(struct database *database, struct schema_plan plan,
                                       struct schema_progress *ret_progress, struct schema_problem *ret_problem) {
  PGresult *rows = NULL;
  struct database_query query = {.sql = "SELECT number, name, checksum FROM lumin.migrations ORDER BY number"};
  enum lumin_status status = database_ask(database, &query, &rows);
  if (status != LUMIN_OK) {
    return database_problem(database, status, ret_problem);
  }
  int count = PQntuples(rows);
  for (int i = 0; i < count && status == LUMIN_OK; i++) {
    status = row_check(rows, i, plan, ret_problem);
  }
  PQclear(rows);
  if (status == LUMIN_OK) {
    ret_progress->applied = (size_t)count;
  }
  return status;
}

// ---- doing

static enum lumin_status table_make(struct database *database) {
  // The right to create schemas is not needed where somebody else has made it.
  int64_t found = 0;
  enum lumin_status status =
      database_number(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'lumin'", &found);
  if (status == LUMIN_OK && found == 0) {
    status = database_run(database, "CREATE SCHEMA lumin");
  }
  if (status == LUMIN_OK) {
    status = database_run(database, "CREATE TABLE IF NOT EXISTS lumin.migrations ("
                                    "number integer PRIMARY KEY, name text NOT NULL, "
                                    "applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
                                    "checksum text NOT NULL)");
  }
  return status;
}

static enum lumin_status migration_note(struct database *database, const struct migration *migration) {
  char number[16], checksum[CHECKSUM_LEN + 1];
  PGresult *result = NULL;
  enum lumin_status status = checksum_make(migration->text, checksum);
  if (status != LUMIN_OK) {
    return status;
  }
  (void)snprintf(number, sizeof number, "%d", migration->number);
  const char *const values[] = {number, migration->name, checksum};
  struct database_query query = {
      .sql = "INSERT INTO lumin.migrations (number, name, checksum) VALUES ($1::int4, $2, $3)",
      .values = values,
      .count = 3,
  };
  status = database_ask(database, &query, &result);
  if (status == LUMIN_OK) {
    PQclear(result);
  }
  return status;
}

static enum lumin_status migration_apply(struct database *database, const struct migration *migration) {
  enum lumin_status status = database_run(database, "BEGIN");
  if (status == LUMIN_OK) {
    status = database_run(database, migration->text);
  }
  if (status == LUMIN_OK) {
    status = migration_note(database, migration);
  }
  return status == LUMIN_OK ? database_run(database, "COMMIT") : status;
}
