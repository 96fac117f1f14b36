// SPDX-License-Identifier: MIT
// lumin-user: one program, and a word for what it is to do.
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "lumin/worker/health.h"
#include "lumin/worker/rebuild.h"
#include "lumin/worker/repair.h"
#include "lumin/worker/repartition.h"
#include "lumin/worker/republish.h"
#include "lumin/worker/run.h"
#include "lumin/worker/setup.h"
#include "lumin/worker/verify.h"

#define OVERRIDES_MAX 64
#define WAIT_USUAL (60 * NS_PER_SECOND)
#define WAIT_MOST 86400
#define PARTITIONS_MOST 1024

struct arguments {
  const char *config_path; // NULL: where config_load looks by itself
  struct config_override overrides[OVERRIDES_MAX];
  size_t override_count;
  const char *word; // NULL: none given
  bool local;       // health --local
  bool defaults;    // config --defaults
  bool check;       // rebuild and repartition --check
  struct repair_options repair;
  struct republish_options republish;
  struct repartition_options repartition;
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

static enum program_exit run_repair(const struct config *config, const struct arguments *arguments) {
  return repair_run(config, &arguments->repair);
}

static enum program_exit run_republish(const struct config *config, const struct arguments *arguments) {
  return republish_run(config, &arguments->republish);
}

static enum program_exit run_repartition(const struct config *config, const struct arguments *arguments) {
  return repartition_run(config, &arguments->repartition);
}

static enum program_exit run_config(const struct config *config, const struct arguments *arguments) {
  enum lumin_status status = arguments->defaults ? config_describe(stdout) : config_print(config, stdout);
  return status == LUMIN_OK ? PROGRAM_OK : PROGRAM_FAILED;
}

static const struct word words[] = {
    {"worker", run_worker},   {"setup", run_setup},   {"verify", run_verify},       {"health", run_health},
    {"rebuild", run_rebuild}, {"repair", run_repair}, {"republish", run_republish}, {"repartition", run_repartition},
    {"config", run_config},
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
  arguments->check = arguments->repartition.check = true;
  return PROGRAM_OK;
}

// ---- of repair

static enum program_exit kind_set(struct arguments *arguments, enum repair_kind kind) {
  if (arguments->repair.kind != REPAIR_NONE && arguments->repair.kind != kind) {
    return usage_wrong("--adopt and --discard exclude each other", "");
  }
  arguments->repair.kind = kind;
  return PROGRAM_OK;
}

static enum program_exit read_adopt(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  return kind_set(arguments, REPAIR_ADOPT);
}

static enum program_exit read_discard(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  return kind_set(arguments, REPAIR_DISCARD);
}

static enum program_exit read_dry_run(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  arguments->repair.dry_run = arguments->republish.dry_run = true;
  return PROGRAM_OK;
}

static enum program_exit read_commands(char **texts, int count, int *place, struct arguments *arguments) {
  const char *text = *place + 1 < count ? texts[++*place] : "";
  bool replay = strcmp(text, "replay") == 0;
  if (!replay && strcmp(text, "skip") != 0) {
    return usage_wrong("--commands needs replay or skip", "");
  }
  arguments->repair.commands = replay ? REPAIR_COMMANDS_REPLAY : REPAIR_COMMANDS_SKIP;
  return PROGRAM_OK;
}

// ---- of republish

static enum program_exit read_all(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  arguments->republish.all = true;
  return PROGRAM_OK;
}

static enum program_exit read_late(char **texts, int count, int *place, struct arguments *arguments) {
  (void)texts, (void)count, (void)place;
  arguments->republish.late = true;
  return PROGRAM_OK;
}

static enum program_exit read_user(char **texts, int count, int *place, struct arguments *arguments) {
  const char *text = *place + 1 < count ? texts[++*place] : "";
  if (uuid_parse(span_from_text(text), &arguments->republish.user_id) != LUMIN_OK) {
    return usage_wrong("--user needs a lower-case UUID", "");
  }
  arguments->republish.has_user = true;
  return PROGRAM_OK;
}

static enum program_exit number_take(char **texts, int count, int *place, uint64_t least, uint64_t *ret_number) {
  const char *name = texts[*place];
  const char *text = *place + 1 < count ? texts[++*place] : "";
  uint64_t number = 0;
  if (!span_to_u64(span_from_text(text), &number) || number < least || number > INT64_MAX) {
    return usage_wrong(name, " needs a number");
  }
  *ret_number = number;
  return PROGRAM_OK;
}

static enum program_exit read_partition(char **texts, int count, int *place, struct arguments *arguments) {
  uint64_t number = 0;
  enum program_exit end = number_take(texts, count, place, 0, &number);
  if (end == PROGRAM_OK && number > UINT16_MAX) {
    end = usage_wrong("--partition: there are not so many", "");
  }
  arguments->republish.has_partition = true;
  arguments->republish.partition = (uint32_t)number;
  return end;
}

static enum program_exit read_from(char **texts, int count, int *place, struct arguments *arguments) {
  return number_take(texts, count, place, 1, &arguments->republish.from);
}

static enum program_exit read_to(char **texts, int count, int *place, struct arguments *arguments) {
  return number_take(texts, count, place, 1, &arguments->republish.to);
}

// ---- of repartition

static enum program_exit read_wait(char **texts, int count, int *place, struct arguments *arguments) {
  uint64_t seconds = 0;
  enum program_exit end = number_take(texts, count, place, 0, &seconds);
  if (end == PROGRAM_OK && seconds > WAIT_MOST) {
    end = usage_wrong("--wait: a day at most, in seconds", "");
  }
  arguments->repartition.wait_ns = (int64_t)seconds * NS_PER_SECOND;
  return end;
}

// The one word that may follow.
static enum program_exit partitions_take(const char *text, struct arguments *arguments) {
  uint64_t number = 0;
  if (!span_to_u64(span_from_text(text), &number) || number < 1 || number > PARTITIONS_MOST) {
    return usage_wrong("repartition needs a number from 1 to 1024, not ", text);
  }
  arguments->repartition.partitions = (uint32_t)number;
  return PROGRAM_OK;
}

// ---- all of them, and the words they belong to

static const struct option {
  const char *name;
  option_reader read;
  const char *words[2]; // none: all
} options[] = {
    {"--config", read_config, {0}},
    {"--set", read_set, {0}},
    {"--help", read_help, {0}},
    {"-h", read_help, {0}},
    {"--version", read_version, {0}},
    {"--local", read_local, {"health"}},
    {"--defaults", read_defaults, {"config"}},
    {"--check", read_check, {"rebuild", "repartition"}},
    {"--wait", read_wait, {"repartition"}},
    {"--adopt", read_adopt, {"repair"}},
    {"--discard", read_discard, {"repair"}},
    {"--commands", read_commands, {"repair"}},
    {"--dry-run", read_dry_run, {"repair", "republish"}},
    {"--all", read_all, {"republish"}},
    {"--user", read_user, {"republish"}},
    {"--partition", read_partition, {"republish"}},
    {"--from", read_from, {"republish"}},
    {"--to", read_to, {"republish"}},
    {"--late", read_late, {"republish"}},
};

static const struct option *option_find(const char *text) {
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    if (strcmp(options[i].name, text) == 0) {
      return &options[i];
    }
  }
  return NULL;
}

