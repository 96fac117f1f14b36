// SPDX-License-Identifier: MIT
// The relay's containers: slots with a free list, lists through them, the heap of entries that came ready out of their
// turn, and the bits of positions acknowledged ahead of the prefix (guarantee 11: nothing here grows).
#include <assert.h>

#include "relay_internal.h"

static bool heap_before(const struct relay *relay, uint32_t a, uint32_t b);
static void heap_rise(struct relay *relay, uint32_t at);
static void heap_sink(struct relay *relay, uint32_t at);
static struct relay_slot *heap_take(struct relay *relay);

struct relay_slot *relay_slot_take(struct relay *relay) {
  struct relay_slot *slot;
  if (relay->free != RELAY_NO_SLOT) {
    slot = &relay->slots[relay->free];
    relay->free = slot->next;
  } else {
    slot = &relay->slots[relay->touched++];
  }
  relay->held++;
  return slot;
}

// The generation stays, so that tokens of the slot's former entries remain dead.
void relay_slot_give(struct relay *relay, struct relay_slot *slot) {
  slot->state = RELAY_FREE;
  slot->next = relay->free;
  relay->free = relay_slot_index(relay, slot);
  relay->held--;
}

uint32_t relay_slot_index(const struct relay *relay, const struct relay_slot *slot) {
  return (uint32_t)(slot - relay->slots);
}

void relay_list_append(struct relay *relay, struct relay_list *list, struct relay_slot *slot) {
  uint32_t index = relay_slot_index(relay, slot);
  slot->prev = list->last;
  slot->next = RELAY_NO_SLOT;
  if (list->last == RELAY_NO_SLOT)
    list->first = index;
  else
    relay->slots[list->last].next = index;
  list->last = index;
}

void relay_list_remove(struct relay *relay, struct relay_list *list, struct relay_slot *slot) {
  if (slot->prev == RELAY_NO_SLOT)
    list->first = slot->next;
  else
    relay->slots[slot->prev].next = slot->next;
  if (slot->next == RELAY_NO_SLOT)
    list->last = slot->prev;
  else
    relay->slots[slot->next].prev = slot->prev;
}

struct relay_slot *relay_list_first(const struct relay *relay, const struct relay_list *list) {
  return list->first == RELAY_NO_SLOT ? NULL : &relay->slots[list->first];
}

void relay_ready_add(struct relay *relay, struct relay_slot *slot, enum relay_state state) {
  slot->state = (uint8_t)state;
  if (state == RELAY_FRESH) {
    relay_list_append(relay, &relay->fresh, slot);
    return;
  }
  relay->returned[relay->returned_count] = relay_slot_index(relay, slot);
  heap_rise(relay, relay->returned_count++);
}

struct relay_slot *relay_ready_take(struct relay *relay) {
  struct relay_slot *fresh = relay_list_first(relay, &relay->fresh);
  if (relay->returned_count > 0 && (fresh == NULL || relay->slots[relay->returned[0]].order < fresh->order))
    return heap_take(relay);
  if (fresh != NULL)
    relay_list_remove(relay, &relay->fresh, fresh);
  return fresh;
}

bool relay_ready_any(const struct relay *relay) {
  return relay->returned_count > 0 || relay->fresh.first != RELAY_NO_SLOT;
}

void relay_ready_purge(struct relay *relay) {
  uint32_t count = relay->returned_count;
  relay->returned_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t index = relay->returned[i];
    if (relay->slots[index].state == RELAY_FREE)
      continue;
    relay->returned[relay->returned_count] = index;
    heap_rise(relay, relay->returned_count++);
  }
}

void relay_position_done(struct relay *relay, struct relay_partition *partition, uint64_t position) {
  uint64_t mask = relay->span - 1;
  if (position != partition->prefix + 1) {
    partition->relayed[(position & mask) / 64] |= UINT64_C(1) << (position & 63);
    return;
  }
  for (;;) {
    partition->prefix = position++;
    uint64_t bit = UINT64_C(1) << (position & 63);
    uint64_t *word = &partition->relayed[(position & mask) / 64];
    if ((*word & bit) == 0)
      return;
    *word &= ~bit;
  }
}

void relay_positions_reset(struct relay *relay, struct relay_partition *partition, uint64_t position) {
  memset(partition->relayed, 0, (size_t)(relay->span / 8));
  partition->prefix = position;
  partition->pushed = position;
}

static struct relay_slot *heap_take(struct relay *relay) {
  assert(relay->returned_count > 0 && relay->returned != NULL && relay->slots != NULL);
  uint32_t index = relay->returned[0];
  relay->returned[0] = relay->returned[--relay->returned_count];
  heap_sink(relay, 0);
  return &relay->slots[index];
}

static bool heap_before(const struct relay *relay, uint32_t a, uint32_t b) {
  return relay->slots[relay->returned[a]].order < relay->slots[relay->returned[b]].order;
}

static void heap_swap(struct relay *relay, uint32_t a, uint32_t b) {
  uint32_t index = relay->returned[a];
  relay->returned[a] = relay->returned[b];
  relay->returned[b] = index;
}

static void heap_rise(struct relay *relay, uint32_t at) {
  while (at > 0 && heap_before(relay, at, (at - 1) / 2)) {
    heap_swap(relay, at, (at - 1) / 2);
    at = (at - 1) / 2;
  }
}

static void heap_sink(struct relay *relay, uint32_t at) {
  for (;;) {
    uint32_t child = 2 * at + 1; // limits.entries is below 2^31
    if (child >= relay->returned_count)
      return;
    if (child + 1 < relay->returned_count && heap_before(relay, child + 1, child))
      child++;
    if (!heap_before(relay, child, at))
      return;
    heap_swap(relay, child, at);
    at = child;
  }
}
