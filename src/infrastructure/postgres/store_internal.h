// SPDX-License-Identifier: MIT
// Between the files of the store.
#pragma once

#include "columns.h"
#include "lumin/infrastructure/postgres/store.h"

// The statements of one transaction. All of them are built before the first is sent: with half of them queued, the next
// sync would commit the half.
#define STATEMENTS_MAX 12
struct statements {
  struct {
    enum session_statement statement;
    struct params params;
  } items[STATEMENTS_MAX];
  size_t count;
};
// The parameters of one more; NULL where there is no room.
struct params *params_begin(struct statements *statements, enum session_statement statement);
LUMIN_MUST_USE enum lumin_status statements_add(struct statements *statements, enum session_statement statement,
                                                const struct columns *columns);
// Sends them and waits for their answers; the sink's index counts them in the order they were added.
LUMIN_MUST_USE enum lumin_status statements_run(struct store *store, const struct statements *statements,
                                                const struct session_sink *sink);

LUMIN_MUST_USE enum lumin_status fence_add(const struct store *store, const struct partition_mark *marks, size_t count,
                                           struct arena *arena, struct statements *statements);

// Loads.
LUMIN_MUST_USE enum lumin_status users_read(const PGresult *rows, struct arena *arena, struct page_rows *ret_rows);
LUMIN_MUST_USE enum lumin_status page_add(const struct page_wanted *page, struct arena *arena,
                                          struct statements *statements);
LUMIN_MUST_USE enum lumin_status page_read(const struct page_wanted *page, const PGresult *rows, struct arena *arena,
                                           struct page_rows *ret_rows);

LUMIN_MUST_USE enum lumin_status store_record(void *self, const struct record *record, struct arena *arena);
