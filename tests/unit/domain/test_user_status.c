// SPDX-License-Identifier: MIT
// The table of commands and statuses, every verb in every status; blocks and their ends; and that each status is one
// that events lead to.
#include "given.h"

#define END_NS 1000

VERB(create, user_create(user, &when->draft, event, refusal))
VERB(activate, user_activate(user, event, refusal))
VERB(deactivate, user_deactivate(user, event, refusal))
VERB(block, user_block(user, &when->block, event, refusal))
VERB(delete, user_delete(user, event, refusal))
VERB(change_username, user_change_username(user, &when->draft.names, event, refusal))
VERB(change_email, user_change_email(user, &when->draft.email, event, refusal))
VERB(change_phone, user_change_phone(user, when->draft.phone, event, refusal))
VERB(change_bio, user_change_bio(user, when->draft.profile.bio, event, refusal))
VERB(change_birth_date, user_change_birth_date(user, when->draft.profile.birth_date, event, refusal))
VERB(change_avatar_url, user_change_avatar_url(user, when->draft.profile.avatar_url, event, refusal))
VERB(change_language_code, user_change_language_code(user, when->draft.profile.language_code, event, refusal))
VERB(change_privacy, user_change_privacy(user, when->draft.profile.privacy, event, refusal))
VERB(confirm_email, user_confirm_email(user, &when->draft.email, event, refusal))
VERB(confirm_phone, user_confirm_phone(user, when->draft.phone, event, refusal))
VERB(record_profile_view, user_record_profile_view(user, &when->viewer_id, event, refusal))

static const struct event created = {EVENT_USER_CREATED, .user_created = {TEXT("Ada"),
                                                                          TEXT("Lovelace"),
                                                                          EMAIL("ada@example.com"),
                                                                          TEXT("+441234567"),
                                                                          {.language_code = TEXT("en"),
                                                                           .bio = TEXT("x"),
                                                                           .birth_date = TEXT("1915-12-10"),
                                                                           .avatar_url = TEXT("https://example.com/a"),
                                                                           .privacy = {{1, 1, 1, 1, 1, 1}}}}};
static const struct event activated = {EVENT_USER_ACTIVATED, .version = 0};
static const struct event deactivated = {EVENT_USER_DEACTIVATED, .version = 0};
static const struct event blocked = {EVENT_USER_BLOCKED, .user_blocked = {TEXT("spam"), 0}};
static const struct event blocked_until = {EVENT_USER_BLOCKED, .user_blocked = {TEXT("spam"), END_NS}};
static const struct event bio_changed = {EVENT_BIO_CHANGED, .bio_changed = {TEXT("y")}};
static const struct event viewed = {EVENT_PROFILE_VIEWED, .profile_viewed = {{{7}}}};
static const struct event deleted = {EVENT_USER_DELETED, .version = 0};

// The lives that lead to each status.
static const struct {
  enum user_status status;
  const struct event *events[4];
} lives[] = {
    {USER_NONE, {NULL}},
    {USER_PENDING, {&created}},
    {USER_ACTIVE, {&created, &activated}},
    {USER_DEACTIVATED, {&created, &activated, &deactivated}},
    {USER_BLOCKED, {&created, &activated, &blocked}},
    {USER_DELETED, {&created, &activated, &deleted}},
};

