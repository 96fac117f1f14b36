// SPDX-License-Identifier: MIT
// The relay: committed events onto the event stream, each exactly once and each user's in version order (guarantees 3
// and 8), within memory fixed by its limits (11).
//
// An entry's way: pushed, then ready or chained behind its user's predecessor; sent (a publish, or the question that
// comes before a careful one); done by a PubAck that is not a duplicate's, or by being found on the stream. Whatever
// else happens to it (refusal, silence, a duplicate, a lost connection) makes it careful and brings it back.
#include "relay_internal.h"

#include <stdlib.h>

static bool limits_fit(const struct relay_limits *limits);
static bool relay_allocate(struct relay *relay);
static enum lumin_status position_check(const struct relay *relay, uint16_t partition, uint64_t position);
static enum lumin_status slot_chain(struct relay *relay, struct relay_slot *slot);
static void slot_finish(struct relay *relay, struct relay_slot *slot);
static void slot_drop(struct relay *relay, struct relay_slot *slot);
static void slot_unlist(struct relay *relay, struct relay_slot *slot);
static void slot_retry(struct relay *relay, struct relay_slot *slot, uint8_t *tries, int64_t now_ns);
static void slot_verify(struct relay *relay, struct relay_slot *slot);
static bool slot_send(struct relay *relay, struct relay_slot *slot, int64_t now_ns);
static bool slot_must_ask(const struct relay *relay, const struct relay_slot *slot, int64_t now_ns);
static void sent_expire(struct relay *relay, int64_t now_ns);
static void waiting_return(struct relay *relay, int64_t now_ns);
static struct relay_slot *token_slot(struct relay *relay, uint64_t token);
static struct relay_partition *partition_open(const struct relay *relay, uint16_t partition);
static void seq_note(struct relay *relay, uint64_t stream_seq);
static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

struct relay *relay_create(const struct relay_limits *limits, const struct relay_port *port) {
  if (!limits_fit(limits))
    return NULL;
  struct relay *relay = calloc(1, sizeof *relay);
  if (relay == NULL)
    return NULL;
  relay->limits = *limits;
  relay->port = *port;
  relay->free = RELAY_NO_SLOT;
  const struct relay_list empty = {RELAY_NO_SLOT, RELAY_NO_SLOT};
  relay->fresh = relay->sent = empty;
  for (size_t i = 0; i < RELAY_BACKOFFS; i++)
    relay->waiting[i] = empty;
  if (!relay_allocate(relay)) {
    relay_destroy(relay);
    return NULL;
  }
  return relay;
}

void relay_destroy(struct relay *relay) {
  if (relay == NULL)
    return;
  for (uint32_t i = 0; i < relay->touched; i++) {
    if (relay->slots[i].state != RELAY_FREE)
      relay->port.release(relay->port.self, &relay->slots[i].entry);
  }
  uuid_map_destroy(relay->users);
  free(relay->slots);
  free(relay->returned);
  free(relay->partitions);
  free(relay->bits);
  free(relay);
}

void relay_open(struct relay *relay, uint16_t partition, uint64_t position) {
  if (partition >= relay->limits.partitions)
    return;
  relay_close(relay, partition);
  relay_positions_reset(relay, &relay->partitions[partition], position);
  relay->partitions[partition].open = true;
  relay->open_count++;
}

void relay_close(struct relay *relay, uint16_t partition) {
  struct relay_partition *open = partition_open(relay, partition);
  if (open == NULL)
    return;
  open->open = false;
  if (--relay->open_count == 0) {
    relay->highest_seq = 0; // of a stream that may be another one by now
    relay->overtaken = false;
  }
  for (uint32_t i = 0; i < relay->touched; i++) {
    struct relay_slot *slot = &relay->slots[i];
    if (slot->state == RELAY_FREE || slot->entry.partition != partition)
      continue;
    (void)uuid_map_remove(relay->users, &slot->entry.user_id); // all of a user's entries are in one partition
    slot_unlist(relay, slot);
    slot_drop(relay, slot);
  }
  relay_ready_purge(relay);
}

enum lumin_status relay_push(struct relay *relay, const struct relay_entry *entry) {
  enum lumin_status status = position_check(relay, entry->partition, entry->position);
  if (status != LUMIN_OK)
    return status;
  if (relay->held == relay->limits.entries || entry->bytes > relay->limits.bytes - relay->bytes)
    return LUMIN_RESOURCE_EXHAUSTED;

