// SPDX-License-Identifier: MIT
// Between the files of `lumin-user worker`.
#pragma once

#include "lumin/worker/run.h"

// Blocks SIGTERM and SIGINT in this thread and all that it starts; signals_wait alone takes them. Ignores SIGPIPE.
void signals_begin(void);
// Waits until one of them comes (true) or the time is over; INT64_MAX: for ever.
bool signals_wait(int64_t timeout_ns);
// From now on one more ends the process at once with PROGRAM_INTERRUPTED.
void signals_insist(void);

// Waits between attempts while a server is away.
struct backoff {
  int64_t pause_ns;
};
bool backoff_wait(struct backoff *backoff); // true: a signal came

struct server_versions {
  char postgres[24];
  bool durable_acks; // nats-server 2.10 or newer
  struct schema_layout layout;
};

// Waits until NATS and PostgreSQL can be reached, and looks whether they were set up for this configuration.
// PROGRAM_INTERRUPTED: a signal came meanwhile. PROGRAM_FAILED, PROGRAM_CONFIG: it will never do; logged.
enum program_exit run_await_servers(const struct worker *worker, struct server_versions *ret_versions);
