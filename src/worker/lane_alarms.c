// SPDX-License-Identifier: MIT
// What is wrong with a partition, under the name of its log line, in the partition's row: there `lumin-user health` and
// people see it. Written when it changes, by the owner alone.
#include "lane_internal.h"
#include "lumin/base/clock.h"

#define ALARMS_INTERVAL NS_PER_SECOND
#define STUCK_AFTER (30 * NS_PER_SECOND)

// Whether events wait, and the relay has not got on for a while. One that cannot reach NATS at all says so itself.
static bool relay_is_stuck(struct lane *lane, uint16_t number, int64_t now) {
  struct partition *partition = &lane->partitions[number];
  uint64_t prefix = relay_prefix(lane->relay, number);
  bool waits = partition->behind || relay_pushed(lane->relay, number) > prefix;
  if (partition->state != PARTITION_OPEN || !waits || prefix != partition->stuck_prefix ||
      partition->stuck_since_ns == 0) {
    partition->stuck_prefix = prefix;
    partition->stuck_since_ns = partition->state == PARTITION_OPEN && waits ? now : 0;
    return false;
  }
  return now - partition->stuck_since_ns > STUCK_AFTER;
}

static const char *alarm_find(struct lane *lane, uint16_t number, int64_t now) {
  bool stuck = relay_is_stuck(lane, number, now);
  if (lane->partitions[number].state == PARTITION_AHEAD) {
    return "event_stream_ahead";
  }
  return stuck ? "relay_stuck" : NULL;
}

static void alarm_log(const struct lane *lane, uint16_t number, const char *before, const char *alarm) {
  bool was_stuck = before != NULL && strcmp(before, "relay_stuck") == 0;
  if (alarm != NULL && strcmp(alarm, "relay_stuck") == 0) {
    log_error("relay_stuck", log_number("partition", number),
              log_number("relayed_position", (int64_t)relay_prefix(lane->relay, number)),
              log_number("event_position", (int64_t)lane->truths[number].event_position),
              log_string("what", "events wait, and the event stream has taken none for 30 s: is it full?"));
  } else if (was_stuck) {
    log_info("relay_moves_again", log_number("partition", number));
  }
}

static bool alarm_is(const char *a, const char *b) { return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0); }

void lane_tell_alarms(struct lane *lane) {
  int64_t now = clock_monotonic_ns();
  if (now < lane->alarms_at_ns || lane->store.session == NULL || lane->retake || lane->owned_count == 0) {
    return;
  }
  lane->alarms_at_ns = now + ALARMS_INTERVAL;
  arena_reset(lane->scratch);
  struct partition_alarm *changed = ARENA_ARRAY(lane->scratch, lane->owned_count, struct partition_alarm);
  size_t count = 0;
  lane->counters.alarms = 0;
  for (uint32_t i = 0; changed != NULL && i < lane->owned_count; i++) {
    const char *alarm = alarm_find(lane, lane->owned[i], now);
    lane->counters.alarms += alarm != NULL;
    if (!alarm_is(alarm, lane->partitions[lane->owned[i]].alarm)) {
      changed[count++] = (struct partition_alarm){lane->owned[i], alarm};
    }
  }
  if (count == 0 || store_alarms(&lane->store, changed, count, lane->scratch) != LUMIN_OK) {
    return; // told in the next round
  }
  for (size_t i = 0; i < count; i++) {
    struct partition *partition = &lane->partitions[changed[i].partition];
    alarm_log(lane, changed[i].partition, partition->alarm, changed[i].name);
    partition->alarm = changed[i].name;
  }
}
