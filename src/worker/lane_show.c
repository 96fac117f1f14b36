// SPDX-License-Identifier: MIT
// What other threads may know of a lane: copies, made between two batches.
#include "lane_internal.h"
#include "lumin/base/clock.h"

#define SHOW_INTERVAL (NS_PER_SECOND / 5)

static enum lane_partition_state shown_state(const struct partition *partition) {
  if (partition->state == PARTITION_AHEAD) {
    return LANE_PARTITION_AHEAD;
  }
  if (partition->state != PARTITION_OPEN) {
    return LANE_PARTITION_SURVEYED;
  }
  return partition->leaving ? LANE_PARTITION_LEAVING : LANE_PARTITION_OPEN;
}

static void partition_show(const struct lane *lane, uint16_t number, struct lane_partition *ret_shown) {
  const struct partition *partition = &lane->partitions[number];
  const struct partition_truth *truth = &lane->truths[number];
  bool open = partition->state == PARTITION_OPEN;
  bool read = open && (partition->verified || partition->from_start) && lane->read.seq > truth->input_seq;
  uint64_t relayed = open ? relay_prefix(lane->relay, number) : truth->relayed_position;
  *ret_shown = (struct lane_partition){
      .number = number,
      .lane = lane->number,
      .state = shown_state(partition),
      .epoch = truth->epoch,
      .owned_since_ns = partition->owned_since_ns,
      .position = truth->input_seq,
      .position_ts_ns = truth->input_ts_ns,
      .passed = read ? lane->read.seq : truth->input_seq,
      .event_position = truth->event_position,
      .unrelayed = truth->event_position - relayed,
  };
}

// The queue is in the order of the stream: the first message of a partition is what it waits at.
static void waiting_show(const struct lane *lane, const uint16_t *places) {
  for (size_t i = 0; i < lane->queue_count; i++) {
    const struct inbound *inbound = &queue_at(lane, i)->inbound;
    struct lane_partition *shown = &lane->shown_partitions[places[inbound->partition]];
    if (shown->number == inbound->partition && shown->waiting++ == 0) {
      shown->passed = inbound->seq - 1;
    }
  }
}

static void partitions_show(struct lane *lane) {
  arena_reset(lane->scratch);
  uint16_t *places = ARENA_ARRAY(lane->scratch, lane->partition_count, uint16_t);
  for (uint32_t i = 0; places != NULL && i < lane->owned_count; i++) {
    partition_show(lane, lane->owned[i], &lane->shown_partitions[i]);
    places[lane->owned[i]] = (uint16_t)i;
  }
  lane->shown_count = places != NULL ? lane->owned_count : 0;
  if (lane->shown_count > 0) {
    waiting_show(lane, places);
  }
}

void lane_show(struct lane *lane) {
  int64_t now = clock_monotonic_ns();
  lane->counters.partitions = lane->owned_count;
  lane->counters.waiting = (uint32_t)lane->queue_count;
  struct relay_counters relay = relay_counters(lane->relay);
  lane->counters.unrelayed = relay_held(lane->relay);
  lane->counters.relay_conflicts = relay.wrong_last;
  lane->counters.relay_found = relay.found_stored;
  lane->counters.nats_up = lane->link != NULL;
  lane->counters.postgres_up = lane->store.session != NULL;
  pthread_mutex_lock(&lane->shown_lock);
  lane->shown = lane->counters;
  if (now >= lane->show_partitions_ns) {
    lane->show_partitions_ns = now + SHOW_INTERVAL;
    partitions_show(lane);
  }
  pthread_mutex_unlock(&lane->shown_lock);
}

static pthread_mutex_t *lock_of(const struct lane *lane) { return (pthread_mutex_t *)(uintptr_t)&lane->shown_lock; }

void lane_counters_get(const struct lane *lane, struct lane_counters *ret_counters) {
  pthread_mutex_lock(lock_of(lane));
  *ret_counters = lane->shown;
  pthread_mutex_unlock(lock_of(lane));
}

size_t lane_partitions_get(const struct lane *lane, struct lane_partition *ret_partitions, size_t room) {
  pthread_mutex_lock(lock_of(lane));
  size_t count = lane->shown_count;
  for (size_t i = 0; i < count && i < room; i++) {
    ret_partitions[i] = lane->shown_partitions[i];
  }
  pthread_mutex_unlock(lock_of(lane));
  return count;
}
