// SPDX-License-Identifier: MIT
// Names and service codes of the statuses, straight from status.def.
#include "lumin/base/status.h"

#include <stddef.h>

struct status_row {
  const char *name; // NULL in the gaps between the numbers
  int service_code;
};

static const struct status_row rows[] = {
#define STATUS(symbol, number, service_code) [number] = {#symbol, (service_code)},
#include "lumin/base/status.def"
#undef STATUS
};

static const struct status_row *find_row(enum lumin_status status) {
  static const struct status_row unknown = {"UNKNOWN", 500};
  size_t number = (size_t)status; // a negative number becomes one far beyond the table
  return number < sizeof rows / sizeof rows[0] && rows[number].name ? &rows[number] : &unknown;
}

const char *status_name(enum lumin_status status) { return find_row(status)->name; }

int status_service_code(enum lumin_status status) { return find_row(status)->service_code; }
