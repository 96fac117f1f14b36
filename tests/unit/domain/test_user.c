// SPDX-License-Identifier: MIT
// The User aggregate: given events, when a verb, then an event, no event, or a refusal. And the fold (guarantee 6).
#include "cases.h"

#include "lumin/domain/user.h"

#define TEXT(text)                                                                                                     \
  { (text), sizeof(text) - 1 }
#define EMAIL(text)                                                                                                    \
  { TEXT(text), TEXT(text) }
#define NO_EMAIL                                                                                                       \
  {                                                                                                                    \
    {NULL, 0}, { NULL, 0 }                                                                                             \
  }
#define NOTHING                                                                                                        \
  { NULL, 0 }

static const struct uuid some_id = {{0x01, 0x8f, 0x10}};

// Facts.
static const struct event created = {
    EVENT_USER_CREATED, .user_created = {TEXT("Ada"), TEXT("Lovelace"), EMAIL("ada@example.com"), TEXT("+441234567")}};
static const struct event created_without_phone = {
    EVENT_USER_CREATED, .user_created = {TEXT("Ada"), TEXT("Lovelace"), EMAIL("ada@example.com"), NOTHING}};
static const struct event created_without_email = {
    EVENT_USER_CREATED, .user_created = {TEXT("Ada"), NOTHING, NO_EMAIL, TEXT("+441234567")}};
static const struct event renamed = {EVENT_USERNAME_CHANGED, .username_changed = {TEXT("Augusta"), TEXT("King")}};
static const struct event renamed_first = {EVENT_USERNAME_CHANGED,
                                           .username_changed = {TEXT("Augusta"), TEXT("Lovelace")}};
static const struct event renamed_last = {EVENT_USERNAME_CHANGED, .username_changed = {TEXT("Ada"), TEXT("King")}};
static const struct event renamed_to_one = {EVENT_USERNAME_CHANGED, .username_changed = {TEXT("Ada"), NOTHING}};
static const struct event email_changed = {EVENT_EMAIL_CHANGED, .email_changed = {EMAIL("king@example.com")}};
static const struct event email_respelled = {EVENT_EMAIL_CHANGED,
                                             .email_changed = {{TEXT("Ada@example.com"), TEXT("ada@example.com")}}};
static const struct event email_cleared = {EVENT_EMAIL_CHANGED, .email_changed = {NO_EMAIL}};
static const struct event deleted = {EVENT_USER_DELETED, .version = 0};
static const struct event nothing = {EVENT_NONE, .version = 0};

// What a caller asks for: a verb and what goes with it.
struct when;
typedef enum lumin_status verb(const struct user *, const struct when *, struct event *, struct refusal *);
struct when {
  verb *verb;
  struct user_draft draft;
};

static enum lumin_status create(const struct user *user, const struct when *when, struct event *event,
                                struct refusal *refusal) {
  return user_create(user, &when->draft, event, refusal);
}
static enum lumin_status change_username(const struct user *user, const struct when *when, struct event *event,
                                         struct refusal *refusal) {
  return user_change_username(user, &when->draft.names, event, refusal);
}
static enum lumin_status change_email(const struct user *user, const struct when *when, struct event *event,
                                      struct refusal *refusal) {
  return user_change_email(user, &when->draft.email, event, refusal);
}
static enum lumin_status delete (const struct user *user, const struct when *when, struct event *event,
                                 struct refusal *refusal) {
  (void)when; return user_delete(user, event, refusal);
}

#define CREATE(...)                                                                                                    \
  {                                                                                                                    \
    create, { __VA_ARGS__ }                                                                                            \
  }
#define RENAME(first, last)                                                                                            \
  {                                                                                                                    \
    change_username, {                                                                                                 \
      .names = { first, last }                                                                                         \
    }                                                                                                                  \
  }
#define CHANGE_EMAIL(...)                                                                                              \
  {                                                                                                                    \
    change_email, { .email = __VA_ARGS__ }                                                                             \
  }
#define DELETE                                                                                                         \
  {                                                                                                                    \
    delete, { .phone = NOTHING }                                                                                       \
  }
#define REFUSED(reason_, status_, version_, ...)                                                                       \
  .refusal = {.reason = (reason_), .current_status = (status_), .current_version = (version_), __VA_ARGS__}

