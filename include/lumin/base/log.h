// SPDX-License-Identifier: MIT
// Structured logging: one line for a thing that happened, "time level event key=value ...", on standard error. Only
// the rim of the program logs; what happened is named by a stable event name, and fields never hold personal data.
#pragma once

#include "lumin/base/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
  const char *key;
  enum { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_NONE } kind; // NONE: left out
  struct span text;
  int64_t number;
};

// Lines below `level` are dropped. Safe to call from any thread; INFO until called.
void log_set_level(enum log_level level);
// Whether lines of this level are written; for who would have to prepare much for one.
bool log_is_on(enum log_level level);
// "debug", "info", "warn" or "error"; false for anything else.
bool log_level_parse(struct span text, enum log_level *ret_level);

// Writes one line with a single write(2). Values with spaces, quotes, '=' or control characters are quoted and escaped,
// so that input can never forge a line.
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

static inline struct log_field log_text(const char *key, struct span text) {
  return (struct log_field){.key = key, .kind = LOG_FIELD_TEXT, .text = text};
}
static inline struct log_field log_string(const char *key, const char *text) {
  return log_text(key, span_from_text(text));
}
// `text`, or no field at all where it is empty.
static inline struct log_field log_optional(const char *key, struct span text) {
  return (struct log_field){.key = key, .kind = text.len > 0 ? LOG_FIELD_TEXT : LOG_FIELD_NONE, .text = text};
}
static inline struct log_field log_number(const char *key, int64_t number) {
  return (struct log_field){.key = key, .kind = LOG_FIELD_NUMBER, .number = number};
}

#define LOG_EVENT(level, event, ...)                                                                                   \
  log_write((level), (event), (const struct log_field[]){__VA_ARGS__},                                                 \
            sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define log_debug(event, ...) LOG_EVENT(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) LOG_EVENT(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_EVENT(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) LOG_EVENT(LOG_ERROR, event, __VA_ARGS__)
