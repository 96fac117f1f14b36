// SPDX-License-Identifier: MIT
// The look at the event stream before a partition is opened: what is there is not published again (guarantee 8).
#include "survey.h"

#include <stdlib.h>

#include "lane_internal.h"
#include "lumin/base/clock.h"

#define SURVEY_PATIENCE (3 * NS_PER_SECOND)
#define SURVEY_RANGES_MAX 65536 // what is beyond is simply asked about one by one

// ---- ranges

// The index of the first range that does not end before `position`.
static size_t range_index(const struct survey_part *part, uint64_t position) {
  size_t low = 0, high = part->range_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (part->ranges[middle].last < position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool survey_has(const struct survey_part *part, uint64_t position) {
  size_t at = range_index(part, position);
  return at < part->range_count && part->ranges[at].first <= position;
}

bool survey_lacks(const struct survey_part *part, uint64_t position) {
  return survey_has_gaps(part, position) && !part->overflown && !survey_has(part, position);
}

bool survey_has_gaps(const struct survey_part *part, uint64_t prefix) { return part->whole && prefix < part->highest; }

static bool range_insert(struct survey_part *part, size_t at, uint64_t position) {
  if (part->range_count == part->range_room) {
    size_t room = part->range_room == 0 ? 16 : 2 * part->range_room;
    struct survey_range *grown = room > SURVEY_RANGES_MAX ? NULL : realloc(part->ranges, room * sizeof *grown);
    if (grown == NULL) {
      return false;
    }
    part->ranges = grown;
    part->range_room = room;
  }
  memmove(&part->ranges[at + 1], &part->ranges[at], (part->range_count - at) * sizeof *part->ranges);
  part->ranges[at] = (struct survey_range){position, position};
  part->range_count++;
  return true;
}

static void range_add(struct survey_part *part, uint64_t position) {
  size_t at = range_index(part, position);
  if (at < part->range_count && part->ranges[at].first <= position) {
    return;
  }
  bool joins_before = at > 0 && part->ranges[at - 1].last + 1 == position;
  bool joins_after = at < part->range_count && part->ranges[at].first == position + 1;
  if (joins_before && joins_after) {
    part->ranges[at - 1].last = part->ranges[at].last;
    memmove(&part->ranges[at], &part->ranges[at + 1], (part->range_count - at - 1) * sizeof *part->ranges);
    part->range_count--;
  } else if (joins_before) {
    part->ranges[at - 1].last = position;
  } else if (joins_after) {
    part->ranges[at].first = position;
  } else {
    part->overflown = !range_insert(part, at, position) || part->overflown;
  }
}

void survey_position_add(struct survey_part *part, uint64_t position) {
  if (part->state == SURVEY_READING && position > part->above) {
    range_add(part, position);
    part->highest = position > part->highest ? position : part->highest;
  }
}

void survey_part_clear(struct survey_part *part) {
  free(part->ranges);
  *part = (struct survey_part){0};
}

// ---- asking

static struct span survey_reply(struct lane *lane, const char *tail) {
  return lane_inbox_subject(lane, lane->turn, "s.%llu.%s", (unsigned long long)lane->survey.generation, tail);
}

static void part_ask(struct lane *lane, uint16_t number) {
  struct survey_part *part = &lane->partitions[number].survey;
  const struct partition_truth *truth = &lane->truths[number];
  survey_part_clear(part);
  part->above = truth->relayed_position;
  if (truth->event_stream_seq == 0) { // nothing was ever relayed, or a survey of the whole stream did not get through
    part->state = SURVEY_READING;
    part->matches = part->whole = true;
    part->start_seq = 1;
    return;
  }
  part->state = SURVEY_COMPARING;
  struct span tail = arena_printf(lane->turn, "m.%u", (unsigned)number);
  if (tail.data != NULL) {
    (void)!lane_ask(lane, js_message_get_subject(lane->turn, STREAM_EVENTS),
                    js_message_get_by_seq(lane->turn, truth->event_stream_seq), survey_reply(lane, tail.data));
  }
}

void survey_start(struct lane *lane) {
  struct survey *survey = &lane->survey;
  bool any = false;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    any = any || lane->partitions[lane->owned[i]].state == PARTITION_SURVEYED;
  }
  survey_stop(lane);
  if (!any || lane->link == NULL) {
    return;
  }
  arena_reset(lane->turn);
  *survey = (struct survey){.step = SURVEY_ASKING,
                            .ids = survey->ids,
                            .generation = survey->generation + 1,
                            .deadline_ns = clock_monotonic_ns() + SURVEY_PATIENCE};
  (void)!lane_ask(lane, js_stream_info_subject(lane->turn, STREAM_EVENTS), SPAN_EMPTY, survey_reply(lane, "i"));
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    if (lane->partitions[lane->owned[i]].state == PARTITION_SURVEYED) {
      part_ask(lane, lane->owned[i]);
    }
  }
}

