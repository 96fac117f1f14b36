// SPDX-License-Identifier: MIT
// What relay.c and relay_queue.c share: the slots that hold entries, and the queues they stand in. Everything is
// allocated once, by the limits (guarantee 11), and every step but closing a partition costs O(1), or O(log n) where an
// entry comes ready out of its turn.
#pragma once

#include "lumin/base/map.h"
#include "lumin/worker/relay.h"

#define RELAY_NO_SLOT UINT32_MAX
#define RELAY_BACKOFFS 6 // 1, 2, 4 ... 32 times limits.backoff_ns

// Where a slot stands. FRESH and RETURNED are both ready to go: fresh ones queue in push order by themselves, one that
// waited for its user's predecessor or for another try is sorted in again.
enum relay_state {
  RELAY_FREE,
  RELAY_CHAINED, // behind its user's predecessor
  RELAY_FRESH,
  RELAY_RETURNED,
  RELAY_ASKED,
  RELAY_PUBLISHED,
  RELAY_WAITING, // for its backoff to end
};

struct relay_slot {
  struct relay_entry entry;
  uint64_t order;      // of the push, over all partitions
  int64_t due_ns;      // ack timeout or end of backoff
  int64_t expected;    // what ask_last told: the subject's last sequence; < 0 where not asked (or no longer valid)
  uint32_t prev, next; // in the list of its state
  uint32_t successor;  // the user's next entry
  uint32_t generation; // grows with each send: half of the token
  uint8_t state;       // enum relay_state
  uint8_t backoff;     // the list of RELAY_WAITING it is in
  uint8_t failures;    // how often it was refused or unanswered
  uint8_t wrongs;      // how often its expectation failed
};

struct relay_list {
  uint32_t first, last;
};

struct relay_partition {
  uint64_t prefix, pushed, sends;
  uint64_t *relayed; // a ring of bits: positions above the prefix that are acknowledged
  bool open;
};

struct relay {
  struct relay_limits limits;
  struct relay_port port;
  struct relay_partition *partitions;
  uint64_t *bits; // all partitions' rings
  uint64_t span;  // bits of a ring, a power of two: how far a partition may run ahead of its prefix

  struct relay_slot *slots;
  uint32_t touched; // slots that were ever in use
  uint32_t free;    // list of those that no longer are
  uint32_t held;
  size_t bytes;
  uint64_t pushes;
  struct uuid_map *users; // user to the last of its entries; the first of them is ready, sent or waiting

  struct relay_list fresh;
  uint32_t *returned; // a heap by order
  uint32_t returned_count;
  struct relay_list sent; // asked and published, by due time since all wait equally long
  uint32_t sent_count;
  struct relay_list waiting[RELAY_BACKOFFS]; // each by due time, for the same reason
  int64_t paused_until_ns;                   // the port failed

  uint32_t open_count; // partitions
  bool overtaken;
  uint64_t highest_seq;
  struct relay_counters counters;
};

// Slots. A taken slot stands in no list.
struct relay_slot *relay_slot_take(struct relay *relay); // limits.entries must not be reached
void relay_slot_give(struct relay *relay, struct relay_slot *slot);
uint32_t relay_slot_index(const struct relay *relay, const struct relay_slot *slot);

// Lists. `remove` takes it out of the one it stands in, `first` is NULL for an empty one.
void relay_list_append(struct relay *relay, struct relay_list *list, struct relay_slot *slot);
void relay_list_remove(struct relay *relay, struct relay_list *list, struct relay_slot *slot);
struct relay_slot *relay_list_first(const struct relay *relay, const struct relay_list *list);

// The entries that are ready: the one pushed first, or NULL.
void relay_ready_add(struct relay *relay, struct relay_slot *slot, enum relay_state state);
struct relay_slot *relay_ready_take(struct relay *relay);
bool relay_ready_any(const struct relay *relay);
void relay_ready_purge(struct relay *relay); // forgets the returned ones that are RELAY_FREE by now

// Positions.
void relay_position_done(struct relay *relay, struct relay_partition *partition, uint64_t position);
void relay_positions_reset(struct relay *relay, struct relay_partition *partition, uint64_t position);
