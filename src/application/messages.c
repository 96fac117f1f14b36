// SPDX-License-Identifier: MIT
// Users, outcomes, refusals and their parts as messages.
#include "lumin/application/messages.h"

#include "lumin/base/clock.h"

Google__Protobuf__Timestamp *timestamp_message(int64_t ns, Google__Protobuf__Timestamp *message) {
  google__protobuf__timestamp__init(message);
  int64_t seconds = ns / NS_PER_SECOND, rest = ns % NS_PER_SECOND;
  message->seconds = rest < 0 ? seconds - 1 : seconds;
  message->nanos = (int32_t)(rest < 0 ? rest + NS_PER_SECOND : rest);
  return message;
}

int64_t timestamp_restore(const Google__Protobuf__Timestamp *message) {
  int64_t ns = 0;
  bool fits = message != NULL && !__builtin_mul_overflow(message->seconds, NS_PER_SECOND, &ns) &&
              !__builtin_add_overflow(ns, message->nanos, &ns);
  return fits ? ns : 0;
}

Lumin__User__V1__PrivacySettings *privacy_message(struct privacy privacy, Lumin__User__V1__PrivacySettings *message) {
  if (privacy_equal(privacy, (struct privacy){{0}})) {
    return NULL;
  }
  lumin__user__v1__privacy_settings__init(message);
  message->email = (Lumin__User__V1__Visibility)privacy.of[PRIVACY_EMAIL];
  message->phone = (Lumin__User__V1__Visibility)privacy.of[PRIVACY_PHONE];
  message->birth_date = (Lumin__User__V1__Visibility)privacy.of[PRIVACY_BIRTH_DATE];
  message->bio = (Lumin__User__V1__Visibility)privacy.of[PRIVACY_BIO];
  message->avatar = (Lumin__User__V1__Visibility)privacy.of[PRIVACY_AVATAR];
  message->profile_views = (Lumin__User__V1__Visibility)privacy.of[PRIVACY_PROFILE_VIEWS];
  return message;
}

// A visibility that only a newer release knows is taken for the strictest.
static uint8_t visibility_restore(Lumin__User__V1__Visibility visibility) {
  int number = (int)visibility;
  return (uint8_t)(number >= VISIBILITY_UNSPECIFIED && number <= VISIBILITY_NOBODY ? number : VISIBILITY_NOBODY);
}

struct privacy privacy_restore(const Lumin__User__V1__PrivacySettings *message) {
  if (message == NULL) {
    return (struct privacy){{0}};
  }
  return (struct privacy){{
      [PRIVACY_EMAIL] = visibility_restore(message->email),
      [PRIVACY_PHONE] = visibility_restore(message->phone),
      [PRIVACY_BIRTH_DATE] = visibility_restore(message->birth_date),
      [PRIVACY_BIO] = visibility_restore(message->bio),
      [PRIVACY_AVATAR] = visibility_restore(message->avatar),
      [PRIVACY_PROFILE_VIEWS] = visibility_restore(message->profile_views),
  }};
}

enum lumin_status timestamp_read(const Google__Protobuf__Timestamp *message, int64_t *ret_ns) {
  int64_t ns = 0;
  if (message->nanos < 0 || message->nanos >= NS_PER_SECOND) {
    return LUMIN_INVALID_ARGUMENT;
  }
  bool fits =
      !__builtin_mul_overflow(message->seconds, NS_PER_SECOND, &ns) && !__builtin_add_overflow(ns, message->nanos, &ns);
  *ret_ns = fits ? ns : message->seconds < 0 ? INT64_MIN : INT64_MAX;
  return LUMIN_OK;
}

// ---- in an arena

// protobuf-c wants C strings; every text of a reply is without NULs.
char *text_message(struct span text, struct arena *arena) { return (char *)(uintptr_t)arena_copy(arena, text).data; }

char *uuid_message(const struct uuid *uuid, struct arena *arena) {
  char *text = arena_alloc(arena, UUID_TEXT_LEN + 1);
  if (text != NULL) {
    uuid_format(uuid, text);
  }
  return text;
}

Google__Protobuf__Timestamp *time_message(int64_t ns, struct arena *arena) {
  Google__Protobuf__Timestamp *message = ARENA_NEW(arena, Google__Protobuf__Timestamp);
  return message != NULL ? timestamp_message(ns, message) : NULL;
}

// Fills a member with a copy; once one has failed, the message is worth nothing.
static bool text_fill(char **member, struct span text, struct arena *arena) {
  *member = text_message(text, arena);
  return *member != NULL;
}

