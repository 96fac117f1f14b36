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

// LUMIN_CONFIG names the file, LUMIN_INBOX_PREFIX is luminctl's.
static bool belongs_to_others(struct span name) {
  return span_equal(name, SPAN_LITERAL("LUMIN_CONFIG")) || span_equal(name, SPAN_LITERAL("LUMIN_INBOX_PREFIX")) ||
         span_starts_with(name, SPAN_LITERAL("LUMIN_TEST_")) || span_starts_with(name, SPAN_LITERAL("LUMIN_FAIL"));
}

// Kubernetes gives each pod variables for each Service, of its name in capitals: LUMIN_USER_SERVICE_HOST,
// LUMIN_USER_PORT_4222_TCP_ADDR.
static bool is_service_link(struct span name) {
  static const char *const marks[] = {"_SERVICE_HOST", "_SERVICE_PORT", "_PORT_", "_PORT"};
  for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
    size_t len = strlen(marks[i]);
    const char *at = memmem(name.data, name.len, marks[i], len);
    if (at && (marks[i][len - 1] == '_' || at + len == name.data + name.len || at[len] == '_'))
      return true;
  }
  return false;
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
  if (is_service_link(name))
    return config_refuse(error, &origin,
                         "unknown variable, such as Kubernetes makes for a Service: set enableServiceLinks: false");
  char nearest[CONFIG_NAME_MAX];
  config_key_variable(config_key_nearest(span_skip(name, strlen("LUMIN_"))), nearest);
  return config_refuse(error, &origin, "unknown variable; did you mean %s?", nearest);
}
