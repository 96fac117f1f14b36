// SPDX-License-Identifier: MIT
// A folder and an environment of its own for a test of the configuration.
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lumin/infrastructure/config/config.h"

// Names in the order of enum config_key_index.
static const char *const key_paths[CONFIG_KEY_COUNT] = {
#define CONFIG(path, ...) path,
#include "lumin/infrastructure/config/config.def"
#undef CONFIG
};

static char scratch_folder[] = "/tmp/lumin_config_XXXXXX";

// Only where the address sanitizer is built in.
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

// Criterion does not count a failed assertion here, nor what the sanitizer finds when the test's process ends; it does
// count an abort.
static inline void scratch_leave(void) {
  unlink("config.yaml");
  unlink("other.yaml");
  bool lost = __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0;
  if (lost || chdir("/") != 0 || rmdir(scratch_folder) != 0) {
    fprintf(stderr, "%s\n", lost ? "memory was lost" : "the test left files behind");
    abort();
  }
}

static inline void scratch_enter(void) {
  clearenv();
  cr_assert(mkdtemp(scratch_folder));
  cr_assert_eq(chdir(scratch_folder), 0);
}

static inline void scratch_write(const char *name, struct span bytes) {
  FILE *file = fopen(name, "wb");
  cr_assert(file);
  cr_assert_eq(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
  cr_assert_eq(fclose(file), 0);
}

static inline void scratch_config(const char *text) { scratch_write("config.yaml", span_from_text(text)); }

// The configuration, which must load; freed by the caller.
static inline struct config *load_with(const char *path, const struct config_override *overrides, size_t count) {
  struct config *config = NULL;
  struct config_error error = {"none"};
  enum lumin_status status = config_load(path, overrides, count, &config, &error);
  cr_assert_eq(status, LUMIN_OK, "%s", error.text);
  cr_assert(config);
  return config;
}

static inline struct config *load(void) { return load_with(NULL, NULL, 0); }

// The error of a configuration that must not load.
static inline struct config_error refuse_with(const char *path, const struct config_override *overrides, size_t count,
                                              enum lumin_status expected) {
  struct config *config = NULL;
  struct config_error error = {""};
  enum lumin_status status = config_load(path, overrides, count, &config, &error);
  cr_assert_eq(status, expected, "%s: %s", status_name(status), error.text);
  cr_assert_null(config, "the output is touched on failure");
  cr_assert_neq(error.text[0], '\0');
  cr_assert_null(strchr(error.text, '\n'), "%s", error.text);
  return error;
}

static inline void expect_refusal(const char *expected) {
  struct config_error error = refuse_with(NULL, NULL, 0, LUMIN_INVALID_ARGUMENT);
  cr_assert_str_eq(error.text, expected, "%s\n  expected: %s", error.text, expected);
}

// What config_print writes, or config_describe without a configuration; freed by the caller.
static inline char *printed(const struct config *config) {
  char *text = NULL;
  size_t len = 0;
  FILE *file = open_memstream(&text, &len);
  cr_assert(file);
  cr_assert_eq(config ? config_print(config, file) : config_describe(file), LUMIN_OK);
  cr_assert_eq(fclose(file), 0);
  return text;
}

static inline char *described(void) { return printed(NULL); }

static inline const char *variable_of(const char *path) {
  static char name[128];
  size_t len = (size_t)snprintf(name, sizeof name, "LUMIN_%s", path);
  for (size_t i = 6; i < len; i++)
    name[i] = (char)(name[i] == '.' ? '_' : name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
  return name;
}
