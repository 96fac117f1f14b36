// SPDX-License-Identifier: MIT
// What is shown of a configuration: values, sources, never a password; and config.yaml, which says all of it.
#include "scratch.h"

TestSuite(config_print, .init = scratch_enter, .fini = scratch_leave, .timeout = 60);

static void expect_line(const char *text, const char *line) {
  char wanted[1024];
  snprintf(wanted, sizeof wanted, "\n%s\n", line);
  cr_assert(strstr(text, wanted), "no line: %s\nin:\n%s", line, text);
}

Test(config_print, values_with_their_sources) {
  static const struct config_override override = {"log.level", "debug"};
  scratch_config("nats:\n  url: \"nats://a\"\nstreams: {commands_max_age: 36h}\nworker: {name: 'a \"b\" \\ c # d'}\n");
  setenv("LUMIN_LANE_MEMORY", "1536MiB", 1);
  setenv("NATS_CA", "ca.pem", 1);
  struct config *config = load_with(NULL, &override, 1);
  char *text = printed(config);
  expect_line(text, "  url: \"nats://a\" # file config.yaml:2");
  expect_line(text, "  ca: \"ca.pem\" # environment NATS_CA");
  expect_line(text, "  timeout: 2s # default");
  expect_line(text, "  commands_max_age: 36h # file config.yaml:3");
  expect_line(text, "  storage: file # default");
  expect_line(text, "partitions: 32 # default");
  expect_line(text, "  name: \"a \\\"b\\\" \\\\ c # d\" # file config.yaml:4");
  expect_line(text, "  memory: 1536MiB # environment LUMIN_LANE_MEMORY");
  expect_line(text, "log:\n  level: debug # flag");

  // It is a configuration file itself.
  config_destroy(config);
  clearenv();
  scratch_config(text);
  config = load();
  cr_assert_str_eq(config->worker_name, "a \"b\" \\ c # d");
  cr_assert_eq(config->lane_memory, UINT64_C(1536) << 20);
  cr_assert_eq(config->log_level, LOG_DEBUG);
  config_destroy(config);
  free(text);
}

Test(config_print, what_libpq_takes_from_its_own_variables_is_shown_and_its_password_is_not) {
  setenv("PGHOST", "/run/db", 1);
  setenv("PGUSER", "lumin", 1);
  setenv("PGPASSWORD", "hunter2", 1);
  setenv("PGAPPNAME", "a\nb", 1);
  setenv("PGNONSENSE", "x", 1);
  struct config *config = load();
  char *text = printed(config);
  expect_line(text, "  url: \"\" # default");
  expect_line(text, "  # host: \"/run/db\" # environment PGHOST");
  expect_line(text, "  # user: \"lumin\" # environment PGUSER");
  expect_line(text, "  # password: *** # environment PGPASSWORD");
  expect_line(text, "  # application_name: \"a\\x0ab\" # environment PGAPPNAME");
  cr_assert_null(strstr(text, "hunter2"));
  cr_assert_null(strstr(text, "PGNONSENSE"));
  config_destroy(config);
  scratch_config(text); // still a configuration file
  config_destroy(load());
  free(text);
}

// YAML ends a line at U+0085, U+2028 and U+2029 and takes no other C1 controls; a terminal obeys some of them.
Test(config_print, what_is_no_plain_character_is_escaped) {
  const char name[] = "a\xc2\x85z\xc2\x9b"
                      "31m\xe2\x80\xa8\xe2\x80\xae\xef\xbb\xbf\xf3\xa0\x80\x81 \xc3\xab\xe2\x98\x83";
  const struct config_override override = {"worker.name", name};
  struct config *config = load_with(NULL, &override, 1);
  char *text = printed(config);
  expect_line(text, "  name: \"a\\u0085z\\u009b31m\\u2028\\u202e\\ufeff\\U000e0001 \xc3\xab\xe2\x98\x83\" # flag");
  config_destroy(config);
  scratch_config(text);
  config = load();
  cr_assert_str_eq(config->worker_name, name);
  config_destroy(config);
  free(text);
}

