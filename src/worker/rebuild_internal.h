// SPDX-License-Identifier: MIT
// Between the files of rebuild:
//   rebuild.c           the story, and the comparison of all users
//   rebuild_write.c     users into the tables beside the live ones
//   rebuild_catch_up.c  what was written meanwhile, and the exchange
//   rebuild_progress.c  how far it is
#pragma once

#include "fold.h"
#include "lumin/worker/rebuild.h"
#include "verify_internal.h"

#define WRITE_ROWS 1000 // users in one statement

struct progress {
  bool terminal; // a bar that moves; else a line now and then
  uint64_t total, done;
  int64_t began_ns, due_ns;
};

void progress_begin(struct progress *progress, uint64_t total);
void progress_add(struct progress *progress, uint64_t events);
void progress_end(struct progress *progress);

// Users on their way into the table.
struct writer {
  struct database *database; // NULL: nothing is written
  struct arena *arena;
  const struct user *users[WRITE_ROWS];
  size_t count;
};

LUMIN_MUST_USE enum lumin_status writer_add(struct writer *writer, const struct user *user);
LUMIN_MUST_USE enum lumin_status writer_flush(struct writer *writer);

struct rebuild {
  struct program program; // its connection reads the events
  struct database *live;  // reads the live rows under the same snapshot
  struct fold fold;
  struct writer writer;
  struct progress progress;
  struct verdict verdict;
  uint64_t users;
};

struct uuid row_user(const PGresult *row); // of rows whose first column is the user id

// Applies the event of the current row (EVENT_COLUMNS) to the fold.
#define EVENT_COLUMNS "user_id, version, type, time_ns, body"
LUMIN_MUST_USE enum lumin_status rebuild_apply(struct rebuild *rebuild, const PGresult *row);

// After the first pass: brings the new tables up to date and puts them in the place of the live ones.
LUMIN_MUST_USE enum lumin_status rebuild_exchange(struct rebuild *rebuild);
