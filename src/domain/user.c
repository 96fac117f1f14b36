// SPDX-License-Identifier: MIT
// The User aggregate. Keeps guarantee 6: there is one fold, and the verbs never touch the state themselves. A verb says
// what follows from a command; the version and the time of its event are the pipeline's to set.
#include "lumin/domain/user.h"

static enum lumin_status require_living(const struct user *user, struct refusal *ret_refusal);
static enum lumin_status refuse_state(const struct user *user, enum lumin_status reason, const char *message,
                                      struct refusal *ret_refusal);

#define EVENT(symbol, number, name) static void apply_##name(struct user *user, const struct event *event);
#include "lumin/domain/events.def"
#undef EVENT

// A row of events.def without its function here does not compile.
static void (*const folds[])(struct user *user, const struct event *event) = {
#define EVENT(symbol, number, name) [number] = apply_##name,
#include "lumin/domain/events.def"
#undef EVENT
};

void user_apply(struct user *user, const struct event *event) {
  if (event->type == EVENT_NONE)
    return;
  *user = user_at(user, event->time_ns);
  folds[event->type](user, event);
  user->version = event->version;
  user->updated_ns = event->time_ns;
}

static void to_status(struct user *user, enum user_status status) {
  user->status = status;
  user->status_before_block = USER_NONE;
  user->block_reason = SPAN_EMPTY;
  user->blocked_until_ns = 0;
}

struct user user_at(const struct user *user, int64_t time_ns) {
  struct user now = *user;
  if (now.status == USER_BLOCKED && now.blocked_until_ns != 0 && now.blocked_until_ns <= time_ns)
    to_status(&now, now.status_before_block);
  return now;
}

static void apply_user_created(struct user *user, const struct event *event) {
  user->status = USER_PENDING;
  user->first_name = event->user_created.first_name;
  user->last_name = event->user_created.last_name;
  user->email = event->user_created.email;
  user->phone = event->user_created.phone;
  user->profile = event->user_created.profile;
  // Events from before there were settings have none.
  user->profile.privacy = privacy_or(user->profile.privacy, privacy_default);
  user->created_ns = event->time_ns;
}

static void apply_username_changed(struct user *user, const struct event *event) {
  user->first_name = event->username_changed.first_name;
  user->last_name = event->username_changed.last_name;
}

static void apply_email_changed(struct user *user, const struct event *event) {
  user->email = event->email_changed.email;
  user->email_verified = false;
}

static void apply_phone_changed(struct user *user, const struct event *event) {
  user->phone = event->phone_changed.phone;
  user->phone_verified = false;
}

static void apply_bio_changed(struct user *user, const struct event *event) {
  user->profile.bio = event->bio_changed.bio;
}

static void apply_birth_date_changed(struct user *user, const struct event *event) {
  user->profile.birth_date = event->birth_date_changed.birth_date;
}

static void apply_avatar_url_changed(struct user *user, const struct event *event) {
  user->profile.avatar_url = event->avatar_url_changed.avatar_url;
}

static void apply_language_code_changed(struct user *user, const struct event *event) {
  user->profile.language_code = event->language_code_changed.language_code;
}

static void apply_privacy_settings_changed(struct user *user, const struct event *event) {
  user->profile.privacy = event->privacy_settings_changed.privacy;
}

static void apply_email_confirmed(struct user *user, const struct event *event) {
  (void)event;
  user->email_verified = true;
}

static void apply_phone_confirmed(struct user *user, const struct event *event) {
  (void)event;
  user->phone_verified = true;
}

static void apply_user_activated(struct user *user, const struct event *event) {
  (void)event;
  to_status(user, USER_ACTIVE);
}

static void apply_user_deactivated(struct user *user, const struct event *event) {
  (void)event;
  to_status(user, USER_DEACTIVATED);
}

static void apply_user_blocked(struct user *user, const struct event *event) {
  user->status_before_block = user->status;
  user->status = USER_BLOCKED;
  user->block_reason = event->user_blocked.reason;
  user->blocked_until_ns = event->user_blocked.until_ns;
}

static void apply_profile_viewed(struct user *user, const struct event *event) {
  (void)event;
  user->profile_views++;
}

// What stays is that there was a user, and when.
static void apply_user_deleted(struct user *user, const struct event *event) {
  (void)event;
  *user = (struct user){.id = user->id, .status = USER_DELETED, .created_ns = user->created_ns};
}

// ---- verbs

