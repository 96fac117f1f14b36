// SPDX-License-Identifier: MIT
// Commands of a few users through the whole pipeline, over a store in memory: however they are cut into batches, each
// comes to the same outcome and the same events (guarantees 4 and 10); a repeated one to its first outcome and nothing
// more (2); and the tables are what they must be: dense versions, rows that are the fold of their events, each address
// one user's (3, 6 and 7). A line of the input is a message: user, command id and expected version, each a letter or
// "-", and how many days have passed (or, as a, b or c, what the clock goes back); then the method and the payload. An
// empty line ends a batch.
#define FAKE_ROWS 160

#include "application/rig.h"

#define MESSAGES_MAX 24
#define DAY_NS INT64_C(86400000000000)

struct line {
  struct step step;
  char expected[2];
  bool ends_batch;
};

static bool is_given(char letter) { return letter != '-'; }

// A broker's clock steps back too.
static int64_t days_of(char letter) {
  return letter >= '0' && letter <= '9' ? letter - '0' : letter >= 'a' && letter <= 'c' ? 'a' - letter - 1 : 0;
}

// False where the line is no message.
static bool line_read(struct span line, int64_t *ts_ns, struct line *ret_line) {
  if (line.len < 6 || line.data[4] != ' ') {
    return false;
  }
  struct span rest = span_skip(line, 5), name = span_cut(&rest, ' ');
  const struct method *method = method_find(name);
  if (method == NULL || method->kind != METHOD_COMMAND) {
    return false;
  }
  *ts_ns += 1000 + DAY_NS * days_of(line.data[3]);
  *ret_line = (struct line){.step = {.method = method->id,
                                     .user = (unsigned)(uint8_t)line.data[0] % 4,
                                     .id = is_given(line.data[1]) ? 1 + (unsigned)(uint8_t)line.data[1] % 8 : 0,
                                     .payload = span_of(rest.data != NULL ? rest.data : "", rest.len),
                                     .ts_ns = *ts_ns},
                            .expected = {line.data[2], '\0'}};
  return true;
}

static size_t lines_read(struct span input, struct line *lines) {
  size_t count = 0;
  int64_t ts_ns = 1700000000000000000;
  while (input.len > 0 && count < MESSAGES_MAX) {
    struct span line = span_cut(&input, '\n');
    if (line.len == 0 && count > 0) {
      lines[count - 1].ends_batch = true;
    } else if (line_read(line, &ts_ns, &lines[count])) {
      struct line *read = &lines[count++];
      read->step.expected = is_given(read->expected[0]) ? read->expected : NULL;
    }
  }
  return count;
}

static size_t batch_len(const struct line *lines, size_t count) {
  size_t len = 1;
  while (len < count && !lines[len - 1].ends_batch) {
    len++;
  }
  return len;
}

static void apply(struct rig *rig, const struct line *lines, size_t count, struct result *ret_results) {
  struct step steps[MESSAGES_MAX];
  for (size_t i = 0; i < count; i++) {
    steps[i] = lines[i].step;
  }
  rig_steps(rig, steps, count, ret_results);
}

static void check_same_outcome(const struct outcome *one, const struct outcome *other) {
  FUZZ_CHECK(one->status == other->status && one->version == other->version);
  FUZZ_CHECK(one->refusal.reason == other->refusal.reason);
  FUZZ_CHECK(memcmp(one->content_hash, other->content_hash, CONTENT_HASH_LEN) == 0);
}

static void check_same_tables(const struct fake_tables *one, const struct fake_tables *other) {
  FUZZ_CHECK(one->event_count == other->event_count && one->user_count == other->user_count);
  FUZZ_CHECK(one->identifier_count == other->identifier_count && one->outcome_count == other->outcome_count);
  FUZZ_CHECK(one->dead_count == other->dead_count && one->view_count == other->view_count);
  for (size_t i = 0; i < one->event_count; i++) {
    const struct fake_event *a = &one->events[i], *b = NULL;
    for (size_t j = 0; j < other->event_count && b == NULL; j++) {
      const struct fake_event *candidate = &other->events[j];
      bool same = uuid_equal(&a->user_id, &candidate->user_id) && a->version == candidate->version;
      b = same ? candidate : NULL;
    }
    FUZZ_CHECK(b != NULL && a->type == b->type && a->time_ns == b->time_ns && span_equal(a->body, b->body));
  }
}

// Once more, each alone. What the first time used another's id is refused again; what is dead is decided anew.
static void check_repeats(struct rig *rig, const struct line *lines, size_t count, const struct result *results) {
  size_t events = rig->fake->tables.event_count;
  for (size_t i = 0; i < count; i++) {
    struct result again;
    if (lines[i].step.id == 0) {
      continue;
    }
    struct line line = lines[i];
    line.step.ts_ns = 0; // later than all
    apply(rig, &line, 1, &again);
    if (results[i].outcome.status != OUTCOME_DEAD) {
      FUZZ_CHECK(again.unrecorded && again.outcome.status == results[i].outcome.status);
      FUZZ_CHECK(again.outcome.refusal.reason == results[i].outcome.refusal.reason);
    }
  }
  FUZZ_CHECK(rig->fake->tables.event_count == events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct line lines[MESSAGES_MAX] = {0};
  struct result together[MESSAGES_MAX], alone[MESSAGES_MAX];
  size_t count = lines_read(span_of(data, size), lines);
  if (count == 0) {
    return -1;
  }
  struct rig *one = rig_plain(), *other = rig_plain();
  for (size_t done = 0; done < count;) {
    size_t len = batch_len(lines + done, count - done);
    apply(one, lines + done, len, together + done);
    done += len;
  }
  for (size_t i = 0; i < count; i++) {
    apply(other, lines + i, 1, alone + i);
    check_same_outcome(&together[i].outcome, &alone[i].outcome);
  }
  check_same_tables(&one->fake->tables, &other->fake->tables);
  rig_check_tables(one);
  check_repeats(one, lines, count, together);
  rig_check_tables(one);
  rig_destroy(one);
  rig_destroy(other);
  return 0;
}
