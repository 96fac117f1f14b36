// SPDX-License-Identifier: MIT
// lumin-user: one program, and a word for what it is to do.
#include <stdio.h>
#include <stdlib.h>

#include "lumin/worker/health.h"
#include "lumin/worker/rebuild.h"
#include "lumin/worker/run.h"
#include "lumin/worker/setup.h"
#include "lumin/worker/verify.h"

#define OVERRIDES_MAX 64

struct arguments {
  const char *config_path; // NULL: where config_load looks by itself
  struct config_override overrides[OVERRIDES_MAX];
  size_t override_count;
  const char *word; // NULL: none given
  bool local;       // health --local
  bool defaults;    // config --defaults
  bool check;       // rebuild --check
  bool help, version;
};

struct word {
  const char *name;
  enum program_exit (*run)(const struct config *config, const struct arguments *arguments);
};

static enum program_exit arguments_parse(int count, char **texts, struct arguments *ret_arguments);
static const struct word *word_find(const char *name);
static enum program_exit word_run(const struct word *word, const struct arguments *arguments);
static void help_print(FILE *file);

int main(int count, char **texts) {
  struct arguments arguments = {0};
  enum program_exit end = arguments_parse(count, texts, &arguments);
  if (end != PROGRAM_OK) {
    return (int)end;
  }
  if (arguments.help) {
    help_print(stdout);
    return PROGRAM_OK;
  }
  if (arguments.version) {
    (void)printf("lumin-user %s\n", LUMIN_VERSION);
    return PROGRAM_OK;
  }
  const struct word *word = arguments.word != NULL ? word_find(arguments.word) : NULL;
  if (word == NULL) {
    (void)fprintf(stderr, "lumin-user: %s%s: see lumin-user --help\n", arguments.word ? "no such word: " : "no word",
                  arguments.word ? arguments.word : "");
    return PROGRAM_USAGE;
  }
  return (int)word_run(word, &arguments);
}

static enum program_exit word_run(const struct word *word, const struct arguments *arguments) {
  struct config *config = NULL;
  struct config_error error = {""};
  enum lumin_status status =
      config_load(arguments->config_path, arguments->overrides, arguments->override_count, &config, &error);
  if (status != LUMIN_OK) {
    (void)fprintf(stderr, "lumin-user: %s\n", error.text);
    return PROGRAM_CONFIG;
  }
  log_set_level(config->log_level);
  enum program_exit end = word->run(config, arguments);
  config_destroy(config);
  if (fflush(stdout) != 0 && end == PROGRAM_OK) {
    end = PROGRAM_FAILED;
  }
  return end;
}

// ---- the words

static enum program_exit run_worker(const struct config *config, const struct arguments *arguments) {
  (void)arguments;
  return worker_run(config);
}

static enum program_exit run_setup(const struct config *config, const struct arguments *arguments) {
  (void)arguments;
  return setup_run(config);
}

static enum program_exit run_verify(const struct config *config, const struct arguments *arguments) {
  (void)arguments;
  return verify_run(config);
}

static enum program_exit run_rebuild(const struct config *config, const struct arguments *arguments) {
  return rebuild_run(config, arguments->check);
}

static enum program_exit run_health(const struct config *config, const struct arguments *arguments) {
  return health_run(config, arguments->local);
}

static enum program_exit run_config(const struct config *config, const struct arguments *arguments) {
  enum lumin_status status = arguments->defaults ? config_describe(stdout) : config_print(config, stdout);
  return status == LUMIN_OK ? PROGRAM_OK : PROGRAM_FAILED;
}

static const struct word words[] = {
    {"worker", run_worker}, {"setup", run_setup},   {"verify", run_verify},
    {"health", run_health}, {"config", run_config}, {"rebuild", run_rebuild},
};

static const struct word *word_find(const char *name) {
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strcmp(words[i].name, name) == 0) {
      return &words[i];
    }
  }
  return NULL;
}

// ---- the command line

// Reads one option and what belongs to it; *place is the last text that was read.
typedef enum program_exit (*option_reader)(char **texts, int count, int *place, struct arguments *arguments);

static enum program_exit usage_wrong(const char *what, const char *text) {
  (void)fprintf(stderr, "lumin-user: %s%s: see lumin-user --help\n", what, text);
  return PROGRAM_USAGE;
}

static enum program_exit read_config(char **texts, int count, int *place, struct arguments *arguments) {
  if (*place + 1 >= count) {
    return usage_wrong("--config needs a file", "");
  }
  arguments->config_path = texts[++*place];
  return PROGRAM_OK;
}

