// SPDX-License-Identifier: MIT
// A stream beside its plan: what is compared, what is left to the operator, and the request that makes one.
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "lumin/base/clock.h"
#include "lumin/infrastructure/nats/streams.h"

static const struct stream_plan commands = {
    .name = "LUMIN_USER_COMMANDS",
    .subject = SPAN_LITERAL("p.command.*.*.*"),
    .subject_before_mapping = SPAN_LITERAL("p.command.*.*"),
    .discard_new = true,
    .replicas = 3,
    .max_messages = 1000,
    .max_age_ns = 3600 * NS_PER_SECOND,
};

static const struct stream_plan events = {
    .name = "LUMIN_USER_EVENTS",
    .subject = SPAN_LITERAL("p.event.*.*"),
    .limits_are_free = true,
    .allow_direct = true,
    .replicas = 1,
    .max_messages = -1,
    .duplicate_window_ns = 120 * NS_PER_SECOND,
};

// The answer of STREAM.INFO for the configuration that the plan's own request asks for, with members of `changes` put
// over it (null removes one) and of `beside` put beside the configuration.
static struct stream_finding look(const struct stream_plan *plan, struct arena *arena, const char *changes,
                                  const char *beside) {
  struct span body = stream_create_body(arena, plan);
  json_auto_t *config = json_loadb(body.data, body.len, 0, NULL);
  json_auto_t *changed = json_loads(changes, 0, NULL);
  json_auto_t *answer = json_loads(beside, 0, NULL);
  cr_assert(config && changed && answer);
  const char *key;
  json_t *value;
  json_object_foreach(changed, key, value) {
    if (json_is_null(value)) {
      json_object_del(config, key);
    } else {
      json_object_set(config, key, value);
    }
  }
  json_object_set(answer, "config", config);
  char *text = json_dumps(answer, 0);
  struct stream_finding finding = {0};
  cr_assert_eq(stream_compare(plan, span_from_text(text), arena, &finding), LUMIN_OK);
  cr_assert(finding.exists);
  free(text);
  return finding;
}

static void expect_difference(const struct stream_plan *plan, const char *changes, const char *expected) {
  struct arena *arena = arena_create(1 << 20);
  struct stream_finding finding = look(plan, arena, changes, "{}");
  size_t wanted = expected != NULL ? 1 : 0;
  cr_assert_eq(finding.difference_count, wanted, "%s: %zu differences, first: %.*s", changes, finding.difference_count,
               SPAN_ARGS(finding.differences[0]));
  if (expected != NULL) {
    cr_expect(span_equal(finding.differences[0], span_from_text(expected)), "%.*s, expected: %s",
              SPAN_ARGS(finding.differences[0]), expected);
  }
  arena_destroy(arena);
}

Test(streams, what_was_asked_for_is_as_expected) {
  expect_difference(&commands, "{}", NULL);
  expect_difference(&events, "{}", NULL);
}

Test(streams, each_difference_is_named_with_what_is_expected) {
  expect_difference(&commands, "{\"discard\":\"old\"}", "discard is old, expected new");
  expect_difference(&commands, "{\"retention\":\"workqueue\"}", "retention is workqueue, expected limits");
  expect_difference(&commands, "{\"storage\":\"memory\"}", "storage is memory, expected file");
  expect_difference(&commands, "{\"num_replicas\":1}", "num_replicas is 1, expected at least 3");
  expect_difference(&commands, "{\"max_msgs\":-1}", "max_msgs is -1, expected 1000");
  expect_difference(&commands, "{\"max_age\":null}", "max_age is 0s, expected 3600s");
  expect_difference(&commands, "{\"max_age\":1500000000}", "max_age is 1500ms, expected 3600s");
  expect_difference(&commands, "{\"max_msgs_per_subject\":1}", "max_msgs_per_subject is 1, expected -1");
  expect_difference(&events, "{\"duplicate_window\":60000000000}", "duplicate_window is 60s, expected at least 120s");
  expect_difference(&events, "{\"no_ack\":true}", "no_ack is set, expected not: publishers wait for the PubAck");
  expect_difference(&events, "{\"allow_rollup_hdrs\":true}",
                    "allow_rollup_hdrs is set, expected not: a message must not remove others");
  expect_difference(&events, "{\"sealed\":true}", "sealed is set, expected not: it takes new messages");
  expect_difference(&events, "{\"mirror\":{\"name\":\"x\"}}",
                    "mirror is set, expected not: it holds what is published to it");
  expect_difference(&events, "{\"persist_mode\":\"async\"}",
                    "persist_mode is async, expected default: a PubAck must mean stored");
  expect_difference(&events, "{\"subjects\":[\"p.event.*.*\",\"other\"]}",
                    "subjects holds other, expected only p.event.*.*");
}

