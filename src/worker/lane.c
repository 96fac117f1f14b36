// SPDX-License-Identifier: MIT
// The lane's thread. lane_live is the service in one function: everything else serves one of its lines. Keeps guarantee
// 1: outcomes and events are published after lane_commit has said OK, and nowhere else.
#include "lane_internal.h"

#include <stdlib.h>

#include "lumin/base/clock.h"
#include "relay_wire.h"

#define STOP_PATIENCE (5 * NS_PER_SECOND) // for the last events to be acknowledged
#define IDLE_TURN (NS_PER_SECOND / 4)     // the upkeep looks at least this often
#define STOP_TURN (50 * NS_PER_MS)
#define BACKLOG_PATIENCE (250 * NS_PER_MS)

static bool lane_is_done(struct lane *lane);
static int64_t idle_until_ns(const struct lane *lane);
static void lane_finish(struct lane *lane);

static void lane_live(struct lane *lane) {
  while (!lane_is_done(lane)) {
    lane_keep_connected(lane);
    lane_keep_partitions(lane);
    survey_place(lane);
    lane_attach_reader(lane);
    lane_refill_relay(lane);
    lane_checkpoint(lane, false);
    lane_tell_alarms(lane);
    lane_show(lane);

    struct batch *batch = lane_take(lane);
    if (batch == NULL) {
      lane_turn(lane, idle_until_ns(lane));
      continue;
    }
    if (lane_commit(lane, batch) == LUMIN_OK) {
      lane_tell_cache(lane, batch);
      lane_publish_outcomes(lane, batch);
      lane_publish_events(lane, batch);
      lane_turn(lane, 0); // what was published leaves now, not when the next batch waits
    }
    lane_forget(lane);
  }
  lane_finish(lane);
}

// ---- the loop's turn

