// SPDX-License-Identifier: MIT
// A whole configuration with one mistake in it: each key in six ways, in the file; and in the environment and on the
// command line as far as these can hold the mistake. Each is told at its place, by its name, at once.
#include <inttypes.h>
#include <time.h>

#include "lumin/base/clock.h"
#include "scratch.h"

TestSuite(config_mutations, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

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
  uint64_t maximum;
} rows[CONFIG_KEY_COUNT] = {
#define CONFIG(path, field, type, initial, minimum, maximum, ...) {type, maximum},
#include "lumin/infrastructure/config/config.def"
#undef CONFIG
};

static const char *leaf(size_t key) {
  const char *dot = strchr(key_paths[key], '.');
  return dot ? dot + 1 : key_paths[key];
}

// The key's line of a whole configuration file: where it stands, and in which line.
struct place {
  const char *start, *end; // from the first blank to behind the line's end
  unsigned line;
  size_t indent;
};

static bool is_key_line(const char *start) {
  const char *word = start + strspn(start, " ");
  const char *colon = strchr(word, ':');
  return *word != '#' && *word != '\n' && colon[1] != '\n';
}

static struct place place_of(const char *text, size_t key) {
  unsigned line = 1;
  size_t seen = 0;
  for (const char *start = text; *start; line++) {
    const char *end = strchr(start, '\n') + 1;
    if (is_key_line(start) && seen++ == key) {
      size_t indent = strspn(start, " ");
      cr_assert_eq(strncmp(start + indent, leaf(key), strlen(leaf(key))), 0, "%s", key_paths[key]);
      return (struct place){start, end, line, indent};
    }
    start = end;
  }
  cr_assert(false, "%s is not in the file", key_paths[key]);
  return (struct place){0};
}

// Beyond what the key takes: the next number, one letter more, a choice that there is not.
static const char *beyond(size_t key) {
  static char value[8192];
  const struct row *row = &rows[key];
  const char *unit = row->kind == DURATION ? "ms" : row->kind == SIZE ? "B" : "";
  if (row->kind == INTEGER || row->kind == DURATION || row->kind == SIZE) {
    snprintf(value, sizeof value, "%" PRIu64 "%s", row->maximum + 1, unit);
  } else if (row->kind == STORAGE || row->kind == LOG_LEVEL) {
    snprintf(value, sizeof value, "tape");
  } else {
    cr_assert_lt(row->maximum + 2, sizeof value);
    memset(value, 'a', row->maximum + 1);
    value[row->maximum + 1] = '\0';
  }
  return value;
}

