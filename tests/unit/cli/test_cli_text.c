// SPDX-License-Identifier: MIT
// luminctl's parts that need no server: escapes, names, fields and rows by reflection. Its sources are in no library,
// so they are compiled in here.
#include <criterion/criterion.h>

#include "../../../src/cli/fields.c"
#include "../../../src/cli/names.c"
#include "../../../src/cli/rows.c"
#include "../../../src/cli/table.c"
#include "../../../src/cli/text.c"

#include "lumin/user/v1/commands.pb-c.h"
#include "sample.pb-c.h"

static const ProtobufCMessageDescriptor *const user_type = &lumin__user__v1__user__descriptor;

static void expect_written(void (*write)(FILE *out, struct span text), struct span text, const char *expected) {
  char *written = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&written, &len);
  write(out, text);
  fclose(out);
  cr_expect_str_eq(written, expected);
  free(written);
}

Test(text, shows_what_is_printable_and_escapes_the_rest) {
  expect_written(text_write, SPAN_LITERAL("Zoë Łukasz 你好 👩"), "Zoë Łukasz 你好 👩");
  expect_written(text_write, SPAN_LITERAL("a\n\r\t\033[31m\x7f"), "a\\n\\r\\t\\x1b[31m\\x7f");
  expect_written(text_write, SPAN_LITERAL("a\0b"), "a\\x00b");
  expect_written(text_write, SPAN_LITERAL("\\"), "\\\\");
  expect_written(text_write,
                 SPAN_LITERAL("\xc2\x9b"
                              "31m"),
                 "\\u009b31m");                                        // CSI in one character
  expect_written(text_write, SPAN_LITERAL("\xe2\x80\xae"), "\\u202e"); // right-to-left override
  expect_written(text_write, SPAN_LITERAL("\xf3\xa0\x81\x81"), "\\U000e0041");
  expect_written(text_write, SPAN_LITERAL("\xe2\x80\x8c"), "\xe2\x80\x8c"); // a joiner
  expect_written(text_write, SPAN_LITERAL("\xff\xc3"), "\\xff\\xc3");
  expect_written(text_write, SPAN_EMPTY, "");
}

Test(text, a_word_is_quoted_where_it_would_not_be_seen_as_one) {
  expect_written(text_write_word, SPAN_LITERAL("ada@example.com"), "ada@example.com");
  expect_written(text_write_word, SPAN_LITERAL("a b"), "\"a b\"");
  expect_written(text_write_word, SPAN_LITERAL("a=\"b\""), "\"a=\\\"b\\\"\"");
  expect_written(text_write_word, SPAN_EMPTY, "\"\"");
}

Test(names, dashes_are_underscores_and_the_nearest_is_found) {
  const char *items[] = {"create", "change_email", "change_username", "get"};
  struct name_list names = {items, 4};
  cr_expect(name_equal(SPAN_LITERAL("change-email"), "change_email"));
  cr_expect(name_equal(SPAN_LITERAL("change_email"), "change_email"));
  cr_expect_not(name_equal(SPAN_LITERAL("change-emai"), "change_email"));
  cr_expect_str_eq(name_nearest(SPAN_LITERAL("change-mail"), &names), "change_email");
  cr_expect_str_eq(name_nearest(SPAN_LITERAL("craete"), &names), "create");
  cr_expect_str_eq(name_nearest(SPAN_LITERAL("gt"), &names), "get");
  cr_expect_null(name_nearest(SPAN_LITERAL("explode"), &names));
  char long_name[200];
  memset(long_name, 'x', sizeof long_name);
  cr_expect_null(name_nearest(span_of(long_name, sizeof long_name), &names));
}

static struct arena *memory;
static void fields_setup(void) { cr_assert((memory = arena_create(1 << 20))); }
static void fields_teardown(void) { arena_destroy(memory); }
TestSuite(fields, .init = fields_setup, .fini = fields_teardown);

static enum lumin_status set(Lumin__User__V1__User *user, const char *name, const char *text) {
  cr_assert_not_null(field_find(user_type, span_from_text(name)));
  return field_set(&user->base, &(struct assignment){span_from_text(name), text}, memory);
}

