// SPDX-License-Identifier: MIT
// The configuration of the programs: every key of config.def, from flag, environment, file or default, in this order
// of precedence. Whatever is unknown, out of range or of the wrong kind is an error that names its place, never a
// guess.
#pragma once

#include <stdio.h>

#include "lumin/base/arena.h"
#include "lumin/base/log.h"
#include "lumin/base/status.h"

enum config_storage { CONFIG_STORAGE_FILE, CONFIG_STORAGE_MEMORY };

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_FLAG };

// Where a value came from. `name` is the file or the variable, else NULL; `line` is 0 outside files.
struct config_origin {
  enum config_source source;
  unsigned line;
  const char *name;
};

enum config_key_index {
#define CONFIG(path, field, type, ...) CONFIG_KEY_##field,
#include "lumin/infrastructure/config/config.def"
#undef CONFIG
  CONFIG_KEY_COUNT
};

typedef const char *config_TEXT; // NUL-terminated, never NULL, without control characters
typedef const char *config_TOKENS;
typedef const char *config_TOKEN;
typedef uint64_t config_INTEGER;
typedef int64_t config_DURATION; // milliseconds; the fields end in _ms
typedef uint64_t config_SIZE;    // bytes
typedef enum config_storage config_STORAGE;
typedef enum log_level config_LOG_LEVEL;

struct config {
#define CONFIG(path, field, type, ...) config_##type field;
#include "lumin/infrastructure/config/config.def"
#undef CONFIG
  struct config_origin origins[CONFIG_KEY_COUNT];
  struct arena *texts; // owns every text above
};

// A key and its value from the command line; they outrank everything, and of two for one key the later.
struct config_override {
  const char *path; // "lane.batch"
  const char *value;
};

#define CONFIG_ERROR_MAX 1024
struct config_error {
  char text[CONFIG_ERROR_MAX]; // one line without its end: config.yaml:12: lane.batch: "abc" is not ...
};

// Reads the file at `path_or_null`, where NULL the one $LUMIN_CONFIG names, else ./config.yaml if there is one.
// IO: the file cannot be read; INVALID_ARGUMENT: something in file, environment or overrides is wrong; NO_MEMORY.
// *ret_error is written on failure only. *ret_config is freed by config_destroy.
LUMIN_MUST_USE enum lumin_status config_load(const char *path_or_null, const struct config_override *overrides,
                                             size_t count, struct config **ret_config, struct config_error *ret_error);
void config_destroy(struct config *config); // NULL is fine

// The effective values as YAML, each with its source; passwords are masked. IO where writing fails.
LUMIN_MUST_USE enum lumin_status config_print(const struct config *config, FILE *file);

// A configuration file with every key at its default, and what each means and allows: config.yaml is this text.
LUMIN_MUST_USE enum lumin_status config_describe(FILE *file);
