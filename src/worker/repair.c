// SPDX-License-Identifier: MIT
// The order of a repair: look, take the partitions, do it, give them back. Nothing is kept between two runs but what is
// in the tables and streams, so one that was interrupted is simply run again.
#include "lumin/worker/repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "repair_internal.h"

#define RESULT_MEMORY ((size_t)4 << 20)
#define SCRATCH_MEMORY ((size_t)64 << 20)

static enum program_exit repair_make(struct repair *repair);

static bool repair_init(struct repair *repair) {
  repair->partitions = (uint32_t)repair->program->config->partitions;
  repair->database = repair->program->database;
  repair->arena = arena_create(RESULT_MEMORY);
  repair->scratch = arena_create(SCRATCH_MEMORY);
  repair->rows = calloc(repair->partitions, sizeof *repair->rows);
  repair->command_starts = calloc(repair->partitions, sizeof *repair->command_starts);
  return repair->arena != NULL && repair->scratch != NULL && repair->rows != NULL && repair->command_starts != NULL;
}

static void repair_finish(struct repair *repair) {
  tenure_end(&repair->tenure);
  free(repair->rows);
  free(repair->command_starts);
  arena_destroy(repair->arena);
  arena_destroy(repair->scratch);
}

enum program_exit repair_run(const struct config *config, const struct repair_options *options) {
  struct program program;
  if (program_init(&program, config, "repair") != LUMIN_OK) {
    return PROGRAM_FAILED;
  }
  enum program_exit end = program_open_owner(&program);
  if (end == PROGRAM_OK) {
    struct repair repair = {.program = &program, .options = options};
    end = repair_init(&repair) ? repair_make(&repair) : PROGRAM_FAILED;
    repair_finish(&repair);
  }
  program_finish(&program);
  return end;
}

// ---- what is said

static uint64_t holes_count(const struct repair *repair, const struct staged_partition *ahead) {
  return ahead->last - repair->rows[ahead->partition].event_position - ahead->events;
}

static void plan_print(const struct repair *repair) {
  (void)printf("the event stream is ahead of the table in %zu of %u partitions: %" PRIu64 " events\n",
               repair->ahead_count, (unsigned)repair->partitions, repair->ahead_events);
  for (size_t i = 0; i < repair->ahead_count; i++) {
    const struct staged_partition *ahead = &repair->ahead[i];
    (void)printf("  partition %u: the table ends at position %" PRIu64 ", the stream at %" PRIu64 ", with %" PRIu64
                 " events",
                 (unsigned)ahead->partition, repair->rows[ahead->partition].event_position, ahead->last, ahead->events);
    if (repair->options->kind == REPAIR_ADOPT && ahead->orphans > 0) {
      (void)printf("; the commands of %" PRIu64 " have expired", ahead->orphans);
    }
    if (repair->options->kind == REPAIR_ADOPT && holes_count(repair, ahead) > 0) {
      (void)printf("; %" PRIu64 " between them were not published", holes_count(repair, ahead));
    }
    (void)printf("\n");
  }
  (void)fflush(stdout);
}

// Whom it concerns: consumers that have read these events have to forget them.
static enum lumin_status users_print(struct repair *repair) {
  struct uuid after = {{0}};
  for (;;) {
    struct staged_run *users = NULL;
    size_t count = 0;
    arena_reset(repair->scratch);
    enum lumin_status status = staging_users(repair->database, &after, repair->scratch, &users, &count);
    if (status != LUMIN_OK) {
      return repair_database_failed(repair, status);
    }
    for (size_t i = 0; i < count; i++) {
      char text[UUID_TEXT_LEN + 1];
      uuid_format(&users[i].user_id, text);
      (void)printf("  user %s: versions %" PRIu64 " to %" PRIu64 "\n", text, users[i].first, users[i].last);
    }
    if (count == 0) {
      return LUMIN_OK;
    }
    after = users[count - 1].user_id;
  }
}

// ---- taking the partitions