Test(config_print, all_keys_are_shown_in_order) {
  struct config *config = load();
  char *text = printed(config);
  const char *at = text;
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    char line[128];
    const char *dot = strchr(key_paths[i], '.');
    snprintf(line, sizeof line, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : key_paths[i]);
    at = strstr(at, line);
    cr_assert(at, "%s", key_paths[i]);
  }
  free(text);
  config_destroy(config);
}

Test(config_print, a_password_is_masked) {
  setenv("NATS_USER", "u", 1);
  setenv("NATS_PASSWORD", "hunter2", 1);
  struct config *config = load();
  cr_assert_str_eq(config->nats_password, "hunter2");
  char *text = printed(config);
  expect_line(text, "  password: \"***\" # environment NATS_PASSWORD");
  cr_assert_null(strstr(text, "hunter2"));
  free(text);
  config_destroy(config);
}

struct url {
  const char *value;
  const char *shown;
};

static void expect_shown(const char *path, const struct url *urls, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct config_override override = {path, urls[i].value};
    struct config *config = load_with(NULL, &override, 1);
    char line[512];
    char *text = printed(config);
    snprintf(line, sizeof line, "  url: \"%s\" # flag", urls[i].shown);
    expect_line(text, line);
    cr_assert_null(strstr(text, "hunter"), "%s", text);
    free(text);
    config_destroy(config);
  }
}
#define EXPECT_SHOWN(path, urls) expect_shown((path), (urls), sizeof(urls) / sizeof(urls)[0])

Test(config_print, passwords_in_nats_urls_are_masked) {
  static const struct url urls[] = {
      {"nats://h:4222", "nats://h:4222"},
      {"nats://a:1,tls://b:2,c", "nats://a:1,tls://b:2,c"},
      {"nats://u:hunter2@h:4222", "nats://u:***@h:4222"},
      {"nats://u:@h", "nats://u:@h"},
      {"nats://hunter-token@h", "nats://***@h"},
      {"u:hunter2@h:4222", "u:***@h:4222"},
      {"nats://u:hunter2@a:1,nats://v:hunter3@b:2", "nats://u:***@a:1,nats://v:***@b:2"},
      {"nats://u:hunter2@a:1,v:hunter3@b:2", "nats://u:***@b:2"},
      {"nats://a:1,nats://u:hunter2@b:2,nats://c:3", "nats://a:1,nats://u:***@b:2,nats://c:3"},
      {"nats://u:hunter@2,hunter/3@h", "nats://u:***@h"},
      {"nats://u:hunter?x@h", "nats://u:***"},
      {"nats://u?x:hunter@h", "nats://u?***"},
      {"@", "@"},
      {"://u:hunter2@", "://u:***@"},
      {",nats://,nats://", ",nats://,nats://"},
  };
  EXPECT_SHOWN("nats.url", urls);
}

