// SPDX-License-Identifier: MIT
// The User aggregate: given events, when a verb, then an event, no event, or a refusal. And the fold (guarantee 6).
#include "given.h"

// Facts.
#define DEFAULTS                                                                                                       \
  {                                                                                                                    \
    .privacy = { {3, 3, 2, 1, 1, 3} }                                                                                  \
  }
static const struct event created = {
    EVENT_USER_CREATED,
    .user_created = {TEXT("Ada"), TEXT("Lovelace"), EMAIL("ada@example.com"), TEXT("+441234567"), DEFAULTS}};
static const struct event created_without_phone = {
    EVENT_USER_CREATED, .user_created = {TEXT("Ada"), TEXT("Lovelace"), EMAIL("ada@example.com"), NOTHING, DEFAULTS}};
static const struct event created_without_email = {
    EVENT_USER_CREATED, .user_created = {TEXT("Ada"), NOTHING, NO_EMAIL, TEXT("+441234567"), DEFAULTS}};
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

VERB(create, user_create(user, &when->draft, event, refusal))
VERB(change_username, user_change_username(user, &when->draft.names, event, refusal))
VERB(change_email, user_change_email(user, &when->draft.email, event, refusal))
VERB(delete, user_delete(user, event, refusal))

#define NAMES(first, last)                                                                                             \
  { first, last }
#define CREATE(names_, email_, phone_)                                                                                 \
  {                                                                                                                    \
    .verb = create, .draft = {.names = names_, .email = email_, .phone = phone_ }                                      \
  }
#define RENAME(first, last)                                                                                            \
  {                                                                                                                    \
    .verb = change_username, .draft.names = { first, last }                                                            \
  }
#define CHANGE_EMAIL(...)                                                                                              \
  { .verb = change_email, .draft.email = __VA_ARGS__ }
#define DELETE                                                                                                         \
  { .verb = delete }

static const struct scenario scenarios[] = {
    {"create",
     {NULL},
     CREATE(NAMES(TEXT("Ada"), TEXT("Lovelace")), EMAIL("ada@example.com"), TEXT("+441234567")),
     .then = &created},
    {"create with an e-mail only",
     {NULL},
     CREATE(NAMES(TEXT("Ada"), TEXT("Lovelace")), EMAIL("ada@example.com"), NOTHING),
     .then = &created_without_phone},
    {"create with a phone only",
     {NULL},
     CREATE(NAMES(TEXT("Ada"), NOTHING), NO_EMAIL, TEXT("+441234567")),
     .then = &created_without_email},
    {"create with neither",
     {NULL},
     CREATE(NAMES(TEXT("Ada"), NOTHING), NO_EMAIL, NOTHING),
     REFUSED(LUMIN_INVALID_ARGUMENT, 0, 0, .field = TEXT("email"))},
    {"create twice",
     {&created, &renamed},
     CREATE(NAMES(TEXT("Ada"), NOTHING), EMAIL("x@example.com"), NOTHING),
     REFUSED(LUMIN_ALREADY_EXISTS, USER_PENDING, 2)},
    {"create once more, the same",
     {&created},
     CREATE(NAMES(TEXT("Ada"), TEXT("Lovelace")), EMAIL("ada@example.com"), TEXT("+441234567")),
     REFUSED(LUMIN_ALREADY_EXISTS, USER_PENDING, 1)},
    {"create with the id of a deleted user",
     {&created, &renamed, &deleted},
     CREATE(NAMES(TEXT("Ada"), NOTHING), EMAIL("x@example.com"), NOTHING),
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

Test(user, scenarios) {
  for (size_t i = 0; i < COUNT(scenarios); i++)
    expect_scenario(&scenarios[i]);
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
  cr_expect_str_eq(event_name(EVENT_USER_DELETED), "user_deleted");
  cr_expect_str_eq(event_name(EVENT_PRIVACY_SETTINGS_CHANGED), "privacy_settings_changed");
  cr_expect_str_eq(event_name(EVENT_PROFILE_VIEWED), "profile_viewed");
  cr_expect_null(event_name(EVENT_NONE));
  cr_expect_null(event_name((enum event_type)1000));
}

Test(user, status_names) {
  static const char *const names[] = {"NONE", "PENDING", "ACTIVE", "DEACTIVATED", "BLOCKED", "DELETED", "UNKNOWN"};
  for (size_t i = 0; i < COUNT(names); i++)
    cr_expect_str_eq(user_status_name((enum user_status)i), names[i]);
}
