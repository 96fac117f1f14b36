// SPDX-License-Identifier: MIT
// Edit distance, so that a mistyped name is answered with the right one.
#include "names.h"

#include "text.h"

static size_t edit_distance(struct span typed, struct span name);

static char dash_to_bar(char c) { return c == '-' ? '_' : c; }

bool name_equal(struct span typed, const char *name) {
  struct span wanted = span_from_text(name);
  bool equal = typed.len == wanted.len;
  for (size_t i = 0; equal && i < typed.len; i++) {
    equal = dash_to_bar(typed.data[i]) == wanted.data[i];
  }
  return equal;
}

const char *name_nearest(struct span typed, const struct name_list *names) {
  size_t least = 1 + typed.len / 3; // beyond that it is another word
  const char *nearest = NULL;
  for (size_t i = 0; i < names->count; i++) {
    size_t distance = edit_distance(typed, span_from_text(names->items[i]));
    if (distance < least || (distance == least && nearest == NULL)) {
      least = distance;
      nearest = names->items[i];
    }
  }
  return nearest;
}

const char *name_dashed(const char *name, char ret_text[NAME_MAX_LEN + 1]) {
  size_t len = 0;
  for (; name[len] != '\0' && len < NAME_MAX_LEN; len++) {
    ret_text[len] = name[len] == '_' ? '-' : name[len];
  }
  ret_text[len] = '\0';
  return ret_text;
}

void name_refuse(const char *what, const char *lead, struct span typed, const struct name_list *names) {
  char text[NAME_MAX_LEN + 1];
  report("error", "%s%.*s is no %s", lead, SPAN_ARGS(typed), what);
  const char *nearest = name_nearest(typed, names);
  if (nearest != NULL) {
    report("nearest", "%s%s", lead, name_dashed(nearest, text));
  }
  fputs("allowed: ", stderr);
  for (size_t i = 0; i < names->count; i++) {
    fprintf(stderr, "%s%s%s", i > 0 ? ", " : "", lead, name_dashed(names->items[i], text));
  }
  fputc('\n', stderr);
}

static size_t least_of(size_t a, size_t b) { return a < b ? a : b; }

// Letters added, lost, changed or swapped with their neighbour. Three rows of the table are enough.
static size_t edit_distance(struct span typed, struct span name) {
  size_t rows[3][NAME_MAX_LEN + 1] = {0};
  if (typed.len > NAME_MAX_LEN || name.len > NAME_MAX_LEN) {
    return SIZE_MAX;
  }
  for (size_t j = 0; j <= name.len; j++) {
    rows[0][j] = j;
  }
  for (size_t i = 1; i <= typed.len; i++) {
    size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= name.len; j++) {
      char a = dash_to_bar(typed.data[i - 1]), b = name.data[j - 1];
      row[j] = least_of(above[j - 1] + (a != b), 1 + least_of(above[j], row[j - 1]));
      if (i > 1 && j > 1 && a == name.data[j - 2] && dash_to_bar(typed.data[i - 2]) == b) {
        row[j] = least_of(row[j], before[j - 2] + 1);
      }
    }
  }
  return rows[typed.len % 3][name.len];
}
