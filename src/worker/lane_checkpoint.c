// SPDX-License-Identifier: MIT
// Positions that move without a batch, written lazily and behind the same fence: the input position of idle partitions,
// the relayed position, and the event-stream position that goes with it (guarantees 8 and 9).
//
// An event-stream position (sequence, timestamp) vouches for a relayed position when every event up to that one stands
// at or before that sequence: what a lost tail takes is then never believed to be there. So the two move together, and
// in two ways. Idle: nothing of the partition was unacknowledged or sent while STREAM.INFO was under way, so its last
// sequence vouches for all. Busy: the highest sequence of any PubAck at some moment vouches for what was acknowledged
// then. An event beyond the relayed position may stand before the sequence too; asked about, it is found.
#include "lane_internal.h"
#include "lumin/base/clock.h"

#define CHECKPOINT_INTERVAL NS_PER_SECOND

static void busy_mark_use(struct lane *lane, uint16_t number) {
  struct partition *partition = &lane->partitions[number];
  struct partition_truth *truth = &lane->truths[number];
  if (partition->mark_position != 0 && lane->mark_ts_ns != 0 && lane->mark_seq > truth->event_stream_seq) {
    truth->relayed_position = partition->mark_position;
    truth->event_stream_seq = lane->mark_seq;
    truth->event_stream_ts_ns = lane->mark_ts_ns;
    partition->mark_position = 0;
    partition->dirty = true;
  }
}

void truths_refresh(struct lane *lane) {
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    if (lane->partitions[lane->owned[i]].state == PARTITION_OPEN) {
      busy_mark_use(lane, lane->owned[i]);
    }
  }
}

// ---- asking for marks

void lane_marks_ask(struct lane *lane) {
  arena_reset(lane->turn);
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    uint16_t number = lane->owned[i];
    struct partition *partition = &lane->partitions[number];
    bool idle = partition->state == PARTITION_OPEN && !partition->behind &&
                relay_pushed(lane->relay, number) == relay_prefix(lane->relay, number);
    partition->idle_at_request = idle;
    partition->idle_sends = relay_sends(lane->relay, number);
    // Gaps in front of later events are filled under one whole look at the stream; half-way it has to be a new one.
    uint64_t prefix = relay_prefix(lane->relay, number);
    bool busy = partition->state == PARTITION_OPEN && !idle && !survey_has_gaps(&partition->survey, prefix);
    partition->mark_position = busy ? prefix : 0;
  }
  lane->mark_number++;
  lane->mark_seq = relay_highest_seq(lane->relay);
  lane->mark_ts_ns = 0;
  (void)!lane_ask(lane, js_stream_info_subject(lane->turn, STREAM_EVENTS), SPAN_EMPTY,
                  lane_inbox_subject(lane, lane->turn, "k.%llu.i", (unsigned long long)lane->mark_number));
  if (lane->mark_seq != 0) {
    (void)!lane_ask(lane, js_message_get_subject(lane->turn, STREAM_EVENTS),
                    js_message_get_by_seq(lane->turn, lane->mark_seq),
                    lane_inbox_subject(lane, lane->turn, "k.%llu.m", (unsigned long long)lane->mark_number));
  }
}

static void idle_marks_use(struct lane *lane, const struct js_stream_info *info) {
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    uint16_t number = lane->owned[i];
    struct partition *partition = &lane->partitions[number];
    struct partition_truth *truth = &lane->truths[number];
    bool still = partition->idle_at_request && partition->state == PARTITION_OPEN && !partition->behind &&
                 partition->idle_sends == relay_sends(lane->relay, number) &&
                 relay_pushed(lane->relay, number) == relay_prefix(lane->relay, number);
    partition->idle_at_request = false;
    uint64_t prefix = relay_prefix(lane->relay, number);
    if (still && (info->last_seq > truth->event_stream_seq || prefix > truth->relayed_position)) {
      truth->relayed_position = prefix;
      truth->event_stream_seq = info->last_seq;
      truth->event_stream_ts_ns = info->last_ts_ns;
      partition->dirty = true;
    }
  }
}

// A stream that ends before a position that was reached, or that says it was created at another time, may not be the
// one that acknowledged: compare again.
static bool event_stream_is_suspect(struct lane *lane, const struct js_stream_info *info) {
  bool suspect = lane->event_stream_created_ns != 0 && lane->event_stream_created_ns != info->created_ns;
  lane->event_stream_created_ns = info->created_ns;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    suspect = suspect || (lane->partitions[lane->owned[i]].state == PARTITION_OPEN &&
                          info->last_seq < lane->truths[lane->owned[i]].event_stream_seq);
  }
  return suspect;
}

static void stream_answer(struct lane *lane, const struct js_stream_info *info) {
  if (event_stream_is_suspect(lane, info)) {
    log_warn("event_stream_suspect", log_number("lane", lane->number), log_number("last_seq", (int64_t)info->last_seq));
    reader_detach(lane);
    partitions_close(lane);
    survey_start(lane);
  } else if (info->messages > 0) {
    idle_marks_use(lane, info);
  }
}