static const struct scenario {
  const char *name;
  const struct event *given[4];
  struct when when;
  const struct event *then; // NULL: refused
  struct refusal refusal;
} scenarios[] = {
    {"create",
     {NULL},
     CREATE({TEXT("Ada"), TEXT("Lovelace")}, EMAIL("ada@example.com"), TEXT("+441234567")),
     .then = &created},
    {"create with an e-mail only",
     {NULL},
     CREATE({TEXT("Ada"), TEXT("Lovelace")}, EMAIL("ada@example.com"), NOTHING),
     .then = &created_without_phone},
    {"create with a phone only",
     {NULL},
     CREATE({TEXT("Ada"), NOTHING}, NO_EMAIL, TEXT("+441234567")),
     .then = &created_without_email},
    {"create with neither",
     {NULL},
     CREATE({TEXT("Ada"), NOTHING}, NO_EMAIL, NOTHING),
     REFUSED(LUMIN_INVALID_ARGUMENT, 0, 0, .field = TEXT("email"))},
    {"create twice",
     {&created, &renamed},
     CREATE({TEXT("Ada"), NOTHING}, EMAIL("x@example.com"), NOTHING),
     REFUSED(LUMIN_ALREADY_EXISTS, USER_PENDING, 2)},
    {"create once more, the same",
     {&created},
     CREATE({TEXT("Ada"), TEXT("Lovelace")}, EMAIL("ada@example.com"), TEXT("+441234567")),
     REFUSED(LUMIN_ALREADY_EXISTS, USER_PENDING, 1)},
    {"create with the id of a deleted user",
     {&created, &renamed, &deleted},
     CREATE({TEXT("Ada"), NOTHING}, EMAIL("x@example.com"), NOTHING),
     REFUSED(LUMIN_DELETED, USER_DELETED, 3)},

    {"change both names", {&created}, RENAME(TEXT("Augusta"), TEXT("King")), .then = &renamed},
    {"change the first name", {&created}, RENAME(TEXT("Augusta"), TEXT("Lovelace")), .then = &renamed_first},
    {"change the last name", {&created}, RENAME(TEXT("Ada"), TEXT("King")), .then = &renamed_last},
    {"take the last name away", {&created}, RENAME(TEXT("Ada"), NOTHING), .then = &renamed_to_one},
    {"the names it has", {&created}, RENAME(TEXT("Ada"), TEXT("Lovelace")), .then = &nothing},
    {"the names it has got", {&created, &renamed}, RENAME(TEXT("Augusta"), TEXT("King")), .then = &nothing},
    {"the names it had",
     {&created, &renamed, &renamed_first, &renamed_last},
     RENAME(TEXT("Augusta"), TEXT("King")),
     .then = &renamed},
    {"change the names of nobody", {NULL}, RENAME(TEXT("Ada"), NOTHING), REFUSED(LUMIN_NOT_FOUND, 0, 0)},
    {"change the names of a deleted user",
     {&created, &deleted},
     RENAME(TEXT("Ada"), NOTHING),
     REFUSED(LUMIN_DELETED, USER_DELETED, 2)},
    {"no names are what a deleted user has",
     {&created, &deleted},
     RENAME(NOTHING, NOTHING),
     REFUSED(LUMIN_DELETED, USER_DELETED, 2)},

    {"change e-mail", {&created}, CHANGE_EMAIL(EMAIL("king@example.com")), .then = &email_changed},
    {"first e-mail", {&created_without_email}, CHANGE_EMAIL(EMAIL("king@example.com")), .then = &email_changed},
    {"the e-mail it has", {&created}, CHANGE_EMAIL(EMAIL("ada@example.com")), .then = &nothing},
    {"the e-mail it has got", {&created, &email_changed}, CHANGE_EMAIL(EMAIL("king@example.com")), .then = &nothing},
    {"another spelling",
     {&created},
     CHANGE_EMAIL({TEXT("Ada@example.com"), TEXT("ada@example.com")}),
     .then = &email_respelled},
    {"clear e-mail beside a phone", {&created}, CHANGE_EMAIL(NO_EMAIL), .then = &email_cleared},
    {"clear no e-mail", {&created_without_email}, CHANGE_EMAIL(NO_EMAIL), .then = &nothing},
    {"clear e-mail twice", {&created, &email_cleared}, CHANGE_EMAIL(NO_EMAIL), .then = &nothing},
    {"clear the only address",
     {&created_without_phone},
     CHANGE_EMAIL(NO_EMAIL),
     REFUSED(LUMIN_INVALID_ARGUMENT, 0, 0, .field = TEXT("email"),
             .allowed = TEXT("an address; empty only for a user with a phone"))},
    {"change the e-mail of nobody", {NULL}, CHANGE_EMAIL(EMAIL("king@example.com")), REFUSED(LUMIN_NOT_FOUND, 0, 0)},
    {"clear the e-mail of nobody", {NULL}, CHANGE_EMAIL(NO_EMAIL), REFUSED(LUMIN_NOT_FOUND, 0, 0)},
    {"clear the e-mail of a deleted user",
     {&created, &deleted},
     CHANGE_EMAIL(NO_EMAIL),
     REFUSED(LUMIN_DELETED, USER_DELETED, 2)},

    {"delete", {&created}, DELETE, .then = &deleted},
    {"delete a changed one", {&created, &renamed, &email_cleared}, DELETE, .then = &deleted},
    {"delete nobody", {NULL}, DELETE, REFUSED(LUMIN_NOT_FOUND, 0, 0)},
    {"delete twice", {&created, &deleted}, DELETE, REFUSED(LUMIN_DELETED, USER_DELETED, 2)},
};

