// SPDX-License-Identifier: MIT
// Two events or states are the same, field by field: written apart from the fold and the codec, which it is there to
// test.
#pragma once

#include "lumin/domain/user.h"

static inline bool email_equal(const struct email *a, const struct email *b) {
  return span_equal(a->text, b->text) && span_equal(a->key, b->key);
}

static inline bool profile_equal(const struct profile *a, const struct profile *b) {
  return span_equal(a->language_code, b->language_code) && span_equal(a->bio, b->bio) &&
         span_equal(a->birth_date, b->birth_date) && span_equal(a->avatar_url, b->avatar_url) &&
         memcmp(&a->privacy, &b->privacy, sizeof a->privacy) == 0;
}

static inline bool event_body_equal(const struct event *a, const struct event *b) {
  switch (a->type) {
  case EVENT_USER_CREATED:
    return span_equal(a->user_created.first_name, b->user_created.first_name) &&
           span_equal(a->user_created.last_name, b->user_created.last_name) &&
           email_equal(&a->user_created.email, &b->user_created.email) &&
           span_equal(a->user_created.phone, b->user_created.phone) &&
           profile_equal(&a->user_created.profile, &b->user_created.profile);
  case EVENT_USERNAME_CHANGED:
    return span_equal(a->username_changed.first_name, b->username_changed.first_name) &&
           span_equal(a->username_changed.last_name, b->username_changed.last_name);
  case EVENT_EMAIL_CHANGED:
    return email_equal(&a->email_changed.email, &b->email_changed.email);
  case EVENT_EMAIL_CONFIRMED:
    return email_equal(&a->email_confirmed.email, &b->email_confirmed.email);
  case EVENT_PHONE_CHANGED:
    return span_equal(a->phone_changed.phone, b->phone_changed.phone);
  case EVENT_PHONE_CONFIRMED:
    return span_equal(a->phone_confirmed.phone, b->phone_confirmed.phone);
  case EVENT_BIO_CHANGED:
    return span_equal(a->bio_changed.bio, b->bio_changed.bio);
  case EVENT_BIRTH_DATE_CHANGED:
    return span_equal(a->birth_date_changed.birth_date, b->birth_date_changed.birth_date);
  case EVENT_AVATAR_URL_CHANGED:
    return span_equal(a->avatar_url_changed.avatar_url, b->avatar_url_changed.avatar_url);
  case EVENT_LANGUAGE_CODE_CHANGED:
    return span_equal(a->language_code_changed.language_code, b->language_code_changed.language_code);
  case EVENT_PRIVACY_SETTINGS_CHANGED:
    return memcmp(&a->privacy_settings_changed, &b->privacy_settings_changed, sizeof a->privacy_settings_changed) == 0;
  case EVENT_USER_BLOCKED:
    return span_equal(a->user_blocked.reason, b->user_blocked.reason) &&
           a->user_blocked.until_ns == b->user_blocked.until_ns;
  case EVENT_PROFILE_VIEWED:
    return uuid_equal(&a->profile_viewed.viewer_id, &b->profile_viewed.viewer_id);
  case EVENT_NONE:
  case EVENT_USER_ACTIVATED:
  case EVENT_USER_DEACTIVATED:
  case EVENT_USER_DELETED:
    return true;
  }
  return false;
}

static inline bool event_equal(const struct event *a, const struct event *b) {
  return a->type == b->type && a->version == b->version && a->time_ns == b->time_ns && event_body_equal(a, b);
}

static inline bool user_equal(const struct user *a, const struct user *b) {
  return uuid_equal(&a->id, &b->id) && a->version == b->version && a->status == b->status &&
         span_equal(a->first_name, b->first_name) && span_equal(a->last_name, b->last_name) &&
         email_equal(&a->email, &b->email) && span_equal(a->phone, b->phone) &&
         a->email_verified == b->email_verified && a->phone_verified == b->phone_verified &&
         profile_equal(&a->profile, &b->profile) && a->profile_views == b->profile_views &&
         a->status_before_block == b->status_before_block && span_equal(a->block_reason, b->block_reason) &&
         a->blocked_until_ns == b->blocked_until_ns && a->created_ns == b->created_ns && a->updated_ns == b->updated_ns;
}