static enum lumin_status partitions_take(struct repair *repair) {
  struct partition_rows rows = {0};
  uint16_t *numbers = ARENA_ARRAY(repair->scratch, repair->partitions, uint16_t);
  struct staged_position *positions = ARENA_ARRAY(repair->scratch, repair->partitions, struct staged_position);
  if (numbers == NULL || positions == NULL) {
    return LUMIN_NO_MEMORY;
  }
  for (uint32_t i = 0; i < repair->partitions; i++) {
    numbers[i] = (uint16_t)i;
  }
  enum lumin_status status = tenure_take(repair->program, &repair->tenure,
                                         (struct partition_set){numbers, repair->partitions}, repair->scratch, &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  for (uint32_t i = 0; i < repair->partitions; i++) {
    repair->rows[i] = rows.rows[i];
    positions[i] = (struct staged_position){(uint16_t)i, rows.rows[i].event_position};
  }
  status = staging_forget(repair->database, positions, repair->partitions, repair->scratch);
  return status == LUMIN_OK ? repair_count(repair) : repair_database_failed(repair, status);
}

static enum program_exit repair_own(struct repair *repair) {
  arena_reset(repair->scratch);
  enum program_exit end = tenure_begin(repair->program, &repair->tenure);
  return end == PROGRAM_OK ? program_exit_of(partitions_take(repair)) : end;
}

// ---- adopt

static enum lumin_status adoption_make(struct repair *repair, bool *ret_whole) {
  enum lumin_status status = repair_note(repair);
  if (status == LUMIN_OK) {
    status = repair_adopt(repair, ret_whole);
  }
  if (status != LUMIN_OK) {
    program_complain(repair->program, "the partitions stay closed until it is run again");
  }
  return status;
}

static enum program_exit adopt_make(struct repair *repair) {
  bool whole = false, fine = false;
  enum lumin_status status = repair_find_starts(repair);
  if (status == LUMIN_OK) {
    status = repair_locate(repair);
  }
  if (status == LUMIN_OK) {
    plan_print(repair);
  }
  if (status != LUMIN_OK || repair->options->dry_run) {
    return program_exit_of(status);
  }
  status = adoption_make(repair, &whole);
  if (status == LUMIN_OK && !whole) {
    program_complain(repair->program, "%" PRIu64 " events of the event stream could not be taken into the table",
                     repair->ahead_events);
  }
  if (status == LUMIN_OK) {
    status = repair_end(repair, repair->adopted, &fine);
  }
  if (status == LUMIN_OK && whole && fine) {
    (void)printf("done: workers go on from here; check with lumin-user verify\n");
  }
  return status == LUMIN_OK && !(whole && fine) ? PROGRAM_FAILED : program_exit_of(status);
}

// ---- discard

static enum program_exit discard_make(struct repair *repair) {
  enum lumin_status status = repair_find_starts(repair);
  if (status == LUMIN_OK) {
    plan_print(repair);
    status = users_print(repair);
  }
  if (status == LUMIN_OK && repair->options->commands == REPAIR_COMMANDS_SKIP && !repair->discarding) {
    (void)printf("commands of the stream since then: up to %" PRIu64 ", skipped\n", repair->commands.last_seq);
  }
  if (status == LUMIN_OK && !repair->options->dry_run) {
    status = repair_discard(repair);
    if (status == LUMIN_OK) {
      (void)printf("done: consumers that have read these events have to forget them; check with lumin-user verify\n");
    }
  }
  return program_exit_of(status);
}

// ---- which

// A repair that was begun is gone on with; a discard as it was meant.
static enum program_exit unfinished_find(struct repair *repair) {
  int64_t discards = 0, adoptions = 0;
  enum lumin_status status = database_number(
      repair->database, "SELECT count(*) FROM lumin.repairs WHERE kind = 'discard' AND finished_at IS NULL", &discards);
  if (status == LUMIN_OK) {
    status =
        database_number(repair->database,
                        "SELECT count(*) FROM lumin.repairs WHERE kind = 'adopt' AND finished_at IS NULL", &adoptions);
  }
  if (status != LUMIN_OK) {
    return program_exit_of(repair_database_failed(repair, status));
  }
  repair->unfinished = discards + adoptions > 0;
  repair->discarding = discards > 0;
  if (repair->discarding && repair->options->kind != REPAIR_DISCARD) {
    program_complain(repair->program, "a discard was begun and has not ended: run repair --discard again");
    return PROGRAM_FAILED;
  }
  if (repair->unfinished) {
    (void)printf("going on with a repair that was begun%s\n",
                 repair->discarding ? ": what becomes of the commands is settled" : "");
  }
  return PROGRAM_OK;
}

static enum program_exit repair_make(struct repair *repair) {
  enum program_exit end = unfinished_find(repair);
  if (end == PROGRAM_OK) {
    end = program_exit_of(repair_look(repair));
  }
  if (end == PROGRAM_OK && repair->ahead_count == 0 && !repair->unfinished) {
    (void)printf("the table has every event that the event stream holds: there is nothing to repair\n");
    return PROGRAM_OK;
  }
  if (end == PROGRAM_OK && !repair->options->dry_run) {
    end = repair_own(repair);
  }
  if (end != PROGRAM_OK) {
    return end;
  }
  return repair->options->kind == REPAIR_ADOPT ? adopt_make(repair) : discard_make(repair);
}