static struct span survey_consumer(struct lane *lane) {
  return arena_printf(lane->turn, "%s_s_%llu", lane->consumer_prefix, (unsigned long long)lane->survey.generation);
}

void survey_stop(struct lane *lane) {
  if (lane->survey.step >= SURVEY_CREATING && lane->link != NULL) {
    arena_reset(lane->turn);
    (void)!lane_ask(lane, js_consumer_delete_subject(lane->turn, STREAM_EVENTS, survey_consumer(lane)), SPAN_EMPTY,
                    survey_reply(lane, "d"));
  }
  lane->survey.step = SURVEY_IDLE;
}

// ---- comparing

// Whether the stored position is where it was; needs the stream's own limits.
static void part_compare(struct lane *lane, uint16_t number) {
  struct survey_part *part = &lane->partitions[number].survey;
  const struct partition_truth *truth = &lane->truths[number];
  const struct js_stream_info *info = &lane->survey.info;
  if (!part->missing) {
    part->matches = part->found_ts_ns == truth->event_stream_ts_ns;
  } else if (truth->event_stream_seq == info->last_seq && truth->event_stream_ts_ns == info->last_ts_ns) {
    part->matches = true; // the last one was removed, and nothing came since
  } else {
    // Gone by retention: then what is first now is not older, and the numbers went on.
    bool expired = truth->event_stream_seq < info->first_seq && truth->event_stream_seq <= info->last_seq;
    part->matches = expired && (info->messages == 0 || info->first_ts_ns >= truth->event_stream_ts_ns);
  }
  part->start_seq = part->matches ? truth->event_stream_seq + 1 : info->first_seq;
  if (!part->matches) {
    part->whole = true;
    part->above = 0;
    log_error(
        "event_stream_anew", log_number("partition", number), log_number("position", (int64_t)truth->event_stream_seq),
        log_string("what", "the event stream was lost, made anew or shortened; what is missing is published again"));
  }
  part->state = SURVEY_READING;
}

static void survey_finish(struct lane *lane);

static void pull_send(struct lane *lane) {
  struct js_pull pull = {SURVEY_PULL, 5 * NS_PER_SECOND, NS_PER_SECOND, 0};
  lane->survey.left = SURVEY_PULL;
  (void)!lane_ask(lane, js_pull_subject(lane->turn, STREAM_EVENTS, survey_consumer(lane)),
                  js_pull_body(lane->turn, &pull), survey_reply(lane, "p"));
}

