// SPDX-License-Identifier: MIT
// What is fixed at setup, or by a repartition: a worker that counts partitions otherwise would apply commands of users
// that are not its own.
#include "schema_internal.h"

#include <stdio.h>
#include <stdlib.h>

static enum lumin_status settings_write(struct database *database, const struct schema_settings *settings);
static enum lumin_status partitions_count(struct database *database, const struct schema_settings *settings,
                                          struct schema_problem *ret_problem);

enum lumin_status schema_settle(struct database *database, const struct schema_settings *settings,
                                const struct schema_report *report, struct schema_layout *ret_layout,
                                struct schema_problem *ret_problem) {
  int64_t rows = 0;
  enum lumin_status status = database_number(database, "SELECT count(*) FROM lumin.settings", &rows);
  if (status == LUMIN_OK && rows == 0) {
    status = settings_write(database, settings);
  }
  if (status != LUMIN_OK) {
    return database_problem(database, status, ret_problem);
  }
  if (rows == 0) {
    char text[128];
    (void)snprintf(text, sizeof text, "fixed %u partitions under %s", settings->partitions, settings->prefix);
    report->done(report->self, text);
  }
  return schema_check_settings(database, settings, ret_layout, ret_problem);
}

// Settings and partitions in one transaction.
static enum lumin_status settings_write(struct database *database, const struct schema_settings *settings) {
  char partitions[16];
  (void)snprintf(partitions, sizeof partitions, "%u", settings->partitions);
  const char *const values[] = {partitions, settings->prefix};
  struct database_query query = {
      .sql = "WITH fixed AS (INSERT INTO lumin.settings (partitions, prefix) VALUES ($1::int4, $2) "
             "RETURNING partitions) INSERT INTO lumin.partitions (partition) "
             "SELECT generate_series(0, fixed.partitions - 1) FROM fixed",
      .values = values,
      .count = 2,
  };
  PGresult *result = NULL;
  enum lumin_status status = database_ask(database, &query, &result);
  if (status == LUMIN_OK) {
    PQclear(result);
  }
  return status;
}

// ---- the row

struct settings_row {
  struct schema_layout layout;
  PGresult *rows; // the prefix is its second column
};

static enum lumin_status row_load(struct database *database, struct settings_row *ret_row,
                                  struct schema_problem *ret_problem) {
  PGresult *rows = NULL;
  struct database_query query = {
      .sql = "SELECT s.partitions, s.prefix, s.layout, s.position_base, coalesce((SELECT r.partitions FROM "
             "lumin.repartitions r WHERE r.finished_at IS NULL), 0) FROM lumin.settings s"};
  enum lumin_status status = database_ask(database, &query, &rows);
  if (status != LUMIN_OK) {
    return database_problem(database, status, ret_problem);
  }
  if (PQntuples(rows) != 1) {
    PQclear(rows);
    (void)snprintf(ret_problem->text, sizeof ret_problem->text, "lumin.settings has no row: run lumin-user setup");
    return LUMIN_INVALID_STATE;
  }
  ret_row->rows = rows;
  ret_row->layout = (struct schema_layout){
      .partitions = (uint32_t)strtoul(PQgetvalue(rows, 0, 0), NULL, 10),
      .number = (int32_t)strtol(PQgetvalue(rows, 0, 2), NULL, 10),
      .position_base = strtoull(PQgetvalue(rows, 0, 3), NULL, 10),
      .under_way = (uint32_t)strtoul(PQgetvalue(rows, 0, 4), NULL, 10),
  };
  return LUMIN_OK;
}

enum lumin_status schema_layout(struct database *database, struct schema_layout *ret_layout,
                                struct schema_problem *ret_problem) {
  struct settings_row row = {0};
  enum lumin_status status = row_load(database, &row, ret_problem);
  if (status == LUMIN_OK) {
    PQclear(row.rows);
    *ret_layout = row.layout;
  }
  return status;
}

enum lumin_status schema_check_rest(const struct schema_layout *layout, struct schema_problem *ret_problem) {
  if (layout->under_way == 0) {
    return LUMIN_OK;
  }
  (void)snprintf(ret_problem->text, sizeof ret_problem->text,
                 "a repartition to %u is under way, or was interrupted: run lumin-user repartition %u again",
                 layout->under_way, layout->under_way);
  return LUMIN_INVALID_STATE;
}

static enum lumin_status row_compare(const struct settings_row *row, const struct schema_settings *settings,
                                     struct schema_problem *ret_problem) {
  uint32_t partitions = row->layout.partitions;
  const char *prefix = PQgetvalue(row->rows, 0, 1);
  if (partitions != settings->partitions && row->layout.under_way == settings->partitions) {
    return schema_check_rest(&row->layout, ret_problem);
  }
  if (partitions != settings->partitions) {
    (void)snprintf(ret_problem->text, sizeof ret_problem->text,
                   "partitions is %u here, and %u in the database: set it to %u, or see lumin-user repartition %u",
                   settings->partitions, partitions, partitions, settings->partitions);
    return LUMIN_INVALID_ARGUMENT;
  }
  if (strcmp(prefix, settings->prefix) != 0) {
    (void)snprintf(ret_problem->text, sizeof ret_problem->text,
                   "service.prefix is %s here, and %s was fixed at setup: it cannot change", settings->prefix, prefix);
    return LUMIN_INVALID_ARGUMENT;
  }
  return LUMIN_OK;
}

enum lumin_status schema_check_settings(struct database *database, const struct schema_settings *settings,
                                        struct schema_layout *ret_layout, struct schema_problem *ret_problem) {
  struct settings_row row = {0};
  enum lumin_status status = row_load(database, &row, ret_problem);
  if (status != LUMIN_OK) {
    return status;
  }
  status = row_compare(&row, settings, ret_problem);
  PQclear(row.rows);
  if (status == LUMIN_OK) {
    status = partitions_count(database, settings, ret_problem);
  }
  if (status == LUMIN_OK) {
    *ret_layout = row.layout;
  }
  return status;
}

static enum lumin_status partitions_count(struct database *database, const struct schema_settings *settings,
                                          struct schema_problem *ret_problem) {
  PGresult *rows = NULL;
  struct database_query query = {
      .sql = "SELECT count(*), coalesce(min(partition), -1), coalesce(max(partition), -1) FROM lumin.partitions"};
  enum lumin_status status = database_ask(database, &query, &rows);
  if (status != LUMIN_OK) {
    return database_problem(database, status, ret_problem);
  }
  unsigned long count = strtoul(PQgetvalue(rows, 0, 0), NULL, 10);
  long first = strtol(PQgetvalue(rows, 0, 1), NULL, 10);
  long last = strtol(PQgetvalue(rows, 0, 2), NULL, 10);
  PQclear(rows);
  if (count != settings->partitions || first != 0 || last != (long)settings->partitions - 1) {
    (void)snprintf(ret_problem->text, sizeof ret_problem->text,
                   "lumin.partitions has %lu rows from %ld to %ld, expected %u from 0 on", count, first, last,
                   settings->partitions);
    return LUMIN_INVALID_STATE;
  }
  return LUMIN_OK;
}