Test(fields, hold_what_their_type_allows_and_nothing_else) {
  Lumin__User__V1__User user = LUMIN__USER__V1__USER__INIT;
  cr_expect_eq(set(&user, "first-name", "Ada"), LUMIN_OK);
  cr_expect_eq(set(&user, "version", "18446744073709551615"), LUMIN_OK);
  cr_expect_eq(set(&user, "email_verified", "true"), LUMIN_OK);
  cr_expect_eq(set(&user, "status", "blocked"), LUMIN_OK);
  const char *wrong[][2] = {{"version", "-1"},
                            {"version", "18446744073709551616"},
                            {"version", ""},
                            {"email_verified", "yes"},
                            {"status", "BLOCK"},
                            {"status", "4"},
                            {"created_at", "yesterday"},
                            {"privacy_settings", "nobody"},
                            {"privacy_settings.bio", "friends"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    cr_expect_eq(set(&user, wrong[i][0], wrong[i][1]), LUMIN_INVALID_ARGUMENT, "%s", wrong[i][0]);
  }
  cr_expect_str_eq(user.first_name, "Ada");
  cr_expect_eq(user.version, UINT64_MAX);
  cr_expect(user.email_verified);
  cr_expect_eq(user.status, LUMIN__USER__V1__USER_STATUS__USER_STATUS_BLOCKED);
  cr_expect_null(field_find(user_type, SPAN_LITERAL("nick-name")));
}

Test(fields, of_messages_times_and_masks) {
  Lumin__User__V1__User user = LUMIN__USER__V1__USER__INIT;
  Lumin__User__V1__Update update = LUMIN__USER__V1__UPDATE__INIT;
  cr_expect_eq(set(&user, "privacy-settings.birth-date", "contacts"), LUMIN_OK);
  cr_expect_eq(set(&user, "privacy_settings.bio", "nobody"), LUMIN_OK);
  cr_expect_eq(set(&user, "created-at", "1969-12-31T23:59:59.5Z"), LUMIN_OK);
  cr_assert_not_null(user.privacy_settings);
  cr_expect_eq(user.privacy_settings->birth_date, LUMIN__USER__V1__VISIBILITY__VISIBILITY_CONTACTS);
  cr_expect_eq(user.privacy_settings->bio, LUMIN__USER__V1__VISIBILITY__VISIBILITY_NOBODY);
  cr_assert_not_null(user.created_at);
  cr_expect_eq(user.created_at->seconds, -1);
  cr_expect_eq(user.created_at->nanos, 500000000);
  cr_expect_eq(set(&user, "created-at", "1677-09-21T00:12:43.145224192Z"), LUMIN_OK); // the first there is
  cr_expect_eq(user.created_at->seconds, -9223372037);
  cr_expect_eq(user.created_at->nanos, 145224192);
  cr_expect_null(field_find(user_type, SPAN_LITERAL("privacy-settings.name")));
  cr_expect_null(field_find(user_type, SPAN_LITERAL("first-name.bio")));
  cr_expect_null(field_find(user_type, SPAN_LITERAL("created-at.seconds")));

  struct assignment mask = {SPAN_LITERAL("update-mask"), "bio,privacy-settings.email"};
  cr_expect_eq(field_set(&update.base, &mask, memory), LUMIN_OK);
  cr_assert_not_null(update.update_mask);
  cr_assert_eq(update.update_mask->n_paths, 2);
  cr_expect_str_eq(update.update_mask->paths[0], "bio");
  cr_expect_str_eq(update.update_mask->paths[1], "privacy_settings.email");
  mask.text = "bio,,email";
  cr_expect_eq(field_set(&update.base, &mask, memory), LUMIN_INVALID_ARGUMENT);
}

Test(fields, say_what_they_may_hold) {
  struct span status = field_allowed(field_find(user_type, SPAN_LITERAL("status")), memory);
  struct span time = field_allowed(field_find(user_type, SPAN_LITERAL("created_at")), memory);
  struct span group = field_allowed(field_find(user_type, SPAN_LITERAL("privacy_settings")), memory);
  cr_expect(span_equal(status, SPAN_LITERAL("PENDING, ACTIVE, DEACTIVATED, BLOCKED, DELETED")));
  cr_expect(span_starts_with(time, SPAN_LITERAL("a time")));
  cr_expect(span_starts_with(group, SPAN_LITERAL("its own fields")));
  cr_expect_str_eq(enum_short_name(&lumin__user__v1__reason__descriptor, "REASON_EMAIL_TAKEN"), "EMAIL_TAKEN");
  cr_expect_str_eq(enum_short_name(&lumin__user__v1__reason__descriptor, "OTHER"), "OTHER");
}

static void expect_rows(void (*write)(FILE *out, const struct rows *rows), const ProtobufCMessage *message,
                        const char *expected) {
  char *written = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&written, &len);
  struct rows rows = {.arena = arena_create(1 << 20)};
  cr_expect_eq(rows_add_message(&rows, message), LUMIN_OK);
  write(out, &rows);
  fclose(out);
  cr_expect_str_eq(written, expected);
  free(written);
  arena_destroy(rows.arena);
}

