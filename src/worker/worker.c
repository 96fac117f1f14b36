// SPDX-License-Identifier: MIT
// Who a worker is, and the options of its connections.
#include "lumin/worker/worker.h"

#include <stdio.h>
#include <unistd.h>

#include "lumin/base/clock.h"

static void name_make(const struct config *config, char *ret_name, size_t size) {
  char host[65] = "";
  if (config->worker_name[0] != '\0') {
    (void)snprintf(ret_name, size, "%s", config->worker_name);
    return;
  }
  if (gethostname(host, sizeof host - 1) != 0) {
    (void)snprintf(host, sizeof host, "worker");
  }
  (void)snprintf(ret_name, size, "%s-%ld", host, (long)getpid());
}

enum lumin_status worker_init(struct worker *worker, const struct config *config) {
  struct worker fresh = {.config = config, .others = -1, .others_met = -1};
  enum lumin_status status = uuid_v4(&fresh.id);
  if (status == LUMIN_OK) {
    status = random_token(fresh.token);
  }
  if (status != LUMIN_OK) {
    return status;
  }
  name_make(config, fresh.name, sizeof fresh.name);
  *worker = fresh;
  return LUMIN_OK;
}

// "lumin-user lane 0 pod-7": PostgreSQL shows 63 bytes of it.
static void connection_name(const struct worker *worker, const char *role, char *ret_name, size_t size) {
  bool named = worker->name[0] != '\0';
  (void)snprintf(ret_name, size, "lumin-user %s%s%s", role, named ? " " : "", worker->name);
}

struct link_options worker_link_options(const struct worker *worker, const char *role, char *name, size_t size) {
  const struct config *config = worker->config;
  connection_name(worker, role, name, size);
  return (struct link_options){
      .url = config->nats_url,
      .name = name,
      .user = config->nats_user,
      .password = config->nats_password,
      .creds = config->nats_creds,
      .ca = config->nats_ca,
      .cert = config->nats_cert,
      .key = config->nats_key,
      .inbox_prefix = config->nats_inbox_prefix,
      .timeout_ns = config->nats_timeout_ms * NS_PER_MS,
  };
}

struct session_options worker_session_options(const struct worker *worker, const char *role, char *name, size_t size) {
  const struct config *config = worker->config;
  connection_name(worker, role, name, size);
  return (struct session_options){
      .url = config->postgres_url,
      .name = name,
      .connect_timeout_ns = config->postgres_connect_timeout_ms * NS_PER_MS,
      .statement_timeout_ns = config->postgres_statement_timeout_ms * NS_PER_MS,
  };
}
