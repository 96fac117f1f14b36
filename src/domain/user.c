// SPDX-License-Identifier: MIT
// The User aggregate. Keeps guarantee 6: there is one fold, and the verbs never touch the state themselves. A verb says
// what follows from a command; the version and the time of its event are the pipeline's to set.
#include "lumin/domain/user.h"

static void apply_user_created(struct user *user, const struct event *event);
static void apply_username_changed(struct user *user, const struct event *event);
static void apply_email_changed(struct user *user, const struct event *event);
static void apply_user_deleted(struct user *user, const struct event *event);
static enum lumin_status require_living(const struct user *user, struct refusal *ret_refusal);
static enum lumin_status refuse_state(const struct user *user, enum lumin_status reason, const char *message,
                                      struct refusal *ret_refusal);

// A row of events.def without its function here does not compile.
static void (*const folds[])(struct user *user, const struct event *event) = {
#define EVENT(symbol, number, name) [number] = apply_##name,
#include "lumin/domain/events.def"
#undef EVENT
};

void user_apply(struct user *user, const struct event *event) {
  if (event->type == EVENT_NONE)
    return;
  folds[event->type](user, event);
  user->version = event->version;
  user->updated_ns = event->time_ns;
}

static void apply_user_created(struct user *user, const struct event *event) {
  user->status = USER_PENDING;
  user->first_name = event->user_created.first_name;
  user->last_name = event->user_created.last_name;
  user->email = event->user_created.email;
  user->phone = event->user_created.phone;
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

// What stays is that there was a user, and when.
static void apply_user_deleted(struct user *user, const struct event *event) {
  (void)event;
  *user = (struct user){.id = user->id, .status = USER_DELETED, .created_ns = user->created_ns};
}

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
      .user_created = {draft->names.first_name, draft->names.last_name, draft->email, draft->phone},
  };
  return LUMIN_OK;
}

enum lumin_status user_change_username(const struct user *user, const struct user_names *names, struct event *ret_event,
                                       struct refusal *ret_refusal) {
  enum lumin_status status = require_living(user, ret_refusal);
  if (status != LUMIN_OK)
    return status;
  bool unchanged = span_equal(user->first_name, names->first_name) && span_equal(user->last_name, names->last_name);
  *ret_event = unchanged ? (struct event){.type = EVENT_NONE}
                         : (struct event){.type = EVENT_USERNAME_CHANGED,
                                          .username_changed = {names->first_name, names->last_name}};
  return LUMIN_OK;
}

// Compared by text: another spelling of the same key is a change, to an address the user already has the claim to.
enum lumin_status user_change_email(const struct user *user, const struct email *email, struct event *ret_event,
                                    struct refusal *ret_refusal) {
  enum lumin_status status = require_living(user, ret_refusal);
  if (status != LUMIN_OK)
    return status;
  if (span_equal(user->email.text, email->text)) {
    *ret_event = (struct event){.type = EVENT_NONE};
    return LUMIN_OK;
  }
  if (email->text.len == 0 && user->phone.len == 0)
    return refuse_field(ret_refusal, "email", "an address; empty only for a user with a phone",
                        "the e-mail address is the only address the user has");
  *ret_event = (struct event){.type = EVENT_EMAIL_CHANGED, .email_changed = {*email}};
  return LUMIN_OK;
}

enum lumin_status user_delete(const struct user *user, struct event *ret_event, struct refusal *ret_refusal) {
  enum lumin_status status = require_living(user, ret_refusal);
  if (status != LUMIN_OK)
    return status;
  *ret_event = (struct event){.type = EVENT_USER_DELETED};
  return LUMIN_OK;
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
