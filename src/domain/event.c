// SPDX-License-Identifier: MIT
// The names of the facts, from their one list.
#include "lumin/domain/event.h"

static const char *const names[] = {
#define EVENT(symbol, number, name) [number] = #name,
#include "lumin/domain/events.def"
#undef EVENT
};

const char *event_name(enum event_type type) {
  return (size_t)type < sizeof names / sizeof names[0] ? names[type] : NULL;
}