static bool email_equal(struct email a, struct email b) {
  return span_equal(a.text, b.text) && span_equal(a.key, b.key);
}

static bool event_equal(const struct event *a, const struct event *b) {
  if (a->type != b->type || a->version != b->version || a->time_ns != b->time_ns)
    return false;
  switch (a->type) {
  case EVENT_USER_CREATED:
    return span_equal(a->user_created.first_name, b->user_created.first_name) &&
           span_equal(a->user_created.last_name, b->user_created.last_name) &&
           email_equal(a->user_created.email, b->user_created.email) &&
           span_equal(a->user_created.phone, b->user_created.phone);
  case EVENT_USERNAME_CHANGED:
    return span_equal(a->username_changed.first_name, b->username_changed.first_name) &&
           span_equal(a->username_changed.last_name, b->username_changed.last_name);
  case EVENT_EMAIL_CHANGED:
    return email_equal(a->email_changed.email, b->email_changed.email);
  case EVENT_NONE:
  case EVENT_USER_DELETED:
    return true;
  }
  return false;
}

// Event n at version n and 100 n nanoseconds.
static struct user fold(const struct event *const *events, size_t max) {
  struct user user = {.id = some_id};
  for (size_t i = 0; i < max && events[i]; i++) {
    struct event event = *events[i];
    event.version = i + 1;
    event.time_ns = 100 * (int64_t)(i + 1);
    user_apply(&user, &event);
  }
  return user;
}

static void expect_refusal(const struct scenario *s, const struct refusal *refusal) {
  cr_expect_eq(refusal->reason, s->refusal.reason, "%s", s->name);
  cr_expect_gt(refusal->message.len, 0, "%s", s->name);
  cr_expect(span_equal(refusal->field, s->refusal.field), "%s", s->name);
  cr_expect_eq(refusal->allowed.len > 0, s->refusal.field.len > 0, "%s", s->name);
  cr_expect(s->refusal.allowed.len == 0 || span_equal(refusal->allowed, s->refusal.allowed), "%s", s->name);
  cr_expect_eq(refusal->current_status, s->refusal.current_status, "%s", s->name);
  cr_expect_eq(refusal->current_version, s->refusal.current_version, "%s", s->name);
}

Test(user, scenarios) {
  for (size_t i = 0; i < COUNT(scenarios); i++) {
    const struct scenario *s = &scenarios[i];
    const struct user user = fold(s->given, COUNT(s->given));
    const struct event untouched = {EVENT_USER_CREATED, .version = 77, .time_ns = 78};
    struct event event = untouched;
    struct refusal refusal = {.reason = LUMIN_OK};
    enum lumin_status status = s->when.verb(&user, &s->when, &event, &refusal);
    cr_expect_eq(status, s->refusal.reason, "%s: %d", s->name, status);
    cr_expect(event_equal(&event, s->then ? s->then : &untouched), "%s: event %d", s->name, event.type);
    if (s->then)
      cr_expect_eq(refusal.reason, LUMIN_OK, "%s", s->name);
    else
      expect_refusal(s, &refusal);
  }
}

// The statuses that no event leads to yet are as living as PENDING.
Test(user, all_verbs_but_create_work_in_every_living_status) {
  for (enum user_status status = USER_PENDING; status < USER_DELETED; status++) {
    const struct event *const given[] = {&created};
    struct user user = fold(given, 1);
    user.status = status;
    const struct when whens[] = {RENAME(TEXT("X"), NOTHING), CHANGE_EMAIL(EMAIL("x@example.com")), DELETE};
    const enum event_type types[] = {EVENT_USERNAME_CHANGED, EVENT_EMAIL_CHANGED, EVENT_USER_DELETED};
    struct event event;
    struct refusal refusal;
    for (size_t i = 0; i < COUNT(whens); i++) {
      cr_expect_eq(whens[i].verb(&user, &whens[i], &event, &refusal), LUMIN_OK);
      cr_expect_eq(event.type, types[i]);
    }
    const struct when again = CREATE({TEXT("X"), NOTHING}, EMAIL("x@example.com"), NOTHING);
    cr_expect_eq(again.verb(&user, &again, &event, &refusal), LUMIN_ALREADY_EXISTS);
    cr_expect_eq(refusal.current_status, (int)status);
  }
}

