// SPDX-License-Identifier: MIT
// Configuration files: what a good one means, and what each bad one is told, word for word.
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "scratch.h"

TestSuite(config_file, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

Test(config_file, without_a_file_all_is_default) {
  struct config *config = load();
  cr_assert_str_eq(config->service_prefix, "lumin.user.v1");
  cr_assert_str_eq(config->service_name, "lumin-user");
  cr_assert_str_eq(config->nats_url, "nats://127.0.0.1:4222");
  cr_assert_str_eq(config->nats_password, "");
  cr_assert_str_eq(config->nats_inbox_prefix, "_INBOX_lumin_worker");
  cr_assert_eq(config->nats_timeout_ms, 2000);
  cr_assert_str_eq(config->postgres_url, "");
  cr_assert_eq(config->postgres_statement_timeout_ms, 10000);
  cr_assert_eq(config->streams_commands_max_messages, 10000000);
  cr_assert_eq(config->streams_commands_max_age_ms, INT64_C(7) * 24 * 3600 * 1000);
  cr_assert_eq(config->streams_dead_max_age_ms, INT64_C(30) * 24 * 3600 * 1000);
  cr_assert_eq(config->streams_storage, CONFIG_STORAGE_FILE);
  cr_assert_eq(config->partitions, 32);
  cr_assert_eq(config->worker_lanes, 2);
  cr_assert_eq(config->lane_batch_memory, 64 << 20);
  cr_assert_eq(config->rpc_max_payload, 256 << 10);
  cr_assert_eq(config->log_level, LOG_INFO);
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
    cr_assert_eq(config->origins[i].source, CONFIG_DEFAULT);
  config_destroy(config);
}

Test(config_file, every_kind_of_value_is_read) {
  scratch_config("# a comment\n"
                 "service: {prefix: acme.people, name: \"people\"}\n"
                 "nats:\n"
                 "  url: 'nats://a:1,nats://b:2'\n"
                 "  user: \"j\\u00f6rg\"\n"
                 "  password: 0123\n"
                 "streams:\n"
                 "  commands_max_age: 36h\n"
                 "  commands_max_messages: 1000000000000\n"
                 "  storage: memory\n"
                 "partitions: \"64\"\n"
                 "lane.memory: 1GiB\n"
                 "rpc:\n"
                 "  timeout: 250ms\n"
                 "  max_payload: 2048B\n"
                 "log: {level: warn}\n");
  struct config *config = load();
  cr_assert_str_eq(config->service_prefix, "acme.people");
  cr_assert_str_eq(config->service_name, "people");
  cr_assert_str_eq(config->nats_url, "nats://a:1,nats://b:2");
  cr_assert_str_eq(config->nats_user, "j\xc3\xb6rg");
  cr_assert_str_eq(config->nats_password, "0123");
  cr_assert_eq(config->streams_commands_max_age_ms, INT64_C(36) * 3600 * 1000);
  cr_assert_eq(config->streams_commands_max_messages, UINT64_C(1000000000000));
  cr_assert_eq(config->streams_storage, CONFIG_STORAGE_MEMORY);
  cr_assert_eq(config->partitions, 64);
  cr_assert_eq(config->lane_memory, UINT64_C(1) << 30);
  cr_assert_eq(config->rpc_timeout_ms, 250);
  cr_assert_eq(config->rpc_max_payload, 2048);
  cr_assert_eq(config->log_level, LOG_WARN);
  cr_assert_eq(config->origins[CONFIG_KEY_partitions].source, CONFIG_FILE);
  cr_assert_eq(config->origins[CONFIG_KEY_partitions].line, 11);
  cr_assert_str_eq(config->origins[CONFIG_KEY_partitions].name, "config.yaml");
  config_destroy(config);
}

Test(config_file, emptiness_is_no_error) {
  static const char *const files[] = {"",
                                      "# nothing\n",
                                      "---\n",
                                      "---\n...\n",
                                      "null\n",
                                      "{}\n",
                                      "nats:\nlane: {}\n",
                                      "lane:\n  # batch: 5\nrpc: ~\n",
                                      "\xef\xbb\xbfpartitions: 32\n"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    scratch_config(files[i]);
    struct config *config = load();
    cr_assert_eq(config->partitions, 32);
    config_destroy(config);
  }
}

struct bad_file {
  const char *text;
  const char *error;
};

static void expect_refusals(const struct bad_file *files, size_t count) {
  for (size_t i = 0; i < count; i++) {
    scratch_config(files[i].text);
    expect_refusal(files[i].error);
  }
}
#define EXPECT_REFUSALS(files) expect_refusals((files), sizeof(files) / sizeof(files)[0])

Test(config_file, bad_values) {
  static const struct bad_file files[] = {
      {"lane:\n\n  batch: abc\n", "config.yaml:3: lane.batch: \"abc\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: 1.5}", "config.yaml:1: lane.batch: \"1.5\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: 0x10}", "config.yaml:1: lane.batch: \"0x10\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: 010}", "config.yaml:1: lane.batch: \"010\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: +5}", "config.yaml:1: lane.batch: \"+5\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: 1_000}", "config.yaml:1: lane.batch: \"1_000\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: true}", "config.yaml:1: lane.batch: \"true\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: \"5 \"}", "config.yaml:1: lane.batch: \"5 \" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: \"\"}", "config.yaml:1: lane.batch: \"\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: \"5\\0\"}", "config.yaml:1: lane.batch: \"5\\x00\" is not a whole number; allowed: 1 to 4096"},
      {"lane: {batch: 0}", "config.yaml:1: lane.batch: \"0\" is too small; allowed: 1 to 4096"},
      {"lane: {batch: -5}", "config.yaml:1: lane.batch: \"-5\" is too small; allowed: 1 to 4096"},
      {"lane: {batch: 4097}", "config.yaml:1: lane.batch: \"4097\" is too large; allowed: 1 to 4096"},
      {"lane: {batch: 99999999999999999999999}",
       "config.yaml:1: lane.batch: \"99999999999999999999999\" is too large; allowed: 1 to 4096"},
      {"rpc: {timeout: 5}",
       "config.yaml:1: rpc.timeout: \"5\" is not a duration such as 500ms, 3s or 2m; allowed: 100ms to 30s"},
      {"rpc: {timeout: 5 s}",
       "config.yaml:1: rpc.timeout: \"5 s\" is not a duration such as 500ms, 3s or 2m; allowed: 100ms to 30s"},
      {"rpc: {timeout: s}",
       "config.yaml:1: rpc.timeout: \"s\" is not a duration such as 500ms, 3s or 2m; allowed: 100ms to 30s"},
      {"rpc: {timeout: 99ms}", "config.yaml:1: rpc.timeout: \"99ms\" is too small; allowed: 100ms to 30s"},
      {"rpc: {timeout: 1m}", "config.yaml:1: rpc.timeout: \"1m\" is too large; allowed: 100ms to 30s"},
      {"rpc: {timeout: 18446744073709551615d}",
       "config.yaml:1: rpc.timeout: \"18446744073709551615d\" is too large; allowed: 100ms to 30s"},
      {"rpc: {max_payload: 64KB}",
       "config.yaml:1: rpc.max_payload: \"64KB\" is not a size such as 64KiB or 2MiB; allowed: 1KiB to 1MiB"},
      {"rpc: {max_payload: 4096}",
       "config.yaml:1: rpc.max_payload: \"4096\" is not a size such as 64KiB or 2MiB; allowed: 1KiB to 1MiB"},
      {"rpc: {max_payload: 2MiB}", "config.yaml:1: rpc.max_payload: \"2MiB\" is too large; allowed: 1KiB to 1MiB"},
      {"log: {level: INFO}",
       "config.yaml:1: log.level: \"INFO\" is not one of the choices; allowed: debug|info|warn|error"},
      {"streams: {storage: disk}",
       "config.yaml:1: streams.storage: \"disk\" is not one of the choices; allowed: file|memory"},
      {"nats: {user: \"a\\nb\"}",
       "config.yaml:1: nats.user: \"a\\x0ab\" holds a control character; allowed: 0 to 256 bytes of text"},
      {"nats: {user: \"a\\0b\"}",
       "config.yaml:1: nats.user: \"a\\x00b\" holds a control character; allowed: 0 to 256 bytes of text"},
      {"nats: {url: \"\"}", "config.yaml:1: nats.url: the value is empty; allowed: 1 to 4096 bytes of text"},
      {"nats: {password: \"hunter2\\t\"}",
       "config.yaml:1: nats.password: the value holds a control character; allowed: 0 to 1024 bytes of text"},
      {"worker:\n  name: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
       "4567890123456789012345678901234567890\n",
       "config.yaml:2: worker.name: \"012345678901234567890123456789012345678901234567890123456789...\" is too long; "
       "allowed: 0 to 128 bytes of text"},
  };
  EXPECT_REFUSALS(files);
}

Test(config_file, bad_subjects) {
  static const char prefix[] = "1 to 64 characters of [A-Za-z0-9_-], in at most 8 tokens with dots between them";
  static const char *const bad[] = {
      "a..b", ".a", "a.", "a b", "a.*", "a.>", "$SYS.a", "\\u00e4.b", "a.b.c.d.e.f.g.h.i"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char text[128], expected[256];
    snprintf(text, sizeof text, "service: {prefix: \"%s\"}", bad[i]);
    snprintf(expected, sizeof expected, "config.yaml:1: service.prefix: \"%s\" is not a subject; allowed: %s",
             bad[i][0] == '\\' ? "\xc3\xa4.b" : bad[i], prefix);
    scratch_config(text);
    expect_refusal(expected);
  }
  static const struct bad_file files[] = {
      {"service: {prefix: \"a\\r\\nPUB\"}",
       "config.yaml:1: service.prefix: \"a\\x0d\\x0aPUB\" holds a control character; "
       "allowed: 1 to 64 characters of [A-Za-z0-9_-], in at most 8 tokens with "
       "dots between them"},
      {"service: {name: a.b}",
       "config.yaml:1: service.name: \"a.b\" is not a name; allowed: 1 to 64 characters of [A-Za-z0-9_-]"},
      {"service: {name: \"\"}",
       "config.yaml:1: service.name: \"\" is empty; allowed: 1 to 64 characters of [A-Za-z0-9_-]"},
      {"nats: {inbox_prefix: _INBOX.>}",
       "config.yaml:1: nats.inbox_prefix: \"_INBOX.>\" is not a subject; allowed: 1 to 64 characters of "
       "[A-Za-z0-9_-], in at most 8 tokens with dots between them"},
  };
  EXPECT_REFUSALS(files);
  scratch_config("service: {prefix: a.b.c.d.e.f.g.h}");
  config_destroy(load());
}

Test(config_file, bad_structure) {
  static const struct bad_file files[] = {
      {"nats:\n  ulr: x\n", "config.yaml:2: unknown key \"nats.ulr\"; did you mean \"nats.url\"?"},
      {"nats:\n  cret: x\n", "config.yaml:2: unknown key \"nats.cret\"; did you mean \"nats.cert\"?"},
      {"relais:\n  window: 5\n", "config.yaml:1: unknown section \"relais\"; did you mean \"relay\"?"},
      {"partition: 5\n", "config.yaml:1: unknown key \"partition\"; did you mean \"partitions\"?"},
      {"lane: {batch_size: 5}\n", "config.yaml:1: unknown key \"lane.batch_size\"; did you mean \"lane.batch\"?"},
      {"nats: {\"url\\0\": x}\n", "config.yaml:1: unknown key \"nats.url\\x00\"; did you mean \"nats.url\"?"},
      {"nats: {\"a\\nb\": x}\n", "config.yaml:1: unknown key \"nats.a\\x0ab\"; did you mean \"nats.url\"?"},
      {"lane: {batch: 5}\nrpc:\n  timeout: 1s\nlane: {buffer: 50}\n",
       "config.yaml:4: lane: given twice, first in line 1"},
      {"lane:\n  batch: 5\n  buffer: 50\n  batch: 5\n", "config.yaml:4: lane.batch: given twice, first in line 2"},
      {"lane: {batch: 5}\nlane.batch: 6\n", "config.yaml:2: lane.batch: given twice, first in line 1"},
      {"partitions: 3\npartitions: 3\n", "config.yaml:2: partitions: given twice, first in line 1"},
      {"nats:\n  url: [a, b]\n", "config.yaml:2: nats.url: found a list; allowed: 1 to 4096 bytes of text"},
      {"nats:\n  url:\n    - a\n", "config.yaml:3: nats.url: found a list; allowed: 1 to 4096 bytes of text"},
      {"nats:\n  url: {a: b}\n", "config.yaml:2: nats.url: found a mapping; allowed: 1 to 4096 bytes of text"},
      {"partitions:\n  x: 1\n", "config.yaml:2: partitions: found a mapping; allowed: 1 to 1024"},
      {"nats:\n  user:\n", "config.yaml:2: nats.user: found no value; allowed: 0 to 256 bytes of text"},
      {"nats: {password: ~}\n", "config.yaml:1: nats.password: found no value; allowed: 0 to 1024 bytes of text"},
      {"lane: 5\n", "config.yaml:1: lane: found a single value; allowed: a mapping of keys such as lane.batch"},
      {"lane: [5]\n", "config.yaml:1: lane: found a list; allowed: a mapping of keys such as lane.batch"},
      {"lane: {[a]: 5}\n", "config.yaml:1: a key must be a name, not a list or a mapping"},
      {"? {a: b}\n: 5\n", "config.yaml:1: a key must be a name, not a list or a mapping"},
      {"- nats\n", "config.yaml:1: found no sections and keys, but a list"},
      {"nats\n", "config.yaml:1: found no sections and keys, but a single value"},
      {"partitions: 3\n---\npartitions: 4\n", "config.yaml:2: more than one YAML document"},
      {"lane: &x {batch: 5}\n", "config.yaml:1: anchors and aliases are not allowed"},
      {"lane:\n  &x batch: 5\n", "config.yaml:2: anchors and aliases are not allowed"},
      {"lane: *x\n", "config.yaml:1: anchors and aliases are not allowed"},
      {"partitions: &n 3\n", "config.yaml:1: anchors and aliases are not allowed"},
      {"partitions: !!int 3\n", "config.yaml:1: tags are not allowed"},
      {"!x lane: {}\n", "config.yaml:1: tags are not allowed"},
      {"lane: !x {}\n", "config.yaml:1: tags are not allowed"},
      {"lane: !x []\n", "config.yaml:1: tags are not allowed"},
      {"lane: &x []\n", "config.yaml:1: anchors and aliases are not allowed"},
      {"lane:\n  batch: 5\n buffer: 3\n",
       "config.yaml:3: not YAML: while parsing a block mapping: did not find expected key"},
      {"lane: {batch: 5\n", "config.yaml:2: not YAML: while parsing a flow mapping: did not find expected ',' or '}'"},
      {"lane:\n\tbatch: 5\n",
       "config.yaml:2: not YAML: while scanning for the next token: found character that cannot start any token"},
      {"lane: \"abc\n", "config.yaml:2: not YAML: while scanning a quoted scalar: found unexpected end of stream"},
      {"lane: {batch: 5}}\n", "config.yaml:1: not YAML: while parsing a block mapping: did not find expected key"},
  };
  EXPECT_REFUSALS(files);
}

Test(config_file, keys_that_disagree) {
  static const struct bad_file files[] = {
      {"cursor:\n  expires: 1s\n", "config.yaml:2: cursor.expires: 1s is less than 2 times cursor.heartbeat (1s): the "
                                   "server refuses such a pull request"},
      {"cursor:\n  heartbeat: 15001ms\n", "config.yaml:2: cursor.expires: 30s is less than 2 times cursor.heartbeat "
                                          "(15001ms): the server refuses such a pull request"},
      {"relay:\n  window: 512\n  entries: 511\n",
       "config.yaml:3: relay.entries: 511 is less than relay.window (512): the window would never fill"},
      {"lane:\n  batch_memory: 1MiB\nrpc:\n  max_payload: 512KiB\n",
       "config.yaml:2: lane.batch_memory: 1MiB is less than 4 times rpc.max_payload (512KiB): a large command would "
       "not fit into a batch"},
      {"relay:\n  memory: 2MiB\nrpc:\n  max_payload: 1MiB\n",
       "config.yaml:2: relay.memory: 2MiB is less than 4 times rpc.max_payload (1MiB): a large event would not fit"},
      {"nats:\n  password: hunter2\n", "config.yaml:2: nats.password: set without nats.user"},
      {"nats:\n  cert: c.pem\n", "config.yaml:2: nats.cert: set without nats.key"},
      {"nats:\n  key: c.pem\n", "config.yaml:2: nats.key: set without nats.cert"},
      {"nats:\n  user: a\n  creds: c\n", "config.yaml:3: nats.creds: set together with nats.user; only one may be"},
  };
  EXPECT_REFUSALS(files);
  scratch_config("cursor: {heartbeat: 15s, expires: 30s}\nrelay: {window: 512, entries: 512, memory: 4MiB}\n"
                 "lane: {batch_memory: 4MiB}\nrpc: {max_payload: 1MiB}\n"
                 "nats: {user: a, password: b, cert: c, key: d}\n");
  config_destroy(load());
}

Test(config_file, bad_utf8) {
  static const struct {
    struct span bytes;
    const char *error;
  } files[] = {
      {SPAN_LITERAL("# \xff\n"), "config.yaml:1: byte 0xff is not UTF-8"},
      {SPAN_LITERAL("lane:\n  batch: 5\n  \xc3\x28: 5\n"), "config.yaml:3: byte 0xc3 is not UTF-8"},
      {SPAN_LITERAL("nats: {user: \"\xed\xa0\x80\"}"), "config.yaml:1: byte 0xed is not UTF-8"}, // a surrogate
      {SPAN_LITERAL("nats: {user: \"\xc0\xaf\"}"), "config.yaml:1: byte 0xc0 is not UTF-8"},     // overlong
      {SPAN_LITERAL("nats: {user: \"\xf4\x90\x80\x80\"}"), "config.yaml:1: byte 0xf4 is not UTF-8"},
      {SPAN_LITERAL("nats: {user: \"\n\xe2\x82"), "config.yaml:2: byte 0xe2 is not UTF-8"},
      {SPAN_LITERAL("\xff\xfep\0a\0"), "config.yaml:1: byte 0xff is not UTF-8"}, // UTF-16
      {SPAN_LITERAL("lane:\n  batch: 5\0\n"), "config.yaml:2: not YAML: control characters are not allowed"},
      {SPAN_LITERAL("lane:\n\n# \x1b[31m\n"), "config.yaml:3: not YAML: control characters are not allowed"},
  };
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    scratch_write("config.yaml", files[i].bytes);
    expect_refusal(files[i].error);
  }
}

