// SPDX-License-Identifier: MIT
// Which partitions are this lane's. Keeps guarantee 5 with the fence: memory, queue and relay of a partition belong to
// (owner, epoch, database connection) and are dropped with it. Epochs grow at every hand-over and every reconnect.
#include "lane_internal.h"
#include "lumin/base/clock.h"

#define TAKE_INTERVAL (NS_PER_SECOND / 2) // for what nobody told: an expired lease
#define STANDBY_INTERVAL (2 * NS_PER_SECOND)
#define LOOK_AGAIN (50 * NS_PER_MS)
#define REVIEW_INTERVAL (3 * NS_PER_SECOND) // a process that was stopped learns so what it has lost while it is idle

static struct partition_set lane_set(const struct lane *lane) {
  return (struct partition_set){lane->owned, lane->owned_count};
}

static void partition_own(struct lane *lane, const struct partition_row *row) {
  struct partition *partition = &lane->partitions[row->partition];
  lane->truths[row->partition] = partition_row_truth(row);
  if (partition->state == PARTITION_FOREIGN) {
    lane->owned[lane->owned_count++] = row->partition;
  }
  partition->state = PARTITION_SURVEYED;
  partition->leaving = partition->attach = partition->verified = partition->from_start = partition->behind =
      partition->dirty = partition->dead_sent = false;
  partition->advanced = (struct stream_position){0};
  partition->lost_count = 0;
  partition->mark_position = 0;
  partition->idle_at_request = false;
  partition->owned_since_ns = row->owned_since_ns;
  partition->alarm = PARTITION_ALARM_UNKNOWN; // an earlier owner's may stand in the row
}

void partition_drop(struct lane *lane, uint16_t number) {
  struct partition *partition = &lane->partitions[number];
  if (partition->state == PARTITION_FOREIGN) {
    return;
  }
  queue_drop_partition(lane, number);
  memory_forget_partition(lane->memory, number);
  relay_close(lane->relay, number);
  survey_part_clear(&partition->survey);
  partition->state = PARTITION_FOREIGN;
  partition->leaving = false;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    if (lane->owned[i] == number) {
      lane->owned[i] = lane->owned[--lane->owned_count];
      break;
    }
  }
}

// Back to the survey: the server that comes back may have lost what it had acknowledged. What the relay held is read
// from the table again.
void partitions_close(struct lane *lane) {
  truths_refresh(lane);
  survey_stop(lane);
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    struct partition *partition = &lane->partitions[lane->owned[i]];
    relay_close(lane->relay, lane->owned[i]);
    partition->state = PARTITION_SURVEYED;
    partition->dead_sent = partition->idle_at_request = false;
    partition->mark_position = 0;
  }
}

static void partitions_drop_all(struct lane *lane) {
  while (lane->owned_count > 0) {
    partition_drop(lane, lane->owned[lane->owned_count - 1]);
  }
}

static const struct partition_row *row_find(const struct partition_rows *rows, uint16_t number) {
  for (size_t i = 0; i < rows->count; i++) {
    if (rows->rows[i].partition == number) {
      return &rows->rows[i];
    }
  }
  return NULL;
}

static void partition_lose(struct lane *lane, uint16_t number) {
  lane->counters.fenced++;
  log_warn("partition_lost", log_number("lane", lane->number), log_number("partition", number));
  partition_drop(lane, number);
}