  struct relay_slot *slot = relay_slot_take(relay);
  slot->entry = *entry;
  slot->order = relay->pushes;
  slot->expected = -1;
  slot->successor = RELAY_NO_SLOT;
  slot->failures = slot->wrongs = 0;
  status = slot_chain(relay, slot);
  if (status != LUMIN_OK) {
    relay_slot_give(relay, slot);
    return status;
  }
  relay->pushes++;
  relay->bytes += entry->bytes;
  relay->partitions[entry->partition].pushed = entry->position;
  return LUMIN_OK;
}

enum lumin_status relay_skip(struct relay *relay, uint16_t partition, uint64_t position) {
  enum lumin_status status = position_check(relay, partition, position);
  if (status != LUMIN_OK)
    return status;
  relay->partitions[partition].pushed = position;
  relay_position_done(relay, &relay->partitions[partition], position);
  return LUMIN_OK;
}

void relay_run(struct relay *relay, int64_t now_ns) {
  sent_expire(relay, now_ns);
  waiting_return(relay, now_ns);
  if (now_ns < relay->paused_until_ns || relay->overtaken)
    return;
  while (relay->sent_count < relay->limits.window) {
    struct relay_slot *slot = relay_ready_take(relay);
    if (slot == NULL)
      return;
    if (!slot_send(relay, slot, now_ns)) {
      // Most likely the connection's fault: sparing the others keeps them fresh.
      relay->paused_until_ns = now_ns + relay->limits.backoff_ns;
      return;
    }
  }
}

// `duplicate` means that the server remembers the id, which is no proof that it still has the message; and the first
// publish may have been another's. Only the stream itself tells.
bool relay_acknowledged(struct relay *relay, uint64_t token, uint64_t stream_seq, bool duplicate, int64_t now_ns) {
  struct relay_slot *slot = token_slot(relay, token);
  if (slot == NULL || slot->state != RELAY_PUBLISHED)
    return false;
  if (!duplicate) {
    seq_note(relay, stream_seq);
    relay->counters.acknowledged++;
    slot_finish(relay, slot);
    return true;
  }
  relay->counters.duplicates++;
  if (slot->expected < 0)
    slot_verify(relay, slot);
  else // it was not there a moment ago: the server's memory of the id has to fade first
    slot_retry(relay, slot, &slot->failures, now_ns);
  return true;
}

bool relay_refused(struct relay *relay, uint64_t token, bool wrong_last, int64_t now_ns) {
  struct relay_slot *slot = token_slot(relay, token);
  if (slot == NULL)
    return false;
  if (wrong_last)
    relay->counters.wrong_last++;
  else
    relay->counters.refused++;
  // Counted apart, since a failed expectation means that the stream moves: the next look is likely to settle it.
  slot_retry(relay, slot, wrong_last ? &slot->wrongs : &slot->failures, now_ns);
  return true;
}

// Each user's events go one by one: a later one that was not there when the stream was looked at is not this relay's.
static bool is_overtaken(const struct relay_entry *entry, uint64_t stream_seq, uint64_t version) {
  return entry->absent_seq != 0 && version > entry->version && stream_seq > entry->absent_seq;
}

bool relay_last_found(struct relay *relay, uint64_t token, uint64_t stream_seq, uint64_t version, int64_t now_ns) {
  struct relay_slot *slot = token_slot(relay, token);
  if (slot == NULL || slot->state != RELAY_ASKED)
    return false;
  const struct relay_entry *entry = &slot->entry;
  if (is_overtaken(entry, stream_seq, version)) {
    relay->overtaken = true;
    slot_retry(relay, slot, &slot->wrongs, now_ns);
    return true;
  }
  seq_note(relay, stream_seq);
  if (entry->absent_seq != 0 ? version == entry->version : version >= entry->version) {
    relay->counters.found_stored++;
    slot_finish(relay, slot);
    return true;
  }
  slot_unlist(relay, slot);
  slot->expected = (int64_t)stream_seq;
  relay_ready_add(relay, slot, RELAY_RETURNED);
  return true;
}

bool relay_last_missing(struct relay *relay, uint64_t token, int64_t now_ns) {
  (void)now_ns;
  struct relay_slot *slot = token_slot(relay, token);
  if (slot == NULL || slot->state != RELAY_ASKED)
    return false;
  slot_unlist(relay, slot);
  slot->expected = 0;
  relay_ready_add(relay, slot, RELAY_RETURNED);
  return true;
}

bool relay_is_overtaken(const struct relay *relay) { return relay->overtaken; }

void relay_disconnected(struct relay *relay) {
  struct relay_slot *slot;
  while ((slot = relay_list_first(relay, &relay->sent)) != NULL)
    slot_verify(relay, slot);
  relay->paused_until_ns = 0;
}

