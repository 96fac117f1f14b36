// SPDX-License-Identifier: MIT
// The relay against a fake event stream with a duplicate window, over thousands of seeds: publishes and answers are
// lost and delayed, ids are remembered without a message, connections go, workers stop, restart and live on as zombies
// beside their successor. Guarantee 8 is checked at each store, guarantee 3's other half (nothing is missing below the
// prefix) at each step, and at the end everything is there. Times are milliseconds.
#include "lumin/worker/relay.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum {
  SEEDS = 4000,
  WINDOW = 2000,         // duplicates are known for so long
  CAREFUL_AFTER = 1000,  // half of it
  LATE = WINDOW / 2 - 1, // what a publish may take at most; more, and no message id can help
  USERS = 6,
  KINDS = 2, // of events: a subject is a user's kind
  PARTITIONS = 2,
  EVENTS = 160,
  PACKETS = 2048,
  ROUGH_UNTIL = 6000, // then the faults end
  GIVE_UP = ROUGH_UNTIL + 30 * WINDOW,
};

struct event { // a row of the table
  int user, kind;
  uint64_t version;
  int64_t committed;
  int stored;         // how often, on the stream
  int64_t remembered; // when the server took its id; < 0: never
};

enum packet_kind { PUBLISH, ASK, ACKNOWLEDGED, DUPLICATE, REFUSED, WRONG_LAST, FOUND, MISSING };

struct packet {
  enum packet_kind kind;
  int64_t arrival;
  int worker, connection; // where the answer goes
  int event;
  uint64_t token, seq, version;
  int64_t expected;
};

struct subject {
  uint64_t seq, version; // of its last message
};

struct worker {
  struct sim *sim;
  struct relay *relay; // NULL: none
  int id, connection;
  bool owner;
  int64_t stopped_until;
  size_t fresh_from[PARTITIONS]; // positions above were not committed when it opened the partition
  uint64_t checked[PARTITIONS];
};

struct chances { // in 1000
  uint32_t lost, late, unstored, refused, port, disconnect, restart, close, stop;
};

struct tally {
  struct relay_counters relay;
  uint64_t late, unstored, forgotten, overtaken, disconnects, restarts, closes, stops, skips, exhausted, zombie_stores;
};

struct sim {
  uint64_t random;
  int64_t now;
  struct chances chances;
  struct event events[EVENTS];
  int event_count;
  int log[PARTITIONS][EVENTS]; // events by position - 1
  size_t log_count[PARTITIONS];
  uint64_t versions[USERS]; // in the table
  uint64_t stored_versions[USERS];
  struct subject subjects[USERS][KINDS];
  uint64_t last_seq;
  struct packet packets[PACKETS];
  size_t packet_count;
  struct worker workers[2];
  struct worker *owner, *zombie; // the two
  uint64_t persisted[PARTITIONS];
  int worker_ids;
  int messages;
  uint64_t seed;
  struct tally *tally;
};

static uint64_t sim_random(struct sim *sim, uint64_t bound) { // splitmix64
  uint64_t z = (sim->random += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) % bound;
}

static bool sim_chance(struct sim *sim, uint32_t in_1000) {
  return sim->now < ROUGH_UNTIL && sim_random(sim, 1000) < in_1000;
}

static void packet_send(struct sim *sim, struct packet packet) {
  if (sim_chance(sim, sim->chances.lost))
    return;
  packet.arrival = sim->now + 1 + (int64_t)sim_random(sim, 5);
  if (sim_chance(sim, sim->chances.late)) {
    packet.arrival = sim->now + (int64_t)sim_random(sim, LATE);
    sim->tally->late++;
  }
  cr_assert(sim->packet_count < PACKETS);
  sim->packets[sim->packet_count++] = packet;
}

// The port.

static enum lumin_status port_send(struct worker *worker, struct packet packet, const struct relay_entry *entry) {
  struct sim *sim = worker->sim;
  packet.worker = worker->id;
  packet.connection = worker->connection;
  packet.event = *(int *)entry->message;
  if (!sim_chance(sim, sim->chances.port)) {
    packet_send(sim, packet);
    return LUMIN_OK;
  }
  if (sim_random(sim, 2) == 0) // it says no, and sent it all the same
    packet_send(sim, packet);
  return LUMIN_CONNECTION_LOST;
}

