// SPDX-License-Identifier: MIT
// A program that owns partitions.
#include "tenure.h"

#include <stdio.h>
#include <unistd.h>

#include "lumin/base/clock.h"
#include "lumin/worker/lease.h"

#define TAKE_PATIENCE (15 * NS_PER_SECOND) // a stopped process may hold rows until its lease has run out
#define TAKE_PAUSE_US 100000

enum program_exit tenure_begin(struct program *program, struct tenure *tenure) {
  char name[64], error[256] = "";
  *tenure = (struct tenure){0};
  if (worker_init(&tenure->worker, program->config) != LUMIN_OK) {
    program_complain(program, "no random numbers");
    return PROGRAM_FAILED;
  }
  tenure->worker.layout = program->layout.number;
  (void)snprintf(tenure->worker.name, sizeof tenure->worker.name, "lumin-user %s", program->word);
  struct session_options options = worker_session_options(&tenure->worker, program->word, name, sizeof name);
  if (lease_start(&tenure->worker, &tenure->lease, error, sizeof error) != LUMIN_OK) {
    tenure->lease = NULL;
  } else if (session_open(&options, &tenure->store.session, error, sizeof error) != LUMIN_OK) {
    tenure->store.session = NULL;
  }
  if (tenure->store.session == NULL) {
    program_complain(program, "cannot connect to PostgreSQL: %s", error);
    return PROGRAM_UNAVAILABLE;
  }
  tenure->store.worker_id = tenure->worker.id;
  return PROGRAM_OK;
}

void tenure_end(struct tenure *tenure) {
  struct arena *arena = arena_create((size_t)1 << 16);
  if (arena != NULL && tenure->store.session != NULL) {
    (void)!tenure_return(tenure, arena); // else the lease runs out
  }
  arena_destroy(arena);
  session_close(tenure->store.session);
  lease_stop(tenure->lease);
  *tenure = (struct tenure){0};
}

enum lumin_status tenure_take(struct program *program, struct tenure *tenure, struct partition_set set,
                              struct arena *arena, struct partition_rows *ret_rows) {
  struct partition_rows rows = {0};
  int64_t until = clock_monotonic_ns() + TAKE_PATIENCE;
  enum lumin_status status = LUMIN_RETRY;
  while (status == LUMIN_RETRY || status == LUMIN_DEADLOCK) {
    status = store_seize(&tenure->store, set, arena, &rows);
    if (status != LUMIN_OK && clock_monotonic_ns() >= until) {
      break;
    }
    if (status != LUMIN_OK) {
      (void)usleep(TAKE_PAUSE_US);
    }
  }
  if (status == LUMIN_OK && rows.count != set.count) {
    status = LUMIN_NOT_OWNER;
  }
  if (status != LUMIN_OK) {
    tenure_complain(program, tenure, status);
    return status;
  }
  *ret_rows = rows;
  return LUMIN_OK;
}

enum lumin_status tenure_return(struct tenure *tenure, struct arena *arena) {
  return store_return(&tenure->store, arena);
}

void tenure_complain(const struct program *program, const struct tenure *tenure, enum lumin_status status) {
  if (status == LUMIN_NOT_OWNER || status == LUMIN_POSITION_MOVED) {
    program_complain(program, "somebody else has taken the partitions: run it again");
  } else if (tenure->store.session != NULL && session_message(tenure->store.session)[0] != '\0') {
    program_complain(program, "PostgreSQL: %s", session_message(tenure->store.session));
  } else {
    program_complain(program, "PostgreSQL: %s",
                     status == LUMIN_CONNECTION_LOST ? "the connection is lost; run it again" : status_name(status));
  }
}