// Once everything is compared: one reader from the earliest start.
static void survey_read(struct lane *lane) {
  struct survey *survey = &lane->survey;
  uint64_t start = UINT64_MAX;
  if (!survey->have_info) {
    return;
  }
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    struct partition *partition = &lane->partitions[lane->owned[i]];
    if (partition->state != PARTITION_SURVEYED) {
      continue;
    }
    if (partition->survey.state == SURVEY_COMPARING) {
      if (!partition->survey.missing && partition->survey.found_ts_ns == 0) {
        return; // its answer is still to come
      }
      part_compare(lane, lane->owned[i]);
    }
    start = partition->survey.start_seq < start ? partition->survey.start_seq : start;
  }
  if (start > survey->info.last_seq || survey->info.messages == 0) {
    survey_finish(lane);
    return;
  }
  survey->step = SURVEY_CREATING;
  struct js_consumer consumer = {.stream = STREAM_EVENTS,
                                 .name = survey_consumer(lane),
                                 .start_seq = start > 0 ? start : 1,
                                 .inactive_threshold_ns = 30 * NS_PER_SECOND,
                                 .headers_only = true};
  (void)!lane_ask(lane, js_consumer_create_subject(lane->turn, &consumer),
                  js_consumer_create_body(lane->turn, &consumer), survey_reply(lane, "n"));
}

// ---- answers: "<generation>.<kind>[.<partition>]"

static void answer_info(struct lane *lane, struct span payload) {
  struct js_error error = {0};
  struct js_stream_info info;
  if (js_stream_info_parse(payload, lane->turn, &info, &error) == LUMIN_OK && error.code == 0) {
    lane->survey.info = info;
    lane->survey.have_info = true;
  }
}

static void answer_message(struct lane *lane, struct span number_text, struct span payload) {
  uint64_t number = 0;
  struct js_error error = {0};
  struct js_message message;
  if (!span_to_u64(number_text, &number) || number >= lane->partition_count ||
      js_message_parse(payload, lane->turn, &message, &error) != LUMIN_OK) {
    return;
  }
  struct survey_part *part = &lane->partitions[number].survey;
  if (error.code == 0) {
    part->found_ts_ns = message.ts_ns;
  } else if (error.code == 404 && error.err_code != JS_ERR_STREAM_NOT_FOUND) {
    part->missing = true;
  }
}

void survey_answer(struct lane *lane, struct span rest, struct span payload, int status) {
  struct survey *survey = &lane->survey;
  uint64_t generation = 0;
  if (!span_to_u64(span_cut(&rest, '.'), &generation) || generation != survey->generation || status == 503) {
    return; // an unanswered question ends in the deadline, and all is asked again
  }
  struct span kind = span_cut(&rest, '.');
  struct js_error error = {0};
  struct js_consumer_info consumer;
  if (survey->step == SURVEY_ASKING) {
    if (span_equal(kind, SPAN_LITERAL("i"))) {
      answer_info(lane, payload);
    } else if (span_equal(kind, SPAN_LITERAL("m"))) {
      answer_message(lane, rest, payload);
    }
    survey_read(lane);
  } else if (survey->step == SURVEY_CREATING && span_equal(kind, SPAN_LITERAL("n"))) {
    if (js_consumer_info_parse(payload, lane->turn, &consumer, &error) != LUMIN_OK || error.code != 0) {
      return;
    }
    survey->step = SURVEY_PULLING;
    survey->deadline_ns = clock_monotonic_ns() + SURVEY_PATIENCE;
    if (consumer.pending == 0) { // all that came last was removed: no message would ever end the reading
      survey_finish(lane);
    } else {
      pull_send(lane);
    }
  } else if (survey->step == SURVEY_PULLING && span_equal(kind, SPAN_LITERAL("p")) &&
             (status == 404 || status == 408)) {
    if (survey->id_count > 0) {
      survey_go_on(lane); // or the next pull would bring more ids than there is room for
    } else {
      pull_send(lane);
    }
  }
}

// False: the survey has to begin anew.
static bool event_note(struct lane *lane, const struct survey_headers *headers) {
  uint64_t number = 0, at = 0;
  if (!span_to_u64(headers->partition, &number) || !span_to_u64(headers->position, &at)) {
    return true;
  }
  if (at <= lane->worker->position_base) {
    return survey_id_add(lane, headers->id);
  }
  if (number < lane->partition_count) {
    survey_position_add(&lane->partitions[number].survey, at);
  }
  return true;
}

