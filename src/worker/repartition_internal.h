// SPDX-License-Identifier: MIT
// Between the files of repartition:
//   repartition.c        the order of things, and what is said
//   repartition_wait.c   what others have to do: the mapping closed, everything drained, the workers stopped
//   repartition_drain.c  whether everything is decided and published
//   repartition_write.c  the transaction, and the end of the old commands
#pragma once

#include "lumin/worker/repartition.h"
#include "stream_reader.h"

struct repartition {
  struct program *program;
  const struct repartition_options *options;
  struct database *database; // the program's
  struct arena *scratch;     // of a question
  const char *prefix;
  uint32_t before; // partitions that there are
  bool begun;      // noted: workers may not start
  bool rewritten;  // the tables are done: only the old commands are still in the stream
};

// Here and elsewhere in repartition, IO is a failure that was said already.
enum lumin_status repartition_failed(struct repartition *repartition, enum lumin_status status);
// How long to wait from now on.
int64_t repartition_deadline_ns(const struct repartition *repartition);
// Pauses for a moment; false: the time is over.
bool repartition_pause(const struct repartition *repartition, int64_t deadline_ns);
// One text from a statement with one row; "" where it is null. In the arena.
LUMIN_MUST_USE enum lumin_status repartition_text(struct repartition *repartition, const char *sql,
                                                  const char **ret_text);

// ---- repartition_wait.c; RETRY: not in the time that there was, said already

LUMIN_MUST_USE enum lumin_status mapping_await(struct repartition *repartition);
LUMIN_MUST_USE enum lumin_status drain_await(struct repartition *repartition);
LUMIN_MUST_USE enum lumin_status workers_await(struct repartition *repartition);
// Whether a command that is published now gets onto the stream.
LUMIN_MUST_USE enum lumin_status mapping_look(struct repartition *repartition, bool *ret_open);
// Names of the workers that are alive; "" where there are none.
LUMIN_MUST_USE enum lumin_status workers_look(struct repartition *repartition, const char **ret_names);
// What maps commands to that many partitions, as one writes it for the server.
void mapping_print(const char *prefix, uint32_t partitions);

// ---- repartition_drain.c

struct drain {
  struct js_stream_info commands, events; // asked before the tables
  uint64_t undecided;                     // sequence of a command that is not decided; 0: none
  uint32_t undecided_partition;
  uint64_t unrelayed; // events and dead commands that are not known to be published
  int64_t misplaced;  // a partition whose place in a stream is not there, or -1
  char alarm[64];     // a partition's; "": none
  uint32_t alarmed;   // that partition
  uint64_t progress;  // grows as it gets on
};

static inline bool drain_is_done(const struct drain *drain) {
  return drain->undecided == 0 && drain->unrelayed == 0 && drain->misplaced < 0;
}

LUMIN_MUST_USE enum lumin_status drain_look(struct repartition *repartition, struct drain *ret_drain);
// What is left, in words.
void drain_say(const struct drain *drain);

// ---- repartition_write.c

// The whole change behind locks. RETRY: not possible now, said already.
LUMIN_MUST_USE enum lumin_status layout_write(struct repartition *repartition);
// Takes the decided commands from the stream, and notes the end.
LUMIN_MUST_USE enum lumin_status commands_remove(struct repartition *repartition);
// How many events there are, how many users, and how many of these would get another partition.
LUMIN_MUST_USE enum lumin_status layout_count(struct repartition *repartition);
