// SPDX-License-Identifier: MIT
// Which partition a user belongs to.
#include "lumin/application/pipeline.h"

uint32_t partition_of(struct span user_token, uint32_t partitions) {
  uint32_t hash = 2166136261U;
  for (size_t i = 0; i < user_token.len; i++) {
    hash = (hash ^ (uint8_t)user_token.data[i]) * 16777619U;
  }
  return hash % partitions;
}
