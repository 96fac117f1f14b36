// SPDX-License-Identifier: MIT
// Values: texts to fields and back. A value that is stored is within its key's limits.
#include "values.h"

#include <assert.h>
#include <inttypes.h>

static enum config_problem text_parse(const struct config_key *key, struct span value, uint64_t *ret_number);
static enum config_problem tokens_parse(const struct config_key *key, struct span value, uint64_t *ret_number);
static enum config_problem number_parse(const struct config_key *key, struct span value, uint64_t *ret_number);
static enum config_problem choice_parse(const struct config_key *key, struct span value, uint64_t *ret_number);

static const struct config_unit plain[] = {{"", 1}};
static const struct config_unit times[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct config_unit sizes[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};

static const char *const storages[] = {
    [CONFIG_STORAGE_FILE] = "file", [CONFIG_STORAGE_MEMORY] = "memory", [CONFIG_STORAGE_MEMORY + 1] = NULL};
static const char *const levels[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error", [LOG_ERROR + 1] = NULL};

const struct config_type config_type_TEXT = {.shape = CONFIG_SHAPE_TEXT, .noun = "a text", .parse = text_parse};
const struct config_type config_type_TOKENS = {
    .shape = CONFIG_SHAPE_TEXT, .noun = "a subject", .parse = tokens_parse, .tokens_max = 8};
const struct config_type config_type_TOKEN = {
    .shape = CONFIG_SHAPE_TEXT, .noun = "a name", .parse = tokens_parse, .tokens_max = 1};
const struct config_type config_type_INTEGER = {
    .shape = CONFIG_SHAPE_NUMBER, .noun = "a whole number", .parse = number_parse, .units = plain};
const struct config_type config_type_DURATION = {
    .shape = CONFIG_SHAPE_NUMBER, .noun = "a duration such as 500ms, 3s or 2m", .parse = number_parse, .units = times};
const struct config_type config_type_SIZE = {
    .shape = CONFIG_SHAPE_NUMBER, .noun = "a size such as 64KiB or 2MiB", .parse = number_parse, .units = sizes};
const struct config_type config_type_STORAGE = {
    .shape = CONFIG_SHAPE_CHOICE, .noun = "one of the choices", .parse = choice_parse, .choices = storages};
const struct config_type config_type_LOG_LEVEL = {
    .shape = CONFIG_SHAPE_CHOICE, .noun = "one of the choices", .parse = choice_parse, .choices = levels};

static_assert(sizeof(config_STORAGE) == sizeof(unsigned) && sizeof(config_LOG_LEVEL) == sizeof(unsigned),
              "choices are stored as unsigned");
static_assert(sizeof(config_DURATION) == sizeof(uint64_t), "numbers are stored in 64 bits");

static enum lumin_status text_store(struct config *config, const struct config_key *key, struct span value);
static void number_write(struct text *text, const struct config_key *key, uint64_t number);

enum lumin_status config_value_set(struct config *config, const struct config_key *key, struct span value,
                                   enum config_problem *ret_problem) {
  uint64_t number = 0;
  enum config_problem problem = key->type->parse(key, value, &number);
  if (problem != CONFIG_VALUE_OK) {
    *ret_problem = problem;
    return LUMIN_INVALID_ARGUMENT;
  }
  if (key->type->shape == CONFIG_SHAPE_TEXT)
    return text_store(config, key, value);
  char *field = (char *)config + key->offset;
  unsigned choice = (unsigned)number;
  if (key->type->shape == CONFIG_SHAPE_CHOICE)
    memcpy(field, &choice, sizeof choice);
  else
    memcpy(field, &number, sizeof number);
  return LUMIN_OK;
}

static enum lumin_status text_store(struct config *config, const struct config_key *key, struct span value) {
  struct span copy = arena_copy(config->texts, value);
  if (!copy.data)
    return LUMIN_NO_MEMORY;
  memcpy((char *)config + key->offset, &copy.data, sizeof copy.data);
  return LUMIN_OK;
}

void config_value_write(struct text *text, const struct config *config, const struct config_key *key) {
  const char *field = (const char *)config + key->offset;
  const char *string = NULL;
  unsigned choice = 0;
  switch (key->type->shape) {
  case CONFIG_SHAPE_TEXT:
    memcpy(&string, field, sizeof string);
    text_append(text, span_from_text(string));
    break;
  case CONFIG_SHAPE_CHOICE:
    memcpy(&choice, field, sizeof choice);
    text_add(text, "%s", key->type->choices[choice]);
    break;
  case CONFIG_SHAPE_NUMBER:
    number_write(text, key, config_value_number(config, key));
    break;
  }
}

uint64_t config_value_number(const struct config *config, const struct config_key *key) {
  uint64_t number = 0;
  memcpy(&number, (const char *)config + key->offset, sizeof number);
  return number;
}

bool config_value_is_text(const struct config_key *key) { return key->type->shape == CONFIG_SHAPE_TEXT; }

void config_value_allowed(struct text *text, const struct config_key *key) {
  const struct config_type *type = key->type;
  if (type->tokens_max > 0) {
    text_add(text, "1 to %" PRIu64 " characters of [A-Za-z0-9_-]", key->maximum);
    if (type->tokens_max > 1)
      text_add(text, ", in at most %zu tokens with dots between them", type->tokens_max);
  } else if (type->shape == CONFIG_SHAPE_TEXT) {
    text_add(text, "%" PRIu64 " to %" PRIu64 " bytes of text", key->minimum, key->maximum);
  } else if (type->shape == CONFIG_SHAPE_NUMBER) {
    number_write(text, key, key->minimum);
    text_add(text, " to ");
    number_write(text, key, key->maximum);
  } else {
    for (size_t i = 0; type->choices[i]; i++)
      text_add(text, "%s%s", i > 0 ? "|" : "", type->choices[i]);
  }
}

void config_value_problem(struct text *text, const struct config_key *key, enum config_problem problem) {
  static const char *const phrases[] = {
      [CONFIG_VALUE_TOO_SMALL] = "is too small", [CONFIG_VALUE_TOO_LARGE] = "is too large",
      [CONFIG_VALUE_EMPTY] = "is empty",         [CONFIG_VALUE_TOO_LONG] = "is too long",
      [CONFIG_VALUE_NOT_UTF8] = "is not UTF-8",  [CONFIG_VALUE_CONTROL] = "holds a control character",
  };
  if (problem == CONFIG_VALUE_MALFORMED)
    text_add(text, "is not %s", key->type->noun);
  else
    text_add(text, "%s", phrases[problem]);
}

static enum config_problem text_parse(const struct config_key *key, struct span value, uint64_t *ret_number) {
  (void)ret_number; // a text has none
  if (utf8_prefix(value) < value.len)
    return CONFIG_VALUE_NOT_UTF8;
  for (size_t i = 0; i < value.len; i++)
    if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f)
      return CONFIG_VALUE_CONTROL;
  if (value.len < key->minimum)
    return CONFIG_VALUE_EMPTY;
  return value.len > key->maximum ? CONFIG_VALUE_TOO_LONG : CONFIG_VALUE_OK;
}

static bool token_is_valid(struct span token) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  for (size_t i = 0; i < token.len; i++)
    if (!memchr(allowed, token.data[i], sizeof allowed - 1))
      return false;
  return token.len > 0;
}

