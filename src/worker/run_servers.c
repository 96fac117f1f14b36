// SPDX-License-Identifier: MIT
// Before a worker starts: both servers are there, and were set up for the configuration it has. It waits for a server
// that is away, since an orchestrator starts things in any order; it ends at once where waiting would not help.
#include <stdio.h>

#include "lumin/base/log.h"
#include "run_internal.h"

// What an attempt came to.
enum attempt { ATTEMPT_FINE, ATTEMPT_AWAY, ATTEMPT_UNFIT };

struct servers {
  const struct worker *worker;
  struct arena *arena;
  struct server_versions versions;
  enum program_exit end; // where unfit
  char reason[256];      // where away
};

typedef enum attempt (*server_look)(struct servers *servers);

static enum program_exit server_await(struct servers *servers, const char *name, server_look look);
static enum attempt postgres_look(struct servers *servers);
static enum attempt nats_look(struct servers *servers);

enum program_exit run_await_servers(const struct worker *worker, struct server_versions *ret_versions) {
  struct servers servers = {.worker = worker, .arena = arena_create((size_t)16 << 20)};
  if (servers.arena == NULL) {
    return PROGRAM_FAILED;
  }
  enum program_exit end = server_await(&servers, "postgres", postgres_look);
  if (end == PROGRAM_OK) {
    end = server_await(&servers, "nats", nats_look);
  }
  arena_destroy(servers.arena);
  if (end == PROGRAM_OK) {
    *ret_versions = servers.versions;
  }
  return end;
}

// Says once that a server is away, and once that it came.
static enum program_exit server_await(struct servers *servers, const char *name, server_look look) {
  struct backoff backoff = {0};
  for (bool away = false;; away = true) {
    arena_reset(servers->arena);
    enum attempt attempt = look(servers);
    if (attempt == ATTEMPT_UNFIT) {
      return servers->end;
    }
    if (attempt == ATTEMPT_FINE) {
      if (away) {
        log_info("server_came", log_string("server", name));
      }
      return PROGRAM_OK;
    }
    if (!away) {
      log_warn("server_awaited", log_string("server", name), log_string("reason", servers->reason));
    }
    if (backoff_wait(&backoff)) {
      return PROGRAM_INTERRUPTED;
    }
  }
}

// ---- PostgreSQL

static enum attempt schema_look(struct servers *servers, struct database *database) {
  struct schema_problem problem = {""};
  struct schema_settings settings = program_settings(servers->worker->config);
  enum lumin_status status = schema_check(database, schema_plan(), &problem);
  if (status == LUMIN_OK) {
    status = schema_check_settings(database, &settings, &servers->versions.layout, &problem);
  }
  if (status == LUMIN_OK) {
    status = schema_check_rest(&servers->versions.layout, &problem);
  }
  switch (status) {
  case LUMIN_OK:
    return ATTEMPT_FINE;
  case LUMIN_INVALID_ARGUMENT:
  case LUMIN_INVALID_STATE:
    log_error("schema_unfit", log_string("reason", problem.text));
    servers->end = status == LUMIN_INVALID_ARGUMENT ? PROGRAM_CONFIG : PROGRAM_FAILED;
    return ATTEMPT_UNFIT;
  default:
    (void)snprintf(servers->reason, sizeof servers->reason, "%.*s", (int)sizeof servers->reason - 1, problem.text);
    return ATTEMPT_AWAY;
  }
}

static enum attempt postgres_look(struct servers *servers) {
  char name[64];
  struct database *database = NULL;
  struct session_options options = worker_session_options(servers->worker, "start", name, sizeof name);
  if (database_open(&options, &database, servers->reason, sizeof servers->reason) != LUMIN_OK) {
    return ATTEMPT_AWAY;
  }
  int version = database_server_version(database);
  (void)snprintf(servers->versions.postgres, sizeof servers->versions.postgres, "%d.%d", version / 10000,
                 version % 10000);
  enum attempt attempt = schema_look(servers, database);
  database_close(database);
  return attempt;
}

// ---- NATS

static enum attempt stream_check(struct servers *servers, struct client *client, const struct stream_plan *plan) {
  struct stream_finding finding = {0};
  enum lumin_status status = stream_look(client, plan, servers->arena, &finding);
  if (status != LUMIN_OK) {
    (void)snprintf(servers->reason, sizeof servers->reason, "stream %s: %s", plan->name,
                   client_complaint(client, status));
    return ATTEMPT_AWAY;
  }
  if (!finding.exists) {
    log_error("stream_missing", log_string("stream", plan->name), log_string("advice", "run lumin-user setup"));
    servers->end = PROGRAM_FAILED;
    return ATTEMPT_UNFIT;
  }
  for (size_t i = 0; i < finding.difference_count; i++) {
    log_warn("stream_differs", log_string("stream", plan->name), log_text("difference", finding.differences[i]));
  }
  servers->versions.durable_acks = finding.durable_acks;
  return ATTEMPT_FINE;
}

static enum attempt nats_look(struct servers *servers) {
  char name[64];
  const char *error = "";
  struct client *client = NULL;
  struct stream_plan plans[STREAM_PLANS];
  struct link_options options = worker_link_options(servers->worker, "start", name, sizeof name);
  enum lumin_status status = program_stream_plans(servers->worker->config, servers->arena, plans);
  if (status == LUMIN_OK) {
    status = client_open(&options, &client, &error);
  }
  if (status != LUMIN_OK) {
    (void)snprintf(servers->reason, sizeof servers->reason, "%s", status == LUMIN_NO_MEMORY ? "no memory" : error);
    return ATTEMPT_AWAY;
  }
  enum attempt attempt = ATTEMPT_FINE;
  for (size_t i = 0; i < STREAM_PLANS && attempt == ATTEMPT_FINE; i++) {
    attempt = stream_check(servers, client, &plans[i]);
  }
  client_close(client);
  return attempt;
}
