// SPDX-License-Identifier: MIT
// The thread behind the Services API: a loop, a link and nine subscriptions without a queue group, since every instance
// answers for itself.
#include "lumin/worker/service.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "door_parse.h"
#include "lumin/base/clock.h"
#include "lumin/base/log.h"
#include "service_json.h"

#define PAUSE_FIRST (100 * NS_PER_MS)
#define PAUSE_LONGEST (2 * NS_PER_SECOND)
#define OUTPUT_BYTES_MAX (4 << 20) // unread by the server; beyond it nothing more is answered

enum verb { VERB_PING, VERB_INFO, VERB_STATS, VERB_COUNT };
#define FORMS 3 // plain, by name, by name and id

struct service {
  struct worker *worker;
  struct door *door;
  struct lane *lanes[WORKER_LANES_MAX];
  size_t lane_count;
  struct lane_partition *owned; // room for every partition
  struct service_facts facts;
  pthread_t thread;
  atomic_bool stopping;
  struct loop *loop;
  struct link *link; // NULL: none
  natsSubscription *subscriptions[VERB_COUNT * FORMS];
  int64_t retry_ns, pause_ns;
  bool reported;
  char link_name[160];
};

static void service_connect(struct service *service);
static void service_answer(struct service *service);

static void service_live(struct service *service) {
  while (!atomic_load(&service->stopping)) {
    service_connect(service);
    loop_turn(service->loop, service->link != NULL ? INT64_MAX : service->retry_ns);
    service_answer(service);
  }
}

// ---- the link

static enum lumin_status service_listen(struct service *service) {
  static const char *const verbs[VERB_COUNT] = {"PING", "INFO", "STATS"};
  const struct service_facts *facts = &service->facts;
  for (size_t i = 0; i < VERB_COUNT * FORMS; i++) {
    char subject[160];
    (void)snprintf(subject, sizeof subject, "$SRV.%s%s%s%s%s", verbs[i / FORMS], i % FORMS > 0 ? "." : "",
                   i % FORMS > 0 ? facts->name : "", i % FORMS > 1 ? "." : "", i % FORMS > 1 ? facts->id : "");
    enum lumin_status status = link_subscribe(service->link, subject, NULL, &service->subscriptions[i]);
    if (status != LUMIN_OK) {
      return status;
    }
  }
  return LUMIN_OK;
}

static void link_drop(struct service *service) {
  link_close(service->link);
  service->link = NULL;
  int64_t pause = service->pause_ns == 0 ? PAUSE_FIRST : service->pause_ns * 2;
  service->pause_ns = pause > PAUSE_LONGEST ? PAUSE_LONGEST : pause;
  service->retry_ns = clock_monotonic_ns() + service->pause_ns - (int64_t)random_below((uint64_t)service->pause_ns / 4);
}

static void loss_report(struct service *service, const char *event, const char *reason) {
  if (!service->reported) {
    log_warn(event, log_string("thread", "service"), log_string("reason", reason));
    service->reported = true;
  }
}

static void service_connect(struct service *service) {
  if (service->link != NULL && !link_is_alive(service->link)) {
    loss_report(service, "nats_lost", "the connection was closed");
    link_drop(service);
  }
  char complaint[LINK_COMPLAINT_MAX];
  if (service->link != NULL && link_complaint(service->link, complaint)) {
    log_warn("nats_complains", log_string("thread", "service"), log_string("what", complaint));
  }
  if (service->link != NULL || clock_monotonic_ns() < service->retry_ns) {
    return;
  }
  const char *error = "";
  struct link_options options =
      worker_link_options(service->worker, "service", service->link_name, sizeof service->link_name);
  enum lumin_status status = link_open(service->loop, &options, &service->link, &error);
  if (status == LUMIN_OK) {
    status = service_listen(service);
  }
  if (status != LUMIN_OK) {
    loss_report(service, "nats_unavailable", error);
    link_drop(service);
    return;
  }
  service->pause_ns = 0;
  service->reported = false;
  log_info("nats_connected", log_string("thread", "service"));
}

// ---- answers