static enum lumin_status port_publish(void *self, const struct relay_entry *entry, uint64_t token, int64_t expected) {
  return port_send(self, (struct packet){.kind = PUBLISH, .token = token, .expected = expected}, entry);
}

static enum lumin_status port_ask_last(void *self, const struct relay_entry *entry, uint64_t token) {
  return port_send(self, (struct packet){.kind = ASK, .token = token}, entry);
}

static void port_release(void *self, struct relay_entry *entry) {
  struct worker *worker = self;
  worker->sim->messages--;
  free(entry->message);
}

// The server: the message id is looked at before the expectation.

static void server_store(struct sim *sim, struct event *event, const struct packet *packet) {
  cr_assert_eq(event->stored, 0, "seed %lu: stored twice", (unsigned long)sim->seed);
  cr_assert_eq(event->version, sim->stored_versions[event->user] + 1, "seed %lu: out of order",
               (unsigned long)sim->seed);
  event->stored++;
  sim->stored_versions[event->user] = event->version;
  sim->subjects[event->user][event->kind] = (struct subject){++sim->last_seq, event->version};
  sim->tally->zombie_stores += packet->worker != sim->owner->id;
}

static void server_publish(struct sim *sim, struct packet packet) {
  struct event *event = &sim->events[packet.event];
  const struct subject *subject = &sim->subjects[event->user][event->kind];
  bool known = event->remembered >= 0 && sim->now - event->remembered < WINDOW;
  if (sim_chance(sim, sim->chances.refused)) {
    // 10164 of a cluster: another write to the subject is in flight, which may come to nothing
    packet.kind = packet.expected >= 0 && sim_random(sim, 2) == 0 ? WRONG_LAST : REFUSED;
  } else if (known) {
    packet.kind = DUPLICATE;
  } else if (packet.expected >= 0 && (uint64_t)packet.expected != subject->seq) {
    packet.kind = WRONG_LAST;
    sim->tally->overtaken++;
  } else if (sim_chance(sim, sim->chances.unstored)) {
    event->remembered = sim->now; // a leader went with the message and left the id
    sim->tally->unstored++;
    return;
  } else {
    sim->tally->forgotten += event->remembered >= 0;
    event->remembered = sim->now;
    server_store(sim, event, &packet);
    packet.kind = ACKNOWLEDGED;
  }
  packet.seq = sim->last_seq;
  packet_send(sim, packet);
}

static void server_answer(struct sim *sim, struct packet packet) {
  const struct event *event = &sim->events[packet.event];
  const struct subject *subject = &sim->subjects[event->user][event->kind];
  packet.kind = subject->seq == 0 ? MISSING : FOUND;
  packet.seq = subject->seq;
  packet.version = subject->version;
  if (sim_chance(sim, sim->chances.refused))
    packet.kind = REFUSED;
  packet_send(sim, packet);
}

// The worker's side of an answer.

static void worker_answer(struct sim *sim, struct worker *worker, const struct packet *packet) {
  bool taken = false;
  if (packet->kind == ACKNOWLEDGED || packet->kind == DUPLICATE)
    taken = relay_acknowledged(worker->relay, packet->token, packet->seq, packet->kind == DUPLICATE, sim->now);
  else if (packet->kind == REFUSED || packet->kind == WRONG_LAST)
    taken = relay_refused(worker->relay, packet->token, packet->kind == WRONG_LAST, sim->now);
  else if (packet->kind == FOUND)
    taken = relay_last_found(worker->relay, packet->token, packet->seq, packet->version, sim->now);
  else
    taken = relay_last_missing(worker->relay, packet->token, sim->now);
  cr_assert(!taken || packet->connection == worker->connection, "seed %lu: a dead token", (unsigned long)sim->seed);
}

