// SPDX-License-Identifier: MIT
// Flags and environment to settings. What becomes part of a subject is checked here: a blank or a line's end in one
// would be a protocol command of its own.
#include "settings.h"

#include <stdlib.h>

#include "lumin/application/tokens.h"
#include "lumin/base/clock.h"

static enum exit_code resolve_user(const struct invocation *invocation, enum purpose purpose, struct arena *arena,
                                   struct settings *settings);
static enum exit_code check_subject(enum option_id id, const char *subject);

// Longer than the service waits for an outcome (5 s), so that its own answer comes first.
#define TIMEOUT_DEFAULT_NS (6 * NS_PER_SECOND)

enum exit_code settings_resolve(const struct invocation *invocation, enum purpose purpose, struct arena *arena,
                                struct settings *ret_settings) {
  const char *url = option_get(invocation, OPTION_server);
  const char *prefix = option_get(invocation, OPTION_prefix);
  const char *timeout = option_get(invocation, OPTION_timeout);
  struct settings settings = {
      .url = url != NULL ? url : "nats://127.0.0.1:4222",
      .ca = option_get(invocation, OPTION_ca),
      .cert = option_get(invocation, OPTION_cert),
      .key = option_get(invocation, OPTION_key),
      .prefix = prefix != NULL ? prefix : "lumin.user.v1",
      .timeout_ns = TIMEOUT_DEFAULT_NS,
  };
  if (timeout != NULL && !duration_parse(span_from_text(timeout), &settings.timeout_ns)) {
    report("error", "--timeout (or NATS_TIMEOUT) cannot be \"%s\"", timeout);
    report("allowed", "a whole number with ms, s or m, up to an hour: 500ms, 5s, 2m");
    return EXIT_USAGE;
  }
  if ((settings.cert == NULL) != (settings.key == NULL)) {
    report("error", "--cert and --key (or NATS_CERT and NATS_KEY) go together");
    return EXIT_USAGE;
  }
  enum exit_code code = resolve_user(invocation, purpose, arena, &settings);
  if (code == EXIT_FINE) {
    code = check_subject(OPTION_prefix, settings.prefix);
  }
  if (code == EXIT_FINE) {
    code = check_subject(OPTION_inbox_prefix, settings.inbox_prefix);
  }
  if (code == EXIT_FINE) {
    *ret_settings = settings;
  }
  return code;
}

static const struct {
  const char *user, *password, *role; // variables of the purpose, and the role that usually does it
} purposes[] = {
    [PURPOSE_REQUEST] = {"", "", "gateway"},
    [PURPOSE_COMMAND_STREAM] = {"NATS_COMMANDS_USER", "NATS_COMMANDS_PASSWORD", "command_publisher"},
    [PURPOSE_EVENTS] = {"NATS_EVENTS_USER", "NATS_EVENTS_PASSWORD", "event_consumer"},
    [PURPOSE_DEAD] = {"NATS_OPERATOR_USER", "NATS_OPERATOR_PASSWORD", "operator"},
};

static const char *variable_get(const char *name) {
  const char *value = name[0] == '\0' ? NULL : getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

// The roles of deploy/nats/accounts.conf, each of which listens to its own inbox alone.
static bool is_role(const char *user) {
  static const char *const roles[] = {"gateway", "command_publisher", "event_consumer", "operator", "setup", "worker"};
  for (size_t i = 0; user != NULL && i < sizeof roles / sizeof roles[0]; i++) {
    if (strcmp(user, roles[i]) == 0) {
      return true;
    }
  }
  return false;
}

static enum exit_code resolve_inbox(const struct invocation *invocation, enum purpose purpose, bool own_user,
                                    struct arena *arena, struct settings *settings) {
  settings->inbox_prefix = invocation->flags[OPTION_inbox_prefix];
  if (settings->inbox_prefix == NULL && !(own_user && is_role(settings->user))) {
    settings->inbox_prefix = option_get(invocation, OPTION_inbox_prefix); // of the common user
  }
  if (settings->inbox_prefix == NULL) {
    const char *role = is_role(settings->user) ? settings->user : purposes[purpose].role;
    settings->inbox_prefix = arena_printf(arena, "_INBOX_lumin_%s", role).data;
  }
  if (settings->inbox_prefix == NULL) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  return EXIT_FINE;
}

static enum exit_code resolve_user(const struct invocation *invocation, enum purpose purpose, struct arena *arena,
                                   struct settings *settings) {
  const char *const *flags = invocation->flags;
  if (flags[OPTION_creds] != NULL && flags[OPTION_user] != NULL) {
    report("error", "--creds and --user say two different things: give one of them");
    return EXIT_USAGE;
  }
  bool flagged = flags[OPTION_creds] != NULL || flags[OPTION_user] != NULL;
  const char *own_user = flagged ? NULL : variable_get(purposes[purpose].user);
  if (own_user != NULL) {
    settings->user = own_user;
    settings->password = variable_get(purposes[purpose].password);
  } else {
    settings->creds = flags[OPTION_user] != NULL ? NULL : option_get(invocation, OPTION_creds);
    settings->user = settings->creds != NULL ? NULL : option_get(invocation, OPTION_user);
    settings->password = option_get(invocation, OPTION_password);
  }
  if (flags[OPTION_password] != NULL) {
    settings->password = flags[OPTION_password];
  }
  return resolve_inbox(invocation, purpose, own_user != NULL, arena, settings);
}

static enum exit_code check_subject(enum option_id id, const char *subject) {
  struct span rest = span_from_text(subject);
  bool sound = rest.len > 0 && rest.len <= 64 && rest.data[rest.len - 1] != '.';
  while (sound && rest.len > 0) {
    sound = token_is_safe(span_cut(&rest, '.'));
  }
  if (!sound) {
    char name[NAME_MAX_LEN + 1];
    report("error", "--%s (or %s) cannot be \"%s\"", name_dashed(option_table[id].name, name),
           option_table[id].variable, subject);
    report("allowed", "tokens of letters, digits, _ and -, joined by dots; at most 64 characters");
    return EXIT_USAGE;
  }
  return EXIT_FINE;
}

struct span settings_url_shown(const struct settings *settings, struct arena *arena) {
  struct span rest = span_from_text(settings->url), shown = SPAN_LITERAL("");
  while (rest.len > 0 && shown.data != NULL) {
    struct span url = span_cut(&rest, ','), scheme = SPAN_LITERAL("");
    const char *mark = memmem(url.data, url.len, "://", 3);
    if (mark != NULL) {
      scheme = span_of(url.data, (size_t)(mark - url.data) + 3);
      url = span_skip(url, scheme.len);
    }
    const char *at = url.len > 0 ? memrchr(url.data, '@', url.len) : NULL;
    url = at != NULL ? span_skip(url, (size_t)(at - url.data) + 1) : url;
    shown = arena_printf(arena, "%.*s%s%.*s%.*s", SPAN_ARGS(shown), shown.len > 0 ? "," : "", SPAN_ARGS(scheme),
                         SPAN_ARGS(url));
  }
  return shown;
}
