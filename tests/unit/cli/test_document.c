// SPDX-License-Identifier: MIT
// JSON that luminctl makes itself, on standard output: one line, and nothing in it that a terminal obeys.
#include <criterion/criterion.h>

#include "../../../src/cli/document.c"
#include "../../../src/cli/text.c"

static void expect_written(json_t *object, const char *expected) {
  char *written = NULL;
  size_t len = 0;
  FILE *real = stdout;
  stdout = open_memstream(&written, &len);
  enum lumin_status status = document_write(object);
  fclose(stdout);
  stdout = real;
  cr_expect_eq(status, LUMIN_OK);
  cr_expect_str_eq(written, expected);
  free(written);
}

Test(document, texts_are_escaped) {
  static const struct {
    struct span text;
    const char *expected;
  } cases[] = {
      {SPAN_LITERAL("plain \"q\" \\"), "{\"a\":\"plain \\\"q\\\" \\\\\"}\n"},
      {SPAN_LITERAL("\x7f"
                    "a\x7f\x7f"),
       "{\"a\":\"\\u007fa\\u007f\\u007f\"}\n"},
      {SPAN_LITERAL("\x1b[31m\xc2\x9b"), "{\"a\":\"\\u001B[31m\\u009B\"}\n"},
      {SPAN_LITERAL("\xe2\x80\xae"), "{\"a\":\"\\u202E\"}\n"},
      {SPAN_LITERAL("\xff"), "{\"a\":\"\\\\xff\"}\n"},
      {SPAN_LITERAL(""), "{}\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_t *object = json_object();
    document_set_text(object, "a", cases[i].text);
    expect_written(object, cases[i].expected);
  }
  cr_expect_eq(document_write(NULL), LUMIN_NO_MEMORY);
}

Test(document, bytes_are_base64) {
  json_t *object = json_object();
  (void)json_object_set_new(object, "a", document_bytes(SPAN_LITERAL("\x00\xff\x07\x10")));
  (void)json_object_set_new(object, "b", document_bytes(SPAN_EMPTY));
  expect_written(object, "{\"a\":\"AP8HEA==\",\"b\":\"\"}\n");
}
