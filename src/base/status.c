// SPDX-License-Identifier: MIT
// What is known of each status, straight from status.def.
#include "lumin/base/status.h"

#include <stddef.h>

struct status_row {
  const char *name; // NULL in the gaps between the numbers
  int service_code;
  const char *meaning, *advice;
};

static const struct status_row rows[] = {
#define STATUS(symbol, number, service_code, meaning, advice) [number] = {#symbol, (service_code), meaning, advice},
#include "lumin/base/status.def"
#undef STATUS
};

static const struct status_row *find_row(enum lumin_status status) {
  static const struct status_row unknown = {"UNKNOWN", 500, "", ""};
  size_t number = (size_t)status; // a negative number becomes one far beyond the table
  return number < sizeof rows / sizeof rows[0] && rows[number].name ? &rows[number] : &unknown;
}

const char *status_name(enum lumin_status status) { return find_row(status)->name; }

int status_service_code(enum lumin_status status) { return find_row(status)->service_code; }

const char *status_meaning(enum lumin_status status) { return find_row(status)->meaning; }

const char *status_advice(enum lumin_status status) { return find_row(status)->advice; }
