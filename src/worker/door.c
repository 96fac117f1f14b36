// SPDX-License-Identifier: MIT
// The door's thread. door_live is the whole of it in one function.
#include "door_internal.h"

#include <stdlib.h>

#include "lumin/base/map.h"

#define PAUSE_FIRST (100 * NS_PER_MS)
#define PAUSE_LONGEST (2 * NS_PER_SECOND)
#define ROWS_MEMORY (32U << 20)   // for a load of LOAD_ROWS_MAX rows and those of queries that go on
#define ANSWER_MEMORY (32U << 20) // for one answer
#define SCRATCH_MEMORY (1U << 20) // beside what decoding a payload may take
#define DECODED_PER_BYTE 16       // see codec_decode
#define FLUSH_PATIENCE NS_PER_SECOND

static bool door_is_done(struct door *door);
static int64_t door_deadline_ns(const struct door *door);

static void door_live(struct door *door) {
  while (!door_is_done(door)) {
    door_connect(door);
    door_database_keep(door);
    door_turn(door, door_deadline_ns(door));
    queries_answer(door);
  }
}

void door_turn(struct door *door, int64_t deadline_ns) {
  loop_turn(door->loop, earliest(deadline_ns, commands_deadline_ns(door)));
  door_receive(door); // what has arrived comes before the deadlines, or a process that slept would give up on it
  commands_expire(door);
}

static int64_t door_deadline_ns(const struct door *door) {
  int64_t deadline = earliest(queries_deadline_ns(door), database_deadline_ns(door));
  if (door->stop_deadline_ns != 0) {
    return earliest(deadline, clock_monotonic_ns() + 5 * NS_PER_MS); // the drain has no descriptor to wait for
  }
  return door->link == NULL ? earliest(deadline, door_retry_ns(door)) : deadline;
}

// After the word to stop: when all is answered and has left, or time is up.
static bool door_is_done(struct door *door) {
  if (!atomic_load(&door->stopping)) {
    return false;
  }
  int64_t now = clock_monotonic_ns();
  if (door->stop_deadline_ns == 0) {
    door->stop_wait_ns = now + door->worker->config->rpc_timeout_ms * NS_PER_MS;
    door->stop_deadline_ns = door->stop_wait_ns + FLUSH_PATIENCE;
    door->next_due_ns = 0;
    door_drain(door);
  }
  bool answered = pending_count(door->commands) == 0 && door->query_count == 0;
  return now >= door->stop_deadline_ns || !link_is_alive(door->link) || (answered && door_is_drained(door));
}

int64_t door_backoff(int64_t *pause_ns) {
  int64_t pause = *pause_ns == 0 ? PAUSE_FIRST : *pause_ns * 2;
  *pause_ns = pause > PAUSE_LONGEST ? PAUSE_LONGEST : pause;
  return *pause_ns - (int64_t)random_below((uint64_t)*pause_ns / 4);
}

// ---- birth and end

static void *door_run(void *self) {
  struct door *door = self;
  door_live(door);
  commands_forget(door);
  queries_forget(door);
  door_disconnect(door);
  door_database_close(door);
  return NULL;
}

static bool door_build(struct door *door) {
  const struct config *config = door->worker->config;
  TAILQ_INIT(&door->asking);
  TAILQ_INIT(&door->loading);
  TAILQ_INIT(&door->patient);
  TAILQ_INIT(&door->ongoing);
  (void)snprintf(door->own_subject, sizeof door->own_subject, "%s.door.%s", config->service_prefix,
                 door->worker->token);
  door->database.store.worker_id = door->worker->id;
  door->loop = loop_create();
  door->codec = codec_create(config->rpc_max_payload);
  door->scratch = arena_create(config->rpc_max_payload * (DECODED_PER_BYTE + 1) + SCRATCH_MEMORY);
  door->rows = arena_create(ROWS_MEMORY);
  door->answers = arena_create(ANSWER_MEMORY);
  door->commands = pending_create();
  door->waiting = calloc(config->partitions, sizeof *door->waiting);
  door->user_rows = uuid_map_create();
  door->outcome_rows = uuid_map_create();
  return door->loop && door->codec && door->scratch && door->rows && door->answers && door->commands && door->waiting &&
         door->user_rows && door->outcome_rows;
}

struct door *door_start(struct worker *worker) {
  struct door *door = calloc(1, sizeof *door);
  if (door == NULL) {
    return NULL;
  }
  door->worker = worker;
  (void)pthread_mutex_init(&door->lock, NULL);
  door->running = door_build(door) && pthread_create(&door->thread, NULL, door_run, door) == 0;
  if (!door->running) {
    door_destroy(door);
    return NULL;
  }
  return door;
}

void door_stop(struct door *door) {
  if (door != NULL && door->running) {
    atomic_store(&door->stopping, true);
    loop_wake(door->loop);
    (void)pthread_join(door->thread, NULL);
    door->running = false;
  }
}

void door_destroy(struct door *door) {
  if (door == NULL) {
    return;
  }
  door_stop(door);
  uuid_map_destroy(door->user_rows);
  uuid_map_destroy(door->outcome_rows);
  free(door->waiting);
  pending_destroy(door->commands);
  arena_destroy(door->rows);
  arena_destroy(door->answers);
  arena_destroy(door->scratch);
  codec_destroy(door->codec);
  loop_destroy(door->loop);
  (void)pthread_mutex_destroy(&door->lock);
  free(door);
}

// ---- what others may know

void door_counters_get(struct door *door, enum method_id method, struct door_counters *ret_counters) {
  struct door_method *counted = &door->methods[method];
  ret_counters->requests = atomic_load(&counted->requests);
  ret_counters->errors = atomic_load(&counted->errors);
  ret_counters->processing_ns = atomic_load(&counted->processing_ns);
  pthread_mutex_lock(&door->lock);
  memcpy(ret_counters->last_error, counted->last_error, sizeof ret_counters->last_error);
  pthread_mutex_unlock(&door->lock);
}

void door_totals_get(struct door *door, struct door_totals *ret_totals) {
  *ret_totals = (struct door_totals){
      .dropped = atomic_load(&door->totals.dropped),
      .lost = atomic_load(&door->totals.lost),
      .shed = atomic_load(&door->totals.shed),
      .late = atomic_load(&door->totals.late),
  };
}
