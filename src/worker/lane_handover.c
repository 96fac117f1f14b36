// SPDX-License-Identifier: MIT
// Giving partitions up, so that another lane has its share or this one can end. Between two batches, so nothing of them
// is half done: their commands are read no more, their events are acknowledged, the event stream's end vouches for
// that, their positions are written, and only then are they free. Whoever takes them begins where this lane has ended
// and finds nothing to be looked for: that is what their users wait for. Where the event stream does not answer it goes
// without (guarantee 8: the heir looks for itself).
#include "lane_internal.h"
#include "lumin/base/clock.h"

#define YIELD_PATIENCE NS_PER_SECOND // for the events of partitions that others shall have

static uint32_t leaving_count(const struct lane *lane) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    count += lane->partitions[lane->owned[i]].leaving;
  }
  return count;
}

// ---- the choice

static void waiting_count(const struct lane *lane, uint32_t *waiting) {
  for (size_t i = 0; i < lane->queue_count; i++) {
    waiting[queue_at(lane, i)->inbound.partition]++;
  }
}

// The partition with the fewest messages waiting: they must all be read again by another.
static bool leaving_choose(const struct lane *lane, const uint32_t *waiting, uint16_t *ret_number) {
  bool any = false;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    uint16_t number = lane->owned[i];
    if (!lane->partitions[number].leaving && (!any || waiting[number] < waiting[*ret_number])) {
      *ret_number = number;
      any = true;
    }
  }
  return any;
}

static void partition_yield(struct lane *lane, uint16_t number, bool waits) {
  if (!waits) {
    reader_advance_now(lane, number);
  }
  lane->partitions[number].leaving = true;
  queue_drop_partition(lane, number);
}

void lane_yield(struct lane *lane, uint32_t count) {
  uint32_t leaving = leaving_count(lane);
  uint32_t *waiting = ARENA_ARRAY(lane->scratch, lane->partition_count, uint32_t);
  uint16_t number = 0;
  if (leaving >= count || waiting == NULL) {
    return;
  }
  waiting_count(lane, waiting);
  for (; leaving < count && leaving_choose(lane, waiting, &number); leaving++) {
    partition_yield(lane, number, waiting[number] > 0);
  }
  lane->leaving_ns = clock_monotonic_ns();
  lane->leaving_mark = 0;
}

// ---- the end

static bool is_published(const struct lane *lane, uint16_t number) {
  const struct partition_truth *truth = &lane->truths[number];
  bool open = lane->partitions[number].state == PARTITION_OPEN; // else nothing of it is on its way
  return !open ||
         (relay_prefix(lane->relay, number) == truth->event_position && truth->dead_relayed == truth->dead_position);
}

static bool leaving_are_published(const struct lane *lane) {
  bool published = true;
  for (uint32_t i = 0; i < lane->owned_count && published; i++) {
    published = !lane->partitions[lane->owned[i]].leaving || is_published(lane, lane->owned[i]);
  }
  return published;
}

// Once all is acknowledged, the event stream's end is asked for: it vouches for what was acknowledged before, and the
// heir need not read what is in front of it.
static bool leaving_is_due(struct lane *lane) {
  bool patient = lane_stopping(lane) || clock_monotonic_ns() - lane->leaving_ns <= YIELD_PATIENCE;
  if (lane->link == NULL || !patient) {
    return true;
  }
  if (lane->leaving_mark == 0 && leaving_are_published(lane)) {
    lane_marks_ask(lane);
    lane->leaving_mark = lane->mark_number;
  }
  return lane->leaving_mark != 0 && lane->mark_answered >= lane->leaving_mark;
}

static struct partition_set leaving_set(struct lane *lane) {
  uint16_t *numbers = ARENA_ARRAY(lane->scratch, lane->owned_count, uint16_t);
  struct partition_set set = {numbers, 0};
  for (uint32_t i = 0; numbers != NULL && i < lane->owned_count; i++) {
    if (lane->partitions[lane->owned[i]].leaving) {
      numbers[set.count++] = lane->owned[i];
    }
  }
  return set;
}

// In the second statement nothing can have moved: the first has written what there was, and nothing is read any more.
static void set_release(struct lane *lane, struct partition_set set) {
  if (store_release(&lane->store, set, lane_stopping(lane), lane->scratch) != LUMIN_OK) {
    return; // tried again; or a new session finds out how it ended
  }
  log_info("partitions_released", log_number("lane", lane->number), log_number("count", (int64_t)set.count),
           log_number("owned", (int64_t)(lane->owned_count - set.count)));
  for (size_t i = 0; i < set.count; i++) {
    partition_drop(lane, set.numbers[i]);
  }
}

void lane_hand_over(struct lane *lane) {
  if (leaving_count(lane) > 0 && lane->store.session != NULL && leaving_is_due(lane)) {
    lane_checkpoint(lane, true);
    arena_reset(lane->scratch);
    set_release(lane, leaving_set(lane));
  }
}

void lane_release(struct lane *lane) {
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    lane->partitions[lane->owned[i]].leaving = true;
  }
  arena_reset(lane->scratch);
  if (lane->store.session != NULL && lane->owned_count > 0) {
    set_release(lane, leaving_set(lane));
  }
  while (lane->owned_count > 0) {
    partition_drop(lane, lane->owned[lane->owned_count - 1]);
  }
}
