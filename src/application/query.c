// SPDX-License-Identifier: MIT
// Queries that wait: how large they are, and how they are kept.
#include "lumin/application/query.h"

#include <stdlib.h>

size_t query_rows_most(const struct query *query) {
  return query->user_count + (query->identifier.kind != 0) + query->needs_outcome + query->page.most;
}

size_t query_bytes(const struct query *query) {
  return query->user_count * sizeof *query->users + query->identifier.key.len;
}

struct query query_keep(const struct query *query, char *room) {
  struct query kept = *query;
  size_t users_len = query->user_count * sizeof *query->users;
  if (users_len > 0) {
    memcpy(room, query->users, users_len);
    kept.users = (const struct uuid *)(void *)room; // bytes alone: any address will do
  }
  if (query->identifier.key.len > 0) {
    memcpy(room + users_len, query->identifier.key.data, query->identifier.key.len);
    kept.identifier.key.data = room + users_len;
  }
  kept.arena = NULL;
  return kept;
}

void query_finish(struct query *query) {
  free(query->state);
  query->state = NULL;
}
