// SPDX-License-Identifier: MIT
// The domain's facts as plain structs. How they look in bytes is the codec's business.
#pragma once

#include "lumin/base/uuid.h"
#include "lumin/domain/values.h"

enum event_type {
  EVENT_NONE = 0,
#define EVENT(symbol, number, name) EVENT_##symbol = (number),
#include "lumin/domain/events.def"
#undef EVENT
};

struct event {
  enum event_type type;
  uint64_t version; // the user's version once it is applied; set by the pipeline
  int64_t time_ns;  // max(the user's previous event's, the command message's); set by the pipeline
  union {
    struct {
      struct span first_name;
      struct span last_name;
      struct email email;
      struct span phone;
      struct profile profile;
    } user_created;
    struct {
      struct span first_name;
      struct span last_name;
    } username_changed;
    struct {
      struct email email;
    } email_changed;
    struct {
      struct span reason;
      int64_t until_ns; // 0: no end
    } user_blocked;
    struct {
      struct span phone;
    } phone_changed;
    struct {
      struct span bio;
    } bio_changed;
    struct {
      struct span birth_date;
    } birth_date_changed;
    struct {
      struct span avatar_url;
    } avatar_url_changed;
    struct {
      struct span language_code;
    } language_code_changed;
    struct {
      struct privacy privacy; // every setting, as it is from now on
    } privacy_settings_changed;
    struct {
      struct email email;
    } email_confirmed;
    struct {
      struct span phone;
    } phone_confirmed;
    struct {
      struct uuid viewer_id;
    } profile_viewed;
  };
};

// "email_changed"; NULL for a number that is no event.
const char *event_name(enum event_type type);