Test(config_file, files_that_cannot_be_read) {
  struct config_error error = refuse_with("other.yaml", NULL, 0, LUMIN_IO);
  cr_assert_str_eq(error.text, "other.yaml: No such file or directory");
  error = refuse_with(".", NULL, 0, LUMIN_IO);
  cr_assert_str_eq(error.text, ".: Is a directory");
  error = refuse_with("", NULL, 0, LUMIN_IO);
  cr_assert_str_eq(error.text, ": No such file or directory");
  cr_assert_eq(symlink("config.yaml", "config.yaml"), 0); // there, and yet not to be opened
  error = refuse_with(NULL, NULL, 0, LUMIN_IO);
  cr_assert_str_eq(error.text, "config.yaml: Too many levels of symbolic links");
}

static void write_size(size_t size) {
  char *bytes = malloc(size);
  cr_assert(bytes);
  memset(bytes, '#', size);
  scratch_write("config.yaml", span_of(bytes, size));
  free(bytes);
}

Test(config_file, size_is_limited) {
  write_size(1024 * 1024);
  config_destroy(load());
  write_size(1024 * 1024 + 1);
  struct config_error error = refuse_with(NULL, NULL, 0, LUMIN_IO);
  cr_assert_str_eq(error.text, "config.yaml: larger than 1 MiB");
}

