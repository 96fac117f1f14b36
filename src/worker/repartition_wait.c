// SPDX-License-Identifier: MIT
// What a repartition waits for. That no command comes in is seen as a caller sees it: a command that is published finds
// no stream. One that does find it is a probe, which changes nothing.
#include <inttypes.h>
#include <stdio.h>

#include "lumin/base/clock.h"
#include "repartition_internal.h"

#define PROGRESS_INTERVAL (5 * NS_PER_SECOND)

// ---- the mapping

void mapping_print(const char *prefix, uint32_t partitions) {
  (void)printf("     mappings {\n"
               "       \"%s.command.*.*\": \"%s.command.{{partition(%u,2)}}.{{wildcard(1)}}.{{wildcard(2)}}\"\n"
               "     }\n",
               prefix, prefix, partitions);
}

// A server that was restarted, and not reloaded, has ended the connection.
static bool server_return(struct program *program) {
  client_close(program->client);
  program->client = NULL;
  return program_open_nats(program) == PROGRAM_OK;
}

enum lumin_status mapping_look(struct repartition *repartition, bool *ret_open) {
  struct program *program = repartition->program;
  struct uuid user;
  char text[UUID_TEXT_LEN + 1];
  struct client_answer answer;
  if (uuid_v4(&user) != LUMIN_OK) {
    return LUMIN_IO;
  }
  uuid_format(&user, text);
  arena_reset(repartition->scratch);
  if (!link_is_alive(client_link(program->client)) && !server_return(program)) {
    return LUMIN_UNAVAILABLE;
  }
  struct client_question question = {
      .subject = arena_printf(repartition->scratch, "%s.command.probe.%s", repartition->prefix, text),
      .payload = SPAN_LITERAL(""),
      .timeout_ns = program->config->nats_timeout_ms * NS_PER_MS};
  enum lumin_status status = client_ask(program->client, &question, repartition->scratch, &answer);
  if (status != LUMIN_OK && status != LUMIN_UNAVAILABLE) {
    program_complain(program, "publishing a probe: %s", client_complaint(program->client, status));
    return LUMIN_UNAVAILABLE;
  }
  *ret_open = status == LUMIN_OK; // also where the stream has refused it
  return LUMIN_OK;
}

static void closing_explain(const struct repartition *repartition) {
  (void)printf("commands still come in. Take this out of the account in nats-server's configuration, on every server, "
               "and reload it (nats-server --signal reload):\n");
  mapping_print(repartition->prefix, repartition->before);
  (void)printf("Or, where the stream %s maps by itself, take its subject_transform and its subject %s.command.*.* out, "
               "and leave it %s.command.*.*.*\n",
               STREAM_COMMANDS, repartition->prefix, repartition->prefix);
}

enum lumin_status mapping_await(struct repartition *repartition) {
  int64_t deadline = repartition_deadline_ns(repartition);
  bool open = true;
  for (bool said = false;; said = true) {
    enum lumin_status status = mapping_look(repartition, &open);
    if (status != LUMIN_OK) {
      return status;
    }
    if (!open) {
      (void)printf("closed: no command comes in\n");
      return LUMIN_OK;
    }
    if (!said) {
      closing_explain(repartition);
    }
    if (!repartition_pause(repartition, deadline)) {
      program_complain(repartition->program, "commands still come in: run it again when they do not");
      return LUMIN_RETRY;
    }
  }
}

// ---- everything decided and published

static enum lumin_status drain_stuck(const struct repartition *repartition, const struct drain *drain) {
  if (drain->alarm[0] != '\0') {
    program_complain(repartition->program, "partition %u: %s: see lumin-user health, and mend that first",
                     drain->alarmed, drain->alarm);
    return LUMIN_RETRY;
  }
  return LUMIN_OK;
}

static enum lumin_status drain_wait(struct repartition *repartition, struct drain *drain) {
  const char *names = "";
  int64_t deadline = repartition_deadline_ns(repartition), say_ns = 0;
  for (uint64_t progress = 0;;) {
    enum lumin_status status = drain_look(repartition, drain);
    if (status != LUMIN_OK || drain_is_done(drain)) {
      return status;
    }
    status = drain_stuck(repartition, drain);
    if (status == LUMIN_OK && clock_monotonic_ns() >= say_ns) {
      drain_say(drain);
      say_ns = clock_monotonic_ns() + PROGRESS_INTERVAL;
      status = workers_look(repartition, &names);
      if (names[0] == '\0') {
        (void)printf("no worker is alive to do that: start one\n");
      }
    }
    if (status != LUMIN_OK) {
      return status;
    }
    deadline = drain->progress != progress ? repartition_deadline_ns(repartition) : deadline;
    progress = drain->progress;
    if (!repartition_pause(repartition, deadline)) {
      program_complain(repartition->program, "it does not get on: look at the workers, and run it again");
      return LUMIN_RETRY;
    }
  }
}

enum lumin_status drain_await(struct repartition *repartition) {
  struct drain drain = {0};
  const char *names = "";
  enum lumin_status status = workers_look(repartition, &names);
  if (status == LUMIN_OK && repartition->begun && names[0] == '\0') {
    return LUMIN_OK; // it was before it was noted, and is looked at once more behind the locks
  }
  if (status == LUMIN_OK) {
    status = drain_wait(repartition, &drain);
  }
  if (status == LUMIN_OK) {
    drain_say(&drain);
  }
  return status;
}

// ---- the workers

enum lumin_status workers_look(struct repartition *repartition, const char **ret_names) {
  return repartition_text(repartition,
                          "SELECT coalesce(string_agg(name, ', ' ORDER BY name), '') FROM lumin.workers "
                          "WHERE lease_until > clock_timestamp()",
                          ret_names);
}

enum lumin_status workers_await(struct repartition *repartition) {
  char said[1024] = "";
  int64_t deadline = repartition_deadline_ns(repartition);
  for (;;) {
    const char *names = "";
    arena_reset(repartition->scratch);
    enum lumin_status status = workers_look(repartition, &names);
    if (status != LUMIN_OK) {
      return status;
    }
    if (names[0] == '\0') {
      (void)printf("stopped: no worker is alive\n");
      return LUMIN_OK;
    }
    if (strncmp(names, said, sizeof said - 1) != 0) {
      (void)printf("stop the workers (none may start until this has ended): %s\n", names);
      (void)snprintf(said, sizeof said, "%s", names);
      deadline = repartition_deadline_ns(repartition);
    }
    if (!repartition_pause(repartition, deadline)) {
      program_complain(repartition->program,
                       "workers are alive: stop %s, and run it again (or lumin-user repartition %u, which gives it up)",
                       names, repartition->before);
      return LUMIN_RETRY;
    }
  }
}
