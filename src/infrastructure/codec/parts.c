// SPDX-License-Identifier: MIT
// Times and privacy settings as messages.
#include "parts.h"

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
