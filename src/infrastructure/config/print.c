// SPDX-License-Identifier: MIT
// The effective configuration with its sources, and the commented file of all defaults. No password leaves here.
#include <libpq-fe.h>
#include <stdlib.h>

#include "internal.h"

#define VALUE_SIZE (2 * CONFIG_VALUE_MAX)
#define PLACE_MAX 4096
#define LINE_SIZE (2 * VALUE_SIZE + 2 * PLACE_MAX)

static void section_begin(FILE *file, const struct config_key *key);
static void libpq_print(FILE *file);
static void value_print(struct text *line, const struct config *config, const struct config_key *key);
static void origin_print(struct text *line, const struct config_origin *origin);
static void description_print(FILE *file, const struct config_key *key);

enum lumin_status config_print(const struct config *config, FILE *file) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    const struct config_key *key = config_key_at(i);
    char buffer[LINE_SIZE] = "";
    struct text line = TEXT_IN(buffer);
    section_begin(file, key);
    value_print(&line, config, key);
    origin_print(&line, &config->origins[i]);
    (void)fprintf(file, "%s\n", line.data); // ferror tells below
    if (i == CONFIG_KEY_postgres_url)
      libpq_print(file);
  }
  return fflush(file) != 0 || ferror(file) ? LUMIN_IO : LUMIN_OK;
}

enum lumin_status config_describe(FILE *file) {
  (void)fputs("# Configuration of lumin-user, with every key at its default. A flag outranks an environment variable,\n"
              "# that this file, and that the default; `lumin-user config` shows what holds and where it comes from.\n",
              file);
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
    description_print(file, config_key_at(i));
  return fflush(file) != 0 || ferror(file) ? LUMIN_IO : LUMIN_OK;
}

static bool begins_section(const struct config_key *key) {
  size_t number = config_key_number(key);
  return number == 0 || !span_equal(config_key_section(key), config_key_section(config_key_at(number - 1)));
}

static void section_begin(FILE *file, const struct config_key *key) {
  struct span section = config_key_section(key);
  if (begins_section(key) && section.len > 0)
    (void)fprintf(file, "%.*s:\n", SPAN_ARGS(section));
}

// "  batch: " in a section, "partitions: " outside.
static void name_print(struct text *line, const struct config_key *key) {
  struct span section = config_key_section(key);
  bool inside = section.len > 0;
  text_add(line, "%s%s: ", inside ? "  " : "", key->path + section.len + inside);
}

static void value_print(struct text *line, const struct config *config, const struct config_key *key) {
  char plain_buffer[VALUE_SIZE] = "", masked_buffer[VALUE_SIZE] = "";
  struct text plain = TEXT_IN(plain_buffer), masked = TEXT_IN(masked_buffer);
  config_value_write(&plain, config, key);
  config_mask_write(&masked, key->mask, span_of(plain.data, plain.len));
  name_print(line, key);
  if (config_value_is_text(key))
    text_quote(line, span_of(masked.data, masked.len), masked.len);
  else
    text_append(line, span_of(masked.data, masked.len));
}

static void origin_print(struct text *line, const struct config_origin *origin) {
  static const char *const sources[] = {[CONFIG_DEFAULT] = "default",
                                        [CONFIG_FILE] = "file",
                                        [CONFIG_ENVIRONMENT] = "environment",
                                        [CONFIG_FLAG] = "flag"};
  text_add(line, " # %s", sources[origin->source]);
  if (origin->name)
    text_add(line, " %.*s", PLACE_MAX, origin->name);
  if (origin->line > 0)
    text_add(line, ":%u", origin->line);
}

// What libpq takes from its own variables where the connection string says nothing.
static void libpq_print(FILE *file) {
  PQconninfoOption *known = PQconndefaults();
  for (const PQconninfoOption *option = known; option && option->keyword; option++) {
    const char *value = option->envvar ? getenv(option->envvar) : NULL;
    char buffer[LINE_SIZE] = "";
    struct text line = TEXT_IN(buffer);
    if (!value)
      continue;
    if (option->dispchar[0] == '*')
      text_add(&line, "***");
    else
      text_quote(&line, span_from_text(value), CONFIG_VALUE_MAX);
    (void)fprintf(file, "  # %s: %s # environment %s\n", option->keyword, line.data, option->envvar);
  }
  PQconninfoFree(known);
}

static void description_print(FILE *file, const struct config_key *key) {
  char buffer[LINE_SIZE] = "", variable[CONFIG_NAME_MAX] = "";
  struct text line = TEXT_IN(buffer);
  const char *indent = config_key_section(key).len > 0 ? "  " : "";
  config_key_variable(key, variable);
  text_add(&line, "%s# %s.\n%s# Allowed: ", indent, key->help, indent);
  config_value_allowed(&line, key);
  text_add(&line, ". Environment: %s%s%s.\n", variable, key->variable[0] ? ", " : "", key->variable);
  name_print(&line, key);
  const char *quote = config_value_is_text(key) ? "\"" : "";
  text_add(&line, "%s%s%s\n", quote, key->initial, quote);

  if (begins_section(key))
    (void)fputs("\n", file);
  section_begin(file, key);
  (void)fputs(line.data, file);
}
