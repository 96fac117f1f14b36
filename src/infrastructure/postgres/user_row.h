// SPDX-License-Identifier: MIT
// A row of lumin.users.
#pragma once

#include "columns.h"
#include "lumin/domain/user.h"

enum user_column {
  USER_ID,
  USER_VERSION,
  USER_STATUS,
  USER_FIRST_NAME,
  USER_LAST_NAME,
  USER_EMAIL,
  USER_EMAIL_KEY,
  USER_PHONE,
  USER_EMAIL_VERIFIED,
  USER_PHONE_VERIFIED,
  USER_LANGUAGE_CODE,
  USER_BIO,
  USER_BIRTH_DATE,
  USER_AVATAR_URL,
  USER_PRIVACY,
  USER_PROFILE_VIEWS,
  USER_STATUS_BEFORE_BLOCK,
  USER_BLOCK_REASON,
  USER_BLOCKED_UNTIL,
  USER_CREATED, // an update has USER_UPDATED here, and last the version it changes
  USER_UPDATED,
  USER_COLUMNS
};
extern const enum column_type user_column_types[USER_COLUMNS];

// All columns but the last two.
void user_put(struct columns *columns, const struct user *user);
// false where the arena is full.
LUMIN_MUST_USE bool user_read(const PGresult *rows, int row, struct arena *arena, struct user *ret_user);