// One row a command: what it comes to in each status of `lives`. E: its event. Refusals: N not found, X already exists,
// D deleted, I invalid state.
static const struct {
  const char *name;
  struct when when;
  const char *ends; // NONE, PENDING, ACTIVE, DEACTIVATED, BLOCKED, DELETED
  enum event_type event;
  enum user_status to; // NONE: stays
} table[] = {
    {"create",
     {.verb = create, .draft = {.names = {TEXT("Ada"), NOTHING}, .phone = TEXT("+441234567")}},
     "EXXXXD",
     EVENT_USER_CREATED,
     USER_PENDING},
    {"activate", {.verb = activate}, "NEIEED", EVENT_USER_ACTIVATED, USER_ACTIVE},
    {"deactivate", {.verb = deactivate}, "NEEIID", EVENT_USER_DEACTIVATED, USER_DEACTIVATED},
    {"block", {.verb = block, .block = {TEXT("spam"), 0}}, "NEEEID", EVENT_USER_BLOCKED, USER_BLOCKED},
    {"delete", {.verb = delete}, "NEEEED", EVENT_USER_DELETED, USER_DELETED},
    {"change_username",
     {.verb = change_username, .draft.names = {TEXT("Eve"), NOTHING}},
     "NEEEED",
     EVENT_USERNAME_CHANGED,
     USER_NONE},
    {"change_email",
     {.verb = change_email, .draft.email = EMAIL("eve@example.com")},
     "NEEEED",
     EVENT_EMAIL_CHANGED,
     USER_NONE},
    {"change_phone",
     {.verb = change_phone, .draft.phone = TEXT("+49301234567")},
     "NEEEED",
     EVENT_PHONE_CHANGED,
     USER_NONE},
    {"change_bio", {.verb = change_bio, .draft.profile.bio = TEXT("z")}, "NEEEED", EVENT_BIO_CHANGED, USER_NONE},
    {"change_birth_date",
     {.verb = change_birth_date, .draft.profile.birth_date = TEXT("1916-01-01")},
     "NEEEED",
     EVENT_BIRTH_DATE_CHANGED,
     USER_NONE},
    {"change_avatar_url",
     {.verb = change_avatar_url, .draft.profile.avatar_url = NOTHING},
     "NEEEED",
     EVENT_AVATAR_URL_CHANGED,
     USER_NONE},
    {"change_language_code",
     {.verb = change_language_code, .draft.profile.language_code = TEXT("de")},
     "NEEEED",
     EVENT_LANGUAGE_CODE_CHANGED,
     USER_NONE},
    {"change_privacy_settings",
     {.verb = change_privacy, .draft.profile.privacy = {{3}}},
     "NEEEED",
     EVENT_PRIVACY_SETTINGS_CHANGED,
     USER_NONE},
    {"confirm_email",
     {.verb = confirm_email, .draft.email = EMAIL("ada@example.com")},
     "NEEEED",
     EVENT_EMAIL_CONFIRMED,
     USER_NONE},
    {"confirm_phone",
     {.verb = confirm_phone, .draft.phone = TEXT("+441234567")},
     "NEEEED",
     EVENT_PHONE_CONFIRMED,
     USER_NONE},
    {"record_profile_view",
     {.verb = record_profile_view, .viewer_id = {{9}}},
     "NIEIID",
     EVENT_PROFILE_VIEWED,
     USER_NONE},
};

static enum lumin_status end_status(char end) {
  switch (end) {
  case 'E':
    return LUMIN_OK;
  case 'N':
    return LUMIN_NOT_FOUND;
  case 'X':
    return LUMIN_ALREADY_EXISTS;
  case 'D':
    return LUMIN_DELETED;
  default:
    return LUMIN_INVALID_STATE;
  }
}

Test(user_status, lives_lead_to_each) {
  for (size_t i = 0; i < COUNT(lives); i++)
    cr_expect_eq(fold(lives[i].events, COUNT(lives[i].events)).status, lives[i].status, "life %zu", i);
}

Test(user_status, every_command_in_every_status) {
  for (size_t i = 0; i < COUNT(table); i++)
    for (size_t j = 0; j < COUNT(lives); j++) {
      struct user user = fold(lives[j].events, COUNT(lives[j].events));
      struct event event = nothing;
      struct refusal refusal = {.reason = LUMIN_OK};
      enum lumin_status expected = end_status(table[i].ends[j]);
      enum lumin_status status = table[i].when.verb(&user, &table[i].when, &event, &refusal);
      cr_expect_eq(status, expected, "%s in %s: %s", table[i].name, user_status_name(lives[j].status),
                   status_name(status));
      cr_expect_eq(event.type, expected == LUMIN_OK ? table[i].event : EVENT_NONE);
      cr_expect_eq(refusal.reason, expected);
      if (expected != LUMIN_OK) {
        cr_expect_eq(refusal.current_status, (int)(expected == LUMIN_NOT_FOUND ? USER_NONE : lives[j].status));
        cr_expect_eq(refusal.current_version, user.version);
        continue;
      }
      event.version = user.version + 1;
      event.time_ns = user.updated_ns + 1;
      user_apply(&user, &event);
      cr_expect_eq(user.status, table[i].to == USER_NONE ? lives[j].status : table[i].to, "%s in %s leads to %s",
                   table[i].name, user_status_name(lives[j].status), user_status_name(user.status));
    }
}

