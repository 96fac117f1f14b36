// SPDX-License-Identifier: MIT
// Where to begin, in the words that come to mind: a sequence, a time, how long ago, or what is new.
#include "lumin/base/clock.h"
#include "stream.h"

static enum exit_code refuse_value(enum option_id id, const char *value, const char *allowed) {
  char name[NAME_MAX_LEN + 1];
  report("error", "--%s cannot be \"%s\"", name_dashed(option_table[id].name, name), value);
  report("allowed", "%s", allowed);
  return EXIT_USAGE;
}

// "90s", "15m", "2h" or "7d".
static bool ago_parse(struct span text, int64_t *ret_ns) {
  static const struct {
    char unit;
    int64_t seconds;
  } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  uint64_t count = 0;
  if (text.len < 2 || !span_to_u64(span_of(text.data, text.len - 1), &count) || count > 36500) {
    return false;
  }
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (units[i].unit == text.data[text.len - 1]) {
      *ret_ns = (int64_t)count * units[i].seconds * NS_PER_SECOND;
      return true;
    }
  }
  return false;
}

// A day alone is its beginning in UTC.
static bool time_parse(struct span text, int64_t *ret_ns) {
  char whole[CLOCK_RFC3339_MAX];
  if (text.len != sizeof "2026-11-21" - 1) {
    return clock_parse_rfc3339(text, ret_ns) == LUMIN_OK;
  }
  int len = snprintf(whole, sizeof whole, "%.*sT00:00:00Z", SPAN_ARGS(text));
  return clock_parse_rfc3339(span_of(whole, (size_t)len), ret_ns) == LUMIN_OK;
}

static bool since_parse(struct span text, struct stream_reading *reading) {
  int64_t ns = 0;
  reading->from_new = span_equal(text, SPAN_LITERAL("new"));
  if (reading->from_new || span_to_u64(text, &reading->from_seq)) {
    return true;
  }
  if (ago_parse(text, &ns)) {
    ns = clock_wall_ns() - ns;
  } else if (!time_parse(text, &ns)) {
    return false;
  }
  reading->from_ns = ns < 1 ? 1 : ns;
  return true;
}

static enum exit_code count_parse(const struct invocation *invocation, enum option_id id, uint64_t *ret_count) {
  const char *value = invocation->flags[id];
  if (value == NULL || (span_to_u64(span_from_text(value), ret_count) && *ret_count > 0)) {
    return EXIT_FINE;
  }
  return refuse_value(id, value, "a whole number, 1 or more");
}

enum exit_code stream_reading_parse(const struct invocation *invocation, struct stream_reading *reading) {
  const char *since = invocation->flags[OPTION_since];
  if (since != NULL && !since_parse(span_from_text(since), reading)) {
    return refuse_value(OPTION_since, since,
                        "a stream sequence (1000), a time (2026-11-21T22:20:14Z, 2026-11-21), how long ago (90s, 15m, "
                        "2h, 7d), or \"new\"");
  }
  if (since != NULL && invocation->flags[OPTION_last] != NULL) {
    report("error", "--since and --last say two different things: give one of them");
    return EXIT_USAGE;
  }
  reading->follow = invocation->flags[OPTION_follow] != NULL;
  enum exit_code code = count_parse(invocation, OPTION_last, &reading->last);
  return code == EXIT_FINE ? count_parse(invocation, OPTION_limit, &reading->limit) : code;
}

enum exit_code user_token_prepare(const struct invocation *invocation, struct arena *arena, const char **ret_token) {
  const char *user = invocation->flags[OPTION_user_id];
  struct uuid id = {0};
  char token[UUID_TEXT_LEN + 1] = "*";
  if (user != NULL) {
    if (uuid_parse_any_case(span_from_text(user), &id) != LUMIN_OK) {
      return refuse_value(OPTION_user_id, user, "a UUID");
    }
    uuid_format(&id, token);
  }
  *ret_token = arena_copy(arena, span_from_text(token)).data;
  if (*ret_token == NULL) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  return EXIT_FINE;
}
