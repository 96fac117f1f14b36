// SPDX-License-Identifier: MIT
// The types a value can have: how its text is read, and what a message says about it.
#pragma once

#include "internal.h"

enum config_shape { CONFIG_SHAPE_TEXT, CONFIG_SHAPE_NUMBER, CONFIG_SHAPE_CHOICE };

struct config_unit {
  const char *suffix;
  uint64_t factor;
};

struct config_type {
  enum config_shape shape; // of the field
  const char *noun;        // "... is not a whole number"
  enum config_problem (*parse)(const struct config_key *key, struct span value, uint64_t *ret_number);
  const struct config_unit *units; // of a number: largest first, ended by factor 1
  const char *const *choices;      // of a choice, in the order of its enum, ended by NULL
  size_t tokens_max;               // of tokens
};

extern const struct config_type config_type_TEXT, config_type_TOKENS, config_type_TOKEN, config_type_INTEGER,
    config_type_DURATION, config_type_SIZE, config_type_STORAGE, config_type_LOG_LEVEL;
