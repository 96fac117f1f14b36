// SPDX-License-Identifier: MIT
#include "lumin/infrastructure/postgres/users_table.h"

#include "user_row.h"

static bool text_same(const PGresult *rows, int row, int column, struct span text) {
  return span_equal(span_of(PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column)), text);
}

const char *users_row_difference(const PGresult *rows, int row, const struct user *user) {
  const struct profile *profile = &user->profile;
  const struct {
    const char *name;
    bool same;
  } fields[] = {
      {"version", (uint64_t)field_int(rows, row, USER_VERSION) == user->version},
      {"status", field_int(rows, row, USER_STATUS) == (int64_t)user->status},
      {"first_name", text_same(rows, row, USER_FIRST_NAME, user->first_name)},
      {"last_name", text_same(rows, row, USER_LAST_NAME, user->last_name)},
      {"email", text_same(rows, row, USER_EMAIL, user->email.text)},
      {"email_key", text_same(rows, row, USER_EMAIL_KEY, user->email.key)},
      {"phone", text_same(rows, row, USER_PHONE, user->phone)},
      {"email_verified", field_bool(rows, row, USER_EMAIL_VERIFIED) == user->email_verified},
      {"phone_verified", field_bool(rows, row, USER_PHONE_VERIFIED) == user->phone_verified},
      {"language_code", text_same(rows, row, USER_LANGUAGE_CODE, profile->language_code)},
      {"bio", text_same(rows, row, USER_BIO, profile->bio)},
      {"birth_date", text_same(rows, row, USER_BIRTH_DATE, profile->birth_date)},
      {"avatar_url", text_same(rows, row, USER_AVATAR_URL, profile->avatar_url)},
      {"privacy", field_int(rows, row, USER_PRIVACY) == (int64_t)privacy_pack(profile->privacy)},
      {"profile_views", (uint64_t)field_int(rows, row, USER_PROFILE_VIEWS) == user->profile_views},
      {"status_before_block", field_int(rows, row, USER_STATUS_BEFORE_BLOCK) == (int64_t)user->status_before_block},
      {"block_reason", text_same(rows, row, USER_BLOCK_REASON, user->block_reason)},
      {"blocked_until_ns", field_int(rows, row, USER_BLOCKED_UNTIL) == user->blocked_until_ns},
      {"created_ns", field_int(rows, row, USER_CREATED) == user->created_ns},
      {"updated_ns", field_int(rows, row, USER_UPDATED) == user->updated_ns},
  };
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    if (!fields[i].same) {
      return fields[i].name;
    }
  }
  return NULL;
}

static struct span insert_sql(const char *table, struct arena *arena) {
  return arena_printf(arena,
                      "INSERT INTO %s (" USERS_COLUMNS ") SELECT * FROM unnest($1::uuid[], $2::int8[], $3::int2[], "
                      "$4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bool[], $10::bool[], "
                      "$11::text[], $12::text[], $13::text[], $14::text[], $15::int4[], $16::int8[], $17::int2[], "
                      "$18::text[], $19::int8[], $20::int8[], $21::int8[])",
                      table);
}

enum lumin_status users_insert(struct database *database, const char *table, const struct user *const *users,
                               size_t count, struct arena *arena) {
  struct params params = {0};
  struct columns columns = columns_begin(arena, user_column_types, USER_COLUMNS, count);
  for (size_t i = 0; i < count; i++) {
    user_put(&columns, users[i]);
    column_int8(&columns.items[USER_CREATED], users[i]->created_ns);
    column_int8(&columns.items[USER_UPDATED], users[i]->updated_ns);
  }
  struct span sql = insert_sql(table, arena);
  enum lumin_status status = params_columns(&params, &columns);
  if (status != LUMIN_OK || sql.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  return database_give(database, sql.data, &params);
}
