// SPDX-License-Identifier: MIT
// The rows that the service would write for the same work, as binary arrays made before the clock starts.
#pragma once

#include "columns.h"
#include "lumin/application/pipeline.h"
#include "work.h"

#define ROWS_LANES 2
#define ROWS_BATCH 256
#define ROWS_PARTITIONS 32
#define ROWS_STATEMENTS 7

// One transaction.
struct rows_batch {
  size_t count;
  enum session_statement statements[ROWS_STATEMENTS];
  struct params params[ROWS_STATEMENTS];
};

// What has been written so far of a user, a partition.
struct rows_user {
  uint64_t version;
  uint64_t name_op, email_op;
  uint64_t batch; // the last that wrote it: a batch may hold a user once
};

struct rows_partition {
  uint64_t seq;
  uint64_t position;
};

struct rows {
  struct work work;
  struct uuid owner;
  struct rows_user *users;
  size_t user_room;
  struct rows_partition partitions[ROWS_PARTITIONS];
  uint64_t seq, batches_made;
};

// The next `count` commands of the work as batches by lane (partition modulo ROWS_LANES), in the arena.
struct rows_plan {
  struct rows_batch *batches[ROWS_LANES];
  size_t counts[ROWS_LANES];
};
LUMIN_MUST_USE bool rows_plan_make(struct rows *rows, uint64_t count, struct arena *arena, struct rows_plan *ret_plan);
