// SPDX-License-Identifier: MIT
// The door's PostgreSQL session, for queries. Commands must not wait for it: it is opened by a thread of its own, a
// load turns the loop, and one that takes longer than rpc.timeout is cut off.
#include "door_internal.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void door_database_adopt(struct door *door);
static void door_database_lose(struct door *door, const char *reason);
static void door_database_open(struct door *door);

void door_database_keep(struct door *door) {
  struct database *database = &door->database;
  if (database->state == DATABASE_OPENING && atomic_load(&database->opened)) {
    door_database_adopt(door);
  }
  if (database->state == DATABASE_UP && database->readable) {
    // Nothing was asked: a notice, or the end of the connection.
    database->readable = false;
    if (PQconsumeInput(session_connection(database->store.session)) != 1) {
      door_database_lose(door, "the server closed the connection");
    }
  }
  if (database->state == DATABASE_DOWN && door->stop_deadline_ns == 0 && clock_monotonic_ns() >= database->retry_ns) {
    door_database_open(door);
  }
}

// ---- opening

static void session_ready(void *self, uint32_t events) {
  (void)events;
  ((struct database *)self)->readable = true;
}

// On the opener's thread while the session is being opened, on the door's later, and then always within a load.
static void session_wait_turn(void *self, int fd, bool for_write) {
  struct door *door = self;
  struct database *database = &door->database;
  if (database->load_deadline_ns == 0) {
    struct pollfd wanted = {.fd = fd, .events = for_write ? POLLIN | POLLOUT : POLLIN};
    (void)poll(&wanted, 1, 1000);
    return;
  }
  if (clock_monotonic_ns() >= database->load_deadline_ns) {
    (void)shutdown(fd, SHUT_RDWR); // a server that has stopped would hold us for ever
  }
  loop_want(door->loop, &database->watch, for_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
  door_turn(door, database->load_deadline_ns);
  loop_want(door->loop, &database->watch, EPOLLIN);
}

static void *opener_run(void *self) {
  struct door *door = self;
  struct database *database = &door->database;
  struct session_options options = worker_session_options(door->worker, "door", database->name, sizeof database->name);
  options.wait = (struct session_wait){door, session_wait_turn};
  options.one_snapshot = true; // a user and its viewers, of one moment
  database->error[0] = '\0';
  if (session_open(&options, &database->fresh, database->error, sizeof database->error) != LUMIN_OK) {
    database->fresh = NULL;
  }
  atomic_store(&database->opened, true);
  loop_wake(door->loop);
  return NULL;
}

static void door_database_open(struct door *door) {
  struct database *database = &door->database;
  atomic_store(&database->opened, false);
  if (pthread_create(&database->opener, NULL, opener_run, door) == 0) {
    database->state = DATABASE_OPENING;
  } else {
    database->retry_ns = clock_monotonic_ns() + door_backoff(&database->pause_ns);
  }
}

static void door_database_adopt(struct door *door) {
  struct database *database = &door->database;
  (void)pthread_join(database->opener, NULL);
  database->state = DATABASE_DOWN;
  if (database->fresh == NULL) {
    database->retry_ns = clock_monotonic_ns() + door_backoff(&database->pause_ns);
    if (!database->reported) {
      log_warn("postgres_unavailable", log_string("thread", "door"), log_string("reason", database->error));
      database->reported = true;
    }
    return;
  }
  database->store.session = database->fresh;
  database->fresh = NULL;
  database->watch = (struct loop_watch){.fd = PQsocket(session_connection(database->store.session)),
                                        .events = EPOLLIN,
                                        .ready = session_ready,
                                        .self = database};
  database->state = DATABASE_UP;
  database->proven = true;
  database->watched = loop_add(door->loop, &database->watch) == LUMIN_OK;
  if (!database->watched) {
    door_database_lose(door, "no descriptor for the loop");
    return;
  }
  database->pause_ns = 0;
  database->reported = false;
  log_info("postgres_connected", log_string("thread", "door"));
}

// ---- closing

static void session_drop(struct door *door) {
  struct database *database = &door->database;
  if (database->watched) {
    loop_remove(door->loop, &database->watch);
    database->watched = false;
  }
  session_close(database->store.session);
  database->store.session = NULL;
  database->readable = false;
  database->state = DATABASE_DOWN;
}

static void door_database_lose(struct door *door, const char *reason) {
  session_drop(door);
  door->database.retry_ns = clock_monotonic_ns() + door_backoff(&door->database.pause_ns);
  if (!door->database.reported) {
    log_warn("postgres_lost", log_string("thread", "door"), log_string("reason", reason));
    door->database.reported = true;
  }
}

void door_database_close(struct door *door) {
  struct database *database = &door->database;
  if (database->state == DATABASE_OPENING) {
    (void)pthread_join(database->opener, NULL);
    session_close(database->fresh);
    database->fresh = NULL;
  }
  session_drop(door);
}

// ---- asking

enum lumin_status door_database_load(struct door *door, const struct load_request *request,
                                     struct load_result *ret_result) {
  struct database *database = &door->database;
  if (database->state != DATABASE_UP) {
    return LUMIN_CONNECTION_LOST;
  }
  database->load_deadline_ns = clock_monotonic_ns() + door->worker->config->rpc_timeout_ms * NS_PER_MS;
  enum lumin_status status = store_load(&database->store, request, door->rows, ret_result);
  database->load_deadline_ns = 0;
  database->readable = false; // it was the answer; what is still there says so again
  if (status == LUMIN_CONNECTION_LOST || !session_is_alive(database->store.session)) {
    door_database_lose(door, "the connection broke off, or an answer took too long");
  }
  return status;
}

int64_t database_deadline_ns(const struct door *door) {
  const struct database *database = &door->database;
  if (database->state == DATABASE_UP && database->readable) {
    return 0;
  }
  return database->state == DATABASE_DOWN && door->stop_deadline_ns == 0 ? database->retry_ns : INT64_MAX;
}
