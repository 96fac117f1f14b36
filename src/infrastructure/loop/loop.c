// SPDX-License-Identifier: MIT
// epoll, one eventfd to be woken by.
#include "lumin/infrastructure/loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lumin/base/clock.h"

#define LOOP_EVENTS 16

struct loop {
  int epoll;
  struct loop_watch waker;
};

static void waker_ready(void *self, uint32_t events) {
  (void)events;
  uint64_t count = 0;
  (void)!read(*(int *)self, &count, sizeof count);
}

struct loop *loop_create(void) {
  struct loop *loop = calloc(1, sizeof *loop);
  if (loop == NULL) {
    return NULL;
  }
  loop->epoll = epoll_create1(EPOLL_CLOEXEC);
  loop->waker = (struct loop_watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .events = EPOLLIN};
  loop->waker.ready = waker_ready;
  loop->waker.self = &loop->waker.fd;
  if (loop->epoll < 0 || loop->waker.fd < 0 || loop_add(loop, &loop->waker) != LUMIN_OK) {
    loop_destroy(loop);
    return NULL;
  }
  return loop;
}

void loop_destroy(struct loop *loop) {
  if (loop == NULL) {
    return;
  }
  if (loop->waker.fd >= 0) {
    close(loop->waker.fd);
  }
  if (loop->epoll >= 0) {
    close(loop->epoll);
  }
  free(loop);
}

enum lumin_status loop_add(struct loop *loop, struct loop_watch *watch) {
  struct epoll_event event = {.events = watch->events, .data.ptr = watch};
  return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->fd, &event) == 0 ? LUMIN_OK : LUMIN_IO;
}

void loop_want(struct loop *loop, struct loop_watch *watch, uint32_t events) {
  if (watch->events != events) {
    watch->events = events;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
  }
}

void loop_remove(struct loop *loop, struct loop_watch *watch) {
  (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL); // a closed descriptor is gone already
}

static int timeout_ms(int64_t deadline_ns) {
  if (deadline_ns == INT64_MAX) {
    return -1;
  }
  int64_t left = deadline_ns - clock_monotonic_ns();
  if (left <= 0) {
    return 0;
  }
  left = (left + NS_PER_MS - 1) / NS_PER_MS;
  return left > 60000 ? 60000 : (int)left;
}

void loop_turn(struct loop *loop, int64_t deadline_ns) {
  struct epoll_event events[LOOP_EVENTS];
  int count = epoll_wait(loop->epoll, events, LOOP_EVENTS, timeout_ms(deadline_ns));
  for (int i = 0; i < count; i++) {
    struct loop_watch *watch = events[i].data.ptr;
    watch->ready(watch->self, events[i].events);
  }
}

void loop_wake(struct loop *loop) {
  uint64_t one = 1;
  (void)!write(loop->waker.fd, &one, sizeof one);
}
