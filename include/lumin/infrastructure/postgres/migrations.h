// SPDX-License-Identifier: MIT
// The numbered SQL files of schemas/sql, compiled into the program.
#pragma once

#include <stddef.h>

struct migration {
  int number;
  const char *name; // "0001_initial"
  const char *text; // NUL-terminated SQL, run as one transaction
};

extern const struct migration migrations[];
extern const size_t migration_count;
