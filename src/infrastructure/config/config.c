// SPDX-License-Identifier: MIT
// Loading: defaults, then file, environment and flags, each over the one before; then what keys demand of one another.
#include "lumin/infrastructure/config/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

// The longest file and an environment with every key fit twice.
#define TEXTS_MAX ((size_t)4 * 1024 * 1024)

static enum lumin_status config_create(struct config **ret_config, struct config_error *error);
static enum lumin_status file_apply(struct config *config, const char *path_or_null, struct config_error *error);
static enum lumin_status overrides_apply(struct config *config, const struct config_override *overrides, size_t count,
                                         struct config_error *error);
static enum lumin_status inbox_derive(struct config *config, struct config_error *error);

enum lumin_status config_load(const char *path_or_null, const struct config_override *overrides, size_t count,
                              struct config **ret_config, struct config_error *ret_error) {
  struct config *config = NULL;
  enum lumin_status status = config_create(&config, ret_error);
  if (status == LUMIN_OK)
    status = file_apply(config, path_or_null, ret_error);
  if (status == LUMIN_OK)
    status = config_environment_read(config, ret_error);
  if (status == LUMIN_OK)
    status = overrides_apply(config, overrides, count, ret_error);
  if (status == LUMIN_OK)
    status = inbox_derive(config, ret_error);
  if (status == LUMIN_OK)
    status = config_check(config, ret_error);
  if (status == LUMIN_OK)
    *ret_config = config;
  else
    config_destroy(config);
  return status;
}

void config_destroy(struct config *config) {
  if (!config)
    return;
  arena_destroy(config->texts);
  free(config);
}

static enum lumin_status config_create(struct config **ret_config, struct config_error *error) {
  struct config *config = calloc(1, sizeof *config);
  if (!config)
    return config_refuse_memory(error);
  enum lumin_status status = LUMIN_OK;
  config->texts = arena_create(TEXTS_MAX);
  if (!config->texts)
    status = config_refuse_memory(error);
  for (size_t i = 0; status == LUMIN_OK && i < CONFIG_KEY_COUNT; i++) {
    const struct config_key *key = config_key_at(i);
    status = config_set(config, key, span_from_text(key->initial), &(struct config_origin){0}, error);
  }
  if (status == LUMIN_OK)
    *ret_config = config;
  else
    config_destroy(config);
  return status;
}

enum lumin_status config_set(struct config *config, const struct config_key *key, struct span value,
                             const struct config_origin *origin, struct config_error *error) {
  enum config_problem problem = CONFIG_VALUE_OK;
  enum lumin_status status = config_value_set(config, key, value, &problem);
  if (status == LUMIN_NO_MEMORY)
    return config_refuse_memory(error);
  if (status != LUMIN_OK)
    return config_refuse_value(error, origin, key, value, problem);
  assert(config != NULL);
  config->origins[config_key_number(key)] = *origin;
  return LUMIN_OK;
}

static enum lumin_status file_apply(struct config *config, const char *path_or_null, struct config_error *error) {
  const char *named = getenv("LUMIN_CONFIG");
  if (path_or_null)
    return config_file_read(config, path_or_null, false, error);
  if (named && named[0])
    return config_file_read(config, named, false, error);
  return config_file_read(config, "config.yaml", true, error);
}

static enum lumin_status overrides_apply(struct config *config, const struct config_override *overrides, size_t count,
                                         struct config_error *error) {
  const struct config_origin origin = {.source = CONFIG_FLAG};
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; status == LUMIN_OK && i < count; i++) {
    struct span path = span_from_text(overrides[i].path);
    const struct config_key *key = config_key_find(path);
    if (key)
      status = config_set(config, key, span_from_text(overrides[i].value), &origin, error);
    else
      status = config_refuse_unknown(error, &origin, "key", path, span_from_text(config_key_nearest(path)->path));
  }
  return status;
}

// Each role of deploy/nats/accounts.conf listens to its own inboxes alone; whoever runs a program as another role than
// the worker has said enough with the user. luminctl does the same.
static enum lumin_status inbox_derive(struct config *config, struct config_error *error) {
  static const struct {
    const char *user, *prefix;
  } roles[] = {{"setup", "_INBOX_lumin_setup"}, {"operator", "_INBOX_lumin_operator"}};
  const struct config_key *key = config_key_at(CONFIG_KEY_nats_inbox_prefix);
  assert(config != NULL);
  if (strcmp(config->nats_inbox_prefix, key->initial) != 0)
    return LUMIN_OK;
  for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
    if (strcmp(config->nats_user, roles[i].user) == 0)
      return config_set(config, key, span_from_text(roles[i].prefix), &config->origins[CONFIG_KEY_nats_user], error);
  }
  return LUMIN_OK;
}
