// SPDX-License-Identifier: MIT
// The environment: LUMIN_<PATH> for every key, and the well-known variables, which give way to it.
#include <unistd.h>

#include "internal.h"

static bool belongs_to_others(struct span name);
static enum lumin_status variable_apply(struct config *config, struct span name, struct span value,
                                        struct config_error *error);

// Two passes over the environment: first the well-known names, then ours.
enum lumin_status config_environment_read(struct config *config, struct config_error *error) {
  enum lumin_status status = LUMIN_OK;
  for (int own = 0; own <= 1; own++) {
    for (char **entry = environ; status == LUMIN_OK && entry && *entry; entry++) {
      struct span value = span_from_text(*entry);
      struct span name = span_cut(&value, '=');
      bool is_own = span_starts_with(name, SPAN_LITERAL("LUMIN_"));
      // An empty well-known variable is how many tools say "not set".
      if (is_own == (own == 1) && (is_own ? !belongs_to_others(name) : value.len > 0))
        status = variable_apply(config, name, value, error);
    }
  }
  return status;
}

static bool belongs_to_others(struct span name) {
  return span_equal(name, SPAN_LITERAL("LUMIN_CONFIG")) || span_starts_with(name, SPAN_LITERAL("LUMIN_TEST_")) ||
         span_starts_with(name, SPAN_LITERAL("LUMIN_FAIL"));
}

static enum lumin_status variable_apply(struct config *config, struct span name, struct span value,
                                        struct config_error *error) {
  const struct config_key *key = config_key_by_variable(name);
  bool is_own = span_starts_with(name, SPAN_LITERAL("LUMIN_"));
  if (!key && !is_own)
    return LUMIN_OK;
  struct span copy = arena_copy(config->texts, name);
  if (!copy.data)
    return config_refuse_memory(error);
  struct config_origin origin = {.source = CONFIG_ENVIRONMENT, .name = copy.data};
  if (key)
    return config_set(config, key, value, &origin, error);
  char nearest[CONFIG_NAME_MAX];
  config_key_variable(config_key_nearest(span_skip(name, strlen("LUMIN_"))), nearest);
  return config_refuse(error, &origin, "unknown variable; did you mean %s?", nearest);
}
