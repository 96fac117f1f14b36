// SPDX-License-Identifier: MIT
// Between the files of verify:
//   verify.c         the checks in their order, and those that one statement can make
//   verify_fold.c    the users row equals the fold of its events
//   verify_stream.c  the event stream beside the events table
//   verify_commands.c  the command stream beside the outcomes
//   verify_ranges.c  sets of positions, as ranges
//   verify_report.c  verdicts, and rows page by page
#pragma once

#include "lumin/worker/verify.h"
#include "sql_array.h"
#include "stream_event.h"
#include "stream_reader.h"

// ---- verdicts

#define VERDICT_NAMED 10
#define VERDICT_TEXT 200

// What a check came to. Differences are counted, and the first ones named: by ids and numbers, never by personal data.
struct verdict {
  const char *name;
  const char *unit; // of what was looked at: "events"
  uint64_t looked_at;
  uint64_t differences;
  char named[VERDICT_NAMED][VERDICT_TEXT];
};

void verdict_differ(struct verdict *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Prints it; whether there was no difference.
bool verdict_print(const struct verdict *verdict);

// ---- rows page by page, so that memory does not grow with the tables

struct page {
  struct database *database;
  const char *cursor; // a name
  PGresult *rows;
  int row, count;
  bool ended;
};

// In a transaction. `sql` may be any query; fields are binary.
LUMIN_MUST_USE enum lumin_status page_open(struct page *page, struct database *database, const char *cursor,
                                           const char *sql);
// Makes the next row the current one; NOT_FOUND: there is none.
LUMIN_MUST_USE enum lumin_status page_next(struct page *page);
LUMIN_MUST_USE enum lumin_status page_close(struct page *page);

int64_t page_int(const struct page *page, int column); // int2, int4, int8
bool page_bool(const struct page *page, int column);
struct span page_bytes(const struct page *page, int column); // until the next row
struct uuid page_uuid(const struct page *page, int column);

// Runs a query whose rows are one text each, the differences.
LUMIN_MUST_USE enum lumin_status verdict_query(struct verdict *verdict, struct database *database, const char *sql);

// ---- checks; each prints its verdicts. *ret_fine is false where there was a difference

LUMIN_MUST_USE enum lumin_status verify_folds(struct program *program, bool *ret_fine);
LUMIN_MUST_USE enum lumin_status verify_commands(struct program *program, bool *ret_fine);
LUMIN_MUST_USE enum lumin_status verify_stream(struct program *program, bool *ret_fine);

// A text for each identifier that is claimed and not held, or held and not claimed.
extern const char verify_identifiers_sql[];

// ---- sets of positions

struct range {
  uint64_t first, last;
};

struct ranges {
  struct range *items; // ascending, never touching each other
  size_t count, room;
};

#define RANGES_MAX 65536

// RESOURCE_EXHAUSTED: more than RANGES_MAX ranges. ALREADY_EXISTS: it is in the set.
LUMIN_MUST_USE enum lumin_status ranges_add(struct ranges *ranges, uint64_t position);
bool ranges_have(const struct ranges *ranges, uint64_t position);
void ranges_free(struct ranges *ranges);
