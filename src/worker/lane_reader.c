// SPDX-License-Identifier: MIT
// One reader of the command stream serves all partitions of a lane: it reads everything from the least input position
// on, and the partition's number in the subject says whose a message is. Keeps guarantees 4 and 9 with cursor.c, which
// sees that the stream is read without a gap.
//
// The cursor compares the least position with the stream. Every other partition's position lies behind it, so the
// reader comes to it: the message there must carry the position's timestamp. Until then what comes for the partition is
// committed already and is passed over; from then on it is taken. Where the message is another one, or not there, the
// stream is not the one that the position speaks of, and all of it is read again; guarantee 2 makes that harmless.
#include "inbound.h"
#include "lane_internal.h"
#include "lumin/base/clock.h"

// ---- attaching

// Its commands are read.
static bool is_open(const struct lane *lane, uint16_t number) {
  return lane->partitions[number].state == PARTITION_OPEN && !lane->partitions[number].leaving;
}

// The reader began where it had to for this partition too. One that opened since then waits to be attached: its
// position was not among those that the reader was begun for, even where the reader has not found its start yet.
static bool is_served(const struct lane *lane, uint16_t number) {
  return is_open(lane, number) && !lane->partitions[number].attach;
}

// The open partition with the least position; false where none is open.
static bool least_position(const struct lane *lane, struct stream_position *ret_position) {
  bool any = false;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    const struct partition_truth *truth = &lane->truths[lane->owned[i]];
    if (is_open(lane, lane->owned[i]) && (!any || truth->input_seq < ret_position->seq)) {
      *ret_position = (struct stream_position){truth->input_seq, truth->input_ts_ns};
      any = true;
    }
  }
  return any;
}

static bool attach_is_wanted(const struct lane *lane) {
  bool wanted = lane->attach;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    wanted = wanted || (lane->partitions[lane->owned[i]].attach && is_open(lane, lane->owned[i]));
  }
  return wanted;
}

// No batch is under way here, so what is queued can go, and nothing of it is half done.
void lane_attach_reader(struct lane *lane) {
  int64_t now = clock_monotonic_ns();
  struct stream_position position = {0};
  if (lane->link == NULL || now < lane->attach_at_ns || !attach_is_wanted(lane)) {
    return;
  }
  if (lane->read.seq != 0) { // or what is idle here would be read again from where it was written last
    lane->advance_at_ns = 0;
    lane_checkpoint(lane, true);
  }
  reader_forget(lane); // with the queue goes what vouches for all that is not in it
  backlog_begin(&lane->backlog);
  queue_pop(lane, lane->queue_count);
  if (!least_position(lane, &position)) {
    return; // once a partition opens
  }
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    struct partition *partition = &lane->partitions[lane->owned[i]];
    partition->attach = partition->verified = false;
    partition->from_start = lane->anew && is_open(lane, lane->owned[i]);
    partition->advanced = (struct stream_position){0};
  }
  lane->attach = false;
  lane->attached = lane->anew ? (struct stream_position){0} : position;
  lane->read_consumer_seq = 0;
  lane->verify_next = UINT64_MAX;
  arena_reset(lane->turn);
  struct cursor_input attach = {.kind = CURSOR_IN_ATTACH, .now_ns = now, .position = lane->attached};
  reader_feed(lane, &attach);
}

static void verify_next_find(struct lane *lane) {
  lane->verify_next = UINT64_MAX;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    const struct partition *partition = &lane->partitions[lane->owned[i]];
    uint64_t seq = lane->truths[lane->owned[i]].input_seq;
    if (is_served(lane, lane->owned[i]) && !partition->verified && !partition->from_start && seq < lane->verify_next) {
      lane->verify_next = seq;
    }
  }
}

// The cursor has found where to begin: what ends before that is compared, or was never read. Only for what was
// open: of a partition that opened later this reader has passed messages over, and may never speak for it.
void reader_starts(struct lane *lane, uint64_t start_seq) {
  lane->anew = false;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    const struct partition_truth *truth = &lane->truths[lane->owned[i]];
    bool same = truth->input_seq != lane->attached.seq || truth->input_ts_ns == lane->attached.ts_ns;
    bool served = is_served(lane, lane->owned[i]);
    lane->partitions[lane->owned[i]].verified = served && truth->input_seq < start_seq && same;
  }
  verify_next_find(lane);
}

void reader_is_anew(struct lane *lane) {
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    lane->partitions[lane->owned[i]].from_start = is_served(lane, lane->owned[i]);
  }
}

// ---- reading

// It does not vouch any more that what is not queued is committed: no position moves until it is attached anew.
void reader_forget(struct lane *lane) {
  reader_detach(lane);
  lane->read = (struct stream_position){0};
}

static void reader_suspects(struct lane *lane, uint64_t seq) {
  log_error("command_stream_anew", log_number("lane", lane->number), log_number("position", (int64_t)lane->verify_next),
            log_number("seen", (int64_t)seq),
            log_string("what", "an input position is not on the stream: all of it is read again"));
  lane->anew = lane->attach = true;
  lane->attach_at_ns = 0;
  reader_forget(lane);
}

