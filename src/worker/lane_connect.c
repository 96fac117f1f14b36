// SPDX-License-Identifier: MIT
// The lane's two connections. Neither ever reconnects by itself: a lost one is closed, and all that was known through
// it is known no more.
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lane_internal.h"
#include "lumin/base/clock.h"

#define PAUSE_FIRST (50 * NS_PER_MS)
#define PAUSE_LONGEST (2 * NS_PER_SECOND)

static int64_t pause_grow(int64_t *pause) {
  *pause = *pause == 0 ? PAUSE_FIRST : *pause * 2 > PAUSE_LONGEST ? PAUSE_LONGEST : *pause * 2;
  return *pause + (int64_t)random_below((uint64_t)*pause / 4 + 1);
}

// ---- NATS

static void link_try(struct lane *lane) {
  char name[64];
  char role[24];
  (void)snprintf(role, sizeof role, "lane %d", lane->number);
  struct link_options options = worker_link_options(lane->worker, role, name, sizeof name);
  const char *error = "";
  bool first = lane->link_pause_ns == 0;
  enum lumin_status status = link_open(lane->loop, &options, &lane->link, &error);
  if (status == LUMIN_OK) {
    arena_reset(lane->scratch);
    struct span all = arena_printf(lane->scratch, "%.*s.>", SPAN_ARGS(link_inbox(lane->link)));
    status = link_subscribe(lane->link, all.data, NULL, &lane->inbox);
  }
  if (status != LUMIN_OK) {
    link_close(lane->link);
    lane->link = NULL;
    lane->link_retry_ns = clock_monotonic_ns() + pause_grow(&lane->link_pause_ns);
    if (first) {
      log_warn("nats_unavailable", log_number("lane", lane->number), log_string("reason", error));
    }
    return;
  }
  lane->link_pause_ns = 0;
  log_info("nats_connected", log_number("lane", lane->number));
  survey_start(lane);
}

void lane_disconnect(struct lane *lane) {
  log_warn("nats_lost", log_number("lane", lane->number), log_number("unrelayed", relay_held(lane->relay)));
  link_close(lane->link);
  lane->link = NULL;
  lane->inbox = NULL;
  lane->link_retry_ns = 0;
  reader_detach(lane);
  partitions_close(lane);
}

struct span lane_inbox_subject(struct lane *lane, struct arena *arena, const char *format, ...) {
  char tail[128];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(tail, sizeof tail, format, arguments);
  va_end(arguments);
  return arena_printf(arena, "%.*s.%s", SPAN_ARGS(link_inbox(lane->link)), tail);
}

enum lumin_status lane_ask(struct lane *lane, struct span subject, struct span body, struct span reply) {
  if (lane->link == NULL || subject.data == NULL || reply.data == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  return link_publish(lane->link, subject, reply, body);
}

// ---- PostgreSQL

static void session_unwatch(struct lane *lane) {
  if (lane->session_watched) {
    loop_remove(lane->loop, &lane->session_watch);
    close(lane->session_watch.fd);
    lane->session_watched = false;
  }
}

static void session_ready(void *self, uint32_t events) {
  struct lane *lane = self;
  (void)events;
  if (!lane->session_waiting && lane->store.session != NULL) {
    // Nothing was asked: a notice, or the end of the connection, which must not keep the loop awake.
    PGconn *connection = session_connection(lane->store.session);
    if (PQconsumeInput(connection) != 1 || PQstatus(connection) != CONNECTION_OK) {
      session_unwatch(lane);
    }
  }
}

static void session_wait_turn(void *self, int fd, bool for_write) {
  struct lane *lane = self;
  if (!lane->session_watched) { // while it is being opened
    struct pollfd wanted = {.fd = fd, .events = for_write ? POLLIN | POLLOUT : POLLIN};
    (void)poll(&wanted, 1, 1000);
    return;
  }
  lane->session_waiting = true;
  loop_want(lane->loop, &lane->session_watch, for_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
  lane_turn(lane, clock_monotonic_ns() + NS_PER_SECOND);
  loop_want(lane->loop, &lane->session_watch, EPOLLIN);
  lane->session_waiting = false;
}

// A descriptor of its own: libpq closes its socket when it finds it dead, and the number may then be another's.
static void session_watch_start(struct lane *lane) {
  int fd = fcntl(PQsocket(session_connection(lane->store.session)), F_DUPFD_CLOEXEC, 0);
  lane->session_watch = (struct loop_watch){.fd = fd, .events = EPOLLIN, .ready = session_ready, .self = lane};
  lane->session_watched = fd >= 0 && loop_add(lane->loop, &lane->session_watch) == LUMIN_OK;
  if (fd >= 0 && !lane->session_watched) {
    close(fd);
  }
}

void lane_close_session(struct lane *lane) {
  session_unwatch(lane);
  session_close(lane->store.session);
  lane->store.session = NULL;
}

static void session_drop(struct lane *lane) {
  lane_close_session(lane);
  // Memory belongs to the connection: without it nobody vouches that it is still true.
  memory_clear(lane->memory);
  lane->retake = true;
}

enum lumin_status lane_reopen_session(struct lane *lane) {
  session_drop(lane);
  int64_t now = clock_monotonic_ns();
  if (now < lane->session_retry_ns) {
    return LUMIN_RETRY;
  }
  char name[64], role[24], error[160] = "";
  (void)snprintf(role, sizeof role, "lane %d", lane->number);
  struct session_options options = worker_session_options(lane->worker, role, name, sizeof name);
  options.channel = "lumin_partitions";
  options.wait = (struct session_wait){lane, session_wait_turn};
  bool first = lane->session_pause_ns == 0;
  enum lumin_status status = session_open(&options, &lane->store.session, error, sizeof error);
  if (status != LUMIN_OK) {
    lane->store.session = NULL;
    lane->session_retry_ns = clock_monotonic_ns() + pause_grow(&lane->session_pause_ns);
    if (first) {
      log_warn("postgres_unavailable", log_number("lane", lane->number), log_string("reason", error));
    }
    return LUMIN_RETRY;
  }
  lane->session_pause_ns = 0;
  lane->session_retry_ns = 0;
  session_watch_start(lane);
  log_info("postgres_connected", log_number("lane", lane->number));
  return LUMIN_OK;
}

void lane_keep_connected(struct lane *lane) {
  char complaint[LINK_COMPLAINT_MAX];
  if (lane->link != NULL && !link_is_alive(lane->link)) {
    lane_disconnect(lane);
  }
  if (lane->link != NULL && link_complaint(lane->link, complaint)) {
    log_warn("nats_complains", log_number("lane", lane->number), log_string("what", complaint));
  }
  if (lane->link == NULL && clock_monotonic_ns() >= lane->link_retry_ns) {
    link_try(lane);
  }
  if (!session_is_alive(lane->store.session) || !lane->session_watched) {
    (void)!lane_reopen_session(lane); // tried again in the next round
  }
}
