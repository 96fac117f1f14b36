// SPDX-License-Identifier: MIT
// docs/errors.md says what status.def says, and the wire's reasons are the rows of status.def.
#include "doc_section.h"
#include "lumin/base/status.h"
#include "lumin/user/v1/types.pb-c.h"

#define WIRE_END 100 // numbers from here on never leave the process

static const struct row {
  const char *name;
  int number, code;
  const char *meaning, *advice;
} rows[] = {
#define STATUS(symbol, number, service_code, meaning, advice) {#symbol, number, service_code, meaning, advice},
#include "lumin/base/status.def"
#undef STATUS
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

static bool is_refusal(const struct row *row) { return row->number > 0 && row->number < WIRE_END; }

static void table_write(FILE *out) {
  fputs("\n| reason | number | code | what it means | what to do |\n|---|---|---|---|---|\n", out);
  for (size_t i = 0; i < ROW_COUNT; i++) {
    const struct row *row = &rows[i];
    if (is_refusal(row))
      fprintf(out, "| `%s` | %d | %d | %s | %s |\n", row->name, row->number, row->code, row->meaning, row->advice);
  }
  fputs("\n", out);
}

Test(errors_doc, is_what_the_table_says) {
  doc_section_check(&(struct doc_section){LUMIN_SOURCE_DIR "/docs/errors.md", "test_errors_doc", table_write});
}

Test(errors_doc, every_refusal_says_what_it_means_and_what_to_do) {
  size_t refusals = 0;
  for (size_t i = 0; i < ROW_COUNT; i++) {
    enum lumin_status status = (enum lumin_status)rows[i].number;
    cr_assert_str_eq(status_meaning(status), rows[i].meaning);
    cr_assert_str_eq(status_advice(status), rows[i].advice);
    cr_expect_gt(strlen(rows[i].meaning), 0, "%s", rows[i].name);
    cr_expect_eq(is_refusal(&rows[i]), rows[i].advice[0] != '\0', "%s", rows[i].name);
    cr_expect_null(strpbrk(rows[i].meaning, "|\n"), "%s", rows[i].name);
    cr_expect_null(strpbrk(rows[i].advice, "|\n"), "%s", rows[i].name);
    refusals += is_refusal(&rows[i]);
  }
  cr_assert_eq(refusals, 14);
  cr_assert_str_eq(status_meaning((enum lumin_status)99), "");
  cr_assert_str_eq(status_advice((enum lumin_status) - 1), "");
}

Test(errors_doc, the_wire_has_the_same_reasons) {
  const ProtobufCEnumDescriptor *reasons = &lumin__user__v1__reason__descriptor;
  size_t refusals = 0;
  for (size_t i = 0; i < ROW_COUNT; i++) {
    if (!is_refusal(&rows[i]))
      continue;
    char name[64];
    snprintf(name, sizeof name, "REASON_%s", rows[i].name);
    const ProtobufCEnumValue *reason = protobuf_c_enum_descriptor_get_value_by_name(reasons, name);
    cr_assert(reason, "%s", name);
    cr_assert_eq(reason->value, rows[i].number, "%s", name);
    refusals++;
  }
  cr_assert_eq(reasons->n_values, refusals + 1); // and UNSPECIFIED
}
