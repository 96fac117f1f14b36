// SPDX-License-Identifier: MIT
// What holds for every key alike, whichever there are: each row of config.def is left out, given with wrong kinds and
// limits, misspelt, and set from every source.
#include <inttypes.h>

#include "scratch.h"

TestSuite(config_keys, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

#define MILLISECONDS(n) UINT64_C(n)
#define SECONDS(n) (UINT64_C(n) * 1000)
#define MINUTES(n) (UINT64_C(n) * 60000)
#define DAYS(n) (UINT64_C(n) * 86400000)
#define KIBIBYTES(n) (UINT64_C(n) << 10)
#define MEBIBYTES(n) (UINT64_C(n) << 20)
#define GIBIBYTES(n) (UINT64_C(n) << 30)

enum kind { TEXT, TOKENS, TOKEN, INTEGER, DURATION, SIZE, STORAGE, LOG_LEVEL };

static const struct row {
  enum kind kind;
  const char *initial;
  uint64_t minimum, maximum;
} rows[CONFIG_KEY_COUNT] = {
#define CONFIG(path, field, type, initial, minimum, maximum, ...) {type, initial, minimum, maximum},
#include "lumin/infrastructure/config/config.def"
#undef CONFIG
};

static bool is_number(const struct row *row) {
  return row->kind == INTEGER || row->kind == DURATION || row->kind == SIZE;
}

static const char *suffix(const struct row *row) { return row->kind == DURATION ? "ms" : row->kind == SIZE ? "B" : ""; }

static void write_key(const char *path, const char *value) {
  char text[8192];
  const char *dot = strchr(path, '.');
  if (dot)
    snprintf(text, sizeof text, "%.*s:\n  %s: %s\n", (int)(dot - path), path, dot + 1, value);
  else
    snprintf(text, sizeof text, "%s: %s\n", path, value);
  scratch_config(text);
}

static void expect_prefix(const char *expected) {
  struct config_error error = refuse_with(NULL, NULL, 0, LUMIN_INVALID_ARGUMENT);
  cr_assert_eq(strncmp(error.text, expected, strlen(expected)), 0, "%s\n  expected: %s...", error.text, expected);
}

static void assert_same(const struct config *a, const struct config *b) {
#define config_same_TEXT(a, b) (strcmp((a), (b)) == 0)
#define config_same_TOKENS config_same_TEXT
#define config_same_TOKEN config_same_TEXT
#define config_same_INTEGER(a, b) ((a) == (b))
#define config_same_DURATION config_same_INTEGER
#define config_same_SIZE config_same_INTEGER
#define config_same_STORAGE config_same_INTEGER
#define config_same_LOG_LEVEL config_same_INTEGER
#define CONFIG(path, field, type, ...) cr_assert(config_same_##type(a->field, b->field), "%s", path);
#include "lumin/infrastructure/config/config.def"
#undef CONFIG
}

Test(config_keys, each_may_be_missing) {
  struct config *defaults = load();
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    char *text = described();
    size_t line = 0;
    const char *name = strchr(key_paths[i], '.') ? strchr(key_paths[i], '.') + 1 : key_paths[i];
    // Comment the i-th key out: the keys are the lines with a value.
    for (char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
      char *start = at + strspn(at, " ");
      char *colon = strchr(start, ':');
      if (*start == '#' || *start == '\n' || colon[1] == '\n')
        continue;
      if (line++ == i) {
        cr_assert_eq(strncmp(start, name, strlen(name)), 0);
        *start = '#';
      }
    }
    cr_assert_eq(line, CONFIG_KEY_COUNT);
    scratch_config(text);
    free(text);
    struct config *config = load();
    assert_same(config, defaults);
    for (size_t j = 0; j < CONFIG_KEY_COUNT; j++)
      cr_assert_eq(config->origins[j].source, j == i ? CONFIG_DEFAULT : CONFIG_FILE, "%s", key_paths[j]);
    config_destroy(config);
  }
  config_destroy(defaults);
}

Test(config_keys, none_takes_a_list_a_mapping_or_nothing) {
  static const char *const values[] = {"[1]", "{a: 1}", ""};
  static const char *const found[] = {"a list", "a mapping", "no value"};
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    for (size_t j = 0; j < 3; j++) {
      char expected[256];
      write_key(key_paths[i], values[j]);
      snprintf(expected, sizeof expected, "config.yaml:%d: %s: found %s; allowed: ", strchr(key_paths[i], '.') ? 2 : 1,
               key_paths[i], found[j]);
      expect_prefix(expected);
    }
  }
}

Test(config_keys, each_refuses_what_is_not_of_its_type) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    static const char *const wrong[] = {
        [TEXT] = "\"a\\tb\"", [TOKENS] = "a..b",  [TOKEN] = "a.b",    [INTEGER] = "1s",
        [DURATION] = "1",     [SIZE] = "1000000", [STORAGE] = "tape", [LOG_LEVEL] = "loud"};
    char expected[256];
    write_key(key_paths[i], wrong[rows[i].kind]);
    snprintf(expected, sizeof expected, "config.yaml:%d: %s: ", strchr(key_paths[i], '.') ? 2 : 1, key_paths[i]);
    expect_prefix(expected);
    struct config_error error = refuse_with(NULL, NULL, 0, LUMIN_INVALID_ARGUMENT);
    cr_assert(strstr(error.text, rows[i].kind == TEXT ? "holds a control character; allowed: " : "is not "), "%s",
              error.text);
  }
}

