// SPDX-License-Identifier: MIT
// What a user says of itself, and its addresses: changes, confirmations, settings, and the fold of them.
#include "given.h"

VERB(create, user_create(user, &when->draft, event, refusal))
VERB(change_phone, user_change_phone(user, when->draft.phone, event, refusal))
VERB(change_bio, user_change_bio(user, when->draft.profile.bio, event, refusal))
VERB(change_birth_date, user_change_birth_date(user, when->draft.profile.birth_date, event, refusal))
VERB(change_avatar_url, user_change_avatar_url(user, when->draft.profile.avatar_url, event, refusal))
VERB(change_language_code, user_change_language_code(user, when->draft.profile.language_code, event, refusal))
VERB(change_privacy, user_change_privacy(user, when->draft.profile.privacy, event, refusal))
VERB(confirm_email, user_confirm_email(user, &when->draft.email, event, refusal))
VERB(confirm_phone, user_confirm_phone(user, when->draft.phone, event, refusal))

#define DEFAULTS                                                                                                       \
  {                                                                                                                    \
    { 3, 3, 2, 1, 1, 3 }                                                                                               \
  }
#define PROFILE(privacy_)                                                                                              \
  { TEXT("en"), TEXT("Counts."), TEXT("1915-12-10"), TEXT("https://example.com/ada.png"), privacy_ }
#define CHOSEN                                                                                                         \
  {                                                                                                                    \
    { 1, 2, 3, 1, 2, 3 }                                                                                               \
  }

static const struct event created = {
    EVENT_USER_CREATED,
    .user_created = {TEXT("Ada"), TEXT("Lovelace"), EMAIL("ada@example.com"), TEXT("+441234567"), PROFILE(CHOSEN)}};
static const struct event created_plain = {
    EVENT_USER_CREATED,
    .user_created = {TEXT("Ada"), NOTHING, EMAIL("ada@example.com"), NOTHING, {.privacy = DEFAULTS}}};
static const struct event created_by_phone = {
    EVENT_USER_CREATED, .user_created = {TEXT("Ada"), NOTHING, NO_EMAIL, TEXT("+441234567"), {.privacy = DEFAULTS}}};
static const struct event created_partly_chosen = {
    EVENT_USER_CREATED,
    .user_created = {TEXT("Ada"), NOTHING, EMAIL("ada@example.com"), NOTHING, {.privacy = {{1, 3, 2, 1, 1, 3}}}}};
static const struct event phone_changed = {EVENT_PHONE_CHANGED, .phone_changed = {TEXT("+4930123456")}};
static const struct event phone_cleared = {EVENT_PHONE_CHANGED, .phone_changed = {NOTHING}};
static const struct event email_changed = {EVENT_EMAIL_CHANGED, .email_changed = {EMAIL("king@example.com")}};
static const struct event email_respelled = {EVENT_EMAIL_CHANGED,
                                             .email_changed = {{TEXT("Ada@example.com"), TEXT("ada@example.com")}}};
static const struct event bio_changed = {EVENT_BIO_CHANGED, .bio_changed = {TEXT("Sings.")}};
static const struct event bio_cleared = {EVENT_BIO_CHANGED, .bio_changed = {NOTHING}};
static const struct event birth_date_changed = {EVENT_BIRTH_DATE_CHANGED, .birth_date_changed = {TEXT("1916-02-29")}};
static const struct event birth_date_cleared = {EVENT_BIRTH_DATE_CHANGED, .birth_date_changed = {NOTHING}};
static const struct event avatar_changed = {EVENT_AVATAR_URL_CHANGED,
                                            .avatar_url_changed = {TEXT("https://example.com/b")}};
static const struct event avatar_cleared = {EVENT_AVATAR_URL_CHANGED, .avatar_url_changed = {NOTHING}};
static const struct event language_changed = {EVENT_LANGUAGE_CODE_CHANGED, .language_code_changed = {TEXT("pt-BR")}};
static const struct event language_cleared = {EVENT_LANGUAGE_CODE_CHANGED, .language_code_changed = {NOTHING}};
static const struct event privacy_changed = {EVENT_PRIVACY_SETTINGS_CHANGED,
                                             .privacy_settings_changed = {{{3, 2, 3, 1, 2, 1}}}};
static const struct event email_confirmed = {EVENT_EMAIL_CONFIRMED, .email_confirmed = {EMAIL("ada@example.com")}};
static const struct event respelled_confirmed = {
    EVENT_EMAIL_CONFIRMED, .email_confirmed = {{TEXT("Ada@example.com"), TEXT("ada@example.com")}}};
