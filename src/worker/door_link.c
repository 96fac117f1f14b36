// SPDX-License-Identifier: MIT
// The door's link to NATS. Requests that are open on a lost link are not answered, only counted: the server lets nobody
// answer them from another connection, and their commands stand.
#include "door_internal.h"

#define QUEUE_GROUP "lumin-user"

static void link_lose(struct door *door);
static void link_try(struct door *door);
static enum lumin_status link_listen(struct door *door);

void door_connect(struct door *door) {
  if (door->link != NULL && !link_is_alive(door->link)) {
    link_lose(door);
  }
  char complaint[LINK_COMPLAINT_MAX];
  if (door->link != NULL && link_complaint(door->link, complaint)) {
    log_warn("nats_complains", log_string("thread", "door"), log_string("what", complaint));
  }
  if (door->link == NULL && clock_monotonic_ns() >= door_retry_ns(door)) {
    link_try(door);
  }
}

// A worker that starts takes requests when it can answer them, and not from those who could.
int64_t door_retry_ns(const struct door *door) {
  return door->database.proven && door->stop_deadline_ns == 0 ? door->link_retry_ns : INT64_MAX;
}

static void link_lose(struct door *door) {
  size_t open = pending_count(door->commands) + door->query_count;
  log_warn("nats_lost", log_string("thread", "door"), log_number("requests", (int64_t)open));
  door->link_reported = true;
  atomic_fetch_add(&door->totals.lost, open);
  commands_forget(door);
  queries_forget(door);
  door_disconnect(door);
  door->link_retry_ns = 0;
}

void door_disconnect(struct door *door) {
  acks_forget(door);
  link_close(door->link);
  door->link = NULL;
  door->requests = door->outcomes = NULL;
}

static void link_try(struct door *door) {
  struct link_options options = worker_link_options(door->worker, "door", door->link_name, sizeof door->link_name);
  const char *error = "";
  enum lumin_status status = link_open(door->loop, &options, &door->link, &error);
  if (status == LUMIN_OK) {
    status = link_listen(door);
  }
  if (status != LUMIN_OK) {
    door_disconnect(door);
    door->link_retry_ns = clock_monotonic_ns() + door_backoff(&door->link_pause_ns);
    if (!door->link_reported) {
      log_warn("nats_unavailable", log_string("thread", "door"), log_string("reason", error));
      door->link_reported = true;
    }
    return;
  }
  door->link_pause_ns = 0;
  door->link_reported = false;
  log_info("nats_connected", log_string("thread", "door"));
}

// The private inbox first: the first request's answers must have somewhere to go.
static enum lumin_status link_listen(struct door *door) {
  char subject[192];
  (void)snprintf(subject, sizeof subject, "%s.o.*", door->own_subject);
  enum lumin_status status = link_subscribe(door->link, subject, NULL, &door->outcomes);
  if (status == LUMIN_OK) {
    status = acks_listen(door);
  }
  if (status == LUMIN_OK) {
    (void)snprintf(subject, sizeof subject, "%s.rpc.>", door->worker->config->service_prefix);
    status = link_subscribe(door->link, subject, QUEUE_GROUP, &door->requests);
  }
  return status;
}

static void messages_take(struct door *door, natsSubscription *subscription,
                          void (*take)(struct door *door, natsMsg *message)) {
  uint64_t nonsense = 0;
  natsMsg *message = NULL;
  while ((message = link_next(subscription, &nonsense)) != NULL) {
    arena_reset(door->scratch);
    take(door, message);
    link_discard(door->link, message);
  }
  atomic_fetch_add(&door->totals.dropped, nonsense);
}

void door_receive(struct door *door) {
  if (door->link != NULL) {
    messages_take(door, door->outcomes, command_decided); // who waits comes before who asks
    acks_receive(door);
    messages_take(door, door->requests, request_take);
    queries_listen(door);
  }
}

// The server goes on with what it has sent already, and nats.c forgets a subscription at once when it is unsubscribed:
// only a drain loses no request.
void door_drain(struct door *door) {
  int64_t ms = door->worker->config->rpc_timeout_ms;
  if (door->link != NULL) {
    door->draining = natsSubscription_DrainTimeout(door->requests, ms) == NATS_OK;
    if (!door->draining) {
      link_unsubscribe(door->requests);
    }
  }
}

bool door_is_drained(const struct door *door) {
  if (door->draining && natsSubscription_DrainCompletionStatus(door->requests) == NATS_ILLEGAL_STATE) {
    return false; // still under way
  }
  return natsConnection_Buffered(link_connection(door->link)) <= 0;
}