static bool user_texts_fill(const struct user *user, struct arena *arena, Lumin__User__V1__User *message) {
  message->user_id = uuid_message(&user->id, arena);
  return message->user_id != NULL && text_fill(&message->first_name, user->first_name, arena) &&
         text_fill(&message->last_name, user->last_name, arena) &&
         text_fill(&message->email, user->email.text, arena) && text_fill(&message->phone, user->phone, arena) &&
         text_fill(&message->language_code, user->profile.language_code, arena) &&
         text_fill(&message->bio, user->profile.bio, arena) &&
         text_fill(&message->birth_date, user->profile.birth_date, arena) &&
         text_fill(&message->avatar_url, user->profile.avatar_url, arena) &&
         text_fill(&message->block_reason, user->block_reason, arena);
}

static bool user_parts_fill(const struct user *user, struct arena *arena, Lumin__User__V1__User *message) {
  Lumin__User__V1__PrivacySettings *settings = ARENA_NEW(arena, Lumin__User__V1__PrivacySettings);
  message->created_at = time_message(user->created_ns, arena);
  message->updated_at = time_message(user->updated_ns, arena);
  message->blocked_until = user->blocked_until_ns != 0 ? time_message(user->blocked_until_ns, arena) : NULL;
  if (settings == NULL) {
    return false;
  }
  message->privacy_settings = privacy_message(user->profile.privacy, settings);
  return message->created_at != NULL && message->updated_at != NULL &&
         (message->blocked_until != NULL || user->blocked_until_ns == 0);
}

Lumin__User__V1__User *user_message(const struct user *user, struct arena *arena) {
  Lumin__User__V1__User *message = ARENA_NEW(arena, Lumin__User__V1__User);
  if (message == NULL) {
    return NULL;
  }
  lumin__user__v1__user__init(message);
  message->version = user->version;
  message->status = (Lumin__User__V1__UserStatus)user->status;
  message->email_verified = user->email_verified;
  message->phone_verified = user->phone_verified;
  message->profile_views = user->profile_views;
  return user_texts_fill(user, arena, message) && user_parts_fill(user, arena, message) ? message : NULL;
}

struct user user_restore(const Lumin__User__V1__User *message) {
  struct user user = {
      .version = message->version,
      .status = (enum user_status)message->status,
      .first_name = span_from_text(message->first_name),
      .last_name = span_from_text(message->last_name),
      .email = {.text = span_from_text(message->email)},
      .phone = span_from_text(message->phone),
      .email_verified = message->email_verified,
      .phone_verified = message->phone_verified,
      .profile = {.language_code = span_from_text(message->language_code),
                  .bio = span_from_text(message->bio),
                  .birth_date = span_from_text(message->birth_date),
                  .avatar_url = span_from_text(message->avatar_url),
                  .privacy = privacy_restore(message->privacy_settings)},
      .profile_views = message->profile_views,
      .block_reason = span_from_text(message->block_reason),
      .blocked_until_ns = timestamp_restore(message->blocked_until),
      .created_ns = timestamp_restore(message->created_at),
      .updated_ns = timestamp_restore(message->updated_at),
  };
  (void)!uuid_parse(span_from_text(message->user_id), &user.id);
  return user;
}

Lumin__User__V1__Error *error_message(const struct refusal *refusal, struct arena *arena) {
  Lumin__User__V1__Error *message = ARENA_NEW(arena, Lumin__User__V1__Error);
  if (message == NULL) {
    return NULL;
  }
  lumin__user__v1__error__init(message);
  bool on_wire = refusal->reason <= LUMIN_INTERNAL;
  message->reason = (Lumin__User__V1__Reason)(on_wire ? refusal->reason : LUMIN_INTERNAL);
  message->current_status = (Lumin__User__V1__UserStatus)refusal->current_status;
  message->current_version = refusal->current_version;
  bool whole = text_fill(&message->message, refusal->message, arena) &&
               text_fill(&message->field, refusal->field, arena) &&
               text_fill(&message->allowed, refusal->allowed, arena);
  return whole ? message : NULL;
}

Lumin__User__V1__Outcome *outcome_message(const struct outcome *outcome, struct arena *arena) {
  Lumin__User__V1__Outcome *message = ARENA_NEW(arena, Lumin__User__V1__Outcome);
  if (message == NULL) {
    return NULL;
  }
  lumin__user__v1__outcome__init(message);
  message->status = (Lumin__User__V1__OutcomeStatus)outcome->status;
  message->version = outcome->version;
  message->stream_sequence = outcome->stream_seq;
  message->command_id = uuid_message(&outcome->command_id, arena);
  message->time = time_message(outcome->stream_ts_ns, arena);
  bool whole = message->command_id != NULL && message->time != NULL;
  if (whole && !uuid_is_nil(&outcome->user_id)) {
    message->user_id = uuid_message(&outcome->user_id, arena);
    whole = message->user_id != NULL;
  }
  if (whole && outcome->refusal.reason != LUMIN_OK) {
    message->error = error_message(&outcome->refusal, arena);
    whole = message->error != NULL;
  }
  return whole ? message : NULL;
}
