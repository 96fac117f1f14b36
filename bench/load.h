// SPDX-License-Identifier: MIT
// The load generator from the inside: one connection, one thread, one loop.
#pragma once

#include "report.h"
#include "script.h"
#include "wire.h"
#include "work.h"

struct load {
  struct wire *wire;
  struct work work;
  char inbox[96];
  size_t inbox_len;
  uint64_t errors;
  struct span prefix; // "lumin.user.v1"
};

// Notes an answer that is a refusal, and shows the first on stderr.
void load_refused(struct load *load, const struct wire_message *message);

struct publish_plan {
  uint64_t count;
  uint64_t window; // messages without their PubAck
};
bool publish_run(struct load *load, const struct publish_plan *plan);

struct request_plan {
  uint64_t outstanding;
  int64_t warm_ns, run_ns;
  uint64_t payload;      // bytes of an echo
  struct script *script; // what is asked instead of the work; NULL: the work
};
bool request_run(struct load *load, const struct request_plan *plan);
