// SPDX-License-Identifier: MIT
// A user's fields as a request gives them: what create, update, upsert and the single changes have in common. Each
// field goes the same way whoever asks: its value is parsed, the user's verb decides, the event is emitted.
#pragma once

#include "lumin/application/decision.h"
#include "lumin/user/v1/types.pb-c.h"

// NULL: not given. Empty: to be cleared.
struct fields {
  const char *first_name;
  const char *last_name;
  const char *email;
  const char *phone;
  const char *language_code;
  const char *bio;
  const char *birth_date;
  const char *avatar_url;
  const Lumin__User__V1__PrivacySettings *privacy_settings;
};

// A user with these fields comes to be, by one event.
LUMIN_MUST_USE enum lumin_status fields_create(struct decision *decision, const struct fields *fields);
// The user gets these fields: an event for each that is new to it. The first refusal ends it, and the events before it
// come to nothing.
LUMIN_MUST_USE enum lumin_status fields_change(struct decision *decision, const struct fields *fields);