static void packet_deliver(struct sim *sim, struct packet packet) {
  if (packet.kind == PUBLISH) {
    server_publish(sim, packet);
    return;
  }
  if (packet.kind == ASK) {
    server_answer(sim, packet);
    return;
  }
  for (int i = 0; i < 2; i++) {
    struct worker *worker = &sim->workers[i];
    if (worker->relay == NULL || worker->id != packet.worker)
      continue;
    if (worker->stopped_until > sim->now) {
      packet.arrival = worker->stopped_until;
      sim->packets[sim->packet_count++] = packet;
    } else {
      worker_answer(sim, worker, &packet);
    }
  }
}

static void packets_deliver(struct sim *sim) {
  for (size_t i = 0; i < sim->packet_count;) {
    struct packet packet = sim->packets[i];
    if (packet.arrival > sim->now) {
      i++;
      continue;
    }
    sim->packets[i] = sim->packets[--sim->packet_count];
    packet_deliver(sim, packet);
  }
}

// Workers.

static void worker_open(struct worker *worker, int partition) {
  struct sim *sim = worker->sim;
  relay_open(worker->relay, (uint16_t)partition, sim->persisted[partition]);
  worker->fresh_from[partition] = sim->log_count[partition];
  worker->checked[partition] = 0;
}

static void worker_start(struct sim *sim, struct worker *worker) {
  *worker = (struct worker){.sim = sim, .id = ++sim->worker_ids, .owner = true};
  const struct relay_limits limits = {.partitions = PARTITIONS,
                                      .window = 4,
                                      .entries = 12,
                                      .bytes = 1000,
                                      .ack_timeout_ns = 40,
                                      .careful_after_ns = CAREFUL_AFTER,
                                      .backoff_ns = 8};
  const struct relay_port port = {worker, port_publish, port_ask_last, port_release};
  worker->relay = relay_create(&limits, &port);
  cr_assert_not_null(worker->relay);
  for (int partition = 0; partition < PARTITIONS; partition++)
    worker_open(worker, partition);
}

static void worker_end(struct worker *worker) {
  if (worker->relay == NULL)
    return;
  struct relay_counters counters = relay_counters(worker->relay);
  struct relay_counters *total = &worker->sim->tally->relay;
  total->published += counters.published;
  total->acknowledged += counters.acknowledged;
  total->duplicates += counters.duplicates;
  total->refused += counters.refused;
  total->wrong_last += counters.wrong_last;
  total->found_stored += counters.found_stored;
  total->timeouts += counters.timeouts;
  relay_destroy(worker->relay);
  worker->relay = NULL;
}

static enum lumin_status worker_push(struct worker *worker, int partition, uint64_t position) {
  struct sim *sim = worker->sim;
  int index = sim->log[partition][position - 1];
  const struct event *event = &sim->events[index];
  bool careful = position <= worker->fresh_from[partition];
  if (careful && event->stored > 0 && sim_random(sim, 4) == 0) { // the tail of the stream told
    sim->tally->skips++;
    return relay_skip(worker->relay, (uint16_t)partition, position);
  }
  struct relay_entry entry = {.version = event->version,
                              .position = position,
                              .partition = (uint16_t)partition,
                              .careful = careful,
                              .committed_ns = event->committed,
                              .bytes = 100,
                              .message = malloc(sizeof index)};
  entry.user_id.bytes[0] = (uint8_t)(event->user + 1);
  *(int *)entry.message = index;
  enum lumin_status status = relay_push(worker->relay, &entry);
  if (status == LUMIN_OK)
    sim->messages++;
  else
    free(entry.message);
  return status;
}

static void worker_feed(struct worker *worker, int partition) {
  struct sim *sim = worker->sim;
  for (;;) {
    uint64_t position = relay_pushed(worker->relay, (uint16_t)partition) + 1;
    if (position > sim->log_count[partition])
      return;
    enum lumin_status status = worker_push(worker, partition, position);
    if (status == LUMIN_RESOURCE_EXHAUSTED) {
      worker->fresh_from[partition] = sim->log_count[partition]; // read back from the table, later
      sim->tally->exhausted++;
      return;
    }
    cr_assert_eq(status, LUMIN_OK);
  }
}