enum lumin_status user_create(const struct user *user, const struct user_draft *draft, struct event *ret_event,
                              struct refusal *ret_refusal) {
  if (draft->email.text.len == 0 && draft->phone.len == 0)
    return refuse_field(ret_refusal, "email", "an e-mail address, or a phone number in the field phone, or both",
                        "a user needs an e-mail address or a phone number");
  if (user->status == USER_DELETED)
    return refuse_state(user, LUMIN_DELETED, "a user with this id was deleted; its id cannot be used again",
                        ret_refusal);
  if (user->status != USER_NONE)
    return refuse_state(user, LUMIN_ALREADY_EXISTS, "a user with this id already exists", ret_refusal);
  *ret_event = (struct event){
      .type = EVENT_USER_CREATED,
      .user_created = {draft->names.first_name, draft->names.last_name, draft->email, draft->phone, draft->profile},
  };
  ret_event->user_created.profile.privacy = privacy_or(draft->profile.privacy, privacy_default);
  return LUMIN_OK;
}

// A change of a living user; none where everything already is as asked.
static enum lumin_status change(const struct user *user, bool is_so, struct event event, struct event *ret_event,
                                struct refusal *ret_refusal) {
  enum lumin_status status = require_living(user, ret_refusal);
  if (status == LUMIN_OK)
    *ret_event = is_so ? (struct event){.type = EVENT_NONE} : event;
  return status;
}

enum lumin_status user_change_username(const struct user *user, const struct user_names *names, struct event *ret_event,
                                       struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_USERNAME_CHANGED, .username_changed = {names->first_name, names->last_name}};
  bool is_so = span_equal(user->first_name, names->first_name) && span_equal(user->last_name, names->last_name);
  return change(user, is_so, event, ret_event, ret_refusal);
}

// Compared by text: another spelling of the same key is a change, to an address the user already has the claim to.
enum lumin_status user_change_email(const struct user *user, const struct email *email, struct event *ret_event,
                                    struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_EMAIL_CHANGED, .email_changed = {*email}};
  bool is_so = span_equal(user->email.text, email->text);
  if (!is_so && email->text.len == 0 && user->phone.len == 0)
    return refuse_field(ret_refusal, "email", "an address; empty only for a user with a phone",
                        "the e-mail address is the only address the user has");
  return change(user, is_so, event, ret_event, ret_refusal);
}

enum lumin_status user_change_phone(const struct user *user, struct span phone, struct event *ret_event,
                                    struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_PHONE_CHANGED, .phone_changed = {phone}};
  bool is_so = span_equal(user->phone, phone);
  if (!is_so && phone.len == 0 && user->email.text.len == 0)
    return refuse_field(ret_refusal, "phone", "a number; empty only for a user with an e-mail address",
                        "the phone number is the only address the user has");
  return change(user, is_so, event, ret_event, ret_refusal);
}

enum lumin_status user_change_bio(const struct user *user, struct span bio, struct event *ret_event,
                                  struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_BIO_CHANGED, .bio_changed = {bio}};
  return change(user, span_equal(user->profile.bio, bio), event, ret_event, ret_refusal);
}

enum lumin_status user_change_birth_date(const struct user *user, struct span birth_date, struct event *ret_event,
                                         struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_BIRTH_DATE_CHANGED, .birth_date_changed = {birth_date}};
  return change(user, span_equal(user->profile.birth_date, birth_date), event, ret_event, ret_refusal);
}

enum lumin_status user_change_avatar_url(const struct user *user, struct span avatar_url, struct event *ret_event,
                                         struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_AVATAR_URL_CHANGED, .avatar_url_changed = {avatar_url}};
  return change(user, span_equal(user->profile.avatar_url, avatar_url), event, ret_event, ret_refusal);
}

enum lumin_status user_change_language_code(const struct user *user, struct span language_code, struct event *ret_event,
                                            struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_LANGUAGE_CODE_CHANGED, .language_code_changed = {language_code}};
  return change(user, span_equal(user->profile.language_code, language_code), event, ret_event, ret_refusal);
}

enum lumin_status user_change_privacy(const struct user *user, struct privacy privacy, struct event *ret_event,
                                      struct refusal *ret_refusal) {
  struct privacy whole = privacy_or(privacy, user->profile.privacy);
  struct event event = {.type = EVENT_PRIVACY_SETTINGS_CHANGED, .privacy_settings_changed = {whole}};
  return change(user, privacy_equal(user->profile.privacy, whole), event, ret_event, ret_refusal);
}

// Compared by key: whoever reads the mail of one spelling reads that of the other.
enum lumin_status user_confirm_email(const struct user *user, const struct email *email, struct event *ret_event,
                                     struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_EMAIL_CONFIRMED, .email_confirmed = {user->email}};
  bool living = user->status != USER_NONE && user->status != USER_DELETED;
  if (living && !span_equal(user->email.key, email->key))
    return refuse_field(ret_refusal, "email", "the e-mail address that the user has",
                        "the user has another e-mail address");
  return change(user, user->email_verified, event, ret_event, ret_refusal);
}

