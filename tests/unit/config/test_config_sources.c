// SPDX-License-Identifier: MIT
// Which source wins, which variables count, and where the file is looked for.
#include "scratch.h"

TestSuite(config_sources, .init = scratch_enter, .fini = scratch_leave, .timeout = 60);

static uint64_t batch_of(const struct config_override *overrides, size_t count, enum config_source source) {
  struct config *config = load_with(NULL, overrides, count);
  uint64_t batch = config->lane_batch;
  cr_assert_eq(config->origins[CONFIG_KEY_lane_batch].source, source);
  config_destroy(config);
  return batch;
}

Test(config_sources, flag_over_environment_over_file_over_default) {
  static const struct config_override overrides[] = {{"lane.batch", "3"}, {"lane.batch", "4"}};
  cr_assert_eq(batch_of(NULL, 0, CONFIG_DEFAULT), 256);
  scratch_config("lane: {batch: 1}\n");
  cr_assert_eq(batch_of(NULL, 0, CONFIG_FILE), 1);
  setenv("LUMIN_LANE_BATCH", "2", 1);
  cr_assert_eq(batch_of(NULL, 0, CONFIG_ENVIRONMENT), 2);
  cr_assert_eq(batch_of(overrides, 1, CONFIG_FLAG), 3);
  cr_assert_eq(batch_of(overrides, 2, CONFIG_FLAG), 4);
}

Test(config_sources, a_losing_source_must_be_right_all_the_same) {
  static const struct config_override override = {"lane.batch", "3"};
  scratch_config("lane: {batch: none}\n");
  struct config_error error = refuse_with(NULL, &override, 1, LUMIN_INVALID_ARGUMENT);
  cr_assert_str_eq(error.text, "config.yaml:1: lane.batch: \"none\" is not a whole number; allowed: 1 to 4096");
}

