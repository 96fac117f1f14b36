// SPDX-License-Identifier: MIT
// What verify says, and how it reads rows without holding them all.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "verify_internal.h"

#define PAGE_ROWS "200" // an event's body may have 256 KiB

// ---- verdicts

void verdict_differ(struct verdict *verdict, const char *format, ...) {
  if (verdict->differences < VERDICT_NAMED) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(verdict->named[verdict->differences], VERDICT_TEXT, format, arguments);
    va_end(arguments);
  }
  verdict->differences++;
}

bool verdict_print(const struct verdict *verdict) {
  bool fine = verdict->differences == 0;
  (void)printf("%s %-16s %" PRIu64 " %s", fine ? "ok  " : "FAIL", verdict->name, verdict->looked_at, verdict->unit);
  if (fine) {
    (void)printf("\n");
    return true;
  }
  (void)printf(", %" PRIu64 " differ%s\n", verdict->differences,
               verdict->differences > VERDICT_NAMED ? ", such as" : "");
  for (uint64_t i = 0; i < verdict->differences && i < VERDICT_NAMED; i++) {
    (void)printf("       %s\n", verdict->named[i]);
  }
  return false;
}

enum lumin_status verdict_query(struct verdict *verdict, struct database *database, const char *sql) {
  struct page page;
  enum lumin_status status = page_open(&page, database, "differences", sql);
  while (status == LUMIN_OK && (status = page_next(&page)) == LUMIN_OK) {
    verdict_differ(verdict, "%.*s", SPAN_ARGS(page_bytes(&page, 0)));
  }
  return status == LUMIN_NOT_FOUND ? page_close(&page) : status;
}

// ---- pages

enum lumin_status page_open(struct page *page, struct database *database, const char *cursor, const char *sql) {
  char text[2048];
  *page = (struct page){.database = database, .cursor = cursor};
  int len = snprintf(text, sizeof text, "DECLARE %s NO SCROLL CURSOR FOR %s", cursor, sql);
  return len < (int)sizeof text ? database_run(database, text) : LUMIN_INTERNAL;
}

enum lumin_status page_next(struct page *page) {
  if (page->row + 1 < page->count) {
    page->row++;
    return LUMIN_OK;
  }
  if (page->ended) {
    return LUMIN_NOT_FOUND;
  }
  char text[80];
  struct database_query query = {.sql = text, .binary = true};
  (void)snprintf(text, sizeof text, "FETCH FORWARD " PAGE_ROWS " FROM %s", page->cursor);
  PQclear(page->rows);
  page->rows = NULL;
  page->row = page->count = 0;
  enum lumin_status status = database_ask(page->database, &query, &page->rows);
  if (status != LUMIN_OK) {
    return status;
  }
  page->count = PQntuples(page->rows);
  page->ended = page->count == 0;
  return page->ended ? LUMIN_NOT_FOUND : LUMIN_OK;
}

enum lumin_status page_close(struct page *page) {
  char text[80];
  PQclear(page->rows);
  page->rows = NULL;
  (void)snprintf(text, sizeof text, "CLOSE %s", page->cursor);
  return database_run(page->database, text);
}

struct span page_bytes(const struct page *page, int column) {
  return span_of(PQgetvalue(page->rows, page->row, column), (size_t)PQgetlength(page->rows, page->row, column));
}

int64_t page_int(const struct page *page, int column) {
  struct span bytes = page_bytes(page, column);
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.len && i < sizeof value; i++) {
    value = value << 8 | (uint8_t)bytes.data[i];
  }
  if (bytes.len == 2) {
    return (int16_t)value;
  }
  return bytes.len == 4 ? (int32_t)value : (int64_t)value;
}

bool page_bool(const struct page *page, int column) { return page_int(page, column) != 0; }

struct uuid page_uuid(const struct page *page, int column) {
  struct span bytes = page_bytes(page, column);
  struct uuid uuid = {{0}};
  if (bytes.len == sizeof uuid.bytes) {
    memcpy(uuid.bytes, bytes.data, sizeof uuid.bytes);
  }
  return uuid;
}