enum lumin_status user_confirm_phone(const struct user *user, struct span phone, struct event *ret_event,
                                     struct refusal *ret_refusal) {
  struct event event = {.type = EVENT_PHONE_CONFIRMED, .phone_confirmed = {phone}};
  bool living = user->status != USER_NONE && user->status != USER_DELETED;
  if (living && !span_equal(user->phone, phone))
    return refuse_field(ret_refusal, "phone", "the phone number that the user has",
                        "the user has another phone number");
  return change(user, user->phone_verified, event, ret_event, ret_refusal);
}

// ---- statuses

#define FROM(status) (1U << (status))

// What a verb needs of the status: one of a set, as bits.
static enum lumin_status require_status(const struct user *user, unsigned from, const char *message,
                                        struct refusal *ret_refusal) {
  enum lumin_status status = require_living(user, ret_refusal);
  if (status == LUMIN_OK && !(from & FROM(user->status)))
    return refuse_state(user, LUMIN_INVALID_STATE, message, ret_refusal);
  return status;
}

enum lumin_status user_activate(const struct user *user, struct event *ret_event, struct refusal *ret_refusal) {
  enum lumin_status status =
      require_status(user, FROM(USER_PENDING) | FROM(USER_DEACTIVATED) | FROM(USER_BLOCKED),
                     "only a user that is PENDING, DEACTIVATED or BLOCKED can be activated", ret_refusal);
  if (status == LUMIN_OK)
    *ret_event = (struct event){.type = EVENT_USER_ACTIVATED};
  return status;
}

enum lumin_status user_deactivate(const struct user *user, struct event *ret_event, struct refusal *ret_refusal) {
  enum lumin_status status = require_status(user, FROM(USER_PENDING) | FROM(USER_ACTIVE),
                                            "only a user that is PENDING or ACTIVE can be deactivated", ret_refusal);
  if (status == LUMIN_OK)
    *ret_event = (struct event){.type = EVENT_USER_DEACTIVATED};
  return status;
}

enum lumin_status user_block(const struct user *user, const struct user_block *block, struct event *ret_event,
                             struct refusal *ret_refusal) {
  enum lumin_status status =
      require_status(user, FROM(USER_PENDING) | FROM(USER_ACTIVE) | FROM(USER_DEACTIVATED),
                     "only a user that is PENDING, ACTIVE or DEACTIVATED can be blocked", ret_refusal);
  if (status == LUMIN_OK)
    *ret_event = (struct event){.type = EVENT_USER_BLOCKED, .user_blocked = {block->reason, block->until_ns}};
  return status;
}

enum lumin_status user_record_profile_view(const struct user *user, const struct uuid *viewer_id,
                                           struct event *ret_event, struct refusal *ret_refusal) {
  enum lumin_status status =
      require_status(user, FROM(USER_ACTIVE), "only views of a user that is ACTIVE are recorded", ret_refusal);
  if (status == LUMIN_OK)
    *ret_event = (struct event){.type = EVENT_PROFILE_VIEWED, .profile_viewed = {*viewer_id}};
  return status;
}

enum lumin_status user_delete(const struct user *user, struct event *ret_event, struct refusal *ret_refusal) {
  return change(user, false, (struct event){.type = EVENT_USER_DELETED}, ret_event, ret_refusal);
}

static enum lumin_status require_living(const struct user *user, struct refusal *ret_refusal) {
  if (user->status == USER_NONE)
    return refuse(ret_refusal, LUMIN_NOT_FOUND, "there is no user with this id");
  if (user->status == USER_DELETED)
    return refuse_state(user, LUMIN_DELETED, "the user was deleted", ret_refusal);
  return LUMIN_OK;
}

static enum lumin_status refuse_state(const struct user *user, enum lumin_status reason, const char *message,
                                      struct refusal *ret_refusal) {
  refuse(ret_refusal, reason, message);
  ret_refusal->current_status = (int)user->status;
  ret_refusal->current_version = user->version;
  return reason;
}

struct span user_email_key(const struct user *user) {
  return user->email.key;
}

struct span user_phone_key(const struct user *user) {
  return user->phone;
}

const char *user_status_name(enum user_status status) {
  static const char *const names[] = {
      [USER_NONE] = "NONE",       [USER_PENDING] = "PENDING",
      [USER_ACTIVE] = "ACTIVE",   [USER_DEACTIVATED] = "DEACTIVATED",
      [USER_BLOCKED] = "BLOCKED", [USER_DELETED] = "DELETED",
  };
  return (size_t)status < sizeof names / sizeof names[0] ? names[status] : "UNKNOWN";
}
