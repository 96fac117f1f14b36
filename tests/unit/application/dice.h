// SPDX-License-Identifier: MIT
// Choices of tests that can be made again from their seed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dice {
  uint64_t state; // not 0
};

static inline uint64_t dice_throw(struct dice *dice, uint64_t sides) { // xorshift64*
  dice->state ^= dice->state >> 12;
  dice->state ^= dice->state << 25;
  dice->state ^= dice->state >> 27;
  return (dice->state * 2685821657736338717U >> 33) % sides;
}

static inline bool dice_chance(struct dice *dice, unsigned percent) { return dice_throw(dice, 100) < percent; }

#define PICK(dice, table) (table)[dice_throw((dice), COUNT(table))]
