// SPDX-License-Identifier: MIT
// What an error says: place, key, what was found (never a secret), what is allowed.
#include <stdarg.h>

#include "internal.h"

#define FOUND_MAX 60 // bytes of a value that a message shows
#define PLACE_MAX 400

static struct text error_begin(struct config_error *error, const struct config_origin *origin) {
  struct text text = TEXT_IN(error->text);
  if (origin->source == CONFIG_FILE && origin->line > 0)
    text_add(&text, "%.*s:%u: ", PLACE_MAX, origin->name, origin->line);
  else if (origin->source == CONFIG_FILE)
    text_add(&text, "%.*s: ", PLACE_MAX, origin->name);
  else if (origin->source == CONFIG_ENVIRONMENT)
    text_add(&text, "environment %.*s: ", PLACE_MAX, origin->name);
  else if (origin->source == CONFIG_FLAG)
    text_add(&text, "flag: ");
  return text;
}

enum lumin_status config_refuse(struct config_error *error, const struct config_origin *origin, const char *format,
                                ...) {
  struct text text = error_begin(error, origin);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text.data + text.len, text.size - text.len, format, arguments); // cut where it does not fit
  va_end(arguments);
  return LUMIN_INVALID_ARGUMENT;
}

enum lumin_status config_refuse_value(struct config_error *error, const struct config_origin *origin,
                                      const struct config_key *key, struct span value, enum config_problem problem) {
  struct text text = error_begin(error, origin);
  text_add(&text, "%s: ", key->path);
  if (key->mask == CONFIG_MASK_NONE)
    text_quote(&text, value, FOUND_MAX);
  else
    text_add(&text, "the value");
  text_add(&text, " ");
  config_value_problem(&text, key, problem);
  text_add(&text, "; allowed: ");
  config_value_allowed(&text, key);
  return LUMIN_INVALID_ARGUMENT;
}

enum lumin_status config_refuse_kind(struct config_error *error, const struct config_origin *origin,
                                     const struct config_key *key, const char *found) {
  struct text text = error_begin(error, origin);
  text_add(&text, "%s: found %s; allowed: ", key->path, found);
  config_value_allowed(&text, key);
  return LUMIN_INVALID_ARGUMENT;
}

enum lumin_status config_refuse_unknown(struct config_error *error, const struct config_origin *origin,
                                        const char *what, struct span name, struct span nearest) {
  struct text text = error_begin(error, origin);
  text_add(&text, "unknown %s ", what);
  text_quote(&text, name, CONFIG_NAME_MAX);
  text_add(&text, "; did you mean \"%.*s\"?", SPAN_ARGS(nearest));
  return LUMIN_INVALID_ARGUMENT;
}

enum lumin_status config_refuse_memory(struct config_error *error) {
  struct text text = TEXT_IN(error->text);
  text_add(&text, "no memory for the configuration");
  return LUMIN_NO_MEMORY;
}
