// SPDX-License-Identifier: MIT
// A part of a file under docs/ that is made of the code's tables, between two comments, and must be what they say byte
// for byte. LUMIN_WRITE_DOCS=1 writes it anew.
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct doc_section {
  const char *path;
  const char *writer; // the test's program
  void (*write)(FILE *out);
};

static inline char *doc_made(const struct doc_section *section, const char *begin, const char *end) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  cr_assert(out);
  fputs(begin, out);
  section->write(out);
  fputs(end, out);
  cr_assert_eq(fclose(out), 0);
  return text;
}

static inline char *doc_read(const char *path) {
  FILE *in = fopen(path, "r");
  cr_assert(in, "there is no %s", path);
  char *text = calloc(1, 1 << 20);
  cr_assert(text);
  size_t len = fread(text, 1, (1 << 20) - 1, in);
  cr_assert_gt(len, 0);
  (void)fclose(in);
  return text;
}

static inline void doc_section_check(const struct doc_section *section) {
  char begin[128];
  static const char end[] = "<!-- end of tables -->\n";
  snprintf(begin, sizeof begin, "<!-- tables: written by %s -->\n", section->writer);
  char *made = doc_made(section, begin, end), *text = doc_read(section->path);
  char *from = strstr(text, begin), *to = strstr(text, end);
  cr_assert(from && to && from < to, "%s lacks the comments around its tables", section->path);
  to += sizeof end - 1;
  bool same = (size_t)(to - from) == strlen(made) && memcmp(from, made, strlen(made)) == 0;
  if (!same && getenv("LUMIN_WRITE_DOCS")) {
    FILE *out = fopen(section->path, "w");
    cr_assert(out);
    fprintf(out, "%.*s%s%s", (int)(from - text), text, made, to);
    cr_assert_eq(fclose(out), 0);
    same = true;
  }
  cr_expect(same, "%s is out of date: LUMIN_WRITE_DOCS=1 build/debug/tests/%s", section->path, section->writer);
  free(made);
  free(text);
}
