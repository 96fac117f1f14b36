// SPDX-License-Identifier: MIT
// Between the files of repair:
//   repair.c          the order of things, and what is said
//   repair_look.c     what the event stream holds beyond the table; where to read the command stream
//   repair_adopt.c    the commands since, in their order, with the events that they had led to
//   repair_batch.c    one batch of them, and its surprises
//   repair_discard.c  the other way: away with the events
//   repair_end.c      the note of a repair, and what both ways end with
#pragma once

#include "lumin/application/pipeline.h"
#include "lumin/infrastructure/postgres/staging.h"
#include "lumin/worker/repair.h"
#include "stream_event.h"
#include "stream_reader.h"
#include "tenure.h"

#define REPAIR_BATCH 256

struct repair {
  struct program *program;
  const struct repair_options *options;
  struct database *database; // the program's; the staged events are its
  struct arena *arena;       // of `ahead`
  struct arena *scratch;     // of a chunk
  uint32_t partitions;
  struct partition_row *rows; // by number: as they stand, or stood when they were taken
  uint64_t *command_starts;   // by partition: the first sequence of the command stream that the table does not know
  struct js_stream_info commands;
  struct staged_partition *ahead; // by number
  size_t ahead_count;
  uint64_t ahead_events;
  uint64_t adopted; // events, in this run
  bool unfinished;  // an earlier repair was begun and did not end
  bool discarding;  // ... a discard
  struct tenure tenure;
};

// ---- repair_look.c

// Stages what the event stream holds beyond the table, and fills rows and ahead.
LUMIN_MUST_USE enum lumin_status repair_look(struct repair *repair);
// Compares the input positions with the command stream, and fills commands and command_starts.
LUMIN_MUST_USE enum lumin_status repair_find_starts(struct repair *repair);
// Tells the staged events where their commands stand, and fills ahead once more.
LUMIN_MUST_USE enum lumin_status repair_locate(struct repair *repair);
// Reads ahead anew, into the repair's arena.
LUMIN_MUST_USE enum lumin_status repair_count(struct repair *repair);
// Says what PostgreSQL said. Here and elsewhere in repair, IO is a failure that was said already.
enum lumin_status repair_database_failed(struct repair *repair, enum lumin_status status);

// ---- repair_batch.c

// Commits commands under the precedents that are staged.
struct replay;

struct replay_counters {
  uint64_t adopted; // events of the event stream
  uint64_t made;    // events that it does not hold
  uint64_t statuses[OUTCOME_DEAD + 1];
  uint64_t again; // had their outcome already
};

struct replay *replay_create(struct repair *repair); // NULL: no memory
void replay_destroy(struct replay *replay);          // NULL is fine
// In stream order for each partition. Commands of partitions that cannot go on, or have to wait until all that was
// published is in the table, are passed over. Another status than OK ends the repair; what is committed stays.
LUMIN_MUST_USE enum lumin_status replay_commit(struct replay *replay, const struct inbound *messages, size_t count);
bool replay_is_stuck(const struct replay *replay, uint16_t partition); // or waits
// A command that is passed over: its id is its own all the same.
LUMIN_MUST_USE enum lumin_status replay_pass(struct replay *replay, const struct inbound *message);
// All that was published is in the table: from now on no precedent binds, and nothing waits.
void replay_set_free(struct replay *replay);
const struct partition_truth *replay_truth(const struct replay *replay, uint16_t partition); // as committed
const struct replay_counters *replay_counters(const struct replay *replay);

// ---- repair_end.c

// Notes that it begins, unless that is noted: from now on no worker takes a partition until it ends.
LUMIN_MUST_USE enum lumin_status repair_note(struct repair *repair);
// Identifiers as the users have them.
LUMIN_MUST_USE enum lumin_status repair_settle(struct repair *repair);
// The same, and the note of the end. *ret_fine: nobody shares one.
LUMIN_MUST_USE enum lumin_status repair_end(struct repair *repair, uint64_t events, bool *ret_fine);

// ---- the two ways; the partitions are owned

// *ret_whole: all events are taken.
LUMIN_MUST_USE enum lumin_status repair_adopt(struct repair *repair, bool *ret_whole);
LUMIN_MUST_USE enum lumin_status repair_discard(struct repair *repair);