static enum program_exit read_set(char **texts, int count, int *place, struct arguments *arguments) {
  char *equals = *place + 1 < count ? strchr(texts[*place + 1], '=') : NULL;
  if (equals == NULL) {
    return usage_wrong("--set needs key=value", "");
  }
  if (arguments->override_count == OVERRIDES_MAX) {
    return usage_wrong("too many --set", "");
  }
  *equals = '\0';
  arguments->overrides[arguments->override_count++] = (struct config_override){texts[++*place], equals + 1};
  return PROGRAM_OK;
}

static enum program_exit read_help(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  arguments->help = true;
  return PROGRAM_OK;
}

static enum program_exit read_version(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  arguments->version = true;
  return PROGRAM_OK;
}

static enum program_exit read_local(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  arguments->local = true;
  return PROGRAM_OK;
}

static enum program_exit read_defaults(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  arguments->defaults = true;
  return PROGRAM_OK;
}

static enum program_exit read_check(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  arguments->check = true;
  return PROGRAM_OK;
}

static const struct {
  const char *name;
  option_reader read;
} options[] = {
    {"--config", read_config}, {"--set", read_set},           {"--help", read_help},       {"-h", read_help},
    {"--local", read_local},   {"--defaults", read_defaults}, {"--version", read_version}, {"--check", read_check},
};

static option_reader option_find(const char *text) {
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    if (strcmp(options[i].name, text) == 0) {
      return options[i].read;
    }
  }
  return NULL;
}

static enum program_exit word_take(const char *text, struct arguments *arguments) {
  if (text[0] == '-') {
    return usage_wrong("no such option: ", text);
  }
  if (arguments->word != NULL) {
    return usage_wrong("one word too many: ", text);
  }
  if (strcmp(text, "help") == 0) {
    arguments->help = true;
  }
  arguments->word = text;
  return PROGRAM_OK;
}

// Options that only one word has.
static enum program_exit belonging_check(const struct arguments *arguments) {
  const struct {
    bool given;
    const char *word, *complaint;
  } belongings[] = {
      {arguments->local, "health", "--local belongs to health"},
      {arguments->defaults, "config", "--defaults belongs to config"},
      {arguments->check, "rebuild", "--check belongs to rebuild"},
  };
  for (size_t i = 0; i < sizeof belongings / sizeof belongings[0]; i++) {
    if (belongings[i].given && (arguments->word == NULL || strcmp(arguments->word, belongings[i].word) != 0)) {
      return usage_wrong(belongings[i].complaint, "");
    }
  }
  return PROGRAM_OK;
}

static enum program_exit arguments_parse(int count, char **texts, struct arguments *ret_arguments) {
  struct arguments arguments = {0};
  enum program_exit end = PROGRAM_OK;
  for (int place = 1; place < count && end == PROGRAM_OK; place++) {
    option_reader read = option_find(texts[place]);
    end = read != NULL ? read(texts, count, &place, &arguments) : word_take(texts[place], &arguments);
  }
  if (end == PROGRAM_OK) {
    end = belonging_check(&arguments);
  }
  if (end == PROGRAM_OK) {
    *ret_arguments = arguments;
  }
  return end;
}

static void help_print(FILE *file) {
  (void)fputs(
      "lumin-user: users over NATS, kept in PostgreSQL\n"
      "\n"
      "  lumin-user setup                 make schema and streams where they are absent, check them where they exist\n"
      "  lumin-user worker                serve, until SIGTERM or SIGINT\n"
      "  lumin-user health                whether the service works, with a probe that goes the whole way\n"
      "  lumin-user health --local        whether this process could reach NATS and PostgreSQL\n"
      "  lumin-user verify                check the guarantees on the live system\n"
      "  lumin-user rebuild [--check]     make users and identifiers anew from the events, compare, exchange\n"
      "  lumin-user config                every setting that holds, and where it comes from\n"
      "  lumin-user config --defaults     a configuration file with every setting and what it allows\n"
      "\n"
      "Settings come from --set, the environment, a file (--config, $LUMIN_CONFIG or ./config.yaml), defaults:\n"
      "\n"
      "  NATS_URL=nats://nats:4222 DATABASE_URL=postgresql://lumin@db/lumin lumin-user worker\n"
      "  lumin-user worker --config /etc/lumin/config.yaml --set worker.lanes=4 --set log.level=debug\n"
      "  LUMIN_WORKER_LANES=4 lumin-user config\n"
      "\n"
      "It ends with 0: fine, 1: a check failed, 2: wrong usage, 69: NATS or PostgreSQL cannot be reached,\n"
      "78: the configuration is wrong, 130: a second signal while stopping.\n",
      file);
}
