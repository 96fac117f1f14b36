// SPDX-License-Identifier: MIT
// The words that ask and end: one connection to each side, and the streams as they are planned.
#include "lumin/worker/program.h"

#include <stdarg.h>
#include <stdio.h>

#include "lumin/base/clock.h"

#define PROGRAM_MEMORY ((size_t)64 << 20)

enum lumin_status program_init(struct program *program, const struct config *config, const char *word) {
  struct arena *arena = arena_create(PROGRAM_MEMORY);
  if (arena == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *program = (struct program){.config = config, .word = word, .arena = arena};
  return LUMIN_OK;
}

enum program_exit program_exit_of(enum lumin_status status) {
  switch (status) {
  case LUMIN_OK:
    return PROGRAM_OK;
  case LUMIN_INVALID_ARGUMENT:
    return PROGRAM_CONFIG;
  case LUMIN_UNAVAILABLE:
  case LUMIN_CONNECTION_LOST:
    return PROGRAM_UNAVAILABLE;
  default:
    return PROGRAM_FAILED;
  }
}

void program_finish(struct program *program) {
  client_close(program->client);
  database_close(program->database);
  arena_destroy(program->arena);
}

void program_complain(const struct program *program, const char *format, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  (void)fprintf(stderr, "lumin-user %s: %s\n", program->word, text);
}

// The options are those of a worker that has only its configuration.
enum program_exit program_open_nats(struct program *program) {
  char name[64];
  const char *error = "";
  struct worker worker = {.config = program->config};
  struct link_options options = worker_link_options(&worker, program->word, name, sizeof name);
  if (client_open(&options, &program->client, &error) != LUMIN_OK) {
    program->client = NULL;
    program_complain(program, "cannot connect to NATS: %s", error);
    return PROGRAM_UNAVAILABLE;
  }
  return PROGRAM_OK;
}

enum program_exit program_open_postgres(struct program *program, int64_t statement_timeout_ns) {
  char name[64], error[256] = "";
  struct worker worker = {.config = program->config};
  struct session_options options = worker_session_options(&worker, program->word, name, sizeof name);
  options.statement_timeout_ns = statement_timeout_ns;
  if (database_open(&options, &program->database, error, sizeof error) != LUMIN_OK) {
    program->database = NULL;
    program_complain(program, "cannot connect to PostgreSQL: %s", error);
    return PROGRAM_UNAVAILABLE;
  }
  return PROGRAM_OK;
}

static enum program_exit schema_complain(const struct program *program, enum lumin_status status, const char *text) {
  if (status == LUMIN_OK) {
    return PROGRAM_OK;
  }
  program_complain(program, "%s", text);
  return program_exit_of(status);
}

enum program_exit program_check_schema(struct program *program) {
  struct schema_problem problem = {""};
  struct schema_settings settings = program_settings(program->config);
  enum lumin_status status = schema_check(program->database, schema_plan(), &problem);
  if (status == LUMIN_OK) {
    status = schema_check_settings(program->database, &settings, &program->layout, &problem);
  }
  return schema_complain(program, status, problem.text);
}

enum program_exit program_check_rest(struct program *program) {
  struct schema_problem problem = {""};
  enum program_exit end = program_check_schema(program);
  return end == PROGRAM_OK ? schema_complain(program, schema_check_rest(&program->layout, &problem), problem.text)
                           : end;
}

// The service's own number: "lumin ut" in ASCII.
enum program_exit program_lock(struct program *program) {
  int64_t locked = 0;
  if (database_number(program->database, "SELECT pg_try_advisory_lock(7815273027957978484)::int", &locked) !=
      LUMIN_OK) {
    program_complain(program, "PostgreSQL: %s", database_error(program->database));
    return PROGRAM_UNAVAILABLE;
  }
  if (locked == 0) {
    program_complain(program, "a repair, a republish or a repartition is at work already");
    return PROGRAM_FAILED;
  }
  return PROGRAM_OK;
}

enum program_exit program_open_owner(struct program *program) {
  enum program_exit end = program_open_postgres(program, 0); // what is staged may take its time
  if (end == PROGRAM_OK) {
    end = program_open_nats(program);
  }
  if (end == PROGRAM_OK) {
    end = program_lock(program);
  }
  return end == PROGRAM_OK ? program_check_rest(program) : end;
}

enum lumin_status program_stream_plans(const struct config *config, struct arena *arena,
                                       struct stream_plan ret_plans[STREAM_PLANS]) {
  const char *prefix = config->service_prefix;
  struct stream_plan common = {.replicas = config->streams_replicas,
                               .memory = config->streams_storage == CONFIG_STORAGE_MEMORY,
                               .max_messages = -1};
  struct stream_plan commands = common, events = common, dead = common;
  commands.name = STREAM_COMMANDS;
  commands.subject = arena_printf(arena, "%s.command.*.*.*", prefix);
  commands.subject_before_mapping = arena_printf(arena, "%s.command.*.*", prefix);
  commands.discard_new = true;
  commands.max_messages = (int64_t)config->streams_commands_max_messages;
  commands.max_age_ns = config->streams_commands_max_age_ms * NS_PER_MS;
  events.name = STREAM_EVENTS;
  events.subject = arena_printf(arena, "%s.event.*.*", prefix);
  events.limits_are_free = true;
  events.allow_direct = true; // readers need not burden the leader; nothing here reads that way
  events.duplicate_window_ns = config->streams_events_duplicate_window_ms * NS_PER_MS;
  dead.name = STREAM_DEAD;
  dead.subject = arena_printf(arena, "%s.dead.*.*", prefix);
  dead.max_age_ns = config->streams_dead_max_age_ms * NS_PER_MS;
  if (!commands.subject.data || !commands.subject_before_mapping.data || !events.subject.data || !dead.subject.data) {
    return LUMIN_NO_MEMORY;
  }
  ret_plans[0] = commands;
  ret_plans[1] = events;
  ret_plans[2] = dead;
  return LUMIN_OK;
}
