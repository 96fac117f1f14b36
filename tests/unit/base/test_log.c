// SPDX-License-Identifier: MIT
// The log as it comes out of file descriptor 2: one line for an event, whatever the bytes of its values are.
#include "lumin/base/log.h"

#include "lumin/base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { TIME_LEN = sizeof "2026-11-21T22:20:14.123Z" - 1, CAPTURE_MAX = 64 * 1024 };

struct capture {
  int reading, saved_stderr;
};

static struct capture capture_begin(void) {
  int ends[2];
  cr_assert_eq(pipe(ends), 0);
  struct capture capture = {ends[0], dup(STDERR_FILENO)};
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  return capture;
}

// All that was written since, in static memory.
static struct span capture_end(struct capture capture) {
  static char bytes[CAPTURE_MAX];
  dup2(capture.saved_stderr, STDERR_FILENO);
  close(capture.saved_stderr);
  size_t len = 0;
  for (ssize_t got; (got = read(capture.reading, bytes + len, sizeof bytes - len)) > 0;)
    len += (size_t)got;
  close(capture.reading);
  return span_of(bytes, len);
}

static struct span written_for(struct span value) {
  struct capture capture = capture_begin();
  log_error("it_happened", log_text("key", value), log_number("n", 1));
  return capture_end(capture);
}

// The line without its time.
static void assert_line(struct span written, const char *expected) {
  struct span line = span_skip(written, TIME_LEN);
  cr_assert(span_equal(line, span_from_text(expected)), "got: %.*s", SPAN_ARGS(line));
}

static void assert_value(struct span value, const char *expected) {
  char line[512];
  snprintf(line, sizeof line, " error it_happened key=%s n=1\n", expected);
  assert_line(written_for(value), line);
}

Test(log, a_line_is_time_level_event_and_fields) {
  struct capture capture = capture_begin();
  int64_t before = clock_wall_ns() / NS_PER_MS * NS_PER_MS, at;
  log_info("lane_started", log_string("lane", "a-1"), log_number("least", INT64_MIN), log_number("zero", 0));
  struct span written = capture_end(capture);
  assert_line(written, " info lane_started lane=a-1 least=-9223372036854775808 zero=0\n");
  cr_assert_eq(clock_parse_rfc3339(span_of(written.data, TIME_LEN), &at), LUMIN_OK);
  cr_assert_eq(written.data[TIME_LEN - 5], '.');
  cr_assert(at >= before && at <= clock_wall_ns());
}

Test(log, an_event_may_have_no_fields) {
  struct capture capture = capture_begin();
  log_write(LOG_WARN, "alone", NULL, 0);
  assert_line(capture_end(capture), " warn alone\n");
}

Test(log, an_optional_field_without_a_value_is_left_out) {
  struct capture capture = capture_begin();
  log_info("it_happened", log_optional("a", SPAN_EMPTY), log_optional("b", SPAN_LITERAL("x")), log_number("n", 1));
  assert_line(capture_end(capture), " info it_happened b=x n=1\n");
}

Test(log, levels_that_are_on_are_told) {
  log_set_level(LOG_WARN);
  cr_assert(!log_is_on(LOG_DEBUG) && !log_is_on(LOG_INFO) && log_is_on(LOG_WARN) && log_is_on(LOG_ERROR));
  cr_assert(!log_is_on((enum log_level)77));
  log_set_level(LOG_DEBUG);
  cr_assert(log_is_on(LOG_DEBUG));
}

Test(log, plain_values_stay_bare) {
  assert_value(SPAN_LITERAL("user.v1/a:b,c;[x]"), "user.v1/a:b,c;[x]");
  assert_value(SPAN_LITERAL("Zo\xc3\xab"), "Zo\xc3\xab");
  assert_value(SPAN_LITERAL("\xe6\x97\xa5\xf0\x9f\x98\x80"), "\xe6\x97\xa5\xf0\x9f\x98\x80");
}

