// SPDX-License-Identifier: MIT
// A user as a row of lumin.users, both ways. The columns stand in the order of the statements USERS_INSERT,
// USERS_UPDATE and USERS_LOAD; a field of struct user has its column here, or guarantee 6 breaks.
#include "user_row.h"

const enum column_type user_column_types[USER_COLUMNS] = {
    [USER_ID] = COLUMN_UUID,
    [USER_VERSION] = COLUMN_INT8,
    [USER_STATUS] = COLUMN_INT2,
    [USER_FIRST_NAME] = COLUMN_TEXT,
    [USER_LAST_NAME] = COLUMN_TEXT,
    [USER_EMAIL] = COLUMN_TEXT,
    [USER_EMAIL_KEY] = COLUMN_TEXT,
    [USER_PHONE] = COLUMN_TEXT,
    [USER_EMAIL_VERIFIED] = COLUMN_BOOL,
    [USER_PHONE_VERIFIED] = COLUMN_BOOL,
    [USER_LANGUAGE_CODE] = COLUMN_TEXT,
    [USER_BIO] = COLUMN_TEXT,
    [USER_BIRTH_DATE] = COLUMN_TEXT,
    [USER_AVATAR_URL] = COLUMN_TEXT,
    [USER_PRIVACY] = COLUMN_INT4,
    [USER_PROFILE_VIEWS] = COLUMN_INT8,
    [USER_STATUS_BEFORE_BLOCK] = COLUMN_INT2,
    [USER_BLOCK_REASON] = COLUMN_TEXT,
    [USER_BLOCKED_UNTIL] = COLUMN_INT8,
    [USER_CREATED] = COLUMN_INT8,
    [USER_UPDATED] = COLUMN_INT8,
};

void user_put(struct columns *columns, const struct user *user) {
  struct column *items = columns->items;
  column_uuid(&items[USER_ID], &user->id);
  column_int8(&items[USER_VERSION], (int64_t)user->version);
  column_int2(&items[USER_STATUS], (int16_t)user->status);
  column_bytes(&items[USER_FIRST_NAME], user->first_name);
  column_bytes(&items[USER_LAST_NAME], user->last_name);
  column_bytes(&items[USER_EMAIL], user->email.text);
  column_bytes(&items[USER_EMAIL_KEY], user->email.key);
  column_bytes(&items[USER_PHONE], user->phone);
  column_bool(&items[USER_EMAIL_VERIFIED], user->email_verified);
  column_bool(&items[USER_PHONE_VERIFIED], user->phone_verified);
  column_bytes(&items[USER_LANGUAGE_CODE], user->profile.language_code);
  column_bytes(&items[USER_BIO], user->profile.bio);
  column_bytes(&items[USER_BIRTH_DATE], user->profile.birth_date);
  column_bytes(&items[USER_AVATAR_URL], user->profile.avatar_url);
  column_int4(&items[USER_PRIVACY], (int32_t)privacy_pack(user->profile.privacy));
  column_int8(&items[USER_PROFILE_VIEWS], (int64_t)user->profile_views);
  column_int2(&items[USER_STATUS_BEFORE_BLOCK], (int16_t)user->status_before_block);
  column_bytes(&items[USER_BLOCK_REASON], user->block_reason);
  column_int8(&items[USER_BLOCKED_UNTIL], user->blocked_until_ns);
}

static bool texts_read(const PGresult *rows, int row, struct arena *arena, struct user *user) {
  const struct {
    int column;
    struct span *text;
  } texts[] = {
      {USER_FIRST_NAME, &user->first_name},
      {USER_LAST_NAME, &user->last_name},
      {USER_EMAIL, &user->email.text},
      {USER_EMAIL_KEY, &user->email.key},
      {USER_PHONE, &user->phone},
      {USER_LANGUAGE_CODE, &user->profile.language_code},
      {USER_BIO, &user->profile.bio},
      {USER_BIRTH_DATE, &user->profile.birth_date},
      {USER_AVATAR_URL, &user->profile.avatar_url},
      {USER_BLOCK_REASON, &user->block_reason},
  };
  bool fine = true;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0] && fine; i++) {
    fine = field_text(rows, row, texts[i].column, arena, texts[i].text);
  }
  return fine;
}

bool user_read(const PGresult *rows, int row, struct arena *arena, struct user *ret_user) {
  *ret_user = (struct user){
      .id = field_uuid(rows, row, USER_ID),
      .version = (uint64_t)field_int(rows, row, USER_VERSION),
      .status = (enum user_status)field_int(rows, row, USER_STATUS),
      .email_verified = field_bool(rows, row, USER_EMAIL_VERIFIED),
      .phone_verified = field_bool(rows, row, USER_PHONE_VERIFIED),
      .profile.privacy = privacy_unpack((uint32_t)field_int(rows, row, USER_PRIVACY)),
      .profile_views = (uint64_t)field_int(rows, row, USER_PROFILE_VIEWS),
      .status_before_block = (enum user_status)field_int(rows, row, USER_STATUS_BEFORE_BLOCK),
      .blocked_until_ns = field_int(rows, row, USER_BLOCKED_UNTIL),
      .created_ns = field_int(rows, row, USER_CREATED),
      .updated_ns = field_int(rows, row, USER_UPDATED),
  };
  return texts_read(rows, row, arena, ret_user);
}