static void worker_check(struct worker *worker, int partition) {
  struct sim *sim = worker->sim;
  uint64_t prefix = relay_prefix(worker->relay, (uint16_t)partition);
  for (; worker->checked[partition] < prefix; worker->checked[partition]++) {
    int index = sim->log[partition][worker->checked[partition]];
    cr_assert_eq(sim->events[index].stored, 1, "seed %lu: the prefix lies", (unsigned long)sim->seed);
  }
  cr_assert_leq(prefix, relay_pushed(worker->relay, (uint16_t)partition));
}

static void worker_step(struct worker *worker) {
  struct sim *sim = worker->sim;
  if (worker->relay == NULL || worker->stopped_until > sim->now)
    return;
  for (int partition = 0; worker->owner && partition < PARTITIONS; partition++)
    worker_feed(worker, partition);
  relay_run(worker->relay, sim->now);
  cr_assert_gt(relay_deadline_ns(worker->relay), sim->now, "it would spin");
  for (int partition = 0; partition < PARTITIONS; partition++)
    worker_check(worker, partition);
}

// What happens to them.

static void events_commit(struct sim *sim) {
  for (uint64_t n = sim_random(sim, 4); n > 0 && sim->event_count < EVENTS; n--) {
    struct event *event = &sim->events[sim->event_count];
    int user = (int)sim_random(sim, USERS), partition = user % PARTITIONS;
    *event = (struct event){.user = user, .kind = (int)sim_random(sim, KINDS), .remembered = -1};
    event->version = ++sim->versions[user];
    event->committed = sim->now;
    sim->log[partition][sim->log_count[partition]++] = sim->event_count++;
  }
}

static void sim_restart(struct sim *sim) {
  struct worker *successor = sim->zombie;
  worker_end(successor);
  sim->tally->restarts++;
  if (sim_random(sim, 2) == 0)
    worker_end(sim->owner);
  sim->owner->owner = false; // it was only slow, perhaps: then it goes on with what it holds
  sim->zombie = sim->owner;
  sim->owner = successor;
  worker_start(sim, successor);
}

static void sim_disturb(struct sim *sim) {
  struct worker *owner = sim->owner;
  bool awake = owner->stopped_until <= sim->now;
  for (uint16_t partition = 0; partition < PARTITIONS; partition++) {
    if (awake && sim_random(sim, 8) == 0 && relay_prefix(owner->relay, partition) > sim->persisted[partition])
      sim->persisted[partition] = relay_prefix(owner->relay, partition);
    if (awake && sim_chance(sim, sim->chances.close)) {
      relay_close(owner->relay, partition);
      worker_open(owner, partition);
      sim->tally->closes++;
    }
  }
  if (awake && sim_chance(sim, sim->chances.disconnect)) {
    owner->connection++;
    relay_disconnected(owner->relay);
    sim->tally->disconnects++;
  }
  if (awake && sim_chance(sim, sim->chances.stop)) {
    owner->stopped_until = sim->now + (int64_t)sim_random(sim, 2 * WINDOW);
    sim->tally->stops++;
  }
  if (sim_chance(sim, sim->chances.restart))
    sim_restart(sim);
}

// The run.

static int64_t worker_wakes(const struct worker *worker) {
  if (worker->relay == NULL)
    return INT64_MAX;
  int64_t deadline = relay_deadline_ns(worker->relay);
  return deadline > worker->stopped_until ? deadline : worker->stopped_until;
}

static void sim_advance(struct sim *sim, int64_t tick) {
  int64_t next = tick;
  for (int i = 0; i < 2; i++) {
    if (worker_wakes(&sim->workers[i]) < next)
      next = worker_wakes(&sim->workers[i]);
  }
  for (size_t i = 0; i < sim->packet_count; i++) {
    if (sim->packets[i].arrival < next)
      next = sim->packets[i].arrival;
  }
  sim->now = next > sim->now ? next : sim->now + 1;
}

