// SPDX-License-Identifier: MIT
// Setting up, both sides under one lock of PostgreSQL's, so that several replicas may start with it at once.
#include "setup_internal.h"

#include <stdio.h>

static enum program_exit setup_schema(struct program *program);
static enum program_exit setup_streams(struct program *program);

enum program_exit setup_run(const struct config *config) {
  struct program program;
  if (program_init(&program, config, "setup") != LUMIN_OK) {
    return PROGRAM_FAILED;
  }
  enum program_exit end = program_open_postgres(&program, 0); // a migration takes as long as it takes
  if (end == PROGRAM_OK) {
    end = program_open_nats(&program);
  }
  if (end == PROGRAM_OK) {
    end = setup_schema(&program);
  }
  if (end == PROGRAM_OK) {
    end = setup_streams(&program);
  }
  if (end == PROGRAM_OK) {
    end = setup_check_mapping(&program);
  }
  program_finish(&program);
  return end;
}

static void done_print(void *self, const char *what) {
  (void)self;
  (void)printf("%s\n", what);
}

// ---- PostgreSQL

static enum program_exit setup_schema(struct program *program) {
  struct schema_problem problem = {""};
  struct schema_report report = {program, done_print};
  struct schema_settings settings = program_settings(program->config);
  enum lumin_status status = schema_lock(program->database);
  if (status != LUMIN_OK) {
    program_complain(program, "another setup is at work: %s", database_error(program->database));
    return program_exit_of(status);
  }
  status = schema_apply(program->database, schema_plan(), &report, &problem);
  if (status == LUMIN_OK) {
    status = schema_settle(program->database, &settings, &report, &program->layout, &problem);
  }
  if (status == LUMIN_OK) {
    status = schema_check_rest(&program->layout, &problem);
  }
  if (status != LUMIN_OK) {
    program_complain(program, "%s", problem.text);
    return program_exit_of(status);
  }
  (void)printf("schema lumin is current, %u partitions\n", settings.partitions);
  return PROGRAM_OK;
}

// ---- NATS

static enum program_exit nats_failed(struct program *program, const char *stream, enum lumin_status status) {
  program_complain(program, "stream %s: %s", stream, client_complaint(program->client, status));
  return PROGRAM_UNAVAILABLE;
}

static enum program_exit stream_make(struct program *program, const struct stream_plan *plan,
                                     struct stream_finding *ret_finding) {
  struct span refusal = SPAN_EMPTY;
  enum lumin_status status = stream_create(program->client, plan, program->arena, &refusal);
  if (status == LUMIN_INVALID_STATE) {
    program_complain(program, "stream %s: the server refuses to make it: %.*s", plan->name, SPAN_ARGS(refusal));
    return PROGRAM_FAILED;
  }
  if (status == LUMIN_OK) {
    (void)printf("made stream %s on %.*s\n", plan->name, SPAN_ARGS(plan->subject));
    status = stream_look(program->client, plan, program->arena, ret_finding);
  }
  return status == LUMIN_OK ? PROGRAM_OK : nats_failed(program, plan->name, status);
}

static enum program_exit stream_settle(struct program *program, const struct stream_plan *plan) {
  struct stream_finding finding = {0};
  enum lumin_status status = stream_look(program->client, plan, program->arena, &finding);
  if (status != LUMIN_OK) {
    return nats_failed(program, plan->name, status);
  }
  if (!finding.exists) {
    enum program_exit end = stream_make(program, plan, &finding);
    if (end != PROGRAM_OK) {
      return end;
    }
  }
  for (size_t i = 0; i < finding.difference_count; i++) {
    program_complain(program, "stream %s: %.*s", plan->name, SPAN_ARGS(finding.differences[i]));
  }
  if (!finding.exists || finding.difference_count > 0) {
    return PROGRAM_FAILED;
  }
  (void)printf("stream %s is as expected\n", plan->name);
  return PROGRAM_OK;
}

// All of them, so that everything that is wrong is said at once.
static enum program_exit setup_streams(struct program *program) {
  struct stream_plan plans[STREAM_PLANS];
  enum program_exit worst = PROGRAM_OK;
  if (program_stream_plans(program->config, program->arena, plans) != LUMIN_OK) {
    return PROGRAM_FAILED;
  }
  for (size_t i = 0; i < STREAM_PLANS; i++) {
    enum program_exit end = stream_settle(program, &plans[i]);
    worst = end > worst ? end : worst;
  }
  return worst;
}