static int64_t earliest(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t idle_until_ns(const struct lane *lane) {
  int64_t now = clock_monotonic_ns();
  int64_t until = earliest(now + IDLE_TURN, backlog_deadline_ns(&lane->backlog));
  return lane->take_at_ns > now ? earliest(lane->take_at_ns, until) : until;
}

void lane_turn(struct lane *lane, int64_t deadline_ns) {
  if (lane->link != NULL) {
    deadline_ns = earliest(deadline_ns, relay_deadline_ns(lane->relay));
    deadline_ns = earliest(deadline_ns, cursor_deadline_ns(&lane->reader));
    deadline_ns = earliest(deadline_ns, survey_deadline_ns(lane));
  }
  loop_turn(lane->loop, deadline_ns);
  int64_t now = clock_monotonic_ns();
  atomic_store(&lane->worker->lane_turned_ns[lane->number], now);
  if (lane->link == NULL) {
    return;
  }
  atomic_store(&lane->worker->lane_linked_ns[lane->number], now);
  lane_receive(lane); // what has arrived comes before the timers, or a process that slept would think it all lost
  reader_tick(lane, now);
  survey_tick(lane, now);
  relay_run(lane->relay, clock_monotonic_ns()); // the process may have slept since: an event's age is told now
}

void lane_pause(struct lane *lane, int64_t ns) {
  int64_t until = clock_monotonic_ns() + ns;
  do {
    lane_turn(lane, until);
  } while (clock_monotonic_ns() < until && !lane_stopping(lane));
}

static bool lane_is_done(struct lane *lane) { return lane_stopping(lane); }

// The last batch is committed. Its events go out, what the relay reached is written, the partitions are given up.
static void lane_finish(struct lane *lane) {
  int64_t until = clock_monotonic_ns() + STOP_PATIENCE;
  arena_reset(lane->scratch);
  lane_yield(lane, lane->owned_count);
  reader_detach(lane);
  while (lane->owned_count > 0 && link_is_alive(lane->link) && session_is_alive(lane->store.session) &&
         clock_monotonic_ns() < until) {
    lane_refill_relay(lane);
    lane_hand_over(lane);
    lane_turn(lane, clock_monotonic_ns() + STOP_TURN);
  }
  lane_checkpoint(lane, true);
  lane_release(lane);
  until = clock_monotonic_ns() + NS_PER_SECOND;
  while (link_is_alive(lane->link) && natsConnection_Buffered(link_connection(lane->link)) > 0 &&
         clock_monotonic_ns() < until) {
    lane_turn(lane, until);
  }
}

// ---- birth and end

void lane_destroy(struct lane *lane) {
  if (lane == NULL) {
    return;
  }
  queue_pop(lane, lane->queue_count);
  link_close(lane->link);
  lane_close_session(lane);
  relay_destroy(lane->relay);
  pipeline_finish(&lane->pipeline);
  memory_destroy(lane->memory);
  codec_destroy(lane->codec);
  for (uint32_t i = 0; lane->partitions != NULL && i < lane->partition_count; i++) {
    survey_part_clear(&lane->partitions[i].survey);
  }
  free(lane->survey.ids);
  free(lane->partitions);
  free(lane->truths);
  free(lane->owned);
  free(lane->shown_partitions);
  free(lane->queue);
  arena_destroy(lane->arena);
  arena_destroy(lane->scratch);
  arena_destroy(lane->turn);
  loop_destroy(lane->loop);
  pthread_mutex_destroy(&lane->shown_lock);
  free(lane);
}

static struct cursor_limits cursor_limits_of(const struct config *config) {
  uint64_t pull = config->lane_buffer / 2;
  uint64_t most = 4 * config->lane_batch; // much of what is read is another lane's
  return (struct cursor_limits){
      .pull_batch = (uint32_t)(pull > most ? most : pull),
      .buffer = (uint32_t)config->lane_buffer,
      .heartbeat_ns = config->cursor_heartbeat_ms * NS_PER_MS,
      .expires_ns = config->cursor_expires_ms * NS_PER_MS,
      .reply_timeout_ns = config->nats_timeout_ms * NS_PER_MS,
      .advance_interval_ns = config->cursor_advance_interval_ms * NS_PER_MS,
      .inspect_interval_ns = 10 * config->cursor_heartbeat_ms * NS_PER_MS,
  };
}

// Two lanes of each of four workers own an eighth of the partitions: a window holds a batch of theirs.
static struct backlog_limits backlog_limits_of(const struct config *config) {
  return (struct backlog_limits){
      .least = config->lane_batch, .window = 8 * config->lane_batch, .patience_ns = BACKLOG_PATIENCE};
}

static bool lane_build_parts(struct lane *lane) {
  const struct config *config = lane->worker->config;
  struct relay_limits relay_limits = relay_limits_of(config);
  struct relay_port relay_port = lane_relay_port_of(lane);
  lane->loop = loop_create();
  lane->codec = codec_create(config->rpc_max_payload);
  lane->memory = memory_create(config->lane_memory);
  lane->relay = relay_create(&relay_limits, &relay_port);
  lane->arena = arena_create(config->lane_batch_memory);
  lane->scratch = arena_create(config->lane_batch_memory);
  lane->turn = arena_create(16U << 20);
  lane->partitions = calloc(lane->partition_count, sizeof *lane->partitions);
  lane->truths = calloc(lane->partition_count, sizeof *lane->truths);
  lane->owned = calloc(lane->partition_count, sizeof *lane->owned);
  lane->shown_partitions = calloc(lane->partition_count, sizeof *lane->shown_partitions);
  lane->queue_room = 1024;
  lane->queue = calloc(lane->queue_room, sizeof *lane->queue);
  return lane->loop && lane->codec && lane->memory && lane->relay && lane->arena && lane->scratch && lane->turn &&
         lane->partitions && lane->truths && lane->owned && lane->shown_partitions && lane->queue;
}

static bool lane_build(struct lane *lane) {
  const struct config *config = lane->worker->config;
  if (!lane_build_parts(lane)) {
    return false;
  }
  struct cursor_limits cursor_limits = cursor_limits_of(config);
  struct backlog_limits backlog_limits = backlog_limits_of(config);
  cursor_init(&lane->reader, &cursor_limits);
  backlog_init(&lane->backlog, &backlog_limits);
  (void)snprintf(lane->consumer_prefix, sizeof lane->consumer_prefix, "lumin_%s_%d", lane->worker->token, lane->number);
  lane->store.worker_id = lane->worker->id;
  lane->store.lane = lane->number;
  lane->batch_limit = config->lane_batch;
  lane->registration = atomic_load(&lane->worker->registrations);
  lane->pipeline = (struct pipeline){
      .codec = codec_port(lane->codec),
      .store = store_port(&lane->store),
      .memory = lane->memory,
      .truths = lane->truths,
      .partitions = lane->partition_count,
      .prefix = worker_prefix(lane->worker),
  };
  return pipeline_init(&lane->pipeline) == LUMIN_OK;
}

static void *lane_main(void *self) {
  lane_live(self);
  return NULL;
}

struct lane *lane_create(struct worker *worker, int number) {
  struct lane *lane = calloc(1, sizeof *lane);
  if (lane == NULL) {
    return NULL;
  }
  pthread_mutex_init(&lane->shown_lock, NULL);
  lane->worker = worker;
  lane->number = number;
  lane->partition_count = (uint32_t)worker->config->partitions;
  if (!lane_build(lane)) {
    lane_destroy(lane);
    return NULL;
  }
  return lane;
}

struct lane *lane_start(struct worker *worker, int number) {
  struct lane *lane = lane_create(worker, number);
  if (lane != NULL && pthread_create(&lane->thread, NULL, lane_main, lane) != 0) {
    lane_destroy(lane);
    return NULL;
  }
  return lane;
}

void lane_join(struct lane *lane) {
  if (lane != NULL) {
    loop_wake(lane->loop);
    pthread_join(lane->thread, NULL);
    lane_destroy(lane);
  }
}
