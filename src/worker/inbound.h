// SPDX-License-Identifier: MIT
// A message of the command stream as the pipeline takes it.
#pragma once

#include <nats/nats.h>

#include "lumin/application/message.h"

struct inbound_place {
  uint16_t partition; // whose owner takes it
  uint64_t seq;
  int64_t ts_ns;
};

// Its spans live as long as the message, which becomes its handle.
struct inbound inbound_read(natsMsg *message, struct inbound_place place);

// "<prefix>.command.<partition>....": that number. What names no partition is for the owner of partition 0, so that it
// is not skipped in silence: it becomes dead there.
uint16_t inbound_partition(struct span subject, struct span prefix, uint32_t partitions);