uint64_t relay_prefix(const struct relay *relay, uint16_t partition) {
  return partition < relay->limits.partitions ? relay->partitions[partition].prefix : 0;
}

uint64_t relay_pushed(const struct relay *relay, uint16_t partition) {
  return partition < relay->limits.partitions ? relay->partitions[partition].pushed : 0;
}

uint64_t relay_sends(const struct relay *relay, uint16_t partition) {
  return partition < relay->limits.partitions ? relay->partitions[partition].sends : 0;
}

uint64_t relay_highest_seq(const struct relay *relay) { return relay->highest_seq; }

uint32_t relay_held(const struct relay *relay) { return relay->held; }

struct relay_counters relay_counters(const struct relay *relay) {
  return relay->counters;
}

int64_t relay_deadline_ns(const struct relay *relay) {
  int64_t deadline = INT64_MAX;
  if (relay_ready_any(relay) && relay->sent_count < relay->limits.window && !relay->overtaken)
    deadline = relay->paused_until_ns; // long past where there is no pause
  const struct relay_slot *first = relay_list_first(relay, &relay->sent);
  if (first != NULL)
    deadline = earlier(deadline, first->due_ns);
  for (size_t i = 0; i < RELAY_BACKOFFS; i++) {
    first = relay_list_first(relay, &relay->waiting[i]);
    if (first != NULL)
      deadline = earlier(deadline, first->due_ns);
  }
  return deadline;
}

static bool limits_fit(const struct relay_limits *limits) {
  return limits->partitions > 0 && limits->partitions <= UINT16_MAX + 1 && limits->window > 0 && limits->entries > 0 &&
         limits->entries <= INT32_MAX / 4;
}

static bool relay_allocate(struct relay *relay) {
  const struct relay_limits *limits = &relay->limits;
  // A partition may run ahead of an event that will not go by some times what is held at once: a bit each is cheap.
  relay->span = 64;
  while (relay->span < UINT64_C(4) * limits->entries)
    relay->span *= 2;
  size_t words = (size_t)(relay->span / 64);
  relay->slots = calloc(limits->entries, sizeof *relay->slots);
  relay->returned = calloc(limits->entries, sizeof *relay->returned);
  relay->partitions = calloc(limits->partitions, sizeof *relay->partitions);
  relay->bits = calloc(limits->partitions, words * sizeof *relay->bits);
  relay->users = uuid_map_create();
  if (!relay->slots || !relay->returned || !relay->partitions || !relay->bits || !relay->users)
    return false;
  for (uint32_t i = 0; i < limits->partitions; i++)
    relay->partitions[i].relayed = relay->bits + i * words;
  return true;
}

static enum lumin_status position_check(const struct relay *relay, uint16_t partition, uint64_t position) {
  const struct relay_partition *open = partition_open(relay, partition);
  if (open == NULL || position != open->pushed + 1)
    return LUMIN_INTERNAL;
  return position - open->prefix > relay->span ? LUMIN_RESOURCE_EXHAUSTED : LUMIN_OK;
}

// Behind the user's last entry, or ready where it has none.
static enum lumin_status slot_chain(struct relay *relay, struct relay_slot *slot) {
  struct relay_slot *last = uuid_map_get(relay->users, &slot->entry.user_id);
  if (last != NULL && (last->entry.version >= slot->entry.version || last->entry.partition != slot->entry.partition))
    return LUMIN_INTERNAL;
  if (uuid_map_put(relay->users, &slot->entry.user_id, slot, NULL) != LUMIN_OK)
    return LUMIN_RESOURCE_EXHAUSTED;
  if (last == NULL) {
    relay_ready_add(relay, slot, RELAY_FRESH);
    return LUMIN_OK;
  }
  slot->state = RELAY_CHAINED;
  last->successor = relay_slot_index(relay, slot);
  return LUMIN_OK;
}

// It is on the stream: the user's next entry may go.
static void slot_finish(struct relay *relay, struct relay_slot *slot) {
  slot_unlist(relay, slot);
  relay_position_done(relay, &relay->partitions[slot->entry.partition], slot->entry.position);
  if (slot->successor == RELAY_NO_SLOT)
    (void)uuid_map_remove(relay->users, &slot->entry.user_id);
  else
    relay_ready_add(relay, &relay->slots[slot->successor], RELAY_RETURNED);
  slot_drop(relay, slot);
}

static void slot_drop(struct relay *relay, struct relay_slot *slot) {
  relay->bytes -= slot->entry.bytes;
  relay->port.release(relay->port.self, &slot->entry);
  relay_slot_give(relay, slot);
}