static const struct event phone_confirmed = {EVENT_PHONE_CONFIRMED, .phone_confirmed = {TEXT("+441234567")}};

#define WHEN(verb_, ...)                                                                                               \
  {                                                                                                                    \
    .verb = verb_, .draft = { __VA_ARGS__ }                                                                            \
  }

static const struct scenario scenarios[] = {
    {"create with everything",
     {NULL},
     WHEN(create, .names = {TEXT("Ada"), TEXT("Lovelace")}, .email = EMAIL("ada@example.com"),
          .phone = TEXT("+441234567"), .profile = PROFILE(CHOSEN)),
     .then = &created},
    {"create without settings gets the defaults",
     {NULL},
     WHEN(create, .names = {TEXT("Ada"), NOTHING}, .email = EMAIL("ada@example.com")),
     .then = &created_plain},
    {"create with one setting gets the defaults for the others",
     {NULL},
     WHEN(create, .names = {TEXT("Ada"), NOTHING}, .email = EMAIL("ada@example.com"), .profile.privacy = {{1}}),
     .then = &created_partly_chosen},

    {"change phone", {&created}, WHEN(change_phone, .phone = TEXT("+4930123456")), .then = &phone_changed},
    {"first phone", {&created_plain}, WHEN(change_phone, .phone = TEXT("+4930123456")), .then = &phone_changed},
    {"the phone it has", {&created}, WHEN(change_phone, .phone = TEXT("+441234567")), .then = &nothing},
    {"clear phone beside an e-mail", {&created}, WHEN(change_phone, .phone = NOTHING), .then = &phone_cleared},
    {"clear no phone", {&created_plain}, WHEN(change_phone, .phone = NOTHING), .then = &nothing},
    {"clear the only address",
     {&created_by_phone},
     WHEN(change_phone, .phone = NOTHING),
     REFUSED(LUMIN_INVALID_ARGUMENT, 0, 0, .field = TEXT("phone"),
             .allowed = TEXT("a number; empty only for a user with an e-mail address"))},

    {"change bio", {&created}, WHEN(change_bio, .profile.bio = TEXT("Sings.")), .then = &bio_changed},
    {"the bio it has", {&created}, WHEN(change_bio, .profile.bio = TEXT("Counts.")), .then = &nothing},
    {"the bio it has got", {&created, &bio_changed}, WHEN(change_bio, .profile.bio = TEXT("Sings.")), .then = &nothing},
    {"clear bio", {&created}, WHEN(change_bio, .profile.bio = NOTHING), .then = &bio_cleared},
    {"clear no bio", {&created_plain}, WHEN(change_bio, .profile.bio = NOTHING), .then = &nothing},

    {"change birth date",
     {&created},
     WHEN(change_birth_date, .profile.birth_date = TEXT("1916-02-29")),
     .then = &birth_date_changed},
    {"the birth date it has",
     {&created},
     WHEN(change_birth_date, .profile.birth_date = TEXT("1915-12-10")),
     .then = &nothing},
    {"clear birth date",
     {&created},
     WHEN(change_birth_date, .profile.birth_date = NOTHING),
     .then = &birth_date_cleared},

    {"change avatar",
     {&created},
     WHEN(change_avatar_url, .profile.avatar_url = TEXT("https://example.com/b")),
     .then = &avatar_changed},
    {"the avatar it has",
     {&created},
     WHEN(change_avatar_url, .profile.avatar_url = TEXT("https://example.com/ada.png")),
     .then = &nothing},
    {"clear avatar", {&created}, WHEN(change_avatar_url, .profile.avatar_url = NOTHING), .then = &avatar_cleared},

    {"change language",
     {&created},
     WHEN(change_language_code, .profile.language_code = TEXT("pt-BR")),
     .then = &language_changed},
    {"the language it has",
     {&created},
     WHEN(change_language_code, .profile.language_code = TEXT("en")),
     .then = &nothing},
    {"clear language",
     {&created},
     WHEN(change_language_code, .profile.language_code = NOTHING),
     .then = &language_cleared},

    {"change two settings, the others stay",
     {&created},
     WHEN(change_privacy, .profile.privacy = {{3, 0, 0, 0, 0, 1}}),
     .then = &privacy_changed},
    {"change all settings",
     {&created},
     WHEN(change_privacy, .profile.privacy = {{3, 2, 3, 1, 2, 1}}),
     .then = &privacy_changed},
    {"the settings it has", {&created}, WHEN(change_privacy, .profile.privacy = CHOSEN), .then = &nothing},
    {"no setting", {&created}, WHEN(change_privacy, .profile.privacy = {{0}}), .then = &nothing},

    {"confirm e-mail", {&created}, WHEN(confirm_email, .email = EMAIL("ada@example.com")), .then = &email_confirmed},
    {"confirm e-mail in another spelling",
     {&created, &email_respelled},
     WHEN(confirm_email, .email = EMAIL("ada@example.com")),
     .then = &respelled_confirmed},
    {"confirm a confirmed e-mail",
     {&created, &email_confirmed},
     WHEN(confirm_email, .email = EMAIL("ada@example.com")),
     .then = &nothing},
    {"confirm the e-mail it had",
     {&created, &email_confirmed, &email_changed},
     WHEN(confirm_email, .email = EMAIL("ada@example.com")),
     REFUSED(LUMIN_INVALID_ARGUMENT, 0, 0, .field = TEXT("email"))},
    {"confirm another e-mail when its own is confirmed",
     {&created, &email_confirmed},
     WHEN(confirm_email, .email = EMAIL("king@example.com")),
     REFUSED(LUMIN_INVALID_ARGUMENT, 0, 0, .field = TEXT("email"))},
    {"confirm an e-mail where it has none",
     {&created_by_phone},
     WHEN(confirm_email, .email = EMAIL("ada@example.com")),
     REFUSED(LUMIN_INVALID_ARGUMENT, 0, 0, .field = TEXT("email"))},
    {"confirm phone", {&created}, WHEN(confirm_phone, .phone = TEXT("+441234567")), .then = &phone_confirmed},
    {"confirm a confirmed phone",
     {&created, &phone_confirmed},
     WHEN(confirm_phone, .phone = TEXT("+441234567")),
     .then = &nothing},
    {"confirm the phone it had",
     {&created, &phone_changed},
     WHEN(confirm_phone, .phone = TEXT("+441234567")),
     REFUSED(LUMIN_INVALID_ARGUMENT, 0, 0, .field = TEXT("phone"))},
};