Test(rows, times_that_no_clock_shows_and_enumerations_of_tomorrow) {
  Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
  Lumin__User__V1__Outcome outcome = LUMIN__USER__V1__OUTCOME__INIT;
  time.seconds = INT64_MAX;
  outcome.time = &time;
  outcome.status = (Lumin__User__V1__OutcomeStatus)99;
  expect_rows(rows_write, &outcome.base,
              "status           99\nversion          0\nstream_sequence  0\n"
              "time             9223372036854775807 s since 1970\n");
}

// No message of the service has these yet: repeated texts and numbers, an optional number, a oneof, bytes, a double.
struct sample {
  ProtobufCMessage base;
  size_t n_tags;
  char **tags;
  size_t n_sizes;
  uint64_t *sizes;
  protobuf_c_boolean has_limit;
  uint32_t limit;
  uint32_t choice;
  int32_t chosen;
  ProtobufCBinaryData key;
  double ratio;
};

#define FIELD(text, number, label_, type_, member, quantifier, flags_)                                                 \
  {                                                                                                                    \
    .name = (text), .id = (number), .label = PROTOBUF_C_LABEL_##label_, .type = PROTOBUF_C_TYPE_##type_,               \
    .offset = offsetof(struct sample, member), .quantifier_offset = (quantifier), .flags = (flags_)                    \
  }

static const ProtobufCFieldDescriptor sample_fields[] = {
    FIELD("tags", 1, REPEATED, STRING, tags, offsetof(struct sample, n_tags), 0),
    FIELD("sizes", 2, REPEATED, UINT64, sizes, offsetof(struct sample, n_sizes), 0),
    FIELD("limit", 3, OPTIONAL, UINT32, limit, offsetof(struct sample, has_limit), 0),
    FIELD("chosen", 4, OPTIONAL, SINT32, chosen, offsetof(struct sample, choice), PROTOBUF_C_FIELD_FLAG_ONEOF),
    FIELD("key", 5, NONE, BYTES, key, 0, 0),
    FIELD("ratio", 6, NONE, DOUBLE, ratio, 0, 0),
};
static const ProtobufCMessageDescriptor sample_type = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC, .n_fields = 6, .fields = sample_fields};