// Out of its list. One in the heap of returned ones is left there: relay_ready_take has taken it out, or
// relay_ready_purge will.
static void slot_unlist(struct relay *relay, struct relay_slot *slot) {
  if (slot->state == RELAY_FRESH)
    relay_list_remove(relay, &relay->fresh, slot);
  if (slot->state == RELAY_WAITING)
    relay_list_remove(relay, &relay->waiting[slot->backoff], slot);
  if (slot->state == RELAY_ASKED || slot->state == RELAY_PUBLISHED) {
    relay_list_remove(relay, &relay->sent, slot);
    relay->sent_count--;
  }
}

// Once more, with care, after a backoff that doubles with each of `tries`.
static void slot_retry(struct relay *relay, struct relay_slot *slot, uint8_t *tries, int64_t now_ns) {
  slot_unlist(relay, slot);
  slot->entry.careful = true;
  slot->expected = -1;
  slot->state = RELAY_WAITING;
  slot->backoff = *tries;
  slot->due_ns = now_ns + relay->limits.backoff_ns * (INT64_C(1) << *tries);
  if (*tries < RELAY_BACKOFFS - 1)
    ++*tries;
  relay_list_append(relay, &relay->waiting[slot->backoff], slot);
}

// Once more, with care, at once.
static void slot_verify(struct relay *relay, struct relay_slot *slot) {
  slot_unlist(relay, slot);
  slot->entry.careful = true;
  slot->expected = -1;
  relay_ready_add(relay, slot, RELAY_RETURNED);
}

// False where the port failed. The slot is complete before the port sees it, so that an answer may come from within.
static bool slot_send(struct relay *relay, struct relay_slot *slot, int64_t now_ns) {
  const struct relay_port *port = &relay->port;
  bool ask = slot_must_ask(relay, slot, now_ns);
  slot->state = ask ? RELAY_ASKED : RELAY_PUBLISHED;
  slot->due_ns = now_ns + relay->limits.ack_timeout_ns;
  relay_list_append(relay, &relay->sent, slot);
  relay->sent_count++;
  slot->generation++;
  uint64_t token = (uint64_t)slot->generation << 32 | relay_slot_index(relay, slot);

  enum lumin_status status;
  if (ask) {
    status = port->ask_last(port->self, &slot->entry, token);
  } else {
    relay->counters.published++;
    relay->partitions[slot->entry.partition].sends++;
    status = port->publish(port->self, &slot->entry, token, slot->expected);
  }
  if (status == LUMIN_OK)
    return true;
  if (token_slot(relay, token) != NULL)
    slot_retry(relay, slot, &slot->failures, now_ns);
  return false;
}

// The age is looked at here, at the moment of the publish: the message id protects only within the duplicate window.
static bool slot_must_ask(const struct relay *relay, const struct relay_slot *slot, int64_t now_ns) {
  if (slot->expected >= 0)
    return false;
  return slot->entry.careful || now_ns - slot->entry.committed_ns > relay->limits.careful_after_ns;
}

static void sent_expire(struct relay *relay, int64_t now_ns) {
  struct relay_slot *slot;
  while ((slot = relay_list_first(relay, &relay->sent)) != NULL && slot->due_ns <= now_ns) {
    relay->counters.timeouts++;
    slot_retry(relay, slot, &slot->failures, now_ns);
  }
}

static void waiting_return(struct relay *relay, int64_t now_ns) {
  for (size_t i = 0; i < RELAY_BACKOFFS; i++) {
    struct relay_slot *slot;
    while ((slot = relay_list_first(relay, &relay->waiting[i])) != NULL && slot->due_ns <= now_ns) {
      slot_unlist(relay, slot);
      relay_ready_add(relay, slot, RELAY_RETURNED);
    }
  }
}

// The sent slot that the token names, or NULL where it is answered, given up or dropped by now.
static struct relay_slot *token_slot(struct relay *relay, uint64_t token) {
  uint32_t index = (uint32_t)token;
  if (index >= relay->touched)
    return NULL;
  struct relay_slot *slot = &relay->slots[index];
  bool sent = slot->state == RELAY_ASKED || slot->state == RELAY_PUBLISHED;
  return sent && slot->generation == token >> 32 ? slot : NULL;
}

static struct relay_partition *partition_open(const struct relay *relay, uint16_t partition) {
  if (partition >= relay->limits.partitions || !relay->partitions[partition].open)
    return NULL;
  return &relay->partitions[partition];
}

static void seq_note(struct relay *relay, uint64_t stream_seq) {
  if (stream_seq > relay->highest_seq)
    relay->highest_seq = stream_seq;
}
