// SPDX-License-Identifier: MIT
// What the files of the configuration share: the table of keys, the types of values, and bounded texts.
#pragma once

#include "lumin/infrastructure/config/config.h"

#define CONFIG_FILE_MAX (1024 * 1024)
#define CONFIG_NAME_MAX 128   // bytes of a path or a variable; longer than any of ours
#define CONFIG_VALUE_MAX 4096 // bytes of the longest text a key allows

// A text under construction in memory of fixed size: what does not fit is cut. Always NUL-terminated.
struct text {
  char *data;
  size_t size;
  size_t len;
};

#define TEXT_IN(array) ((struct text){(array), sizeof(array), 0})

void text_append(struct text *text, struct span part);
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
// In double quotes, escaped, cut after `limit` bytes.
void text_quote(struct text *text, struct span part, size_t limit);

// The offset of the first byte that is not UTF-8; the length where there is none.
size_t utf8_prefix(struct span text);

enum config_mask { CONFIG_MASK_NONE, CONFIG_MASK_ALL, CONFIG_MASK_NATS_URL, CONFIG_MASK_POSTGRES_URL };

struct config_type;

struct config_key {
  const char *path;
  const struct config_type *type;
  size_t offset; // of the field in struct config
  const char *initial;
  uint64_t minimum, maximum;
  const char *variable; // well-known, or ""
  enum config_mask mask;
  const char *help;
};

// keys.c
const struct config_key *config_key_at(size_t index); // index < CONFIG_KEY_COUNT
size_t config_key_number(const struct config_key *key);
const struct config_key *config_key_find(struct span path); // NULL where there is none
// The key for a LUMIN_ variable or a well-known one; NULL where there is none.
const struct config_key *config_key_by_variable(struct span name);
void config_key_variable(const struct config_key *key, char ret_name[CONFIG_NAME_MAX]); // "LUMIN_LANE_BATCH"
struct span config_key_section(const struct config_key *key);                           // "lane"; empty for none
const struct config_key *config_section_find(struct span name); // the section's first key; NULL where there is none
// The one whose name is least far away; case, and '_' for '.', do not count.
const struct config_key *config_key_nearest(struct span path);
const struct config_key *config_section_nearest(struct span name); // the section's first key

// values.c
enum config_problem {
  CONFIG_VALUE_OK,
  CONFIG_VALUE_MALFORMED,
  CONFIG_VALUE_TOO_SMALL,
  CONFIG_VALUE_TOO_LARGE,
  CONFIG_VALUE_EMPTY,
  CONFIG_VALUE_TOO_LONG,
  CONFIG_VALUE_NOT_UTF8,
  CONFIG_VALUE_CONTROL,
};
// Checks a value and stores it in its field.
LUMIN_MUST_USE enum lumin_status config_value_set(struct config *config, const struct config_key *key,
                                                  struct span value, enum config_problem *ret_problem);
void config_value_write(struct text *text, const struct config *config, const struct config_key *key); // not quoted
uint64_t config_value_number(const struct config *config, const struct config_key *key);
void config_value_allowed(struct text *text, const struct config_key *key);
void config_value_problem(struct text *text, const struct config_key *key, enum config_problem problem);
bool config_value_is_text(const struct config_key *key);

// error.c: each writes the error and returns INVALID_ARGUMENT.
enum lumin_status config_refuse(struct config_error *error, const struct config_origin *origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum lumin_status config_refuse_value(struct config_error *error, const struct config_origin *origin,
                                      const struct config_key *key, struct span value, enum config_problem problem);
enum lumin_status config_refuse_kind(struct config_error *error, const struct config_origin *origin,
                                     const struct config_key *key, const char *found);
enum lumin_status config_refuse_unknown(struct config_error *error, const struct config_origin *origin,
                                        const char *what, struct span name, struct span nearest);
enum lumin_status config_refuse_memory(struct config_error *error); // NO_MEMORY

// config.c: the one way a value gets into a configuration.
LUMIN_MUST_USE enum lumin_status config_set(struct config *config, const struct config_key *key, struct span value,
                                            const struct config_origin *origin, struct config_error *error);
// file.c. An absent file is no error where `optional`.
LUMIN_MUST_USE enum lumin_status config_file_read(struct config *config, const char *path, bool optional,
                                                  struct config_error *error);
// environment.c
LUMIN_MUST_USE enum lumin_status config_environment_read(struct config *config, struct config_error *error);
// check.c: what keys demand of one another.
LUMIN_MUST_USE enum lumin_status config_check(const struct config *config, struct config_error *error);
// mask.c
void config_mask_write(struct text *text, enum config_mask mask, struct span value);
