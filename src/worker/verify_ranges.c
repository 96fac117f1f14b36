// SPDX-License-Identifier: MIT
// Positions come nearly in order, so a set of them is a few ranges, however many there are (guarantee 11).
#include <stdlib.h>

#include "verify_internal.h"

// The number of ranges that begin at or below the position.
static size_t ranges_upto(const struct ranges *ranges, uint64_t position) {
  size_t low = 0, high = ranges->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (ranges->items[middle].first <= position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool ranges_have(const struct ranges *ranges, uint64_t position) {
  size_t upto = ranges_upto(ranges, position);
  return upto > 0 && ranges->items[upto - 1].last >= position;
}

static enum lumin_status range_insert(struct ranges *ranges, size_t place, uint64_t position) {
  if (ranges->count == RANGES_MAX) {
    return LUMIN_RESOURCE_EXHAUSTED;
  }
  if (ranges->items == NULL || ranges->count == ranges->room) {
    size_t room = ranges->room == 0 ? 16 : 2 * ranges->room;
    struct range *items = realloc(ranges->items, room * sizeof *items);
    if (items == NULL) {
      return LUMIN_NO_MEMORY;
    }
    ranges->items = items;
    ranges->room = room;
  }
  memmove(&ranges->items[place + 1], &ranges->items[place], (ranges->count - place) * sizeof ranges->items[0]);
  ranges->items[place] = (struct range){position, position};
  ranges->count++;
  return LUMIN_OK;
}

enum lumin_status ranges_add(struct ranges *ranges, uint64_t position) {
  size_t place = ranges_upto(ranges, position);
  struct range *below = place > 0 ? &ranges->items[place - 1] : NULL;
  struct range *above = place < ranges->count ? &ranges->items[place] : NULL;
  if (below != NULL && below->last >= position) {
    return LUMIN_ALREADY_EXISTS;
  }
  bool joins_below = below != NULL && below->last + 1 == position;
  bool joins_above = above != NULL && position + 1 == above->first;
  if (joins_below && joins_above) {
    below->last = above->last;
    memmove(above, above + 1, (ranges->count - place - 1) * sizeof *above);
    ranges->count--;
  } else if (joins_below) {
    below->last = position;
  } else if (joins_above) {
    above->first = position;
  } else {
    return range_insert(ranges, place, position);
  }
  return LUMIN_OK;
}

void ranges_free(struct ranges *ranges) {
  free(ranges->items);
  *ranges = (struct ranges){0};
}