static bool option_belongs(const struct option *option, const char *word) {
  bool any = option->words[0] == NULL;
  for (size_t i = 0; i < 2 && option->words[i] != NULL; i++) {
    any = any || (word != NULL && strcmp(option->words[i], word) == 0);
  }
  return any;
}

static enum program_exit word_take(const char *text, struct arguments *arguments) {
  if (text[0] == '-') {
    return usage_wrong("no such option: ", text);
  }
  bool number = arguments->word != NULL && strcmp(arguments->word, "repartition") == 0;
  if (number && arguments->repartition.partitions == 0) {
    return partitions_take(text, arguments);
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

static enum program_exit repair_check(const struct repair_options *repair) {
  if (repair->kind == REPAIR_NONE) {
    return usage_wrong("repair needs --adopt or --discard", "");
  }
  if (repair->kind == REPAIR_ADOPT && repair->commands != REPAIR_COMMANDS_UNSAID) {
    return usage_wrong("--commands belongs to --discard", "");
  }
  if (repair->kind == REPAIR_DISCARD && repair->commands == REPAIR_COMMANDS_UNSAID) {
    return usage_wrong("--discard needs --commands replay or --commands skip", "");
  }
  return PROGRAM_OK;
}

static enum program_exit republish_check(const struct republish_options *republish) {
  if (republish->all + republish->has_user + republish->has_partition != 1) {
    return usage_wrong("republish needs one of --all, --user and --partition", "");
  }
  if ((republish->from != 0 || republish->to != 0) && !republish->has_partition) {
    return usage_wrong("--from and --to belong to --partition", "");
  }
  return PROGRAM_OK;
}

// What a word needs, and that no option is given to a word that does not know it.
static enum program_exit arguments_check(const struct arguments *arguments, char **texts, int count) {
  const char *word = arguments->word;
  for (int place = 1; place < count; place++) {
    const struct option *option = option_find(texts[place]);
    if (option != NULL && !option_belongs(option, word)) {
      char text[96];
      (void)snprintf(text, sizeof text, "%s belongs to %s%s%s", option->name, option->words[0],
                     option->words[1] != NULL ? " and " : "", option->words[1] != NULL ? option->words[1] : "");
      return usage_wrong(text, "");
    }
  }
  if (word != NULL && strcmp(word, "repair") == 0 && !arguments->help) {
    return repair_check(&arguments->repair);
  }
  if (word != NULL && strcmp(word, "republish") == 0 && !arguments->help) {
    return republish_check(&arguments->republish);
  }
  if (word != NULL && strcmp(word, "repartition") == 0 && !arguments->help && arguments->repartition.partitions == 0) {
    return usage_wrong("repartition needs a number of partitions", "");
  }
  return PROGRAM_OK;
}

static enum program_exit arguments_parse(int count, char **texts, struct arguments *ret_arguments) {
  struct arguments arguments = {.repartition = {.wait_ns = WAIT_USUAL}};
  enum program_exit end = PROGRAM_OK;
  for (int place = 1; place < count && end == PROGRAM_OK; place++) {
    const struct option *option = option_find(texts[place]);
    end = option != NULL ? option->read(texts, count, &place, &arguments) : word_take(texts[place], &arguments);
  }
  if (end == PROGRAM_OK) {
    end = arguments_check(&arguments, texts, count);
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
      "  lumin-user repair --adopt        take events that the table has lost back from the event stream, after\n"
      "                                   PostgreSQL was restored to an earlier point\n"
      "  lumin-user repair --discard --commands replay|skip\n"
      "                                   give them up, for a restore to before a mistake\n"
      "  lumin-user republish --all | --user ID | --partition P [--from POS] [--to POS] [--late]\n"
      "                                   publish events again that the event stream misses\n"
      "                                   (repair and republish --dry-run: only say what would be done)\n"
      "  lumin-user repartition N [--check] [--wait SECONDS]\n"
      "                                   another number of partitions; it says what is to be done, waits for it, and\n"
      "                                   goes on where it was when it is run again\n"
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
