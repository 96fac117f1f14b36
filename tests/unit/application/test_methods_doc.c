// SPDX-License-Identifier: MIT
// docs/methods.md says what the catalog, the protos and events.def say. LUMIN_WRITE_DOCS=1 writes its tables anew.
#include "doc_section.h"
#include "lumin/application/catalog.h"
#include "lumin/application/query.h"
#include "lumin/user/v1/events.pb-c.h"

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

static void tables_write(FILE *out) {
  fputs("\n## Commands\n\n", out);
  methods_write(out, METHOD_COMMAND);
  fputs("\n## Queries\n\n", out);
  methods_write(out, METHOD_QUERY);
  fputs("\n## Events\n\n", out);
  events_write(out);
  fputs("\n", out);
}

Test(methods_doc, is_what_the_catalog_says) {
  doc_section_check(&(struct doc_section){LUMIN_SOURCE_DIR "/docs/methods.md", "test_methods_doc", tables_write});
}