Test(config_sources, well_known_variables_count) {
  static const char *const names[] = {"NATS_URL",  "NATS_USER", "NATS_PASSWORD", "NATS_CA",
                                      "NATS_CERT", "NATS_KEY",  "DATABASE_URL"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    setenv(names[i], names[i], 1);
  scratch_config("nats: {url: file}\n");
  struct config *config = load();
  cr_assert_str_eq(config->nats_url, "NATS_URL");
  cr_assert_str_eq(config->nats_user, "NATS_USER");
  cr_assert_str_eq(config->nats_password, "NATS_PASSWORD");
  cr_assert_str_eq(config->nats_ca, "NATS_CA");
  cr_assert_str_eq(config->nats_cert, "NATS_CERT");
  cr_assert_str_eq(config->nats_key, "NATS_KEY");
  cr_assert_str_eq(config->postgres_url, "DATABASE_URL");
  cr_assert_str_eq(config->origins[CONFIG_KEY_nats_url].name, "NATS_URL");
  config_destroy(config);
  unsetenv("NATS_USER");
  unsetenv("NATS_PASSWORD");
  setenv("NATS_CREDS", "c", 1);
  config = load();
  cr_assert_str_eq(config->nats_creds, "c");
  config_destroy(config);
}

// Whichever comes first in the environment.
Test(config_sources, our_variable_wins_over_the_well_known_one) {
  for (int order = 0; order <= 1; order++) {
    clearenv();
    setenv(order ? "LUMIN_NATS_URL" : "NATS_URL", order ? "ours" : "theirs", 1);
    setenv(order ? "NATS_URL" : "LUMIN_NATS_URL", order ? "theirs" : "ours", 1);
    struct config *config = load();
    cr_assert_str_eq(config->nats_url, "ours");
    cr_assert_str_eq(config->origins[CONFIG_KEY_nats_url].name, "LUMIN_NATS_URL");
    config_destroy(config);
  }
}

Test(config_sources, an_empty_well_known_variable_is_not_set_but_an_empty_one_of_ours_is) {
  scratch_config("nats: {url: file, ca: file}\n");
  setenv("NATS_URL", "", 1);
  setenv("LUMIN_NATS_CA", "", 1);
  struct config *config = load();
  cr_assert_str_eq(config->nats_url, "file");
  cr_assert_str_eq(config->nats_ca, "");
  config_destroy(config);
}

Test(config_sources, bad_variables) {
  setenv("LUMIN_LANE_BATCH", "abc", 1);
  expect_refusal("environment LUMIN_LANE_BATCH: lane.batch: \"abc\" is not a whole number; allowed: 1 to 4096");
  setenv("LUMIN_LANE_BATCH", "", 1);
  expect_refusal("environment LUMIN_LANE_BATCH: lane.batch: \"\" is not a whole number; allowed: 1 to 4096");
  clearenv();
  setenv("NATS_USER", "a\xff", 1);
  expect_refusal("environment NATS_USER: nats.user: \"a\\xff\" is not UTF-8; allowed: 0 to 256 bytes of text");
  setenv("NATS_USER", "a\x7f", 1);
  expect_refusal(
      "environment NATS_USER: nats.user: \"a\\x7f\" holds a control character; allowed: 0 to 256 bytes of text");
  clearenv();
  setenv("NATS_PASSWORD", "hunter2\n", 1);
  expect_refusal("environment NATS_PASSWORD: nats.password: the value holds a control character; allowed: 0 to 1024 "
                 "bytes of text");
  clearenv();
  setenv("DATABASE_URL", "postgresql://u:hunter2@h\x01", 1);
  expect_refusal("environment DATABASE_URL: postgres.url: the value holds a control character; allowed: 0 to 4096 "
                 "bytes of text");
  clearenv();
  setenv("NATS_PASSWORD", "hunter2", 1);
  expect_refusal("environment NATS_PASSWORD: nats.password: set without nats.user");
}

Test(config_sources, unknown_variables_of_ours_are_errors) {
  setenv("LUMIN_LANE_BACTH", "5", 1);
  expect_refusal("environment LUMIN_LANE_BACTH: unknown variable; did you mean LUMIN_LANE_BATCH?");
  clearenv();
  setenv("LUMIN_", "5", 1);
  struct config_error error = refuse_with(NULL, NULL, 0, LUMIN_INVALID_ARGUMENT);
  cr_assert_eq(strncmp(error.text, "environment LUMIN_: unknown variable; did you mean LUMIN_", 57), 0, "%s",
               error.text);
  clearenv();
  setenv("LUMIN_CONFIGURATION", "5", 1);
  (void)refuse_with(NULL, NULL, 0, LUMIN_INVALID_ARGUMENT);
}

// A Service named lumin-user, beside whose pods nobody has set anything.
Test(config_sources, variables_of_a_kubernetes_service_say_where_they_come_from) {
  static const char *const names[] = {"LUMIN_USER_SERVICE_HOST",       "LUMIN_USER_SERVICE_PORT",
                                      "LUMIN_USER_SERVICE_PORT_NATS",  "LUMIN_USER_PORT",
                                      "LUMIN_USER_PORT_4222_TCP_ADDR", "LUMIN_USER_PORT_4222_TCP"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char expected[256];
    clearenv();
    setenv(names[i], "tcp://10.0.0.1:4222", 1);
    snprintf(expected, sizeof expected,
             "environment %s: unknown variable, such as Kubernetes makes for a Service: set enableServiceLinks: false",
             names[i]);
    expect_refusal(expected);
  }
}

Test(config_sources, variables_of_others_are_left_alone) {
  setenv("LUMIN_TEST_ANYTHING", "x", 1);
  setenv("LUMIN_FAILPOINTS", "x", 1);
  setenv("LUMIN_FAIL", "x", 1);
  setenv("LUMIN_CONFIG", "", 1);
  setenv("LUMIN_INBOX_PREFIX", "_INBOX_lumin_gateway", 1); // luminctl's, and both programs share an environment
  setenv("LUMINOUS", "x", 1);
  setenv("NATS_CONTEXT", "x", 1);
  config_destroy(load());
}

Test(config_sources, the_file_is_the_named_one_or_the_variables_or_the_folders) {
  scratch_config("lane: {batch: 1}\n");
  scratch_write("other.yaml", SPAN_LITERAL("lane: {batch: 2}\n"));
  cr_assert_eq(batch_of(NULL, 0, CONFIG_FILE), 1);
  setenv("LUMIN_CONFIG", "other.yaml", 1);
  cr_assert_eq(batch_of(NULL, 0, CONFIG_FILE), 2);
  struct config *config = load_with("config.yaml", NULL, 0);
  cr_assert_eq(config->lane_batch, 1);
  config_destroy(config);
  setenv("LUMIN_CONFIG", "absent.yaml", 1);
  struct config_error error = refuse_with(NULL, NULL, 0, LUMIN_IO);
  cr_assert_str_eq(error.text, "absent.yaml: No such file or directory");
}

Test(config_sources, bad_flags) {
  static const struct config_override unknown = {"relay.windows", "5"};
  static const struct config_override wrong = {"rpc.timeout", "1h"};
  struct config_error error = refuse_with(NULL, &unknown, 1, LUMIN_INVALID_ARGUMENT);
  cr_assert_str_eq(error.text, "flag: unknown key \"relay.windows\"; did you mean \"relay.window\"?");
  error = refuse_with(NULL, &wrong, 1, LUMIN_INVALID_ARGUMENT);
  cr_assert_str_eq(error.text, "flag: rpc.timeout: \"1h\" is too large; allowed: 100ms to 30s");
}

// An unknown name of any length and content costs no more than its message holds.
Test(config_sources, absurd_names_are_cut) {
  static char path[100000];
  memset(path, 'x', sizeof path - 1);
  const struct config_override override = {path, "5"};
  struct config_error error = refuse_with(NULL, &override, 1, LUMIN_INVALID_ARGUMENT);
  cr_assert(strstr(error.text, "xxx...\"; did you mean \""), "%s", error.text);
  error = refuse_with(path, NULL, 0, LUMIN_IO);
  cr_assert(strstr(error.text, "xxx: File name too long"), "%s", error.text);
}

// The texts of a configuration have a bound of their own, whatever comes in.
Test(config_sources, memory_is_limited) {
  enum { COUNT = 1100 };
  static char value[4097];
  static struct config_override overrides[COUNT];
  memset(value, 'x', sizeof value - 1);
  for (size_t i = 0; i < COUNT; i++)
    overrides[i] = (struct config_override){"nats.ca", value};
  config_destroy(load_with(NULL, overrides, COUNT / 2));
  struct config_error error = refuse_with(NULL, overrides, COUNT, LUMIN_NO_MEMORY);
  cr_assert_str_eq(error.text, "no memory for the configuration");
}

// deploy/nats/accounts.conf gives each role its own.
Test(config_sources, the_inbox_is_that_of_the_role) {
  static const struct {
    const char *user, *set, *expected;
  } cases[] = {
      {"worker", "", "_INBOX_lumin_worker"},
      {"setup", "", "_INBOX_lumin_setup"},
      {"operator", "", "_INBOX_lumin_operator"},
      {"operator", "_INBOX_lumin_worker", "_INBOX_lumin_operator"}, // of a file that has every key
      {"operator", "_INBOX_mine", "_INBOX_mine"},
      {"somebody", "", "_INBOX_lumin_worker"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    clearenv();
    setenv("NATS_USER", cases[i].user, 1);
    if (cases[i].set[0] != '\0') {
      setenv("LUMIN_NATS_INBOX_PREFIX", cases[i].set, 1);
    }
    struct config *config = load();
    cr_expect_str_eq(config->nats_inbox_prefix, cases[i].expected);
    config_destroy(config);
  }
}
