// SPDX-License-Identifier: MIT
// Dead commands to their stream, from their rows, one at a time for each partition: with their payload and with the
// headers that a replay needs. What cannot be carried is said, so that nobody replays another command in its place.
#include "lane_internal.h"
#include "lumin/application/tokens.h"
#include "lumin/base/clock.h"
#include "relay_wire.h"

#define DEAD_HEADERS_ROOM 8192 // more than all that are added here have together
#define DEAD_ACK_TIMEOUT (5 * NS_PER_SECOND)
#define CARRIED_MAX 512 // bytes of a value; the longest that a command can have
#define HEADERS_MAX 16

static size_t headers_fill(const struct lane *lane, uint16_t number, const struct stored_dead *dead,
                           struct link_header headers[HEADERS_MAX]);

// It came with fewer headers than it leaves with; where there is no room the row alone has the payload.
static bool payload_fits(const struct lane *lane, const struct stored_dead *dead) {
  return (int64_t)dead->payload.len + DEAD_HEADERS_ROOM <= link_max_payload(lane->link);
}

static enum lumin_status dead_publish(struct lane *lane, uint16_t number, const struct stored_dead *dead) {
  struct link_header headers[HEADERS_MAX];
  size_t count = headers_fill(lane, number, dead, headers);
  struct span subject = arena_printf(lane->scratch, "%.*s.dead.%.*s.%.*s", SPAN_ARGS(worker_prefix(lane->worker)),
                                     SPAN_ARGS(dead->method), SPAN_ARGS(dead->user_token));
  struct span reply =
      lane_inbox_subject(lane, lane->scratch, "d.%u.%llu.%llu", (unsigned)number,
                         (unsigned long long)lane->truths[number].epoch, (unsigned long long)dead->dead_position);
  struct span payload = payload_fits(lane, dead) ? dead->payload : SPAN_EMPTY;
  if (subject.data == NULL || reply.data == NULL || !headers_are_whole(headers, count)) {
    return LUMIN_NO_MEMORY;
  }
  return link_publish_message(lane->link, &(struct link_message){subject, reply, payload, headers, count});
}

void lane_relay_dead(struct lane *lane, uint16_t number, int64_t now) {
  struct partition *partition = &lane->partitions[number];
  const struct partition_truth *truth = &lane->truths[number];
  if (truth->dead_position == truth->dead_relayed || (partition->dead_sent && now <= partition->dead_deadline_ns)) {
    return;
  }
  struct stored_deads next = {0};
  struct rows_after after = {number, truth->dead_relayed, 1};
  arena_reset(lane->scratch);
  if (store_dead_after(&lane->store, &after, lane->scratch, &next) == LUMIN_OK && next.count > 0 &&
      lane->link != NULL && dead_publish(lane, number, &next.rows[0]) == LUMIN_OK) {
    partition->dead_sent = true;
    partition->dead_deadline_ns = now + DEAD_ACK_TIMEOUT;
  }
}

// The epoch tells an answer to what an earlier owner sent, or this one before a failover forgot it.
void lane_dead_ack(struct lane *lane, struct span rest, struct span payload, int status) {
  uint64_t number = 0, epoch = 0, position = 0;
  struct js_pub_ack ack;
  struct js_error error = {0};
  if (!span_to_u64(span_cut(&rest, '.'), &number) || number >= lane->partition_count ||
      !span_to_u64(span_cut(&rest, '.'), &epoch) || !span_to_u64(rest, &position) || status != 0 ||
      js_pub_ack_parse(payload, lane->turn, &ack, &error) != LUMIN_OK || error.code != 0) {
    return; // sent again after its time
  }
  struct partition *partition = &lane->partitions[number];
  struct partition_truth *truth = &lane->truths[number];
  if (partition->state == PARTITION_OPEN && partition->dead_sent && epoch == truth->epoch &&
      position == truth->dead_relayed + 1) {
    truth->dead_relayed = position;
    partition->dirty = true;
    partition->dead_sent = false;
  }
}

// ---- headers

static bool is_carried(struct span value) {
  bool fine = value.len > 0 && value.len <= CARRIED_MAX;
  for (size_t i = 0; fine && i < value.len; i++) {
    fine = value.data[i] >= 0x20 && value.data[i] <= 0x7e;
  }
  return fine;
}

// Those of the command itself, by an allow-list: its id is among the others, and a Nats-Msg-Id would make the command
// stream drop a replay as a duplicate.
static size_t carried_fill(const struct lane *lane, const struct stored_dead *dead, struct link_header *headers) {
  static const char *const carried[] = {"Lumin-Expected-Version", "Lumin-Actor", "Content-Type", "traceparent",
                                        "tracestate"};
  struct span block = arena_printf(lane->scratch, "NATS/1.0\r\n%.*s\r\n", SPAN_ARGS(dead->headers)), value;
  size_t count = 0;
  bool whole = !js_header_find(block, SPAN_LITERAL("Lumin-Dead-Headers"), &value); // unreadable when it came
  for (size_t i = 0; i < sizeof carried / sizeof carried[0]; i++) {
    if (!js_header_find(block, span_from_text(carried[i]), &value)) {
      continue;
    }
    if (is_carried(value)) {
      headers[count++] = (struct link_header){carried[i], arena_copy(lane->scratch, value)};
    } else {
      whole = false;
    }
  }
  if (!whole) {
    headers[count++] = (struct link_header){"Lumin-Dead-Headers", SPAN_LITERAL("incomplete")};
  }
  return count;
}

static size_t headers_fill(const struct lane *lane, uint16_t number, const struct stored_dead *dead,
                           struct link_header headers[HEADERS_MAX]) {
  struct arena *arena = lane->scratch;
  char command_id[UUID_TEXT_LEN + 1];
  uuid_format(&dead->command_id, command_id);
  // After a restore another command may die at a position that was published.
  struct span message_id =
      arena_printf(arena, "dead:%u:%llu:%s", (unsigned)number, (unsigned long long)dead->dead_position, command_id);
  const struct link_header own[] = {
      {"Nats-Msg-Id", message_id},
      {"Lumin-Command-Id", arena_printf(arena, "%s", command_id)},
      {"Lumin-Dead-Reason", dead->reason},
      {"Lumin-Dead-Partition", arena_printf(arena, "%u", (unsigned)number)},
      {"Lumin-Dead-Position", arena_printf(arena, "%llu", (unsigned long long)dead->dead_position)},
      {"Lumin-Stream-Sequence", arena_printf(arena, "%llu", (unsigned long long)dead->stream_seq)},
  };
  size_t count = sizeof own / sizeof own[0];
  memcpy(headers, own, sizeof own);
  if (is_carried(dead->refusal.message)) {
    headers[count++] = (struct link_header){"Lumin-Dead-Message", arena_copy(arena, dead->refusal.message)};
  }
  if (is_carried(dead->refusal.field)) {
    headers[count++] = (struct link_header){"Lumin-Dead-Field", arena_copy(arena, dead->refusal.field)};
  }
  if (!payload_fits(lane, dead)) {
    headers[count++] = (struct link_header){"Lumin-Dead-Payload", SPAN_LITERAL("omitted")};
  }
  return count + carried_fill(lane, dead, headers + count);
}
