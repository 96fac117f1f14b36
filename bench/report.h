// SPDX-License-Identifier: MIT
// What a program of the benchmarks has found, as one line of JSON for bench/run.mjs.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct report_line {
  const char *key;
  double value;
};
void report_print(const struct report_line *lines, size_t count);

// CPU seconds of this process so far.
double report_cpu_seconds(void);

// Latencies of a run; percentiles sort them.
struct samples {
  uint32_t *us;
  size_t count, room;
};
void samples_add(struct samples *samples, int64_t ns);
double samples_percentile(struct samples *samples, double percent); // microseconds; 0 where there are none

// A number from the command line; ends the program where it is none.
uint64_t argument_number(char **texts, int count, const char *name, uint64_t otherwise);
const char *argument_text(char **texts, int count, const char *name, const char *otherwise);
const char *environment_text(const char *name); // ends the program where it is missing
