// SPDX-License-Identifier: MIT
// What the words of lumin-user share: how they end, and their connections.
#pragma once

#include "lumin/infrastructure/nats/streams.h"
#include "lumin/infrastructure/postgres/schema.h"
#include "lumin/worker/worker.h"

enum program_exit {
  PROGRAM_OK = 0,
  PROGRAM_FAILED = 1, // a check failed
  PROGRAM_USAGE = 2,
  PROGRAM_UNAVAILABLE = 69, // NATS or PostgreSQL cannot be reached
  PROGRAM_CONFIG = 78,      // the configuration is wrong, or is not what was fixed at setup
  PROGRAM_INTERRUPTED = 130,
};

// How a program ends that nothing but this status stopped.
enum program_exit program_exit_of(enum lumin_status status);

struct program {
  const struct config *config;
  const char *word; // "setup": what it is called in messages and at the servers
  struct arena *arena;
  struct client *client;
  struct database *database;
  struct schema_layout layout; // once the schema is checked
};

LUMIN_MUST_USE enum lumin_status program_init(struct program *program, const struct config *config, const char *word);
void program_finish(struct program *program);

// Each says on standard error what is wrong, and returns PROGRAM_OK or PROGRAM_UNAVAILABLE.
enum program_exit program_open_nats(struct program *program);
enum program_exit program_open_postgres(struct program *program, int64_t statement_timeout_ns);

// The schema is this program's, and its settings are those of the configuration.
enum program_exit program_check_schema(struct program *program);
// ... and no repartition is under way.
enum program_exit program_check_rest(struct program *program);
// For programs that own partitions: one at a time. PROGRAM_FAILED: there is another.
enum program_exit program_lock(struct program *program);
// All of that for them: both connections, the lock and the schema.
enum program_exit program_open_owner(struct program *program);

// "lumin-user setup: ..." on standard error.
void program_complain(const struct program *program, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define STREAM_PLANS 3

// The streams of DESIGN section 2; NO_MEMORY.
LUMIN_MUST_USE enum lumin_status program_stream_plans(const struct config *config, struct arena *arena,
                                                      struct stream_plan ret_plans[STREAM_PLANS]);

static inline struct schema_settings program_settings(const struct config *config) {
  return (struct schema_settings){(uint32_t)config->partitions, config->service_prefix};
}
