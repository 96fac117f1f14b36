// SPDX-License-Identifier: MIT
// Statuses that answer a pull request, as nats-server words them, and the names of a lane's consumers.
#include "../../../src/worker/lane_parse.h"

#include <criterion/criterion.h>

static struct cursor_input parse(int code, const char *description, bool *ret_said) {
  const struct pull_status status = {.code = code, .description = span_from_text(description)};
  struct cursor_input input = {.kind = CURSOR_IN_DETACH, .seq = 98, .consumer_seq = 99};
  *ret_said = pull_status_parse(&status, &input);
  cr_assert(input.seq == 98 && input.consumer_seq == 99);
  return input;
}

Test(pull_status, what_ends_the_request_and_what_the_consumer) {
  static const struct {
    int code;
    const char *description;
    enum cursor_input_kind kind;
  } cases[] = {
      {404, "No Messages", CURSOR_IN_PULL_ENDED},
      {408, "Request Timeout", CURSOR_IN_PULL_ENDED},
      {408, "", CURSOR_IN_PULL_ENDED},
      {409, "Exceeded MaxWaiting", CURSOR_IN_PULL_ENDED},
      {409, "Exceeded MaxRequestBatch of 10", CURSOR_IN_PULL_ENDED},
      {409, "Exceeded MaxRequestExpires of 1s", CURSOR_IN_PULL_ENDED},
      {409, "Exceeded MaxRequestMaxBytes of 1", CURSOR_IN_PULL_ENDED},
      {409, "Message Size Exceeds MaxBytes", CURSOR_IN_PULL_ENDED},
      {409, "Batch Completed", CURSOR_IN_PULL_ENDED},
      {409, "Consumer Deleted", CURSOR_IN_CONSUMER_GONE},
      {409, "Leadership Change", CURSOR_IN_CONSUMER_GONE},
      {409, "Server Shutdown", CURSOR_IN_CONSUMER_GONE},
      {409, "Consumer is push based", CURSOR_IN_CONSUMER_GONE},
      {409, "", CURSOR_IN_CONSUMER_GONE},
      {503, "", CURSOR_IN_CONSUMER_GONE},
      {400, "Bad Request", CURSOR_IN_CONSUMER_GONE},
      {999, "Exceeded Max", CURSOR_IN_CONSUMER_GONE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    bool said = false;
    cr_expect_eq(parse(cases[i].code, cases[i].description, &said).kind, cases[i].kind, "case %zu", i);
    cr_expect(said, "case %zu", i);
  }
  bool said = true;
  cr_expect_eq(parse(0, "No Messages", &said).kind, CURSOR_IN_DETACH);
  cr_expect(!said, "no status");
}

Test(pull_status, a_heartbeat_names_both_sequences) {
  static const struct {
    const char *consumer, *stream;
    bool said;
  } cases[] = {{"7", "9", true},
               {"0", "9223372036854775807", true},
               {"", "9", false},
               {"7", "", false},
               {"7", "-1", false},
               {"x", "9", false},
               {"7 ", "9", false},
               {"7", "9223372036854775808", false},
               {"9223372036854775808", "9", false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct pull_status status = {.code = 100,
                                       .description = SPAN_LITERAL("Idle Heartbeat"),
                                       .last_consumer = span_from_text(cases[i].consumer),
                                       .last_stream = span_from_text(cases[i].stream)};
    struct cursor_input input = {.kind = CURSOR_IN_DETACH, .seq = 98, .consumer_seq = 99};
    cr_expect_eq(pull_status_parse(&status, &input), cases[i].said, "case %zu", i);
    cr_expect_eq(input.kind, cases[i].said ? CURSOR_IN_HEARTBEAT : CURSOR_IN_DETACH, "case %zu", i);
    uint64_t stream = 98, consumer = 99;
    if (cases[i].said)
      cr_assert(span_to_u64(status.last_stream, &stream) && span_to_u64(status.last_consumer, &consumer));
    cr_expect(input.seq == stream && input.consumer_seq == consumer, "case %zu", i);
  }
}

Test(consumer_name, of_this_lane_alone) {
  static const struct {
    const char *name, *kind;
    uint64_t generation;
  } cases[] = {{"l_abc_0_r_1", "r", 1},    {"l_abc_0_s_12", "s", 12}, {"l_abc_0__3", "", 3},
               {"l_abc_0", NULL, 0},       {"l_abc_0_r", NULL, 0},    {"l_abc_0_r_", NULL, 0},
               {"l_abc_0r_1", NULL, 0},    {"l_abc_01_r_1", NULL, 0}, {"l_abd_0_r_1", NULL, 0},
               {"l_abc_0_r_1_2", NULL, 0}, {"l_abc_0_r_x", NULL, 0},  {"", NULL, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct consumer_name name = {.kind = SPAN_LITERAL("untouched"), .generation = 99};
    bool parsed = consumer_name_parse(SPAN_LITERAL("l_abc_0"), span_from_text(cases[i].name), &name);
    cr_expect_eq(parsed, cases[i].kind != NULL, "case %zu", i);
    cr_expect(span_equal(name.kind, span_from_text(cases[i].kind != NULL ? cases[i].kind : "untouched")), "case %zu",
              i);
    cr_expect_eq(name.generation, cases[i].kind != NULL ? cases[i].generation : 99, "case %zu", i);
  }
}