// At its limit a number may still disagree with another key; that is another message.
static void assert_within_limits(void) {
  struct config *config = NULL;
  struct config_error error = {""};
  if (config_load(NULL, NULL, 0, &config, &error) != LUMIN_OK)
    cr_assert(strstr(error.text, " is less than "), "%s", error.text);
  config_destroy(config);
}

Test(config_keys, nothing_needs_no_unit) {
  write_key("cache.max_bytes", "0");
  struct config *config = load();
  cr_assert_eq(config->cache_max_bytes, 0);
  config_destroy(config);
  write_key("cache.max_age", "0");
  expect_prefix("config.yaml:2: cache.max_age: \"0\" is too small; allowed: ");
}

Test(config_keys, numbers_end_at_their_limits) {
  size_t numbers = 0;
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    if (!is_number(&rows[i]))
      continue;
    numbers++;
    const uint64_t tried[] = {rows[i].minimum, rows[i].maximum, rows[i].minimum - 1, rows[i].maximum + 1};
    for (size_t j = 0; j < 4; j++) {
      char value[64], expected[256];
      if (j == 2 && rows[i].minimum == 0)
        continue; // nothing is below it
      snprintf(value, sizeof value, "%" PRIu64 "%s", tried[j], suffix(&rows[i]));
      write_key(key_paths[i], value);
      snprintf(expected, sizeof expected,
               "config.yaml:%d: %s: \"%s\" is too %s; allowed: ", strchr(key_paths[i], '.') ? 2 : 1, key_paths[i],
               value, j == 2 ? "small" : "large");
      if (j < 2)
        assert_within_limits();
      else
        expect_prefix(expected);
    }
  }
  cr_assert_gt(numbers, 20);
}

Test(config_keys, texts_end_at_their_limits) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    if (rows[i].kind != TEXT && rows[i].kind != TOKENS && rows[i].kind != TOKEN)
      continue;
    char *value = calloc(1, rows[i].maximum + 2);
    cr_assert(value);
    memset(value, 'a', rows[i].maximum);
    const struct config_override override = {key_paths[i], value};
    struct config *config = NULL;
    struct config_error error = {""};
    if (config_load(NULL, &override, 1, &config, &error) != LUMIN_OK)
      cr_assert(strstr(error.text, ": set without "), "%s", error.text);
    config_destroy(config);
    value[rows[i].maximum] = 'a';
    error = refuse_with(NULL, &override, 1, LUMIN_INVALID_ARGUMENT);
    cr_assert(strstr(error.text, " is too long; allowed: "), "%s", error.text);
    free(value);
  }
}

Test(config_keys, a_misspelt_one_is_told_its_name) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    char path[128], expected[256];
    snprintf(path, sizeof path, "%s", key_paths[i]);
    size_t len = strlen(path);
    path[len] = path[len - 1]; // the last letter twice
    path[len + 1] = '\0';
    const struct config_override override = {path, rows[i].initial};
    struct config_error error = refuse_with(NULL, &override, 1, LUMIN_INVALID_ARGUMENT);
    snprintf(expected, sizeof expected, "flag: unknown key \"%s\"; did you mean \"%s\"?", path, key_paths[i]);
    cr_assert_str_eq(error.text, expected);
  }
}

// A valid value for the key that is not its default.
static const char *other_value(size_t i) {
  static char value[64];
  if (is_number(&rows[i]))
    snprintf(value, sizeof value, "%" PRIu64 "%s", rows[i].maximum - 1, suffix(&rows[i]));
  else
    snprintf(value, sizeof value, "%s",
             rows[i].kind == STORAGE     ? "memory"
             : rows[i].kind == LOG_LEVEL ? "error"
                                         : "other");
  return value;
}

// Reached from everywhere, each source over the one below it; some keys then miss a companion, which is said of them.
Test(config_keys, each_is_reached_from_every_source) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    char value[64];
    snprintf(value, sizeof value, "%s", other_value(i));
    const struct config_override override = {key_paths[i], value};
    for (enum config_source source = CONFIG_FILE; source <= CONFIG_FLAG; source++) {
      write_key(key_paths[i], value);
      if (source >= CONFIG_ENVIRONMENT)
        setenv(variable_of(key_paths[i]), value, 1);
      struct config *config = NULL;
      struct config_error error = {""};
      enum lumin_status status = config_load(NULL, &override, source == CONFIG_FLAG, &config, &error);
      static const char *const places[] = {
          [CONFIG_FILE] = "config.yaml:", [CONFIG_ENVIRONMENT] = "environment LUMIN_", [CONFIG_FLAG] = "flag: "};
      if (status == LUMIN_OK)
        cr_assert_eq(config->origins[i].source, source, "%s", key_paths[i]);
      else
        cr_assert(strncmp(error.text, places[source], strlen(places[source])) == 0 &&
                      !strstr(error.text, "; allowed: "),
                  "%s", error.text);
      config_destroy(config);
    }
    unsetenv(variable_of(key_paths[i]));
  }
}

Test(config_keys, variables_are_unambiguous) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    char variable[128];
    snprintf(variable, sizeof variable, "%s", variable_of(key_paths[i]));
    cr_assert_neq(strncmp(variable, "LUMIN_TEST_", 11), 0);
    cr_assert_neq(strncmp(variable, "LUMIN_FAIL", 10), 0);
    cr_assert_neq(strcmp(variable, "LUMIN_CONFIG"), 0);
    cr_assert_neq(strcmp(variable, "LUMIN_INBOX_PREFIX"), 0);
    for (size_t j = 0; j < i; j++)
      cr_assert_neq(strcmp(variable, variable_of(key_paths[j])), 0, "%s", variable);
  }
}
