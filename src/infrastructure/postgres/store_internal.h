// SPDX-License-Identifier: MIT
// Between the files of the store.
#pragma once

#include "lumin/infrastructure/postgres/store.h"

LUMIN_MUST_USE enum lumin_status fence_send(struct store *store, const struct partition_mark *marks, size_t count,
                                            struct arena *arena);
LUMIN_MUST_USE enum lumin_status store_record(void *self, const struct record *record, struct arena *arena);
