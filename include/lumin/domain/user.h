// SPDX-License-Identifier: MIT
// The User aggregate: its state, the fold that makes it from events, and the verbs that decide on new ones. Pure: no
// I/O, no clock, no chance. Keeps guarantee 6 (the users row equals the fold): everybody folds with user_apply.
#pragma once

#include "lumin/base/arena.h"
#include "lumin/base/uuid.h"
#include "lumin/domain/event.h"
#include "lumin/domain/refusal.h"
#include "lumin/domain/values.h"

// Numbers are stored and are the wire's UserStatus.
enum user_status {
  USER_NONE = 0,
  USER_PENDING = 1,
  USER_ACTIVE = 2,
  USER_DEACTIVATED = 3,
  USER_BLOCKED = 4,
  USER_DELETED = 5,
};

// A user at `version`; version 0 and USER_NONE where there is none. Spans point into whatever arena or block the state
// was made in.
struct user {
  struct uuid id;
  uint64_t version;
  enum user_status status;
  struct span first_name;
  struct span last_name;
  struct email email; // empty text: none
  struct span phone;  // empty: none
  bool email_verified;
  bool phone_verified;
  struct profile profile;
  uint64_t profile_views;               // how often others have looked at it
  enum user_status status_before_block; // BLOCKED: what it was, and is again after the block
  struct span block_reason;             // BLOCKED
  int64_t blocked_until_ns;             // BLOCKED: the end; 0: none
  int64_t created_ns;                   // time of the first event
  int64_t updated_ns;                   // time of the last event; never goes back
};

// The state as of a time: a block that has ended by then (until <= time) is not there, and the user is what it was
// before. No event says so; every reader and every decision looks at the state through this.
struct user user_at(const struct user *user, int64_t time_ns);

// The fold: the state after `event`, which must be the user's next. The new state's spans are the event's own. It
// begins with user_at the event's time: after the first event behind a block's end, the state itself is without it.
void user_apply(struct user *user, const struct event *event);

struct user_names {
  struct span first_name; // parsed values
  struct span last_name;
};

struct user_draft {
  struct user_names names;
  struct email email;
  struct span phone;
  struct profile profile;
};

struct user_block {
  struct span reason;
  int64_t until_ns; // 0: no end
};

// The verbs. Each looks at the state and gives the event that follows from it in *ret_event, or a refusal. Success with
// EVENT_NONE means that everything already is as asked. Values are parsed ones (values.h); the state is user_at the
// command's time.
LUMIN_MUST_USE enum lumin_status user_create(const struct user *user, const struct user_draft *draft,
                                             struct event *ret_event, struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_change_username(const struct user *user, const struct user_names *names,
                                                      struct event *ret_event, struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_change_email(const struct user *user, const struct email *email,
                                                   struct event *ret_event, struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_change_phone(const struct user *user, struct span phone, struct event *ret_event,
                                                   struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_change_bio(const struct user *user, struct span bio, struct event *ret_event,
                                                 struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_change_birth_date(const struct user *user, struct span birth_date,
                                                        struct event *ret_event, struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_change_avatar_url(const struct user *user, struct span avatar_url,
                                                        struct event *ret_event, struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_change_language_code(const struct user *user, struct span language_code,
                                                           struct event *ret_event, struct refusal *ret_refusal);
// What `privacy` leaves unspecified stays.
LUMIN_MUST_USE enum lumin_status user_change_privacy(const struct user *user, struct privacy privacy,
                                                     struct event *ret_event, struct refusal *ret_refusal);
// Of the address named: it must be the one the user has.
LUMIN_MUST_USE enum lumin_status user_confirm_email(const struct user *user, const struct email *email,
                                                    struct event *ret_event, struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_confirm_phone(const struct user *user, struct span phone, struct event *ret_event,
                                                    struct refusal *ret_refusal);
// To another status: refused in every status that the table of commands does not name for it.
LUMIN_MUST_USE enum lumin_status user_activate(const struct user *user, struct event *ret_event,
                                               struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_deactivate(const struct user *user, struct event *ret_event,
                                                 struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_block(const struct user *user, const struct user_block *block,
                                            struct event *ret_event, struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_record_profile_view(const struct user *user, const struct uuid *viewer_id,
                                                          struct event *ret_event, struct refusal *ret_refusal);
LUMIN_MUST_USE enum lumin_status user_delete(const struct user *user, struct event *ret_event,
                                             struct refusal *ret_refusal);

// What the user lays claim to, as keys of the identifiers table; empty where it has none.
struct span user_email_key(const struct user *user);
struct span user_phone_key(const struct user *user);

const char *user_status_name(enum user_status status); // "PENDING"