static bool sim_done(const struct sim *sim) {
  if (sim->event_count < EVENTS || sim->now < ROUGH_UNTIL || relay_held(sim->owner->relay) > 0)
    return false;
  for (uint16_t partition = 0; partition < PARTITIONS; partition++) {
    if (relay_prefix(sim->owner->relay, partition) < sim->log_count[partition])
      return false;
  }
  return true;
}

static uint32_t draw_chance(struct sim *sim, uint32_t most) { // a third of the seeds are without
  uint64_t kind = sim_random(sim, 3);
  return kind == 0 ? 0 : kind == 1 ? most / 5 : most;
}

static void draw_chances(struct sim *sim) {
  sim->chances = (struct chances){.lost = draw_chance(sim, 150),
                                  .late = draw_chance(sim, 150),
                                  .unstored = draw_chance(sim, 30),
                                  .refused = draw_chance(sim, 60),
                                  .port = draw_chance(sim, 40),
                                  .disconnect = draw_chance(sim, 15),
                                  .restart = draw_chance(sim, 15),
                                  .close = draw_chance(sim, 10),
                                  .stop = draw_chance(sim, 8)};
}

static void sim_run(uint64_t seed, struct tally *tally) {
  static struct sim sim; // too large for the stack
  sim = (struct sim){.random = seed, .seed = seed, .tally = tally};
  draw_chances(&sim);
  sim.owner = &sim.workers[0];
  sim.zombie = &sim.workers[1];
  worker_start(&sim, sim.owner);
  int64_t tick = 1;
  while (!sim_done(&sim)) {
    cr_assert_lt(sim.now, GIVE_UP, "seed %lu: it never ends", (unsigned long)seed);
    sim_advance(&sim, tick);
    packets_deliver(&sim);
    if (sim.now >= tick) {
      tick = sim.now + 1 + (int64_t)sim_random(&sim, 20);
      sim_disturb(&sim);
      if (sim_random(&sim, 4) == 0)
        events_commit(&sim);
    }
    worker_step(&sim.workers[0]);
    worker_step(&sim.workers[1]);
  }
  for (int i = 0; i < EVENTS; i++)
    cr_assert_eq(sim.events[i].stored, 1, "seed %lu: event %d is missing", (unsigned long)seed, i);
  for (uint16_t partition = 0; partition < PARTITIONS; partition++)
    cr_assert_eq(relay_pushed(sim.owner->relay, partition), sim.log_count[partition]);
  worker_end(&sim.workers[0]);
  worker_end(&sim.workers[1]);
  cr_assert_eq(sim.messages, 0);
}

Test(relay_simulation, each_event_is_stored_once_and_in_order_whatever_happens) {
  struct tally tally = {0};
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
    sim_run(seed, &tally);
  // Otherwise the seeds have proved nothing.
  cr_expect_gt(tally.relay.acknowledged, SEEDS);
  cr_expect_gt(tally.relay.published, tally.relay.acknowledged);
  cr_expect_gt(tally.relay.found_stored, SEEDS);
  cr_expect_gt(tally.relay.duplicates, SEEDS);
  cr_expect_gt(tally.relay.refused, SEEDS);
  cr_expect_gt(tally.relay.timeouts, SEEDS);
  cr_expect_gt(tally.relay.wrong_last, SEEDS / 100);
  cr_expect_gt(tally.overtaken, 0, "an expectation saved a duplicate");
  cr_expect_gt(tally.late, SEEDS);
  cr_expect_gt(tally.unstored, SEEDS / 10);
  cr_expect_gt(tally.forgotten, SEEDS / 10, "ids without a message were stored later");
  cr_expect_gt(tally.zombie_stores, SEEDS / 10);
  cr_expect_gt(tally.skips, SEEDS / 10);
  cr_expect_gt(tally.exhausted, SEEDS);
  cr_expect_gt(tally.disconnects, SEEDS);
  cr_expect_gt(tally.restarts, SEEDS);
  cr_expect_gt(tally.closes, SEEDS);
  cr_expect_gt(tally.stops, SEEDS);
}