Test(rows, repeated_fields_by_index_and_absent_ones_not_at_all) {
  char *tags[] = {(char[]){"a"}, (char[]){"b c"}};
  uint64_t sizes[] = {1, UINT64_MAX};
  struct sample sample = {
      .base = {.descriptor = &sample_type}, .n_tags = 2, .tags = tags, .n_sizes = 2, .sizes = sizes, .key = {3, NULL}};
  expect_rows(rows_write_flat, &sample.base,
              "  tags[0]=a  tags[1]=\"b c\"  sizes[0]=1  sizes[1]=18446744073709551615  key=\"(3 bytes)\""
              "  ratio=\"(a type that luminctl cannot show)\"");
  struct arena *arena = arena_create(1 << 20);
  cr_expect_eq(field_set(&sample.base, &(struct assignment){SPAN_LITERAL("limit"), "7"}, arena), LUMIN_OK);
  cr_expect_eq(field_set(&sample.base, &(struct assignment){SPAN_LITERAL("tags"), "x"}, arena), LUMIN_OK);
  cr_assert_eq(sample.n_tags, 3);
  cr_expect_str_eq(sample.tags[1], "b c");
  cr_expect_str_eq(sample.tags[2], "x");
  cr_expect_eq(field_set(&sample.base, &(struct assignment){SPAN_LITERAL("sizes"), "x"}, arena),
               LUMIN_INVALID_ARGUMENT);
  cr_expect_eq(field_set(&sample.base, &(struct assignment){SPAN_LITERAL("sizes"), "7"}, arena), LUMIN_OK);
  cr_expect(sample.n_sizes == 3 && sample.sizes[1] == UINT64_MAX && sample.sizes[2] == 7);
  cr_expect_eq(field_set(&sample.base, &(struct assignment){SPAN_LITERAL("chosen"), "x"}, arena),
               LUMIN_INVALID_ARGUMENT);
  arena_destroy(arena);
  sample.choice = 4;
  sample.chosen = -5;
  sample.n_tags = sample.n_sizes = 0;
  expect_rows(rows_write, &sample.base,
              "limit   7\nchosen  -5\nkey     (3 bytes)\nratio   (a type that luminctl cannot show)\n");
}

Test(rows, memory_that_is_short_is_said) {
  Lumin__User__V1__User user = LUMIN__USER__V1__USER__INIT;
  struct rows rows = {.arena = arena_create(64)};
  cr_expect_eq(rows_add_message(&rows, &user.base), LUMIN_NO_MEMORY);
  arena_destroy(rows.arena);
}

// Three elements: one wide in another sense than its bytes, one with what the others have not, one with nothing.
static char *table_of(size_t width, size_t memory_limit, enum lumin_status expected) {
  Lumin__Sample__Inner inners[3] = {LUMIN__SAMPLE__INNER__INIT, LUMIN__SAMPLE__INNER__INIT, LUMIN__SAMPLE__INNER__INIT};
  Lumin__Sample__Inner *elements[] = {&inners[0], &inners[1], &inners[2]};
  Lumin__Sample__Inner inner = LUMIN__SAMPLE__INNER__INIT;
  Lumin__Sample__Sample sample = LUMIN__SAMPLE__SAMPLE__INIT;
  inners[0].text = (char[]){"Zo\xc3\xab \xe4\xbd\xa0\xe5\xa5\xbd"};
  inners[1].text = (char[]){"a\033b"};
  inners[1].count = 12345;
  inners[1].inner = &inner;
  inner.text = (char[]){"deep"};
  cr_assert_null(table_field(&sample.base));
  sample.n_inners = 3;
  sample.inners = elements;
  const ProtobufCFieldDescriptor *field = table_field(&sample.base);
  cr_assert(field && strcmp(field->name, "inners") == 0);
  char *written = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&written, &len);
  struct arena *arena = arena_create(memory_limit);
  cr_expect_eq(table_write(out, &sample.base, field, width, arena), expected);
  arena_destroy(arena);
  fclose(out);
  return written;
}

Test(table, a_column_for_each_field_that_one_has) {
  char *written = table_of(0, 1 << 20, LUMIN_OK);
  cr_expect_str_eq(written, "text      count  inner.text  inner.count\n"
                            "Zo\xc3\xab \xe4\xbd\xa0\xe5\xa5\xbd  0                  \n"
                            "a\\x1bb    12345  deep        0\n"
                            "          0                  \n");
  free(written);
}

Test(table, what_does_not_fit_is_left_out_and_said) {
  char *written = table_of(20, 1 << 20, LUMIN_OK);
  cr_expect_str_eq(written, "text      count\n"
                            "Zo\xc3\xab \xe4\xbd\xa0\xe5\xa5\xbd  0\n"
                            "a\\x1bb    12345\n"
                            "          0\n"
                            "(2 more columns do not fit; --json has all)\n");
  free(written);
  free(table_of(0, 512, LUMIN_NO_MEMORY));
}