void lane_mark_answer(struct lane *lane, struct span rest, struct span payload) {
  uint64_t number = 0;
  struct js_error error = {0};
  struct js_stream_info info;
  struct js_message message;
  if (!span_to_u64(span_cut(&rest, '.'), &number) || number != lane->mark_number) {
    return; // what is idle now may not have been when that was said
  }
  if (span_equal(rest, SPAN_LITERAL("i"))) {
    if (js_stream_info_parse(payload, lane->turn, &info, &error) == LUMIN_OK && error.code == 0) {
      lane->mark_answered = number;
      stream_answer(lane, &info);
    }
  } else if (js_message_parse(payload, lane->turn, &message, &error) == LUMIN_OK && error.code == 0 &&
             message.seq == lane->mark_seq) {
    lane->mark_ts_ns = message.ts_ns;
  }
}

// ---- writing

// Each is taken out before it is written: more may be found meanwhile.
enum lumin_status lost_ranges_record(struct lane *lane, struct arena *arena) {
  enum lumin_status status = LUMIN_OK;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    uint16_t number = lane->owned[i];
    struct partition *partition = &lane->partitions[number];
    while (partition->lost_count > 0 && status == LUMIN_OK) {
      struct lost_range lost = partition->lost[--partition->lost_count];
      status = store_lost_range(&lane->store, number, lost.first, lost.last, arena);
      if (status != LUMIN_OK && partition->lost_count < PARTITION_LOST_MAX) {
        partition->lost[partition->lost_count++] = lost;
      }
    }
  }
  return status;
}

static void mark_fill(const struct lane *lane, uint16_t number, struct partition_mark *mark) {
  const struct partition_truth *truth = &lane->truths[number];
  const struct stream_position *advanced = &lane->partitions[number].advanced;
  *mark = (struct partition_mark){
      .partition = number,
      .epoch = truth->epoch,
      .old_seq = truth->input_seq,
      .old_ts_ns = truth->input_ts_ns,
      .new_seq = advanced->seq != 0 ? advanced->seq : truth->input_seq,
      .new_ts_ns = advanced->seq != 0 ? advanced->ts_ns : truth->input_ts_ns,
      .event_position = truth->event_position,
      .relayed_position = truth->relayed_position,
      .event_stream_seq = truth->event_stream_seq,
      .event_stream_ts_ns = truth->event_stream_ts_ns,
      .dead_position = truth->dead_position,
      .dead_relayed = truth->dead_relayed,
  };
}

static void mark_settle(struct lane *lane, const struct partition_mark *mark) {
  struct partition *partition = &lane->partitions[mark->partition];
  struct partition_truth *truth = &lane->truths[mark->partition];
  truth->input_seq = mark->new_seq;
  truth->input_ts_ns = mark->new_ts_ns;
  if (partition->advanced.seq == mark->new_seq) {
    partition->advanced = (struct stream_position){0};
    partition->from_start = false;
    partition->verified = true;
  }
}

static void marks_write(struct lane *lane) {
  arena_reset(lane->scratch);
  reader_advance_idle(lane);
  struct partition_mark *marks = ARENA_ARRAY(lane->scratch, lane->owned_count, struct partition_mark);
  size_t count = 0;
  for (uint32_t i = 0; marks != NULL && i < lane->owned_count; i++) {
    struct partition *partition = &lane->partitions[lane->owned[i]];
    if (partition->state == PARTITION_OPEN && (partition->dirty || partition->advanced.seq != 0)) {
      mark_fill(lane, lane->owned[i], &marks[count++]);
      partition->dirty = false; // what moves while it is written is written next time
    }
  }
  enum lumin_status status = lost_ranges_record(lane, lane->scratch); // or the position would move over them in silence
  if (status == LUMIN_OK) {
    status = count > 0 ? store_checkpoint(&lane->store, marks, count, lane->scratch) : LUMIN_RETRY;
  }
  for (size_t i = 0; i < count; i++) {
    if (status == LUMIN_OK) {
      mark_settle(lane, &marks[i]);
    } else {
      lane->partitions[marks[i].partition].dirty = true;
    }
  }
  if (status == LUMIN_NOT_OWNER || status == LUMIN_POSITION_MOVED) {
    (void)!lane_review(lane);
  }
}

void lane_checkpoint(struct lane *lane, bool now) {
  int64_t time = clock_monotonic_ns();
  if (!now && time < lane->checkpoint_at_ns) {
    return;
  }
  lane->checkpoint_at_ns = time + CHECKPOINT_INTERVAL;
  truths_refresh(lane);
  if (lane->store.session != NULL && !lane->retake && lane->owned_count > 0) {
    marks_write(lane);
  }
  if (lane->link != NULL && !now) {
    lane_marks_ask(lane);
  }
}
