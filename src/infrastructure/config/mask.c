// SPDX-License-Identifier: MIT
// Hides passwords in values that are shown. In doubt it hides too much: a password may hold any character, also '@',
// '/' and ',', which its owner forgot to escape.
#include <ctype.h>
#include <strings.h>

#include "internal.h"

static void urls_mask(struct text *text, struct span rest, bool lone_user_is_token);
static void conninfo_mask(struct text *text, struct span rest);

static void hide(struct text *text) { text_append(text, SPAN_LITERAL("***")); }

static size_t index_of(struct span text, const char *part) {
  const char *at = text.data != NULL ? memmem(text.data, text.len, part, strlen(part)) : NULL;
  return at ? (size_t)(at - text.data) : text.len;
}

void config_mask_write(struct text *text, enum config_mask mask, struct span value) {
  if (mask == CONFIG_MASK_NONE || value.data == NULL || value.len == 0)
    text_append(text, value);
  else if (mask == CONFIG_MASK_ALL)
    hide(text);
  else if (mask == CONFIG_MASK_NATS_URL)
    urls_mask(text, value, true);
  else if (span_starts_with(value, SPAN_LITERAL("postgresql://")) ||
           span_starts_with(value, SPAN_LITERAL("postgres://")))
    urls_mask(text, value, false);
  else
    conninfo_mask(text, value);
}

static bool is_secret_name(struct span name) {
  static const char *const endings[] = {"password", "secret"};
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t len = strlen(endings[i]);
    if (name.len >= len && strncasecmp(name.data + name.len - len, endings[i], len) == 0)
      return true;
  }
  return index_of(name, "%") < name.len; // an escaped name may be anything
}

// What follows host and path: "?name=value&name=value".
static void parameters_mask(struct text *text, struct span rest) {
  size_t start = index_of(rest, "?");
  text_append(text, span_of(rest.data, start));
  for (struct span part = span_skip(rest, start); part.len > 0; part = rest) {
    size_t len = 1;
    while (len < part.len && part.data[len] != '&')
      len++;
    rest = span_skip(part, len);
    struct span value = span_of(part.data, len);
    struct span name = span_cut(&value, '=');
    bool secret = is_secret_name(name) && value.len > 0;
    text_append(text, secret ? span_of(part.data, name.len + 1) : span_of(part.data, len));
    if (secret)
      hide(text);
  }
}

// Where the secret before the '@' at `at` begins; false where there is none.
static bool secret_find(struct span url, size_t at, bool lone_user_is_token, size_t *ret_start) {
  struct span before = span_of(url.data, at);
  size_t start = index_of(before, "://");
  start = start < at ? start + strlen("://") : 0;
  size_t colon = start + index_of(span_skip(before, start), ":");
  if (colon == at && !lone_user_is_token)
    return false;
  size_t secret = colon < at ? colon + 1 : start;
  if (secret < at)
    *ret_start = secret;
  return secret < at;
}

// From the first colon to the last '@'; without a colon, a token. A '?' before either may begin the parameters, whose
// values may hold both: then nothing of the rest is shown.
static void url_mask(struct text *text, struct span url, bool lone_user_is_token) {
  const char *last = url.data != NULL ? memrchr(url.data, '@', url.len) : NULL;
  size_t at = last ? (size_t)(last - url.data) : 0;
  size_t start = 0;
  if (!last || !secret_find(url, at, lone_user_is_token, &start)) {
    parameters_mask(text, url);
    return;
  }
  size_t question = index_of(url, "?");
  text_append(text, span_of(url.data, question < start ? question + 1 : start));
  hide(text);
  if (question > at)
    parameters_mask(text, span_skip(url, at));
}

// The length of the first URL of a list: up to a comma that another scheme follows.
static size_t url_len(struct span list) {
  for (size_t comma = 0; comma < list.len; comma++) {
    if (list.data[comma] != ',')
      continue;
    size_t end = comma + 1;
    while (end < list.len && isalnum((unsigned char)list.data[end]))
      end++;
    if (end > comma + 1 && span_starts_with(span_skip(list, end), SPAN_LITERAL("://")))
      return comma;
  }
  return list.len;
}

static void urls_mask(struct text *text, struct span rest, bool lone_user_is_token) {
  while (rest.len > 0) {
    size_t len = lone_user_is_token ? url_len(rest) : rest.len;
    url_mask(text, span_of(rest.data, len), lone_user_is_token);
    rest = span_skip(rest, len);
    text_append(text, span_of(rest.data, rest.len > 0 ? 1 : 0)); // the comma
    rest = span_skip(rest, 1);
  }
}

static size_t blanks_len(struct span text) {
  size_t len = 0;
  while (len < text.len && text.data[len] == ' ')
    len++;
  return len;
}

// A value of libpq's keyword form: quoted, or up to a blank; a backslash takes the next character as it is.
static size_t conninfo_value_len(struct span text) {
  bool quoted = text.len > 0 && text.data[0] == '\'';
  char end = quoted ? '\'' : ' ';
  size_t len = quoted;
  while (len < text.len && text.data[len] != end)
    len += text.data[len] == '\\' ? 2 : 1;
  len += quoted;
  return len < text.len ? len : text.len;
}

static bool is_plain_name(struct span name) {
  for (size_t i = 0; i < name.len; i++)
    if (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_')
      return false;
  return name.len > 0;
}

// "name = value name = value"; what does not look like that is hidden to its end.
static void conninfo_mask(struct text *text, struct span rest) {
  while (rest.data != NULL && rest.len > 0) {
    size_t blanks = blanks_len(rest);
    size_t equals = index_of(rest, "=");
    struct span name = span_skip(span_of(rest.data, equals), blanks);
    while (name.len > 0 && name.data[name.len - 1] == ' ')
      name.len--;
    struct span value = span_skip(rest, equals + 1);
    value = span_skip(value, blanks_len(value));
    bool malformed = equals == rest.len || !is_plain_name(name);
    bool secret = malformed || is_secret_name(name);
    size_t shown = malformed ? blanks : rest.len - value.len;
    size_t len = malformed ? value.len : conninfo_value_len(value);
    text_append(text, span_of(rest.data, secret ? shown : shown + len));
    if (secret && blanks < rest.len)
      hide(text);
    rest = span_skip(value, len);
  }
}
