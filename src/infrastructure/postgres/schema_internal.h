// SPDX-License-Identifier: MIT
// Between the files of the schema.
#pragma once

#include "lumin/infrastructure/postgres/schema.h"

// Writes PostgreSQL's words and returns the status.
enum lumin_status database_problem(const struct database *database, enum lumin_status status,
                                   struct schema_problem *ret_problem);