Test(user_profile, scenarios) {
  for (size_t i = 0; i < COUNT(scenarios); i++)
    expect_scenario(&scenarios[i]);
}

Test(user_profile, fold_of_every_change) {
  const struct event *const lives[][5] = {
      {&created, &bio_changed, &birth_date_changed, &avatar_changed, &language_changed},
      {&created, &privacy_changed, &phone_changed, &email_changed},
      {&created, &bio_cleared, &birth_date_cleared, &avatar_cleared, &language_cleared},
  };
  struct user user = fold(lives[0], 5);
  const struct profile changed = {TEXT("pt-BR"), TEXT("Sings."), TEXT("1916-02-29"), TEXT("https://example.com/b"),
                                  CHOSEN};
  cr_expect(profile_equal(&user.profile, &changed));
  user = fold(lives[1], 5);
  const struct profile private = PROFILE(privacy_changed.privacy_settings_changed.privacy);
  cr_expect(profile_equal(&user.profile, &private));
  cr_expect(span_equal(user_phone_key(&user), SPAN_LITERAL("+4930123456")));
  cr_expect(span_equal(user_email_key(&user), SPAN_LITERAL("king@example.com")));
  user = fold(lives[2], 5);
  const struct profile empty = {.privacy = CHOSEN};
  cr_expect(profile_equal(&user.profile, &empty));
}

Test(user_profile, a_changed_address_is_not_verified) {
  const struct event *const life[] = {&created, &email_confirmed, &phone_confirmed, &email_respelled, &phone_changed};
  struct user user = fold(life, 3);
  cr_expect(user.email_verified && user.phone_verified);
  user = fold(life, 4);
  cr_expect(!user.email_verified && user.phone_verified);
  user = fold(life, 5);
  cr_expect(!user.email_verified && !user.phone_verified);
}

// Those are from before there were settings.
Test(user_profile, a_created_event_without_settings_folds_to_the_defaults) {
  const struct event old = {EVENT_USER_CREATED,
                            .user_created = {.first_name = TEXT("Ada"), .email = EMAIL("ada@example.com")}};
  const struct event *const life[] = {&old};
  struct user user = fold(life, 1);
  const struct profile expected = {.privacy = DEFAULTS};
  cr_expect(profile_equal(&user.profile, &expected));
}

// The migration gives this number to the users it finds.
Test(user_profile, settings_as_a_number) {
  cr_expect_eq(privacy_pack(privacy_default), 3439);
  for (uint32_t packed = 0; packed < 1U << (2 * PRIVACY_FIELDS); packed++)
    cr_assert_eq(privacy_pack(privacy_unpack(packed)), packed);
}
