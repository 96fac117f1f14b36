// SPDX-License-Identifier: MIT
// The table of keys, made of config.def, and the ways to find one: by path, by variable, by section, by likeness.
#include <ctype.h>
#include <stddef.h>

#include "internal.h"
#include "values.h"

#define MILLISECONDS(n) UINT64_C(n)
#define SECONDS(n) (UINT64_C(n) * 1000)
#define MINUTES(n) (UINT64_C(n) * 60000)
#define DAYS(n) (UINT64_C(n) * 86400000)
#define KIBIBYTES(n) (UINT64_C(n) << 10)
#define MEBIBYTES(n) (UINT64_C(n) << 20)
#define GIBIBYTES(n) (UINT64_C(n) << 30)

static const struct config_key keys[CONFIG_KEY_COUNT] = {
#define CONFIG(path, field, type, initial, minimum, maximum, variable, mask, help)                                     \
  {path, &config_type_##type, offsetof(struct config, field), initial, minimum, maximum, variable, CONFIG_MASK_##mask, \
   help},
#include "lumin/infrastructure/config/config.def"
#undef CONFIG
};

#define VARIABLE_PREFIX "LUMIN_"

static size_t distance(struct span a, struct span b);

const struct config_key *config_key_at(size_t index) { return &keys[index]; }

size_t config_key_number(const struct config_key *key) { return (size_t)(key - keys); }

const struct config_key *config_key_find(struct span path) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
    if (span_equal(span_from_text(keys[i].path), path))
      return &keys[i];
  return NULL;
}

const struct config_key *config_key_by_variable(struct span name) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    char own[CONFIG_NAME_MAX];
    config_key_variable(&keys[i], own);
    bool well_known = keys[i].variable[0] && span_equal(span_from_text(keys[i].variable), name);
    if (well_known || span_equal(span_from_text(own), name))
      return &keys[i];
  }
  return NULL;
}

void config_key_variable(const struct config_key *key, char ret_name[CONFIG_NAME_MAX]) {
  struct text name = {ret_name, CONFIG_NAME_MAX, 0};
  text_add(&name, VARIABLE_PREFIX "%s", key->path);
  for (size_t i = 0; i < name.len; i++)
    ret_name[i] = ret_name[i] == '.' ? '_' : (char)toupper((unsigned char)ret_name[i]);
}

struct span config_key_section(const struct config_key *key) {
  struct span rest = span_from_text(key->path);
  struct span section = span_cut(&rest, '.');
  return rest.len > 0 ? section : SPAN_EMPTY;
}

const struct config_key *config_section_find(struct span name) {
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
    if (name.len > 0 && span_equal(config_key_section(&keys[i]), name))
      return &keys[i];
  return NULL;
}

const struct config_key *config_key_nearest(struct span path) {
  const struct config_key *nearest = &keys[0];
  size_t least = SIZE_MAX;
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    size_t far = distance(path, span_from_text(keys[i].path));
    if (far < least) {
      least = far;
      nearest = &keys[i];
    }
  }
  return nearest;
}

const struct config_key *config_section_nearest(struct span name) {
  const struct config_key *nearest = &keys[0];
  size_t least = SIZE_MAX;
  for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
    struct span section = config_key_section(&keys[i]);
    size_t far = distance(name, section);
    if (section.len > 0 && far < least) {
      least = far;
      nearest = &keys[i];
    }
  }
  return config_section_find(config_key_section(nearest));
}

static bool same_letter(char a, char b) {
  char left = a == '_' ? '.' : (char)tolower((unsigned char)a);
  char right = b == '_' ? '.' : (char)tolower((unsigned char)b);
  return left == right;
}

static size_t least_of(size_t a, size_t b) { return a < b ? a : b; }

// Letters to insert, delete, replace or swap with their neighbour to make one name of the other; of names longer than
// any of ours, only the start counts.
static size_t distance(struct span a, struct span b) {
  size_t rows[3][CONFIG_NAME_MAX + 1];
  size_t a_len = least_of(a.len, CONFIG_NAME_MAX);
  size_t b_len = least_of(b.len, CONFIG_NAME_MAX);
  for (size_t j = 0; j <= b_len; j++)
    rows[0][j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    size_t *row = rows[i % 3];
    const size_t *above = rows[(i - 1) % 3];
    const size_t *above_that = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      size_t replaced = above[j - 1] + !same_letter(a.data[i - 1], b.data[j - 1]);
      row[j] = least_of(replaced, least_of(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && same_letter(a.data[i - 1], b.data[j - 2]) && same_letter(a.data[i - 2], b.data[j - 1]))
        row[j] = least_of(row[j], above_that[j - 2] + 1);
    }
  }
  return rows[a_len % 3][b_len];
}