// Lanes may hold one at the same time for a moment, so there may be no room for the last.
static size_t partitions_gather(struct service *service) {
  size_t room = service->worker->config->partitions, count = 0;
  for (size_t i = 0; i < service->lane_count; i++) {
    size_t left = room - count;
    size_t shown = lane_partitions_get(service->lanes[i], &service->owned[count], left);
    count += shown < left ? shown : left;
  }
  return count;
}

static char *stats_make(struct service *service) {
  struct lane_counters lanes[WORKER_LANES_MAX];
  struct service_numbers numbers = {.lanes = lanes,
                                    .lane_count = service->lane_count,
                                    .partition_count = service->worker->config->partitions,
                                    .owned = service->owned,
                                    .owned_count = partitions_gather(service)};
  struct cache_counters cache;
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    door_counters_get(service->door, (enum method_id)i, &numbers.methods[i]);
  }
  door_totals_get(service->door, &numbers.door);
  if (service->worker->cache != NULL) {
    cache_counters_get(service->worker->cache, &cache);
    numbers.cache = &cache;
    numbers.cache_max_bytes = service->worker->config->cache_max_bytes;
  }
  for (size_t i = 0; i < service->lane_count; i++) {
    lane_counters_get(service->lanes[i], &lanes[i]);
  }
  return service_stats_json(&service->facts, &numbers);
}

static char *answer_make(struct service *service, enum verb verb) {
  switch (verb) {
  case VERB_PING:
    return service_ping_json(&service->facts);
  case VERB_INFO:
    return service_info_json(&service->facts);
  default:
    return stats_make(service);
  }
}

static void request_answer(struct service *service, enum verb verb, natsMsg *message) {
  struct span reply = span_from_text(natsMsg_GetReply(message));
  if (!reply_is_allowed(worker_prefix(service->worker), span_from_text(service->worker->config->nats_inbox_prefix),
                        reply) ||
      natsConnection_Buffered(link_connection(service->link)) >= OUTPUT_BYTES_MAX) {
    return;
  }
  char *text = answer_make(service, verb);
  if (text != NULL) {
    // Lost with the link at worst: whoever asks counts the answers that come.
    (void)!link_publish(service->link, reply, SPAN_EMPTY, span_from_text(text));
  }
  free(text);
}

static void service_answer(struct service *service) {
  for (size_t i = 0; service->link != NULL && i < VERB_COUNT * FORMS; i++) {
    natsMsg *message = NULL;
    while ((message = link_next(service->subscriptions[i], NULL)) != NULL) {
      request_answer(service, (enum verb)(i / FORMS), message);
      natsMsg_Destroy(message);
    }
  }
}

// ---- birth and end

static void *service_run(void *self) {
  struct service *service = self;
  service_live(service);
  link_close(service->link);
  service->link = NULL;
  return NULL;
}

static void service_free(struct service *service) {
  loop_destroy(service->loop);
  free(service->owned);
  free(service);
}

struct service *service_start(struct worker *worker, struct door *door, struct lane *const *lanes, size_t lane_count) {
  struct service *service = calloc(1, sizeof *service);
  if (service == NULL || lane_count > WORKER_LANES_MAX) {
    free(service);
    return NULL;
  }
  service->worker = worker;
  service->door = door;
  for (size_t i = 0; i < lane_count; i++) {
    service->lanes[i] = lanes[i];
  }
  service->lane_count = lane_count;
  service->facts = (struct service_facts){.name = worker->config->service_name,
                                          .id = worker->token,
                                          .version = LUMIN_VERSION,
                                          .prefix = worker->config->service_prefix,
                                          .worker = worker->name,
                                          .started_ns = clock_wall_ns()};
  service->loop = loop_create();
  service->owned = calloc(worker->config->partitions, sizeof *service->owned);
  if (service->loop == NULL || service->owned == NULL ||
      pthread_create(&service->thread, NULL, service_run, service) != 0) {
    service_free(service);
    return NULL;
  }
  return service;
}

void service_stop(struct service *service) {
  if (service == NULL) {
    return;
  }
  atomic_store(&service->stopping, true);
  loop_wake(service->loop);
  (void)pthread_join(service->thread, NULL);
  service_free(service);
}
