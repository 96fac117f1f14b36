// SPDX-License-Identifier: MIT
// What keys demand of one another: only what would not work otherwise.
#include "internal.h"

// `large` must be at least `factor` times `small`.
struct relation {
  enum config_key_index large, small;
  unsigned factor;
  const char *why;
};

static const struct relation relations[] = {
    {CONFIG_KEY_cursor_expires_ms, CONFIG_KEY_cursor_heartbeat_ms, 2, "the server refuses such a pull request"},
    {CONFIG_KEY_relay_entries, CONFIG_KEY_relay_window, 1, "the window would never fill"},
    {CONFIG_KEY_lane_batch_memory, CONFIG_KEY_rpc_max_payload, 4, "a large command would not fit into a batch"},
    {CONFIG_KEY_relay_memory, CONFIG_KEY_rpc_max_payload, 4, "a large event would not fit"},
};

// `key` is of no use, or of no clear meaning, where `other` is set, or is not.
struct companion {
  enum config_key_index key, other;
  bool wanted;
};

static const struct companion companions[] = {
    {CONFIG_KEY_nats_password, CONFIG_KEY_nats_user, true},
    {CONFIG_KEY_nats_cert, CONFIG_KEY_nats_key, true},
    {CONFIG_KEY_nats_key, CONFIG_KEY_nats_cert, true},
    {CONFIG_KEY_nats_creds, CONFIG_KEY_nats_user, false},
};

static enum lumin_status relation_check(const struct config *config, const struct relation *relation,
                                        struct config_error *error);
static enum lumin_status companion_check(const struct config *config, const struct companion *companion,
                                         struct config_error *error);

enum lumin_status config_check(const struct config *config, struct config_error *error) {
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; status == LUMIN_OK && i < sizeof relations / sizeof relations[0]; i++)
    status = relation_check(config, &relations[i], error);
  for (size_t i = 0; status == LUMIN_OK && i < sizeof companions / sizeof companions[0]; i++)
    status = companion_check(config, &companions[i], error);
  return status;
}

// The one of two keys that somebody set.
static const struct config_origin *culprit(const struct config *config, enum config_key_index a,
                                           enum config_key_index b) {
  return &config->origins[config->origins[a].source != CONFIG_DEFAULT ? a : b];
}

static enum lumin_status relation_check(const struct config *config, const struct relation *relation,
                                        struct config_error *error) {
  const struct config_key *large = config_key_at(relation->large);
  const struct config_key *small = config_key_at(relation->small);
  if (config_value_number(config, large) / relation->factor >= config_value_number(config, small))
    return LUMIN_OK;
  char large_buffer[64] = "", small_buffer[64] = "", times_buffer[32] = "";
  struct text large_value = TEXT_IN(large_buffer), small_value = TEXT_IN(small_buffer), times = TEXT_IN(times_buffer);
  config_value_write(&large_value, config, large);
  config_value_write(&small_value, config, small);
  if (relation->factor > 1)
    text_add(&times, "%u times ", relation->factor);
  return config_refuse(error, culprit(config, relation->large, relation->small), "%s: %s is less than %s%s (%s): %s",
                       large->path, large_value.data, times.data, small->path, small_value.data, relation->why);
}

static bool is_set(const struct config *config, const struct config_key *key) {
  char first[2] = "";
  struct text start = TEXT_IN(first);
  config_value_write(&start, config, key);
  return start.len > 0;
}

static enum lumin_status companion_check(const struct config *config, const struct companion *companion,
                                         struct config_error *error) {
  const struct config_key *key = config_key_at(companion->key);
  const struct config_key *other = config_key_at(companion->other);
  if (!is_set(config, key) || is_set(config, other) == companion->wanted)
    return LUMIN_OK;
  return config_refuse(error, &config->origins[companion->key],
                       companion->wanted ? "%s: set without %s" : "%s: set together with %s; only one may be",
                       key->path, other->path);
}