Test(streams, what_no_guarantee_rests_on_is_the_operators) {
  expect_difference(&commands, "{\"num_replicas\":5,\"max_bytes\":1000000,\"description\":\"ours\",\"metadata\":{}}",
                    NULL);
  expect_difference(&events, "{\"max_age\":86400000000000,\"max_msgs\":5,\"max_bytes\":10}", NULL);
  expect_difference(&events, "{\"duplicate_window\":600000000000,\"deny_delete\":true,\"allow_direct\":false}", NULL);
  expect_difference(&events, "{\"no_ack\":false,\"sealed\":false,\"mirror\":null,\"persist_mode\":\"default\"}", NULL);
}

Test(streams, a_stream_may_map_by_itself) {
  expect_difference(&commands,
                    "{\"subjects\":[\"p.command.*.*\"],\"subject_transform\":{\"src\":\"a\",\"dest\":\"b\"}}", NULL);
  struct arena *arena = arena_create(1 << 20);
  struct stream_finding finding = look(&commands, arena, "{\"subjects\":[\"p.command.*.*\"]}", "{}");
  cr_assert_eq(finding.difference_count, 2, "a transform is needed for that");
  cr_expect(span_equal(finding.differences[1], SPAN_LITERAL("subjects lacks p.command.*.*.*")));
  arena_destroy(arena);
}

Test(streams, the_servers_age_shows) {
  struct arena *arena = arena_create(1 << 20);
  cr_expect(!look(&events, arena, "{}", "{}").durable_acks);
  cr_expect(look(&events, arena, "{}", "{\"ts\":\"2026-01-01T00:00:00Z\"}").durable_acks);
  arena_destroy(arena);
}

Test(streams, refusals_and_nonsense) {
  struct arena *arena = arena_create(1 << 20);
  struct stream_finding finding = {.exists = true};
  struct span missing =
      SPAN_LITERAL("{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}");
  cr_expect_eq(stream_compare(&events, missing, arena, &finding), LUMIN_OK);
  cr_expect(!finding.exists);
  struct span off = SPAN_LITERAL("{\"error\":{\"code\":503,\"err_code\":10039,\"description\":\"not enabled\"}}");
  cr_expect_eq(stream_compare(&events, off, arena, &finding), LUMIN_UNAVAILABLE);
  cr_expect_eq(stream_compare(&events, SPAN_LITERAL("[]"), arena, &finding), LUMIN_INTERNAL);
  cr_expect_eq(stream_compare(&events, SPAN_LITERAL(""), arena, &finding), LUMIN_INTERNAL);
  cr_expect_eq(stream_compare(&events, SPAN_LITERAL("{}"), arena, &finding), LUMIN_OK);
  cr_expect_gt(finding.difference_count, 3, "no configuration is none that would do");
  cr_expect_leq(finding.difference_count, STREAM_DIFFERENCES_MAX);
  arena_destroy(arena);
}

// nats-server 2.12 and later refuse what they do not know: nothing beyond 2.9 may be sent.
Test(streams, the_request_holds_only_fields_of_2_9) {
  static const char *const known[] = {
      "name",         "subjects",      "retention",    "storage",         "discard",
      "max_msgs",     "num_replicas",  "max_bytes",    "max_age",         "max_msgs_per_subject",
      "max_msg_size", "max_consumers", "allow_direct", "duplicate_window"};
  struct arena *arena = arena_create(1 << 20);
  struct span body = stream_create_body(arena, &events);
  json_auto_t *request = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
  cr_assert_not_null(request);
  const char *key;
  json_t *value;
  json_object_foreach(request, key, value) {
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
      found = found || strcmp(known[i], key) == 0;
    }
    cr_expect(found, "%s", key);
  }
  cr_expect_eq(json_integer_value(json_object_get(request, "duplicate_window")), 120 * NS_PER_SECOND);
  arena_destroy(arena);
}