Test(config_print, passwords_in_postgres_urls_are_masked) {
  static const struct url urls[] = {
      {"", ""},
      {"postgresql:///lumin", "postgresql:///lumin"},
      {"postgresql://u@h:5432/db?sslmode=require", "postgresql://u@h:5432/db?sslmode=require"},
      {"postgresql://u:hunter2@h:5432/db", "postgresql://u:***@h:5432/db"},
      {"postgres://u:hunter2@h1,h2:5433/db?target_session_attrs=any",
       "postgres://u:***@h1,h2:5433/db?target_session_attrs=any"},
      {"postgresql://u:hunter@2/3@h/db", "postgresql://u:***@h/db"},
      {"postgresql://h/db?user=u&password=hunter2&sslmode=require",
       "postgresql://h/db?user=u&password=***&sslmode=require"},
      {"postgresql://u@h/db?password=hunter2", "postgresql://u@h/db?password=***"},
      {"postgresql://h/db?password=hunter2&application_name=a:b@c", "postgresql://h/db?***"},
      {"postgresql://h/db?password=hunter@hunter", "postgresql://h/db?password=***"},
      {"postgresql://u:hunter2@h/db?password=hunter@hunter3", "postgresql://u:***"},
      {"postgresql://h/db?PassWord=hunter2&sslpassword=hunter3", "postgresql://h/db?PassWord=***&sslpassword=***"},
      {"postgresql://h/db?p%61ssword=hunter2", "postgresql://h/db?p%61ssword=***"},
      {"postgresql://h/db?password=", "postgresql://h/db?password="},
      {"host=h user=u password=hunter2 dbname=db", "host=h user=u password=*** dbname=db"},
      {"password = 'hunter 2\\' hunter3' host=h", "password = *** host=h"},
      {"host=h password=hunter\\ hunter3 port=1", "host=h password=*** port=1"},
      {"  host = h  password='hunter2", "  host = h  password=***"},
      {"host=h password=hunter2\\", "host=h password=***"},
      {"host=h hunter2", "host=h ***"},
      {"POSTGRESQL://u:hunter2@h/db?a=b", "***"},
      {"host='/var/run/x y' sslpassword=hunter2 ", "host='/var/run/x y' sslpassword=*** "},
  };
  EXPECT_SHOWN("postgres.url", urls);
}

Test(config_print, the_longest_value_is_shown_whole) {
  char value[4097] = "";
  memset(value, '"', 4096);
  const struct config_override override = {"nats.ca", value};
  struct config *config = load_with(NULL, &override, 1);
  char *text = printed(config);
  const char *start = strstr(text, "  ca: \"");
  cr_assert(start);
  cr_assert_eq(strspn(start + 7, "\\\""), 2 * 4096 + 1);
  free(text);
  config_destroy(config);
}

Test(config_print, a_failing_stream_is_told) {
  struct config *config = load();
  FILE *full = fopen("/dev/full", "w");
  cr_assert(full);
  cr_assert_eq(config_print(config, full), LUMIN_IO);
  cr_assert_eq(fclose(full), 0);
  full = fopen("/dev/full", "w");
  cr_assert(full);
  cr_assert_eq(config_describe(full), LUMIN_IO);
  cr_assert_eq(fclose(full), 0);
  config_destroy(config);
}

// The root's config.yaml, beside the folder of the tests.
static char *root_file(void) {
  char path[4096];
  snprintf(path, sizeof path, "%s", __FILE__);
  char *end = strstr(path, "tests/unit/config/");
  cr_assert(end, "%s", path);
  snprintf(end, sizeof path - (size_t)(end - path), "config.yaml");
  cr_assert_eq(path[0], '/', "compiled from a relative path: %s", path);
  FILE *file = fopen(path, "rb");
  cr_assert(file, "%s", path);
  char *text = calloc(1, 1 << 20);
  cr_assert(text);
  cr_assert_gt(fread(text, 1, (1 << 20) - 1, file), 0);
  cr_assert_eq(fclose(file), 0);
  return text;
}

Test(config_print, the_roots_config_yaml_is_the_description) {
  char *file = root_file();
  char *description = described();
  cr_assert_str_eq(file, description, "config.yaml is not what config_describe writes");
  free(description);
  free(file);
}

Test(config_print, the_roots_config_yaml_has_every_key_at_its_default) {
  struct config *defaults = load();
  char *file = root_file();
  scratch_config(file);
  struct config *config = load();
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    cr_assert_eq(config->origins[i].source, CONFIG_FILE, "%s is missing", key_paths[i]);
    config->origins[i] = defaults->origins[i];
  }
  char *shown = printed(config);
  char *expected = printed(defaults);
  cr_assert_str_eq(shown, expected);
  free(shown);
  free(expected);
  free(file);
  config_destroy(config);
  config_destroy(defaults);
}

Test(config_print, destroying_nothing_is_fine) { config_destroy(NULL); }