// The reader has come to a position that was not compared yet, or past it.
static bool positions_verify(struct lane *lane, const struct cursor_input *input) {
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    struct partition *partition = &lane->partitions[lane->owned[i]];
    const struct partition_truth *truth = &lane->truths[lane->owned[i]];
    if (is_served(lane, lane->owned[i]) && !partition->verified && !partition->from_start &&
        truth->input_seq <= input->seq) {
      partition->verified = truth->input_seq == input->seq && truth->input_ts_ns == input->ts_ns;
      if (!partition->verified) {
        reader_suspects(lane, input->seq);
        return false;
      }
    }
  }
  verify_next_find(lane);
  return true;
}

// The message's partition where it is open here and the message is to be taken.
static bool message_is_wanted(const struct lane *lane, const struct cursor_input *input, uint16_t *ret_number) {
  struct span subject = span_from_text(natsMsg_GetSubject(lane->arriving));
  uint16_t number = inbound_partition(subject, worker_prefix(lane->worker), lane->partition_count);
  if (!is_open(lane, number)) {
    return false;
  }
  const struct partition *partition = &lane->partitions[number];
  *ret_number = number;
  return partition->from_start || (partition->verified && input->seq > lane->truths[number].input_seq);
}

void reader_take(struct lane *lane, const struct cursor_input *input) {
  uint16_t number = 0;
  struct stream_position position = {input->seq, input->ts_ns};
  lane->read = position;
  lane->read_consumer_seq = input->consumer_seq;
  if (input->seq >= lane->verify_next && !positions_verify(lane, input)) {
    return;
  }
  if (!message_is_wanted(lane, input, &number)) {
    reader_committed(lane, 1, position); // another's, or committed before
  } else if (!queue_push(lane, number, input)) {
    lane->attach = true; // the cursor counts it as taken: it must begin anew
    reader_forget(lane);
  }
}

void reader_committed(struct lane *lane, size_t count, struct stream_position position) {
  if (count > 0) {
    struct cursor_input committed = {.kind = CURSOR_IN_COMMITTED,
                                     .now_ns = clock_monotonic_ns(),
                                     .position = position.seq != 0 ? position : lane->read,
                                     .count = (uint32_t)count};
    reader_feed(lane, &committed);
  }
}

// At the end of the stream, and a position beyond it: it was shortened.
void reader_heartbeat(struct lane *lane, const struct cursor_input *input) {
  bool at_end = input->generation == lane->reader.generation && lane->reader.state == CURSOR_READING &&
                input->consumer_seq == lane->read_consumer_seq;
  if (at_end && lane->verify_next != UINT64_MAX && input->seq < lane->verify_next) {
    reader_suspects(lane, input->seq);
    return;
  }
  if (at_end) {
    backlog_end(&lane->backlog);
  }
  reader_feed(lane, input);
}

// ---- what expired unread, and positions that move without a message

void reader_lost(struct lane *lane, uint64_t first_seq, uint64_t last_seq) {
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    struct partition *partition = &lane->partitions[lane->owned[i]];
    uint64_t own = lane->truths[lane->owned[i]].input_seq + 1;
    uint64_t first = own > first_seq ? own : first_seq;
    if (!is_served(lane, lane->owned[i]) || partition->from_start || lane->anew || first > last_seq) {
      continue;
    }
    log_error("commands_lost", log_number("partition", lane->owned[i]), log_number("first_seq", (int64_t)first),
              log_number("last_seq", (int64_t)last_seq), log_string("what", "commands expired before they were read"));
    if (partition->lost_count == PARTITION_LOST_MAX) {
      partition->lost[PARTITION_LOST_MAX - 1].last = last_seq;
    } else {
      partition->lost[partition->lost_count++] = (struct lost_range){first, last_seq};
    }
  }
}

static void partition_advance(struct lane *lane, uint16_t number, const struct stream_position *position) {
  struct partition *partition = &lane->partitions[number];
  bool ahead = partition->verified && position->seq > lane->truths[number].input_seq;
  if (is_open(lane, number) && (ahead || partition->from_start)) {
    partition->advanced = *position;
  }
}

// Told by a heartbeat while nothing waits: there is nothing more up to there, for any partition.
void reader_advance(struct lane *lane, const struct stream_position *position) {
  lane->read = *position;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    partition_advance(lane, lane->owned[i], position);
  }
}

void reader_advance_now(struct lane *lane, uint16_t number) {
  if (lane->read.seq != 0) {
    partition_advance(lane, number, &lane->read);
  }
}

// Between batches: a partition of which nothing waits has nothing up to the last message read.
void reader_advance_idle(struct lane *lane) {
  int64_t now = clock_monotonic_ns();
  bool *waits = ARENA_ARRAY(lane->scratch, lane->partition_count, bool);
  if (waits == NULL || lane->read.seq == 0 || now < lane->advance_at_ns) {
    return;
  }
  lane->advance_at_ns = now + lane->reader.limits.advance_interval_ns;
  for (size_t i = 0; i < lane->queue_count; i++) {
    waits[queue_at(lane, i)->inbound.partition] = true;
  }
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    if (!waits[lane->owned[i]]) {
      partition_advance(lane, lane->owned[i], &lane->read);
    }
  }
}
