// SPDX-License-Identifier: MIT
// One thread's event loop: epoll, and a way for other threads to wake it.
#pragma once

#include "lumin/base/span.h"
#include "lumin/base/status.h"

struct loop;

// What is called when the descriptor is ready; `events` are EPOLL* bits. The watch must outlive its registration.
struct loop_watch {
  int fd;
  uint32_t events; // wanted
  void (*ready)(void *self, uint32_t events);
  void *self;
};

struct loop *loop_create(void); // NULL: no memory or descriptors
void loop_destroy(struct loop *loop);

LUMIN_MUST_USE enum lumin_status loop_add(struct loop *loop, struct loop_watch *watch);
void loop_want(struct loop *loop, struct loop_watch *watch, uint32_t events); // changes what is wanted
void loop_remove(struct loop *loop, struct loop_watch *watch);

// Waits until something is ready, somebody wakes the loop or `deadline_ns` (clock_monotonic_ns) has passed, and calls
// what is ready.
void loop_turn(struct loop *loop, int64_t deadline_ns);

// From any thread: the turn under way, or the next one, returns at once.
void loop_wake(struct loop *loop);
