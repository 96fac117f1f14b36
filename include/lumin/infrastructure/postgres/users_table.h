// SPDX-License-Identifier: MIT
// Rows of lumin.users for the words that look at all of them. Lanes have their own statements.
#pragma once

#include "lumin/domain/user.h"
#include "lumin/infrastructure/postgres/database.h"

// The select list that the functions here expect, in a binary result.
#define USERS_COLUMNS                                                                                                  \
  "user_id, version, status, first_name, last_name, email, email_key, phone, email_verified, phone_verified, "         \
  "language_code, bio, birth_date, avatar_url, privacy, profile_views, status_before_block, block_reason, "            \
  "blocked_until_ns, created_ns, updated_ns"

// The name of the first column in which the row is not as the state says; NULL: it is the same. The id is not compared.
const char *users_row_difference(const PGresult *rows, int row, const struct user *user);

// Inserts users into a table of the same columns ("lumin.users_rebuilt"). What is needed for it is in the arena
// afterwards. RETRY: the server refused. CONNECTION_LOST, NO_MEMORY.
LUMIN_MUST_USE enum lumin_status users_insert(struct database *database, const char *table,
                                              const struct user *const *users, size_t count, struct arena *arena);