// Every event's fold keeps the status, if it is not there to change it.
Test(user_status, a_block_keeps_the_status_before_it) {
  for (size_t j = 1; j < 4; j++) {
    struct user user = fold(lives[j].events, COUNT(lives[j].events));
    struct event event = blocked_until;
    event.version = user.version + 1;
    event.time_ns = END_NS - 1;
    user_apply(&user, &event);
    cr_expect_eq(user.status, USER_BLOCKED);
    cr_expect_eq(user.status_before_block, lives[j].status);
    cr_expect_eq(user.blocked_until_ns, END_NS);
    cr_expect(span_equal(user.block_reason, SPAN_LITERAL("spam")));

    struct user before = user_at(&user, END_NS - 1), after = user_at(&user, END_NS), later = user_at(&user, INT64_MAX);
    cr_expect(user_equal(&before, &user), "not ended yet");
    cr_expect_eq(after.status, lives[j].status);
    cr_expect_eq(after.status_before_block, USER_NONE);
    cr_expect_eq(after.blocked_until_ns, 0);
    cr_expect_eq(after.block_reason.len, 0);
    cr_expect_eq(after.version, user.version, "no event ended it");
    cr_expect_eq(after.updated_ns, user.updated_ns);
    cr_expect(user_equal(&after, &later));
  }
}

Test(user_status, a_block_without_end_has_none) {
  struct user user = fold(lives[4].events, COUNT(lives[4].events));
  struct user later = user_at(&user, INT64_MAX);
  cr_expect(user_equal(&user, &later));
}

// The next event after the end folds on the status before the block; one before the end leaves the block as it is.
Test(user_status, the_first_event_behind_the_end_forgets_the_block) {
  const struct event *const life[] = {&created, &activated, &blocked_until};
  for (int64_t time = END_NS - 1; time <= END_NS; time++) {
    struct user user = fold(life, 3);
    struct event event = bio_changed;
    event.version = 4;
    event.time_ns = time;
    user_apply(&user, &event);
    cr_expect_eq(user.status, time < END_NS ? USER_BLOCKED : USER_ACTIVE);
    cr_expect_eq(user.status_before_block, time < END_NS ? USER_ACTIVE : USER_NONE);
    cr_expect_eq(user.block_reason.len, time < END_NS ? 4 : 0);
    cr_expect_eq(user.blocked_until_ns, time < END_NS ? END_NS : 0);
    cr_expect(span_equal(user.profile.bio, SPAN_LITERAL("y")));
  }
}

// Ended and blocked again: the status before is the true one, not BLOCKED.
Test(user_status, a_second_block_after_the_end_of_the_first) {
  const struct event *const life[] = {&created, &activated, &blocked_until};
  struct user user = fold(life, 3);
  struct event event = blocked;
  event.version = 4;
  event.time_ns = END_NS + 1;
  user_apply(&user, &event);
  cr_expect_eq(user.status, USER_BLOCKED);
  cr_expect_eq(user.status_before_block, USER_ACTIVE);
  cr_expect_eq(user.blocked_until_ns, 0);
}

Test(user_status, activation_ends_a_block) {
  const struct event *const life[] = {&created, &blocked_until, &activated};
  struct user user = fold(life, 3);
  cr_expect_eq(user.status, USER_ACTIVE);
  cr_expect_eq(user.status_before_block, USER_NONE);
  cr_expect_eq(user.block_reason.len, 0);
  cr_expect_eq(user.blocked_until_ns, 0);
}

Test(user_status, views_are_counted) {
  const struct event *const life[] = {&created, &activated, &viewed, &viewed, &viewed};
  struct user user = fold(life, 5);
  cr_expect_eq(user.profile_views, 3);
  cr_expect_eq(user.version, 5);
  cr_expect_eq(user.updated_ns, 500);
}

Test(user_status, delete_leaves_nothing_personal) {
  const struct event *const lives_to_end[][5] = {
      {&created, &activated, &viewed, &blocked_until, &deleted},
      {&created, &blocked, &bio_changed, &deleted},
      {&created, &activated, &deactivated, &deleted},
  };
  for (size_t i = 0; i < COUNT(lives_to_end); i++) {
    struct user user = fold(lives_to_end[i], 5);
    struct user expected = {.id = some_id,
                            .version = i == 0 ? 5 : 4,
                            .status = USER_DELETED,
                            .created_ns = 100,
                            .updated_ns = i == 0 ? 500 : 400};
    cr_expect(user_equal(&user, &expected), "life %zu", i);
  }
}
