// SPDX-License-Identifier: MIT
// Another number of partitions. A user's partition, the place of its events and the subject of its commands all follow
// from that number, so everything stands still while it changes: no command comes in, what came is decided, what was
// decided is published, no worker runs. Then the tables change in one transaction. It waits for what others have to do,
// may be interrupted at any point, and goes on where it was when it is run again.
#pragma once

#include "lumin/worker/program.h"

struct repartition_options {
  uint32_t partitions; // there are to be so many
  int64_t wait_ns;     // for what others have to do, at each step
  bool check;          // only say how things stand
};

enum program_exit repartition_run(const struct config *config, const struct repartition_options *options);
