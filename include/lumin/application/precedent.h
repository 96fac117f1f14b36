// SPDX-License-Identifier: MIT
// For a repair: decisions that were committed and published, and then lost with the table (a restore to an earlier
// point, a failover that lost commits). A batch that follows precedents decides the commands again in their order, each
// on the state it met the first time, and holds to what the event stream says of them: a command whose events are there
// leads to those very events, and one whose place among the positions is taken by others' led to none. So answers that
// were given stay true (guarantee 2), and published events keep their content (3, 8).
#pragma once

#include "lumin/application/pipeline.h"

// An event of the event stream.
struct precedent {
  struct uuid command_id;
  struct uuid user_id;
  uint16_t partition;
  uint64_t position;
  struct event event; // with its version and time
  struct span body;   // as published
};

// Versions of a user that the stream holds without a gap.
struct precedent_run {
  struct uuid user_id;
  uint64_t first, last;
};

// What the stream holds beyond the table.
struct precedents {
  const struct precedent *items; // of the batch's commands, by partition and position; a command's stand together
  size_t count;
  const uint64_t *next;             // by partition: the lowest position of a command that is not of the batch; 0: none
  const struct precedent_run *runs; // of the batch's users: needed where there are holes among the positions
  size_t run_count;
  bool expired; // commands are gone that the table does not know: nobody can tell which ids they had
  // By partition: a command of an earlier batch took an e-mail or a phone behind the last published event. NULL: none.
  const bool *claimed;
  // By id: the sequences (as pointers) of commands that are not decided yet. A later one of another partition that
  // comes under the same id has other content, and is refused for it. NULL: none.
  const struct uuid_map *waiting;
};

// Between batch_decode and batch_load. `precedents` must outlive the batch. An inbound that is `expired` stands for a
// command of which only the events are left. batch_decide then may say
//   CONFLICT as without precedents; what was found out of the batch's commands until then is kept in it
//   GAP      an event between the table and those of the stream is nowhere to be had
//   STOPPED  a command behind its partition's last published event wants an e-mail or a phone: it may not have been
//            decided at all, so it has to wait until all that was published is in the table
// and the caller finds out whose fault a GAP is by halving; batch_stopped tells which command stops.
LUMIN_MUST_USE enum lumin_status batch_follow(struct batch *batch, const struct precedents *precedents);
const struct command *batch_stopped(const struct batch *batch); // after STOPPED
