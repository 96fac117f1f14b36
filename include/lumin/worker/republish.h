// SPDX-License-Identifier: MIT
// `lumin-user republish`: publishes events of the table again where the event stream misses them, each exactly once and
// each user's in version order (guarantee 8).
#pragma once

#include "lumin/worker/program.h"

struct republish_options {
  bool all;
  bool has_user;
  struct uuid user_id;
  bool has_partition;
  uint32_t partition;
  uint64_t from, to; // positions of that partition; 0: its first and last
  bool late;         // also events that later ones of their user have overtaken: behind those
  bool dry_run;
};

// PROGRAM_FAILED: some could not be published.
enum program_exit republish_run(const struct config *config, const struct republish_options *options);