enum lumin_status lane_retake(struct lane *lane, struct arena *arena, struct partition_rows *ret_rows) {
  struct partition_rows rows = {0};
  enum lumin_status status = store_retake(&lane->store, lane_set(lane), arena, &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  for (uint32_t i = lane->owned_count; i-- > 0;) {
    uint16_t number = lane->owned[i];
    const struct partition_row *row = row_find(&rows, number);
    if (row == NULL) {
      partition_lose(lane, number);
    } else {
      lane->truths[number].epoch = row->epoch;
    }
  }
  lane->retake = false;
  *ret_rows = rows;
  return LUMIN_OK;
}

// Where a row stands elsewhere than believed, all that was built on the belief goes. True where it did.
static bool partition_compare(struct lane *lane, uint16_t number, const struct partition_row *row) {
  struct partition_truth *truth = &lane->truths[number];
  if (row->input_seq == truth->input_seq && row->input_ts_ns == truth->input_ts_ns &&
      row->event_position == truth->event_position && row->dead_position == truth->dead_position) {
    return false;
  }
  memory_forget_partition(lane->memory, number);
  relay_close(lane->relay, number);
  queue_drop_partition(lane, number);
  partition_own(lane, row); // surveyed and attached anew
  return true;
}

static void partitions_compare(struct lane *lane, const struct partition_rows *rows) {
  bool anew = false;
  for (uint32_t i = lane->owned_count; i-- > 0;) {
    const struct partition_row *row = row_find(rows, lane->owned[i]);
    if (row == NULL || row->epoch != lane->truths[lane->owned[i]].epoch) {
      partition_lose(lane, lane->owned[i]);
    } else {
      anew = partition_compare(lane, lane->owned[i], row) || anew;
    }
  }
  if (anew) { // and not otherwise: a survey under way would never end
    survey_start(lane);
  }
}

enum lumin_status lane_review(struct lane *lane) {
  struct partition_rows rows = {0};
  enum lumin_status status = store_owned(&lane->store, lane_set(lane), lane->scratch, &rows);
  if (status == LUMIN_OK) {
    partitions_compare(lane, &rows);
  }
  return status;
}

// ---- taking, up to the lane's share

static void rows_own(struct lane *lane, const struct partition_rows *rows) {
  if (rows->count == 0) {
    return;
  }
  for (size_t i = 0; i < rows->count; i++) {
    if (rows->rows[i].partition < lane->partition_count) {
      partition_drop(lane, rows->rows[i].partition); // taken from itself: its worker's lease had run out
      partition_own(lane, &rows->rows[i]);
    }
  }
  log_info("partitions_taken", log_number("lane", lane->number), log_number("count", (int64_t)rows->count),
           log_number("owned", lane->owned_count));
  survey_start(lane);
}

// Others of its worker's lanes own the worker's share: it is told when that changes.
static bool lane_stands_by(const struct lane *lane) {
  uint64_t used = atomic_load(&lane->worker->lanes_used);
  return used != 0 && (used >> lane->number & 1) == 0;
}

static void look_at(struct lane *lane, int64_t time_ns) {
  if (time_ns < lane->take_at_ns) {
    lane->take_at_ns = time_ns;
  }
}

static void shares_keep(struct lane *lane, bool able) {
  struct worker *worker = lane->worker;
  struct take_result result = {0};
  int met = atomic_load(&worker->others_met); // before the question, or the answer may not have heard of the choice
  bool stands_by = lane->stood_by = lane_stands_by(lane);
  struct take_request request = {able && !stands_by, lane_set(lane)};
  if (store_take(&lane->store, &request, lane->scratch, &result) != LUMIN_OK) {
    return;
  }
  int64_t now = clock_monotonic_ns();
  atomic_store(&worker->others, (int)result.others);
  if (stands_by && lane->owned_count == 0) {
    lane->take_at_ns = now + STANDBY_INTERVAL;
    return;
  }
  if (result.expiry_ms > 0) {
    look_at(lane, now + (result.expiry_ms + 1) * NS_PER_MS);
  }
  rows_own(lane, &result.taken);
  if (met == (int)result.others) {
    lane_yield(lane, result.surplus);
  } else if (result.surplus > 0) {
    look_at(lane, now + LOOK_AGAIN); // its worker's lanes are being chosen anew, and it might give up too much
  }
}

// A lane that is cut off from NATS for a lease leaves its share to others. What it can do the lease's thread tells
// them.
static bool lane_is_able(struct lane *lane, int64_t now) {
  if (lane->link != NULL) {
    lane->linked_ns = now;
    atomic_store(&lane->worker->lane_able_ns[lane->number], now);
  }
  return lane->linked_ns != 0 && now - lane->linked_ns <= lane->worker->config->worker_lease_ms * NS_PER_MS;
}

void lane_keep_partitions(struct lane *lane) {
  int64_t now = clock_monotonic_ns();
  if (lane->store.session == NULL) {
    return;
  }
  arena_reset(lane->scratch);
  unsigned registrations = atomic_load(&lane->worker->registrations);
  if (relay_is_overtaken(lane->relay)) {
    log_warn("relay_overtaken", log_number("lane", lane->number),
             log_string("what", "another worker has published events of these partitions: they are taken anew"));
    lane->quarrel = true;
  }
  if (lane->registration != registrations || lane->quarrel) {
    partitions_drop_all(lane); // the worker's row was lost, and with it perhaps every take-over since
    lane->registration = registrations;
    lane->quarrel = false;
    lane->take_at_ns = 0;
  }
  if (lane->retake) {
    struct partition_rows rows = {0};
    if (lane_retake(lane, lane->scratch, &rows) != LUMIN_OK) {
      return;
    }
    partitions_compare(lane, &rows);
  }
  if (now >= lane->review_at_ns && lane->owned_count > 0) {
    lane->review_at_ns = now + REVIEW_INTERVAL;
    (void)!lane_review(lane);
  }
  bool able = lane_is_able(lane, now);
  bool called = session_notified(lane->store.session) || lane->stood_by != lane_stands_by(lane);
  if ((called || now >= lane->take_at_ns) && !lane_stopping(lane)) {
    lane->take_at_ns = now + TAKE_INTERVAL;
    shares_keep(lane, able);
  }
  lane_hand_over(lane);
}
