// SPDX-License-Identifier: MIT
// docs/methods.md says what the catalog, the protos and events.def say. LUMIN_WRITE_DOCS=1 writes its tables anew.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/application/catalog.h"
#include "lumin/application/query.h"
#include "lumin/user/v1/events.pb-c.h"

#define PATH LUMIN_SOURCE_DIR "/docs/methods.md"
#define BEGIN "<!-- tables: written by test_methods_doc -->\n"
#define END "<!-- end of tables -->\n"

static void fields_write(FILE *out, const ProtobufCMessageDescriptor *type) {
  for (unsigned i = 0; i < type->n_fields; i++)
    fprintf(out, "%s`%s`", i > 0 ? ", " : "", type->fields[i].name);
}

static void methods_write(FILE *out, enum method_kind kind) {
  static const char *const users[] = {[USER_NAMED] = "required",
                                      [USER_NEW] = "may be left out by request/reply: one is made",
                                      [USER_UNUSED] = "chooses the partition; may be left out by request/reply"};
  bool commands = kind == METHOD_COMMAND;
  fprintf(out, commands ? "| command | what it does | user id | fields |\n|---|---|---|---|\n"
                        : "| query | what it answers | reply | fields |\n|---|---|---|---|\n");
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    const struct method *method = &methods[i];
    if (method->kind != kind)
      continue;
    fprintf(out, "| `%s` | %s | %s | ", method->name, method->summary,
            commands ? users[method->user] : method->reply->short_name);
    fields_write(out, method->request);
    fputs(" |\n", out);
  }
}

static void events_write(FILE *out) {
  static const struct {
    int number;
    const char *name;
    const ProtobufCMessageDescriptor *body;
  } events[] = {
#define EVENT(symbol, number, name) {number, #name, &lumin__user__v1__##name##__descriptor},
#include "lumin/domain/events.def"
#undef EVENT
  };
  fputs("| event | number | fields |\n|---|---|---|\n", out);
  for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
    fprintf(out, "| `%s` | %d | ", events[i].name, events[i].number);
    fields_write(out, events[i].body);
    fputs(" |\n", out);
  }
}

static char *tables_make(void) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  cr_assert(out);
  fputs(BEGIN "\n## Commands\n\n", out);
  methods_write(out, METHOD_COMMAND);
  fputs("\n## Queries\n\n", out);
  methods_write(out, METHOD_QUERY);
  fputs("\n## Events\n\n", out);
  events_write(out);
  fputs("\n" END, out);
  cr_assert_eq(fclose(out), 0);
  return text;
}

static char *file_read(void) {
  FILE *in = fopen(PATH, "r");
  cr_assert(in, "there is no " PATH);
  char *text = calloc(1, 1 << 20);
  cr_assert(text);
  size_t len = fread(text, 1, (1 << 20) - 1, in);
  cr_assert_gt(len, 0);
  (void)fclose(in);
  return text;
}

Test(methods_doc, is_what_the_catalog_says) {
  char *tables = tables_make(), *text = file_read();
  char *begin = strstr(text, BEGIN), *end = strstr(text, END);
  cr_assert(begin && end && begin < end);
  end += sizeof END - 1;
  bool same = (size_t)(end - begin) == strlen(tables) && memcmp(begin, tables, strlen(tables)) == 0;
  if (!same && getenv("LUMIN_WRITE_DOCS")) {
    FILE *out = fopen(PATH, "w");
    cr_assert(out);
    fprintf(out, "%.*s%s%s", (int)(begin - text), text, tables, end);
    cr_assert_eq(fclose(out), 0);
    same = true;
  }
  cr_expect(same, "docs/methods.md is out of date: LUMIN_WRITE_DOCS=1 build/debug/tests/test_methods_doc");
  free(tables);
  free(text);
}
