// SPDX-License-Identifier: MIT
// A stream's configuration beside the plan. Only what a guarantee rests on is compared: the rest is the operator's.
#include <inttypes.h>

#include "js_json.h"
#include "lumin/base/clock.h"
#include "lumin/infrastructure/nats/streams.h"

struct comparison {
  const struct stream_plan *plan;
  const json_t *config;
  struct arena *arena;
  struct stream_finding *finding;
};

static void compare_config(struct comparison *comparison);

enum lumin_status stream_compare(const struct stream_plan *plan, struct span answer, struct arena *arena,
                                 struct stream_finding *ret_finding) {
  json_auto_t *root = NULL;
  struct js_error error;
  enum lumin_status status = js_json_open(answer, arena, &root, &error);
  if (status != LUMIN_OK) {
    return status;
  }
  struct stream_finding finding = {0};
  if (error.code == 0) {
    struct comparison comparison = {plan, json_object_get(root, "config"), arena, &finding};
    finding.exists = true;
    finding.durable_acks = json_object_get(root, "ts") != NULL; // 2.10 brought it
    compare_config(&comparison);
  } else if (error.err_code != JS_ERR_STREAM_NOT_FOUND) {
    return LUMIN_UNAVAILABLE;
  }
  *ret_finding = finding;
  return LUMIN_OK;
}

// ---- one difference

static void differ(struct comparison *comparison, struct span text) {
  struct stream_finding *finding = comparison->finding;
  if (finding->difference_count < STREAM_DIFFERENCES_MAX && text.data != NULL) {
    finding->differences[finding->difference_count++] = text;
  }
}

static struct span value_text(const struct comparison *comparison, const char *key) {
  struct span text = SPAN_EMPTY;
  return js_json_text(comparison->config, key, &text) ? text : SPAN_LITERAL("missing");
}

static void compare_text(struct comparison *comparison, const char *key, const char *expected) {
  struct span text = value_text(comparison, key);
  if (!span_equal(text, span_from_text(expected))) {
    differ(comparison, arena_printf(comparison->arena, "%s is %.*s, expected %s", key, SPAN_ARGS(text), expected));
  }
}

// Left out where it is zero.
static int64_t value_number(const struct comparison *comparison, const char *key) {
  int64_t value = 0;
  return js_json_i64(comparison->config, key, &value) ? value : 0;
}

static struct span duration_text(struct arena *arena, int64_t ns) {
  return ns % NS_PER_SECOND == 0 ? arena_printf(arena, "%" PRId64 "s", ns / NS_PER_SECOND)
                                 : arena_printf(arena, "%" PRId64 "ms", ns / NS_PER_MS);
}

static void compare_duration(struct comparison *comparison, const char *key, int64_t expected, bool more_is_fine) {
  int64_t value = value_number(comparison, key);
  if (value == expected || (more_is_fine && value > expected)) {
    return;
  }
  differ(comparison, arena_printf(comparison->arena, "%s is %.*s, expected %s%.*s", key,
                                  SPAN_ARGS(duration_text(comparison->arena, value)), more_is_fine ? "at least " : "",
                                  SPAN_ARGS(duration_text(comparison->arena, expected))));
}

static void compare_count(struct comparison *comparison, const char *key, int64_t expected, bool more_is_fine) {
  int64_t value = value_number(comparison, key);
  bool unlimited = expected < 0 && value <= 0;
  if (value != expected && !unlimited && !(more_is_fine && value > expected)) {
    differ(comparison, arena_printf(comparison->arena, "%s is %" PRId64 ", expected %s%" PRId64, key, value,
                                    more_is_fine ? "at least " : "", expected));
  }
}

static void compare_absent(struct comparison *comparison, const char *key, const char *why) {
  const json_t *value = json_object_get(comparison->config, key);
  if (value != NULL && !json_is_null(value) && !json_is_false(value)) {
    differ(comparison, arena_printf(comparison->arena, "%s is set, expected not: %s", key, why));
  }
}

// ---- all of them

// Each subject must be the planned one, or the one before the mapping where the stream maps by itself.
static void compare_subjects(struct comparison *comparison) {
  const struct stream_plan *plan = comparison->plan;
  const json_t *subjects = json_object_get(comparison->config, "subjects");
  const json_t *transform = json_object_get(comparison->config, "subject_transform");
  bool maps = plan->subject_before_mapping.len > 0 && json_is_object(transform);
  bool found = false;
  for (size_t i = 0; i < json_array_size(subjects); i++) {
    const json_t *item = json_array_get(subjects, i);
    struct span subject = span_of(json_string_value(item), json_string_length(item));
    if (span_equal(subject, plan->subject) || (maps && span_equal(subject, plan->subject_before_mapping))) {
      found = true;
    } else {
      differ(comparison, arena_printf(comparison->arena, "subjects holds %.*s, expected only %.*s", SPAN_ARGS(subject),
                                      SPAN_ARGS(plan->subject)));
    }
  }
  if (!found) {
    differ(comparison, arena_printf(comparison->arena, "subjects lacks %.*s", SPAN_ARGS(plan->subject)));
  }
}

static void compare_limits(struct comparison *comparison) {
  const struct stream_plan *plan = comparison->plan;
  compare_text(comparison, "discard", plan->discard_new ? "new" : "old");
  if (!plan->limits_are_free) {
    compare_count(comparison, "max_msgs", plan->max_messages, false);
    compare_duration(comparison, "max_age", plan->max_age_ns, false);
  }
  compare_count(comparison, "max_msgs_per_subject", -1, false);
  if (plan->duplicate_window_ns > 0) {
    compare_duration(comparison, "duplicate_window", plan->duplicate_window_ns, true);
  }
}

static void compare_config(struct comparison *comparison) {
  const struct stream_plan *plan = comparison->plan;
  compare_subjects(comparison);
  compare_text(comparison, "retention", "limits");
  compare_text(comparison, "storage", plan->memory ? "memory" : "file");
  compare_count(comparison, "num_replicas", (int64_t)plan->replicas, true);
  compare_limits(comparison);
  compare_absent(comparison, "mirror", "it holds what is published to it");
  compare_absent(comparison, "sources", "it holds what is published to it");
  compare_absent(comparison, "sealed", "it takes new messages");
  compare_absent(comparison, "no_ack", "publishers wait for the PubAck");
  compare_absent(comparison, "allow_rollup_hdrs", "a message must not remove others");
  struct span mode = SPAN_EMPTY;
  if (js_json_text(comparison->config, "persist_mode", &mode) && span_equal(mode, SPAN_LITERAL("async"))) {
    differ(comparison, SPAN_LITERAL("persist_mode is async, expected default: a PubAck must mean stored"));
  }
}
