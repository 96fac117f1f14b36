// SPDX-License-Identifier: MIT
// Output, samples and arguments of the benchmarks' programs.
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lumin/base/span.h"

void report_print(const struct report_line *lines, size_t count) {
  for (size_t i = 0; i < count; i++) {
    (void)printf("%s\"%s\": %.9g", i == 0 ? "{" : ", ", lines[i].key, lines[i].value);
  }
  (void)printf("}\n");
}

double report_cpu_seconds(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) {
    return 0;
  }
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void samples_add(struct samples *samples, int64_t ns) {
  if (samples->count == samples->room) {
    size_t room = 2 * samples->room + 65536;
    uint32_t *grown = realloc(samples->us, room * sizeof *grown);
    if (grown == NULL) {
      return;
    }
    samples->us = grown;
    samples->room = room;
  }
  samples->us[samples->count++] = (uint32_t)(ns / 1000);
}

static int us_compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

double samples_percentile(struct samples *samples, double percent) {
  if (samples->count == 0) {
    return 0;
  }
  qsort(samples->us, samples->count, sizeof *samples->us, us_compare);
  return samples->us[(size_t)((double)(samples->count - 1) * percent / 100)];
}

const char *argument_text(char **texts, int count, const char *name, const char *otherwise) {
  for (int i = 1; i + 1 < count; i++) {
    if (strcmp(texts[i], name) == 0) {
      return texts[i + 1];
    }
  }
  return otherwise;
}

uint64_t argument_number(char **texts, int count, const char *name, uint64_t otherwise) {
  const char *text = argument_text(texts, count, name, NULL);
  uint64_t number = otherwise;
  if (text != NULL && !span_to_u64(span_from_text(text), &number)) {
    (void)fprintf(stderr, "bench: %s needs a whole number, not %s\n", name, text);
    exit(2);
  }
  return number;
}

const char *environment_text(const char *name) {
  const char *text = getenv(name);
  if (text == NULL) {
    (void)fprintf(stderr, "bench: %s is not set\n", name);
    exit(2);
  }
  return text;
}
