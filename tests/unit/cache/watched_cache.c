// SPDX-License-Identifier: MIT
// The cache among threads under ThreadSanitizer, which ends the program with a report where it finds a race.
#include "cache_stress.h"

int main(void) {
  struct stress_result result = stress_run();
  (void)printf("%llu hits, %llu changes, %llu wrong\n", (unsigned long long)result.hits,
               (unsigned long long)result.counters.changes, (unsigned long long)result.wrong);
  return result.ran && result.wrong == 0 && result.hits > 0 && result.counters.changes > 0 ? 0 : 1;
}