static int64_t worked_ms(void) {
  struct timespec now;
  cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

Test(config_file, an_alias_bomb_ends_at_its_first_anchor) {
  scratch_config("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                 "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\nlane: {batch: *d}\n");
  expect_refusal("config.yaml:1: anchors and aliases are not allowed");
}

Test(config_file, deep_nesting_ends_at_once) {
  static const char *const units[] = {"[", "{a: ", "lane: {", "- ", "? ", "{", "lane: {batch: ["};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    size_t len = strlen(units[i]);
    size_t count = 1024 * 1024 / len;
    char *bytes = malloc(count * len);
    cr_assert(bytes);
    for (size_t j = 0; j < count; j++)
      memcpy(bytes + j * len, units[i], len);
    scratch_write("config.yaml", span_of(bytes, count * len));
    free(bytes);
    int64_t start = worked_ms();
    (void)refuse_with(NULL, NULL, 0, LUMIN_INVALID_ARGUMENT);
    cr_assert_lt(worked_ms() - start, 5000, "%s", units[i]);
  }
}

Test(config_file, every_mapping_deeper_than_a_section_is_refused) {
  scratch_config("lane: {batch: {batch: {batch: 5}}}");
  expect_refusal("config.yaml:1: lane.batch: found a mapping; allowed: 1 to 4096");
  scratch_config("lane: {lane: {batch: 5}}");
  expect_refusal("config.yaml:1: unknown key \"lane.lane\"; did you mean \"lane.batch\"?");
}

// Cut and changed files load or are refused with one line; the sanitizers watch.
Test(config_file, damaged_files_do_no_harm) {
  char *text = described();
  size_t len = strlen(text);
  uint64_t seed = 20261121;
  size_t loaded = 0, refused = 0;
  for (size_t i = 0; i < 6000; i++) {
    char *copy = strdup(text);
    size_t kept = i % 3 == 0 ? i * len / 6000 : len;
    for (size_t flips = i % 3; flips > 0; flips--) {
      seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      copy[(seed >> 33) % len] = (char)(seed >> 25);
    }
    scratch_write("config.yaml", span_of(copy, kept));
    free(copy);
    struct config *config = NULL;
    struct config_error error = {""};
    enum lumin_status status = config_load(NULL, NULL, 0, &config, &error);
    cr_assert(status == LUMIN_OK || status == LUMIN_INVALID_ARGUMENT, "%s", status_name(status));
    cr_assert_eq(status == LUMIN_OK, config != NULL);
    cr_assert_eq(status == LUMIN_OK, error.text[0] == '\0');
    cr_assert_null(strchr(error.text, '\n'));
    *(status == LUMIN_OK ? &loaded : &refused) += 1;
    config_destroy(config);
  }
  cr_assert_gt(loaded, 100);
  cr_assert_gt(refused, 100);
  free(text);
}
