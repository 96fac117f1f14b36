// SPDX-License-Identifier: MIT
// A worker's life. The order of the end matters more than that of the start: first no new requests, then the lanes
// finish their batches, publish and give their partitions up under a lease that still holds, and only then the worker
// leaves; so a rolling restart loses nothing.
#include "lumin/worker/run.h"

#include "lumin/base/clock.h"
#include "lumin/base/log.h"
#include "lumin/worker/door.h"
#include "lumin/worker/janitor.h"
#include "lumin/worker/lane.h"
#include "lumin/worker/lease.h"
#include "lumin/worker/refresher.h"
#include "lumin/worker/service.h"
#include "run_internal.h"

struct run {
  struct worker worker;
  struct lease *lease;
  struct lane *lanes[WORKER_LANES_MAX];
  uint64_t lane_count; // started
  struct refresher *refresher;
  struct door *door;
  struct service *service;
  struct janitor *janitor;
};

static enum program_exit run_start(struct run *run);
static void run_stop(struct run *run);

enum program_exit worker_run(const struct config *config) {
  struct run run = {0};
  signals_begin();
  if (worker_init(&run.worker, config) != LUMIN_OK) {
    log_error("worker_failed", log_string("reason", "no random numbers"));
    return PROGRAM_FAILED;
  }
  enum program_exit end = run_start(&run);
  if (end == PROGRAM_OK) {
    (void)signals_wait(INT64_MAX);
    log_info("worker_stopping", log_string("worker", run.worker.name));
  }
  signals_insist();
  run_stop(&run);
  if (end == PROGRAM_OK || end == PROGRAM_INTERRUPTED) {
    log_info("worker_stopped", log_string("worker", run.worker.name));
    return atomic_load(&run.worker.outdated) ? PROGRAM_CONFIG : PROGRAM_OK; // else it was asked to stop, and did
  }
  return end;
}

// ---- the start

static enum program_exit lease_await(struct run *run);
static enum program_exit threads_start(struct run *run);
static void start_note(const struct run *run, const struct server_versions *versions);

static enum program_exit run_start(struct run *run) {
  struct server_versions versions = {0};
  enum program_exit end = run_await_servers(&run->worker, &versions);
  run->worker.layout = versions.layout.number;
  run->worker.position_base = versions.layout.position_base;
  if (end == PROGRAM_OK) {
    end = lease_await(run);
  }
  if (end == PROGRAM_OK) {
    end = threads_start(run);
  }
  if (end == PROGRAM_OK) {
    start_note(run, &versions);
  }
  return end;
}

static enum program_exit lease_await(struct run *run) {
  struct backoff backoff = {0};
  char error[256] = "";
  for (bool said = false;; said = true) {
    enum lumin_status status = lease_start(&run->worker, &run->lease, error, sizeof error);
    if (status == LUMIN_OK) {
      return PROGRAM_OK;
    }
    run->lease = NULL;
    if (status != LUMIN_RETRY) {
      log_error("worker_failed", log_string("reason", status_name(status)));
      return PROGRAM_FAILED;
    }
    if (!said) {
      log_warn("server_awaited", log_string("server", "postgres"), log_string("reason", error));
    }
    if (backoff_wait(&backoff)) {
      return PROGRAM_INTERRUPTED;
    }
  }
}

// False where memory is short; without a cache nothing is to be done.
static bool cache_begin(struct run *run) {
  const struct config *config = run->worker.config;
  const struct cache_limits limits = {.bytes = config->cache_max_bytes,
                                      .max_age_ns = config->cache_max_age_ms * NS_PER_MS};
  if (limits.bytes == 0) {
    return true;
  }
  run->worker.cache = cache_create(&limits);
  run->refresher = run->worker.cache != NULL ? refresher_start(&run->worker) : NULL;
  return run->refresher != NULL;
}

static enum program_exit threads_start(struct run *run) {
  bool fine = cache_begin(run);
  uint64_t wanted = run->worker.config->worker_lanes;
  for (; fine && run->lane_count < wanted; run->lane_count++) {
    run->lanes[run->lane_count] = lane_start(&run->worker, (int)run->lane_count);
    if (run->lanes[run->lane_count] == NULL) {
      break;
    }
  }
  run->door = fine && run->lane_count == wanted ? door_start(&run->worker) : NULL;
  if (run->door != NULL) {
    run->service = service_start(&run->worker, run->door, run->lanes, (size_t)run->lane_count);
  }
  run->janitor = run->service != NULL ? janitor_start(&run->worker) : NULL;
  if (run->janitor == NULL) {
    log_error("worker_failed", log_string("reason", "no memory for its threads"));
    return PROGRAM_FAILED;
  }
  return PROGRAM_OK;
}

static void start_note(const struct run *run, const struct server_versions *versions) {
  char id[UUID_TEXT_LEN + 1];
  uuid_format(&run->worker.id, id);
  log_info("worker_started", log_string("worker", run->worker.name), log_string("id", id),
           log_string("version", LUMIN_VERSION), log_string("postgres", versions->postgres),
           log_string("nats", versions->durable_acks ? "2.10 or newer" : "older than 2.10"),
           log_string("libnats", nats_GetVersion()), log_number("lanes", (int64_t)run->lane_count),
           log_number("partitions", (int64_t)run->worker.config->partitions));
  if (!versions->durable_acks) {
    log_warn("nats_acks_not_durable",
             log_string("consequence", "a command that only the stream has taken does not survive a power cut"),
             log_string("advice", "nats-server 2.10 or newer with sync_interval: always"));
  }
}

// ---- the end

static void run_stop(struct run *run) {
  door_stop(run->door);
  janitor_stop(run->janitor);
  atomic_store(&run->worker.stopping, true);
  service_stop(run->service); // it reads the lanes
  for (uint64_t i = 0; i < run->lane_count; i++) {
    lane_join(run->lanes[i]);
    atomic_store(&run->worker.lane_turned_ns[i], 0); // it hangs no more
  }
  lease_stop(run->lease);
  door_destroy(run->door);
  refresher_stop(run->refresher);
  cache_destroy(run->worker.cache);
}
