// SPDX-License-Identifier: MIT
// The answers of the Services API as JSON; pure.
#pragma once

#include "lumin/base/clock.h"
#include "lumin/worker/door.h"
#include "lumin/worker/lane.h"

struct service_facts {
  const char *name;    // of the service
  const char *id;      // of this instance
  const char *version; // SemVer
  const char *prefix;  // of all subjects
  const char *worker;  // its name, for people
  int64_t started_ns;  // wall clock
};

struct service_numbers {
  struct door_counters methods[METHOD_COUNT];
  struct door_totals door;
  const struct lane_counters *lanes;
  size_t lane_count;
  uint64_t partition_count;           // of all workers
  const struct lane_partition *owned; // by this one
  size_t owned_count;
  const struct cache_counters *cache; // NULL: there is none
  uint64_t cache_max_bytes;
};

// Texts that the caller frees by free(); NULL without memory.
char *service_ping_json(const struct service_facts *facts);
char *service_info_json(const struct service_facts *facts);
char *service_stats_json(const struct service_facts *facts, const struct service_numbers *numbers);
