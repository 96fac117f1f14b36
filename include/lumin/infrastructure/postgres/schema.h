// SPDX-License-Identifier: MIT
// The database's schema: numbered migrations, each applied once in a transaction of its own, and what was fixed at
// setup.
#pragma once

#include "lumin/infrastructure/postgres/database.h"
#include "lumin/infrastructure/postgres/migrations.h"

#define SCHEMA_PROBLEM_MAX 512

// Why something is refused, in one line for a person.
struct schema_problem {
  char text[SCHEMA_PROBLEM_MAX];
};

// What a program knows: the table compiled in, or a test's own.
struct schema_plan {
  const struct migration *migrations; // by number, from 1
  size_t count;
};
struct schema_plan schema_plan(void); // the compiled-in one

// Fixed at setup.
struct schema_settings {
  uint32_t partitions;
  const char *prefix;
};

// How users are spread over partitions now. Each repartition makes another layout.
struct schema_layout {
  int32_t number;
  uint32_t partitions;
  uint64_t position_base; // an event published with a position up to here is of an earlier layout
  uint32_t under_way;     // a repartition to so many is begun and not finished; 0: none
};

// Told of everything that was done: "applied migration 0001_initial".
struct schema_report {
  void *self;
  void (*done)(void *self, const char *what);
};

// One setup at a time: waits for the advisory lock, which the connection's end frees.
LUMIN_MUST_USE enum lumin_status schema_lock(struct database *database);

// Applies what is not applied yet. INVALID_STATE, with nothing changed, where an applied migration differs from the
// program's or is unknown to it. RETRY, CONNECTION_LOST: *ret_problem has PostgreSQL's words.
LUMIN_MUST_USE enum lumin_status schema_apply(struct database *database, struct schema_plan plan,
                                              const struct schema_report *report, struct schema_problem *ret_problem);
// OK: everything is applied, and nothing else. INVALID_STATE otherwise.
LUMIN_MUST_USE enum lumin_status schema_check(struct database *database, struct schema_plan plan,
                                              struct schema_problem *ret_problem);

// Writes the settings and the rows of the partitions where there are none yet; else as schema_check_settings.
LUMIN_MUST_USE enum lumin_status schema_settle(struct database *database, const struct schema_settings *settings,
                                               const struct schema_report *report, struct schema_layout *ret_layout,
                                               struct schema_problem *ret_problem);
// INVALID_ARGUMENT: the configuration is not what the database has. INVALID_STATE: setup has not run.
LUMIN_MUST_USE enum lumin_status schema_check_settings(struct database *database,
                                                       const struct schema_settings *settings,
                                                       struct schema_layout *ret_layout,
                                                       struct schema_problem *ret_problem);
// As it stands; INVALID_STATE: setup has not run.
LUMIN_MUST_USE enum lumin_status schema_layout(struct database *database, struct schema_layout *ret_layout,
                                               struct schema_problem *ret_problem);
// INVALID_STATE while a repartition is under way.
LUMIN_MUST_USE enum lumin_status schema_check_rest(const struct schema_layout *layout,
                                                   struct schema_problem *ret_problem);
