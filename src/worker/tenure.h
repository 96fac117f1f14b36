// SPDX-License-Identifier: MIT
// Partitions in the hands of a program instead of a worker: it has a lease and an epoch as a worker has, so that every
// transaction stands behind the fence (guarantee 5), and workers leave alone what it owns. Where the program dies, its
// lease runs out and workers take the partitions.
#pragma once

#include "lumin/infrastructure/postgres/store.h"
#include "lumin/worker/program.h"

struct lease;

struct tenure {
  struct worker worker; // the program, as one
  struct lease *lease;
  struct store store;
};

// Registers and connects; says on standard error what is wrong, and returns PROGRAM_OK or PROGRAM_UNAVAILABLE.
enum program_exit tenure_begin(struct program *program, struct tenure *tenure);
// Gives back what is owned. Fine also where tenure_begin failed, and on a tenure of zeros.
void tenure_end(struct tenure *tenure);

// Takes partitions, in ascending order, from whoever has them; *ret_rows has one row for each, by number, or complains
// and returns another status: a batch under way is waited for.
LUMIN_MUST_USE enum lumin_status tenure_take(struct program *program, struct tenure *tenure, struct partition_set set,
                                             struct arena *arena, struct partition_rows *ret_rows);
LUMIN_MUST_USE enum lumin_status tenure_return(struct tenure *tenure, struct arena *arena);

// "PostgreSQL: ...", or that somebody else has taken the partitions, after a status of the tenure's store.
void tenure_complain(const struct program *program, const struct tenure *tenure, enum lumin_status status);