static const char *in_capitals(const char *name) {
  static char text[128];
  size_t i = 0;
  for (; name[i]; i++)
    text[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
  text[i] = '\0';
  return text;
}

struct mistake {
  char lines[8600]; // in the place of the key's own
  unsigned line;    // in which of them the mistake is, from 0
  char says[256];
};

typedef void (*mutator)(size_t key, const struct place *place, struct mistake *ret_mistake);

static void wrong_type(size_t key, const struct place *place, struct mistake *mistake) {
  snprintf(mistake->lines, sizeof mistake->lines, "%*s%s: [1]\n", (int)place->indent, "", leaf(key));
  snprintf(mistake->says, sizeof mistake->says, "%s: found a list; allowed: ", key_paths[key]);
}

// The message shows the value, except where it may hold a password.
static void out_of_range(size_t key, const struct place *place, struct mistake *mistake) {
  snprintf(mistake->lines, sizeof mistake->lines, "%*s%s: %s\n", (int)place->indent, "", leaf(key), beyond(key));
  static const char *const wrong[] = {
      [TEXT] = "is too long",      [TOKENS] = "is too long",     [TOKEN] = "is too long",
      [INTEGER] = "is too large",  [DURATION] = "is too large",  [SIZE] = "is too large",
      [STORAGE] = "is not one of", [LOG_LEVEL] = "is not one of"};
  snprintf(mistake->says, sizeof mistake->says, " %s", wrong[rows[key].kind]);
}

static void unknown_neighbour(size_t key, const struct place *place, struct mistake *mistake) {
  snprintf(mistake->lines, sizeof mistake->lines, "%.*s%*s%s_too: 1\n", (int)(place->end - place->start), place->start,
           (int)place->indent, "", leaf(key));
  mistake->line = 1;
  snprintf(mistake->says, sizeof mistake->says, "unknown key \"%s_too\"; did you mean \"", key_paths[key]);
}

static void duplicate(size_t key, const struct place *place, struct mistake *mistake) {
  int len = (int)(place->end - place->start);
  snprintf(mistake->lines, sizeof mistake->lines, "%.*s%.*s", len, place->start, len, place->start);
  mistake->line = 1;
  snprintf(mistake->says, sizeof mistake->says, "%s: given twice, first in line %u", key_paths[key], place->line);
}

static void empty(size_t key, const struct place *place, struct mistake *mistake) {
  snprintf(mistake->lines, sizeof mistake->lines, "%*s%s:\n", (int)place->indent, "", leaf(key));
  snprintf(mistake->says, sizeof mistake->says, "%s: found no value; allowed: ", key_paths[key]);
}

static void wrong_case(size_t key, const struct place *place, struct mistake *mistake) {
  const char *colon = memchr(place->start, ':', (size_t)(place->end - place->start));
  snprintf(mistake->lines, sizeof mistake->lines, "%*s%s%.*s", (int)place->indent, "", in_capitals(leaf(key)),
           (int)(place->end - colon), colon);
  snprintf(mistake->says, sizeof mistake->says, "\"; did you mean \"%s\"?", key_paths[key]);
}

static int64_t worked_ns(void) {
  struct timespec now;
  cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
  return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

// Told by one line, with well under a second of work.
static struct config_error refused_at_once(const struct config_override *override) {
  int64_t began = worked_ns();
  struct config_error error = refuse_with(NULL, override, override != NULL, LUMIN_INVALID_ARGUMENT);
  cr_assert_lt(worked_ns() - began, NS_PER_SECOND);
  return error;
}

Test(config_mutations, each_key_in_six_ways_in_the_file) {
  static const mutator mutators[] = {wrong_type, out_of_range, unknown_neighbour, duplicate, empty, wrong_case};
  static char text[65536];
  char *whole = described();
  for (size_t key = 0; key < CONFIG_KEY_COUNT; key++) {
    for (size_t i = 0; i < sizeof mutators / sizeof mutators[0]; i++) {
      static struct mistake mistake;
      mistake = (struct mistake){.line = 0};
      struct place place = place_of(whole, key);
      mutators[i](key, &place, &mistake);
      snprintf(text, sizeof text, "%.*s%s%s", (int)(place.start - whole), whole, mistake.lines, place.end);
      scratch_config(text);
      struct config_error error = refused_at_once(NULL);
      char at[64];
      snprintf(at, sizeof at, "config.yaml:%u: ", place.line + mistake.line);
      cr_expect_eq(strncmp(error.text, at, strlen(at)), 0, "%s, way %zu: %s", key_paths[key], i, error.text);
      cr_expect(strstr(error.text, key_paths[key]), "%s, way %zu: %s", key_paths[key], i, error.text);
      cr_expect(strstr(error.text, mistake.says), "%s, way %zu: %s\n  expected: %s", key_paths[key], i, error.text,
                mistake.says);
    }
  }
  free(whole);
}

Test(config_mutations, each_key_out_of_range_and_misspelt_in_the_environment) {
  for (size_t key = 0; key < CONFIG_KEY_COUNT; key++) {
    char name[160], expected[256];
    snprintf(name, sizeof name, "%s", variable_of(key_paths[key]));
    setenv(name, beyond(key), 1);
    struct config_error error = refused_at_once(NULL);
    snprintf(expected, sizeof expected, "environment %s: %s: ", name, key_paths[key]);
    cr_expect_eq(strncmp(error.text, expected, strlen(expected)), 0, "%s", error.text);
    cr_expect(strstr(error.text, "; allowed: "), "%s", error.text);
    unsetenv(name);
    strcat(name, "_TOO");
    setenv(name, "1", 1);
    error = refused_at_once(NULL);
    snprintf(expected, sizeof expected, "environment %s: unknown variable; did you mean LUMIN_", name);
    cr_expect_eq(strncmp(error.text, expected, strlen(expected)), 0, "%s", error.text);
    unsetenv(name);
  }
}

Test(config_mutations, each_key_out_of_range_misspelt_and_in_capitals_as_a_flag) {
  for (size_t key = 0; key < CONFIG_KEY_COUNT; key++) {
    char name[160], expected[256];
    struct config_error error = refused_at_once(&(struct config_override){key_paths[key], beyond(key)});
    snprintf(expected, sizeof expected, "flag: %s: ", key_paths[key]);
    cr_expect_eq(strncmp(error.text, expected, strlen(expected)), 0, "%s", error.text);
    error = refused_at_once(&(struct config_override){in_capitals(key_paths[key]), "1"});
    snprintf(expected, sizeof expected, "\"; did you mean \"%s\"?", key_paths[key]);
    cr_expect(strstr(error.text, expected), "%s", error.text);
    snprintf(name, sizeof name, "%s_too", key_paths[key]);
    error = refused_at_once(&(struct config_override){name, "1"});
    cr_expect_eq(strncmp(error.text, "flag: unknown key \"", 19), 0, "%s", error.text);
  }
}