// Subjects are made of these: nothing may pass that a server would read as a wildcard, a separator or a line's end.
static enum config_problem tokens_parse(const struct config_key *key, struct span value, uint64_t *ret_number) {
  enum config_problem problem = text_parse(key, value, ret_number);
  size_t start = 0;
  size_t tokens = 0;
  for (size_t i = 0; problem == CONFIG_VALUE_OK && i <= value.len; i++) {
    if (i < value.len && value.data[i] != '.')
      continue;
    tokens++;
    if (!token_is_valid(span_of(value.data + start, i - start)) || tokens > key->type->tokens_max)
      problem = CONFIG_VALUE_MALFORMED;
    start = i + 1;
  }
  return problem;
}

static const struct config_unit *unit_find(const struct config_unit *units, struct span suffix) {
  for (;; units++) {
    if (span_equal(span_from_text(units->suffix), suffix))
      return units;
    if (units->factor == 1)
      return NULL;
  }
}

// Decimal digits without sign, then a unit. A leading zero would be octal to some readers of YAML, so it is none here.
static enum config_problem digits_parse(const struct config_unit *units, struct span value, uint64_t *ret_number) {
  if (span_equal(value, SPAN_LITERAL("0"))) { // nothing of any unit
    *ret_number = 0;
    return CONFIG_VALUE_OK;
  }
  size_t len = 0;
  while (len < value.len && value.data[len] >= '0' && value.data[len] <= '9')
    len++;
  const struct config_unit *unit = unit_find(units, span_skip(value, len));
  if (len == 0 || !unit || (len > 1 && value.data[0] == '0'))
    return CONFIG_VALUE_MALFORMED;
  uint64_t number = 0;
  bool fits = span_to_u64(span_of(value.data, len), &number);
  if (!fits || __builtin_mul_overflow(number, unit->factor, &number))
    return CONFIG_VALUE_TOO_LARGE;
  *ret_number = number;
  return CONFIG_VALUE_OK;
}

static enum config_problem number_parse(const struct config_key *key, struct span value, uint64_t *ret_number) {
  bool negative = value.len > 0 && value.data[0] == '-';
  uint64_t number = 0;
  enum config_problem problem = digits_parse(key->type->units, span_skip(value, negative), &number);
  if (problem == CONFIG_VALUE_MALFORMED)
    return problem;
  if (negative)
    return CONFIG_VALUE_TOO_SMALL;
  if (problem != CONFIG_VALUE_OK || number > key->maximum)
    return CONFIG_VALUE_TOO_LARGE;
  if (number < key->minimum)
    return CONFIG_VALUE_TOO_SMALL;
  *ret_number = number;
  return CONFIG_VALUE_OK;
}

// With the largest unit that leaves a whole number.
static void number_write(struct text *text, const struct config_key *key, uint64_t number) {
  const struct config_unit *unit = key->type->units;
  if (number == 0) {
    text_add(text, "0");
    return;
  }
  while (number % unit->factor != 0)
    unit++;
  text_add(text, "%" PRIu64 "%s", number / unit->factor, unit->suffix);
}

static enum config_problem choice_parse(const struct config_key *key, struct span value, uint64_t *ret_number) {
  for (size_t i = 0; key->type->choices[i]; i++) {
    if (span_equal(span_from_text(key->type->choices[i]), value)) {
      *ret_number = i;
      return CONFIG_VALUE_OK;
    }
  }
  return CONFIG_VALUE_MALFORMED;
}
