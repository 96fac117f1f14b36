// SPDX-License-Identifier: MIT
// The choice of the lanes that own partitions.
#include "lanes_used.h"

unsigned lanes_wanted(unsigned lanes, unsigned others) { return (lanes + others) / (others + 1); }

static uint64_t lowest(uint64_t lanes) { return lanes & -lanes; }

uint64_t lanes_choose(uint64_t able, uint64_t used, unsigned wanted) {
  uint64_t chosen = 0;
  for (uint64_t left = able; left != 0 && wanted > 0; wanted--) {
    uint64_t preferred = left & used;
    uint64_t next = lowest(preferred != 0 ? preferred : left);
    chosen |= next;
    left &= ~next;
  }
  return chosen;
}
