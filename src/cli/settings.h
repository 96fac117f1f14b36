// SPDX-License-Identifier: MIT
// Where and as whom to connect.
#pragma once

#include "options.h"

// The roles that a deployment gives the rights for these to.
enum purpose { PURPOSE_REQUEST, PURPOSE_COMMAND_STREAM, PURPOSE_EVENTS, PURPOSE_DEAD };

struct settings {
  const char *url;
  const char *user, *password, *creds, *ca, *cert, *key; // NULL: not used
  const char *inbox_prefix;
  const char *prefix;
  int64_t timeout_ns;
};

// Flags before variables; a purpose's own variables (NATS_EVENTS_USER, NATS_COMMANDS_USER, NATS_OPERATOR_USER) before
// the common ones. Complains and returns EXIT_USAGE where a value is no such thing.
enum exit_code settings_resolve(const struct invocation *invocation, enum purpose purpose, struct arena *arena,
                                struct settings *ret_settings);

// The URLs without the passwords in them.
struct span settings_url_shown(const struct settings *settings, struct arena *arena);