static void expect_texts(const struct user *user, const char *first_name, const char *last_name, const char *email,
                         const char *phone) {
  cr_expect(span_equal(user->first_name, span_from_text(first_name)));
  cr_expect(span_equal(user->last_name, span_from_text(last_name)));
  cr_expect(span_equal(user->email.text, span_from_text(email)));
  cr_expect(span_equal(user_email_key(user), span_from_text(email)));
  cr_expect(span_equal(user_phone_key(user), span_from_text(phone)));
}

Test(user, fold_of_a_life) {
  const struct event *const life[] = {&created, &renamed, &email_changed};
  struct user user = fold(life, 1);
  cr_expect(uuid_equal(&user.id, &some_id));
  cr_expect_eq(user.version, 1);
  cr_expect_eq(user.status, USER_PENDING);
  cr_expect_eq(user.created_ns, 100);
  cr_expect_eq(user.updated_ns, 100);
  cr_expect_not(user.email_verified || user.phone_verified);
  expect_texts(&user, "Ada", "Lovelace", "ada@example.com", "+441234567");

  user = fold(life, 2);
  cr_expect_eq(user.version, 2);
  cr_expect_eq(user.status, USER_PENDING);
  cr_expect_eq(user.created_ns, 100);
  cr_expect_eq(user.updated_ns, 200);
  expect_texts(&user, "Augusta", "King", "ada@example.com", "+441234567");

  user = fold(life, 3);
  cr_expect_eq(user.version, 3);
  expect_texts(&user, "Augusta", "King", "king@example.com", "+441234567");
}

Test(user, a_changed_email_is_not_verified) {
  const struct event *const life[] = {&created};
  struct user user = fold(life, 1);
  user.email_verified = user.phone_verified = true;
  user_apply(&user, &renamed);
  cr_expect(user.email_verified && user.phone_verified);
  user_apply(&user, &email_changed);
  cr_expect_not(user.email_verified);
  cr_expect(user.phone_verified);
}

Test(user, fold_keeps_the_status_a_change_finds) {
  const struct event *const changes[] = {&renamed, &email_changed};
  for (size_t i = 0; i < COUNT(changes); i++) {
    struct user user = {.id = some_id, .version = 4, .status = USER_BLOCKED};
    user_apply(&user, changes[i]);
    cr_expect_eq(user.status, USER_BLOCKED);
  }
}

Test(user, delete_leaves_nothing_personal) {
  const struct event *const life[] = {&created};
  struct user user = fold(life, 1);
  user.email_verified = user.phone_verified = true;
  struct event event = deleted;
  event.version = 2;
  event.time_ns = 250;
  user_apply(&user, &event);
  const struct user expected = {
      .id = some_id, .version = 2, .status = USER_DELETED, .created_ns = 100, .updated_ns = 250};
  cr_expect(uuid_equal(&user.id, &expected.id));
  cr_expect_eq(user.version, expected.version);
  cr_expect_eq(user.status, expected.status);
  cr_expect_eq(user.created_ns, expected.created_ns);
  cr_expect_eq(user.updated_ns, expected.updated_ns);
  cr_expect_not(user.email_verified || user.phone_verified);
  expect_texts(&user, "", "", "", "");
}

Test(user, no_event_changes_nothing) {
  const struct event *const life[] = {&created, &renamed};
  struct user user = fold(life, 2);
  user_apply(&user, &nothing);
  cr_expect_eq(user.version, 2);
  cr_expect_eq(user.updated_ns, 200);
  expect_texts(&user, "Augusta", "King", "ada@example.com", "+441234567");
}

Test(user, event_names_are_of_the_list) {
  cr_expect_str_eq(event_name(EVENT_USER_CREATED), "user_created");
  cr_expect_str_eq(event_name(EVENT_USERNAME_CHANGED), "username_changed");
  cr_expect_str_eq(event_name(EVENT_EMAIL_CHANGED), "email_changed");
  cr_expect_str_eq(event_name(EVENT_USER_DELETED), "user_deleted");
  cr_expect_null(event_name(EVENT_NONE));
  cr_expect_null(event_name((enum event_type)1000));
}

Test(user, status_names) {
  static const char *const names[] = {"NONE", "PENDING", "ACTIVE", "DEACTIVATED", "BLOCKED", "DELETED", "UNKNOWN"};
  for (size_t i = 0; i < COUNT(names); i++)
    cr_expect_str_eq(user_status_name((enum user_status)i), names[i]);
}