void survey_go_on(struct lane *lane) {
  struct survey *survey = &lane->survey;
  if (survey->id_count > 0) {
    survey->step = SURVEY_PLACING;
    survey->deadline_ns = INT64_MAX; // the database may take its time
  } else if (survey->ended) {
    survey_finish(lane);
  } else {
    survey->step = SURVEY_PULLING;
    survey->deadline_ns = clock_monotonic_ns() + SURVEY_PATIENCE;
    pull_send(lane);
  }
}

void survey_message(struct lane *lane, uint64_t generation, const struct js_delivery *delivery,
                    const struct survey_headers *headers) {
  struct survey *survey = &lane->survey;
  if (survey->step != SURVEY_PULLING || generation != survey->generation) {
    return;
  }
  // One was lost on the way, or there is no room: read it all again.
  if (delivery->consumer_seq != survey->consumer_seq + 1 || !event_note(lane, headers)) {
    survey_start(lane);
    return;
  }
  survey->consumer_seq = delivery->consumer_seq;
  survey->stream_seq = delivery->stream_seq;
  survey->deadline_ns = clock_monotonic_ns() + SURVEY_PATIENCE;
  survey->left--;
  survey->ended = delivery->stream_seq >= survey->info.last_seq || delivery->pending == 0;
  if (survey->ended || survey->left == 0) {
    survey_go_on(lane);
  }
}

// ---- the result

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

// Where retention has cut the stream, what is older than its first event of this partition is not missing. Events of an
// earlier layout stand there in another order than that of their positions now: none of them is known to be missing in
// front of the last one that is there.
static uint64_t relayed_at_least(const struct lane *lane, const struct survey_part *part) {
  bool cut = lane->survey.info.first_seq > 1 && part->range_count > 0;
  uint64_t relayed = cut ? later(part->ranges[0].first - 1, part->earlier) : 0;
  return later(relayed, lane->worker->position_base);
}

static void partition_open(struct lane *lane, uint16_t number) {
  struct partition *partition = &lane->partitions[number];
  struct survey_part *part = &partition->survey;
  struct partition_truth *truth = &lane->truths[number];
  if (!part->matches) {
    truth->relayed_position = relayed_at_least(lane, part);
    truth->event_stream_seq = 0;
    truth->event_stream_ts_ns = 0;
    partition->dirty = true;
  }
  const struct survey *survey = &lane->survey;
  part->seen_seq = survey->stream_seq > survey->info.last_seq ? survey->stream_seq : survey->info.last_seq;
  part->state = SURVEY_DONE;
  relay_open(lane->relay, number, truth->relayed_position);
  partition->behind = truth->relayed_position < truth->event_position;
  partition->state = PARTITION_OPEN;
  partition->attach = true;
}

static void survey_finish(struct lane *lane) {
  survey_stop(lane);
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    uint16_t number = lane->owned[i];
    struct partition *partition = &lane->partitions[number];
    if (partition->state != PARTITION_SURVEYED) {
      continue;
    }
    if (partition->survey.highest > lane->truths[number].event_position) {
      partition->state = PARTITION_AHEAD;
      log_error("event_stream_ahead", log_number("partition", number),
                log_number("stream_position", (int64_t)partition->survey.highest),
                log_number("table_position", (int64_t)lane->truths[number].event_position),
                log_string("what", "the database was restored to an earlier point, or failed over to one that lacked "
                                   "commits: the partition stays closed"),
                log_string("run", "lumin-user repair --adopt, or --discard"));
    } else {
      partition_open(lane, number);
    }
  }
}

void survey_tick(struct lane *lane, int64_t now_ns) {
  if (lane->survey.step != SURVEY_IDLE && now_ns >= lane->survey.deadline_ns) {
    log_warn("survey_unanswered", log_number("lane", lane->number), log_number("step", (int64_t)lane->survey.step));
    survey_start(lane);
  }
}

int64_t survey_deadline_ns(const struct lane *lane) {
  return lane->survey.step == SURVEY_IDLE ? INT64_MAX : lane->survey.deadline_ns;
}
