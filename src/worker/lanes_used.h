// SPDX-License-Identifier: MIT
// Which of a worker's lanes own partitions. Each that does reads the whole command stream, so all workers together use
// about as many as one of them has, and each uses one at least; the rest stand by. Pure.
#pragma once

#include <stdint.h>

// How many of a worker's `lanes`, where so many other workers can take partitions.
unsigned lanes_wanted(unsigned lanes, unsigned others);

// So many of those that are able, a bit each; those in use first, then by number.
uint64_t lanes_choose(uint64_t able, uint64_t used, unsigned wanted);