Test(log, values_that_could_mislead_are_quoted_and_escaped) {
  assert_value(SPAN_EMPTY, "\"\"");
  assert_value(SPAN_LITERAL("a b"), "\"a b\"");
  assert_value(SPAN_LITERAL("a=b"), "\"a=b\"");
  assert_value(SPAN_LITERAL("say \"hi\""), "\"say \\\"hi\\\"\"");
  assert_value(SPAN_LITERAL("a\\"), "\"a\\\\\"");
  assert_value(SPAN_LITERAL("x\r\n2026-11-21T22:20:14.123Z error forged"),
               "\"x\\r\\n2026-11-21T22:20:14.123Z error forged\"");
  assert_value(SPAN_LITERAL("\t\0\x1b[31m\x7f"), "\"\\t\\x00\\x1b[31m\\x7f\"");
}

Test(log, bytes_that_are_no_printable_utf8_are_escaped) {
  assert_value(SPAN_LITERAL("\xff"), "\"\\xff\"");
  assert_value(SPAN_LITERAL("\xc0\xaf"), "\"\\xc0\\xaf\"");                   // overlong
  assert_value(SPAN_LITERAL("\xe0\x80\xaf"), "\"\\xe0\\x80\\xaf\"");          // overlong
  assert_value(SPAN_LITERAL("\xf0\x8f\xbf\xbf"), "\"\\xf0\\x8f\\xbf\\xbf\""); // overlong
  assert_value(SPAN_LITERAL("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");          // a surrogate
  assert_value(SPAN_LITERAL("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\""); // beyond Unicode
  assert_value(SPAN_LITERAL("\xf9\x80\x80\x80"), "\"\\xf9\\x80\\x80\\x80\""); // no lead byte
  assert_value(SPAN_LITERAL("\xc3"), "\"\\xc3\"");                            // cut short
  assert_value(SPAN_LITERAL("\xe6\x97z"), "\"\\xe6\\x97z\"");                 // broken off
  assert_value(SPAN_LITERAL("\xc2\x85"), "\"\\xc2\\x85\"");                   // a control, NEL
  assert_value(SPAN_LITERAL("\xe2\x80\xa8"), "\"\\xe2\\x80\\xa8\"");          // the line separator
  assert_value(SPAN_LITERAL("a\xe2\x80\xae"
                            "b"),
               "\"a\\xe2\\x80\\xae"
               "b\"");                                                             // right-to-left override
  assert_value(SPAN_LITERAL("\xef\xbb\xbf"), "\"\\xef\\xbb\\xbf\"");               // the byte order mark
  assert_value(SPAN_LITERAL("\xc3\xab\xff\xc3\xab"), "\"\xc3\xab\\xff\xc3\xab\""); // good beside bad
}

Test(log, every_single_byte_leaves_one_line_of_printable_ascii) {
  for (int byte = 0; byte < 256; byte++) {
    struct span written = written_for(span_of((char[]){(char)byte}, 1));
    cr_assert_eq(written.data[written.len - 1], '\n');
    for (size_t i = 0; i + 1 < written.len; i++)
      cr_assert(written.data[i] >= 0x20 && written.data[i] < 0x7f, "byte %d", byte);
  }
}

static struct span repeated(const char *unit, size_t times) {
  static char bytes[32 * 1024];
  size_t len = strlen(unit);
  for (size_t i = 0; i < times; i++)
    memcpy(bytes + i * len, unit, len);
  return span_of(bytes, len * times);
}

static bool ends_with(struct span s, const char *end) {
  size_t len = strlen(end);
  return s.len >= len && memcmp(s.data + s.len - len, end, len) == 0;
}

Test(log, a_long_line_is_cut_between_characters_and_closed) {
  static const struct {
    const char *unit, *end;
  } rows[] = {
      {"a", "a\xe2\x80\xa6\n"},          {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80\xe2\x80\xa6\n"},
      {" ", " \xe2\x80\xa6\"\n"},        {"\"", "\\\"\xe2\x80\xa6\"\n"},
      {"\xff", "\\xff\xe2\x80\xa6\"\n"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct span written = written_for(repeated(rows[i].unit, 5000));
    cr_assert_leq(written.len, 4096, "row %zu", i);
    cr_assert_geq(written.len, 4086, "row %zu", i);
    cr_assert(ends_with(written, rows[i].end), "row %zu: %.*s", i, 24, written.data + written.len - 24);
  }
}

Test(log, no_length_overruns_the_line) {
  for (size_t len = 3900; len < 4200; len++) {
    struct span bare = written_for(repeated("a", len));
    cr_assert_leq(bare.len, 4096);
    cr_assert(ends_with(bare, " n=1\n") || ends_with(bare, "\xe2\x80\xa6\n"), "%zu", len);
    struct span quoted = written_for(repeated(" ", len));
    cr_assert_leq(quoted.len, 4096);
    cr_assert(ends_with(quoted, "\" n=1\n") || ends_with(quoted, "\xe2\x80\xa6\n") ||
                  ends_with(quoted, "\xe2\x80\xa6\"\n"),
              "%zu", len);
  }
}

Test(log, many_quoted_fields_stay_within_the_line) {
  struct log_field fields[600];
  for (size_t i = 0; i < 600; i++)
    fields[i] = log_string("k", i % 2 == 0 ? "a b" : "");
  for (size_t count = 400; count < 600; count++) {
    struct capture capture = capture_begin();
    log_write(LOG_ERROR, "many", fields, count);
    struct span written = capture_end(capture);
    cr_assert_leq(written.len, 4096, "%zu", count);
    cr_assert_eq(written.data[written.len - 1], '\n', "%zu", count);
  }
}

Test(log, lines_below_the_level_are_dropped) {
  struct capture capture = capture_begin();
  log_debug("dropped", log_number("n", 1));
  log_set_level(LOG_DEBUG);
  log_debug("kept", log_number("n", 2));
  log_set_level(LOG_ERROR);
  log_warn("dropped", log_number("n", 3));
  log_error("kept", log_number("n", 4));
  struct span written = capture_end(capture);
  struct span first = span_cut(&written, '\n');
  cr_assert(span_equal(span_skip(first, TIME_LEN), SPAN_LITERAL(" debug kept n=2")));
  assert_line(written, " error kept n=4\n");
}

Test(log, levels_have_names) {
  static const char *const names[] = {"debug", "info", "warn", "error"};
  enum log_level level;
  for (size_t i = 0; i < 4; i++)
    cr_assert(log_level_parse(span_from_text(names[i]), &level) && level == (enum log_level)i);
  static const struct span none[] = {SPAN_EMPTY, SPAN_LITERAL("INFO"), SPAN_LITERAL("info\0"), SPAN_LITERAL("warning")};
  for (size_t i = 0; i < 4; i++)
    cr_assert_not(log_level_parse(none[i], &level), "row %zu", i);
  cr_assert_eq(level, LOG_ERROR);
}

Test(log, a_log_that_cannot_be_written_keeps_errno_and_goes_on) {
  int saved_stderr = dup(STDERR_FILENO);
  close(STDERR_FILENO);
  errno = ENOENT;
  log_error("lost", log_number("n", 1));
  int after = errno;
  dup2(saved_stderr, STDERR_FILENO);
  close(saved_stderr);
  cr_assert_eq(after, ENOENT);
}

enum { THREADS = 4, LINES = 50 };

static void *write_lines(void *context) {
  for (int i = 0; i < LINES; i++)
    log_info("line", log_string("thread", context), log_string("text", "with blanks in it"), log_number("n", i));
  return NULL;
}

Test(log, lines_of_several_threads_do_not_mix) {
  static char names[THREADS][2] = {"0", "1", "2", "3"};
  pthread_t threads[THREADS];
  int next[THREADS] = {0};
  struct capture capture = capture_begin();
  for (size_t i = 0; i < THREADS; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  struct span written = capture_end(capture);
  while (written.len > 0) {
    struct span line = span_skip(span_cut(&written, '\n'), TIME_LEN);
    int thread = line.data[sizeof " info line thread=" - 1] - '0';
    cr_assert(thread >= 0 && thread < THREADS);
    char expected[128];
    snprintf(expected, sizeof expected, " info line thread=%d text=\"with blanks in it\" n=%d", thread, next[thread]++);
    cr_assert(span_equal(line, span_from_text(expected)), "%.*s", SPAN_ARGS(line));
  }
  for (size_t i = 0; i < THREADS; i++)
    cr_assert_eq(next[i], LINES);
}
