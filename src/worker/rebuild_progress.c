// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <unistd.h>

#include "lumin/base/clock.h"
#include "rebuild_internal.h"

#define BAR_WIDTH 40
#define BAR_INTERVAL (NS_PER_SECOND / 10)
#define LINE_INTERVAL (5 * NS_PER_SECOND)

static void progress_show(struct progress *progress, int64_t now_ns);

void progress_begin(struct progress *progress, uint64_t total) {
  int64_t now = clock_monotonic_ns();
  *progress = (struct progress){.terminal = isatty(STDERR_FILENO) == 1, .total = total, .began_ns = now};
  progress->due_ns = now + (progress->terminal ? BAR_INTERVAL : LINE_INTERVAL);
}

void progress_add(struct progress *progress, uint64_t events) {
  progress->done += events;
  if (progress->done % 256 != 0) {
    return; // the clock costs more than an event
  }
  int64_t now = clock_monotonic_ns();
  if (now >= progress->due_ns) {
    progress_show(progress, now);
    progress->due_ns = now + (progress->terminal ? BAR_INTERVAL : LINE_INTERVAL);
  }
}

void progress_end(struct progress *progress) {
  progress_show(progress, clock_monotonic_ns());
  if (progress->terminal) {
    (void)fputc('\n', stderr);
  }
}

static void progress_show(struct progress *progress, int64_t now_ns) {
  static const char full[] = "########################################";
  double seconds = (double)(now_ns - progress->began_ns) / (double)NS_PER_SECOND;
  double part = progress->total > 0 ? (double)progress->done / (double)progress->total : 1;
  int filled = (int)((part < 1 ? part : 1) * BAR_WIDTH);
  double rate = seconds > 0 ? (double)progress->done / seconds : 0;
  if (progress->terminal) {
    (void)fprintf(stderr, "\r[%-*.*s] %3.0f %%  %" PRIu64 " events, %.0f/s ", BAR_WIDTH, filled, full, part * 100,
                  progress->done, rate);
  } else {
    (void)fprintf(stderr, "lumin-user rebuild: %" PRIu64 " of %" PRIu64 " events, %.0f/s\n", progress->done,
                  progress->total, rate);
  }
}
