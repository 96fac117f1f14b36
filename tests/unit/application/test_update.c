// SPDX-License-Identifier: MIT
// update and upsert through the whole pipeline: which events, all or none, whose the claims are, and what a mask may
// name.
#include "rig.h"

#include "../domain/event_equal.h"

typedef Lumin__User__V1__Update update_message;

static char *mutable_text(const char *text) { return (char *)(uintptr_t)text; }

// A mask of up to eight paths.
struct mask {
  Google__Protobuf__FieldMask message;
  char *paths[9];
};

static void mask_fill(struct mask *mask, const char *const *paths) {
  google__protobuf__field_mask__init(&mask->message);
  for (size_t i = 0; paths[i]; i++) {
    mask->paths[i] = mutable_text(paths[i]);
    mask->message.n_paths = i + 1;
  }
  mask->message.paths = mask->paths;
}

#define CREATED(number, mail)                                                                                          \
  { METHOD_create, (number), "Ada", .email = (mail), .phone = "+4930123456", APPLIED(1) }

static const struct updated {
  const char *name;
  const char *mask[9];
  const char *first_name, *last_name, *email, *phone, *language_code, *bio, *birth_date, *avatar_url;
  uint8_t privacy[PRIVACY_FIELDS];
  enum event_type events[9]; // empty: UNCHANGED, or refused:
  const char *field;
} cases[] = {
    {"one field", {"bio"}, .bio = "Sings.", .events = {EVENT_BIO_CHANGED}},
    {"what the mask does not name is not looked at",
     {"bio"},
     .bio = "Sings.",
     .first_name = "\n",
     .email = "nonsense",
     .events = {EVENT_BIO_CHANGED}},
    {"everything, in one order whatever the mask's",
     {"privacy_settings", "avatar_url", "birth_date", "bio", "language_code", "phone", "email", "last_name"},
     .last_name = "King",
     .email = "king@example.com",
     .phone = "+4930123457",
     .language_code = "DE",
     .bio = "Sings.",
     .birth_date = "1915-12-10",
     .avatar_url = "https://example.com/a",
     .privacy = {1, 1, 1, 1, 1, 1},
     .events = {EVENT_USERNAME_CHANGED, EVENT_EMAIL_CHANGED, EVENT_PHONE_CHANGED, EVENT_LANGUAGE_CODE_CHANGED,
                EVENT_BIO_CHANGED, EVENT_BIRTH_DATE_CHANGED, EVENT_AVATAR_URL_CHANGED, EVENT_PRIVACY_SETTINGS_CHANGED}},
    {"a path twice is once", {"bio", "bio"}, .bio = "Sings.", .events = {EVENT_BIO_CHANGED}},
    {"the first name alone keeps the last", {"first_name"}, .first_name = "Eve", .events = {EVENT_USERNAME_CHANGED}},
    {"one setting alone",
     {"privacy_settings.bio"},
     .privacy = {1, 1, 1, 3, 1, 1},
     .events = {EVENT_PRIVACY_SETTINGS_CHANGED}},
    {"a setting that is named and not given stays", {"privacy_settings.bio"}, .events = {EVENT_NONE}},
    {"settings as they are", {"privacy_settings"}, .privacy = {3, 3, 2, 1, 1, 3}, .events = {EVENT_NONE}},
    {"the values it has",
     {"first_name", "email", "phone", "bio"},
     .first_name = "Ada",
     .email = "a@example.com",
     .phone = "+49 30 123456",
     .events = {EVENT_NONE}},
    {"some of it is news",
     {"first_name", "email", "bio"},
     .first_name = "Ada",
     .email = "e@example.com",
     .events = {EVENT_EMAIL_CHANGED}},
    {"the address that comes goes before the one that is cleared",
     {"email", "phone"},
     .phone = "+4930123457",
     .events = {EVENT_PHONE_CHANGED, EVENT_EMAIL_CHANGED}},
    {"and the other way round",
     {"email", "phone"},
     .email = "e@example.com",
     .events = {EVENT_EMAIL_CHANGED, EVENT_PHONE_CHANGED}},
    {"both addresses cleared", {"email", "phone"}, .field = "email"},
    {"a bad value after good ones",
     {"bio", "avatar_url"},
     .bio = "Sings.",
     .avatar_url = "http://x",
     .field = "avatar_url"},
    {"a bad birth date", {"birth_date"}, .birth_date = "2023-11-16", .field = "birth_date"}, // the day after
    {"a bad language", {"language_code"}, .language_code = "d", .field = "language_code"},
    {"a bad bio", {"bio"}, .bio = "\x07", .field = "bio"},
    {"a bad phone", {"phone"}, .phone = "1", .field = "phone"},
    {"no first name", {"first_name"}, .field = "first_name"},
    {"a bad setting", {"privacy_settings"}, .privacy = {[PRIVACY_AVATAR] = 4}, .field = "privacy_settings.avatar"},
    {"a bad setting that is not meant",
     {"privacy_settings.bio"},
     .privacy = {[PRIVACY_AVATAR] = 4, [PRIVACY_BIO] = 2},
     .events = {EVENT_PRIVACY_SETTINGS_CHANGED}},
    {"an empty mask", {NULL}, .bio = "Sings.", .field = "update_mask"},
    {"an unknown path", {"bio", "nickname"}, .bio = "Sings.", .field = "update_mask.nickname"},
    {"a path below a text", {"bio.text"}, .field = "update_mask.bio.text"},
    {"a setting that is none", {"privacy_settings.name"}, .field = "update_mask.privacy_settings.name"},
    {"what no update changes", {"status"}, .field = "update_mask.status"},
    {"the user id", {"user_id"}, .field = "update_mask.user_id"},
    {"JSON's names are JSON's", {"firstName"}, .first_name = "Eve", .field = "update_mask.firstName"},
    {"a star", {"*"}, .field = "update_mask"},
    {"an empty path", {""}, .field = "update_mask"},
    {"what is no path is not given back", {"ada@example.com"}, .field = "update_mask"},
};

static const char *text_or_none(const char *text) { return text ? text : ""; }

static void update_fill(const struct updated *c, struct mask *mask, Lumin__User__V1__PrivacySettings *settings,
                        update_message *update) {
  lumin__user__v1__update__init(update);
  lumin__user__v1__privacy_settings__init(settings);
  mask_fill(mask, c->mask);
  update->update_mask = &mask->message;
  update->first_name = mutable_text(text_or_none(c->first_name));
  update->last_name = mutable_text(text_or_none(c->last_name));
  update->email = mutable_text(text_or_none(c->email));
  update->phone = mutable_text(text_or_none(c->phone));
  update->language_code = mutable_text(text_or_none(c->language_code));
  update->bio = mutable_text(text_or_none(c->bio));
  update->birth_date = mutable_text(text_or_none(c->birth_date));
  update->avatar_url = mutable_text(text_or_none(c->avatar_url));
  settings->email = c->privacy[PRIVACY_EMAIL];
  settings->phone = c->privacy[PRIVACY_PHONE];
  settings->birth_date = c->privacy[PRIVACY_BIRTH_DATE];
  settings->bio = c->privacy[PRIVACY_BIO];
  settings->avatar = c->privacy[PRIVACY_AVATAR];
  settings->profile_views = c->privacy[PRIVACY_PROFILE_VIEWS];
  update->privacy_settings = settings;
}

static const struct outcome *outcome_of(const struct rig *rig, uint64_t seq) {
  for (size_t i = 0; i < rig->fake->tables.outcome_count; i++)
    if (rig->fake->tables.outcomes[i].stream_seq == seq)
      return &rig->fake->tables.outcomes[i];
  return NULL;
}

Test(update, table) {
  for (size_t i = 0; i < COUNT(cases); i++) {
    const struct updated *c = &cases[i];
    struct mask mask;
    Lumin__User__V1__PrivacySettings settings;
    update_message update;
    update_fill(c, &mask, &settings, &update);
    size_t events = 0;
    while (c->events[events])
      events++;
    struct step steps[] = {CREATED(1, "a@example.com"), {METHOD_update, 1, .message = &update.base}};
    steps[1].status = c->field ? OUTCOME_REJECTED : events > 0 ? OUTCOME_APPLIED : OUTCOME_UNCHANGED;
    steps[1].reason = c->field ? LUMIN_INVALID_ARGUMENT : LUMIN_OK;
    steps[1].version = 1 + events;
    struct rig *rig = rig_plain();
    rig_expect(rig, steps, 1);
    rig_expect(rig, steps + 1, 1);
    const struct fake_tables *tables = &rig->fake->tables;
    cr_expect_eq(tables->event_count, 1 + events, "%s: %zu events", c->name, tables->event_count);
    for (size_t j = 0; j < events && j + 1 < tables->event_count; j++) {
      cr_expect_eq(tables->events[1 + j].type, c->events[j], "%s: event %zu is %s", c->name, j,
                   event_name(tables->events[1 + j].type));
      cr_expect(uuid_equal(&tables->events[1 + j].command_id, &tables->events[1].command_id), "of one command");
    }
    const struct outcome *outcome = outcome_of(rig, rig->seq);
    cr_assert(outcome);
    cr_expect(span_equal(outcome->refusal.field, span_from_text(c->field)), "%s: field '%.*s'", c->name,
              SPAN_ARGS(outcome->refusal.field));
    cr_expect_eq(tables->user_count, 1);
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

// One name is taken: nothing of the update happens, and what it would have freed is not free.
Test(update, all_or_none_where_an_address_is_taken) {
  struct mask mask;
  Lumin__User__V1__PrivacySettings settings;
  update_message update;
  const struct updated c = {
      .mask = {"first_name", "email", "phone"}, .first_name = "Eve", .email = "b@example.com", .phone = "+4930999999"};
  update_fill(&c, &mask, &settings, &update);
  for (int together = 0; together < 2; together++) {
    struct rig *rig = rig_plain();
    const struct step steps[] = {
        CREATED(1, "a@example.com"),
        {METHOD_create, 2, "Bob", .email = "b@example.com", APPLIED(1)},
        {METHOD_update, 1, .message = &update.base, REFUSED(EMAIL_TAKEN, 1)},
        {METHOD_create, 3, "Cy", .phone = "+4930123456", REFUSED(PHONE_TAKEN, 0)},
        {METHOD_create, 4, "Di", .phone = "+4930999999", APPLIED(1)},
        {METHOD_delete, 2, APPLIED(2)},
        {METHOD_delete, 4, APPLIED(2)},
        {METHOD_update, 1, .message = &update.base, APPLIED(4)},
        {METHOD_create, 5, "Em", .phone = "+4930123456", APPLIED(1)},
    };
    if (together)
      rig_expect(rig, steps, COUNT(steps));
    for (size_t i = 0; i < COUNT(steps) && !together; i++)
      rig_expect(rig, &steps[i], 1);
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

Test(update, in_every_status_of_the_user) {
  struct mask mask;
  Lumin__User__V1__PrivacySettings settings;
  update_message update;
  const struct updated c = {.mask = {"bio"}, .bio = "Sings."};
  update_fill(&c, &mask, &settings, &update);
  struct rig *rig = rig_plain();
  const struct step steps[] = {
      {METHOD_update, 1, .message = &update.base, REFUSED(NOT_FOUND, 0)},
      CREATED(1, "a@example.com"),
      {METHOD_update, 1, .message = &update.base, .expected = "7", REFUSED(VERSION_MISMATCH, 1)},
      {METHOD_update, 1, .message = &update.base, .expected = "1", APPLIED(2)},
      {METHOD_update, 1, .message = &update.base, .status = OUTCOME_UNCHANGED, .version = 2},
      {METHOD_delete, 1, APPLIED(3)},
      {METHOD_update, 1, .message = &update.base, REFUSED(DELETED, 3)},
  };
  for (size_t i = 0; i < COUNT(steps); i++)
    rig_expect(rig, &steps[i], 1);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// Many events a command: a batch of them is no reason to cut the batch.
Test(update, a_batch_of_large_ones_stays_whole) {
  enum { USERS = 64 };
  struct rig *rig = rig_plain();
  struct mask mask;
  Lumin__User__V1__PrivacySettings settings;
  update_message update;
  const struct updated c = {
      .mask = {"last_name", "language_code", "bio", "birth_date", "avatar_url", "privacy_settings"},
      .last_name = "King",
      .language_code = "de",
      .bio = "Sings.",
      .birth_date = "1915-12-10",
      .avatar_url = "https://example.com",
      .privacy = {1}};
  update_fill(&c, &mask, &settings, &update);
  struct step steps[2 * USERS];
  static char emails[USERS][32];
  for (unsigned i = 0; i < USERS; i++) {
    (void)snprintf(emails[i], sizeof emails[i], "u%u@example.com", i);
    steps[i] = (struct step){METHOD_create, i + 1, "Ada", .email = emails[i], APPLIED(1)};
    steps[USERS + i] = (struct step){METHOD_update, i + 1, .message = &update.base, APPLIED(7)};
  }
  rig_expect(rig, steps, COUNT(steps));
  cr_expect_eq(rig->fake->records, 1, "one transaction");
  cr_expect_eq(rig->fake->tables.event_count, 7 * USERS);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// ---- upsert

Test(upsert, creates_updates_and_leaves_what_is_not_given) {
  Lumin__User__V1__Upsert first = LUMIN__USER__V1__UPSERT__INIT, second = LUMIN__USER__V1__UPSERT__INIT,
                          nothing = LUMIN__USER__V1__UPSERT__INIT, nameless = LUMIN__USER__V1__UPSERT__INIT,
                          bad = LUMIN__USER__V1__UPSERT__INIT;
  Lumin__User__V1__PrivacySettings settings = LUMIN__USER__V1__PRIVACY_SETTINGS__INIT;
  first.first_name = mutable_text("Ada");
  first.email = mutable_text("a@example.com");
  first.bio = mutable_text("Counts.");
  second.last_name = mutable_text("King");
  second.phone = mutable_text("+4930123456");
  settings.email = LUMIN__USER__V1__VISIBILITY__VISIBILITY_EVERYONE;
  second.privacy_settings = &settings;
  nameless.email = mutable_text("n@example.com");
  bad.bio = mutable_text("\x07");
  struct rig *rig = rig_plain();
  const struct step steps[] = {
      {METHOD_upsert, 1, .message = &nameless.base, REFUSED(INVALID_ARGUMENT, 0)},
      {METHOD_upsert, 1, .message = &first.base, APPLIED(1)},
      {METHOD_upsert, 1, .message = &first.base, .status = OUTCOME_UNCHANGED, .version = 1},
      {METHOD_upsert, 1, .message = &second.base, APPLIED(4)},
      {METHOD_upsert, 1, .message = &nothing.base, .status = OUTCOME_UNCHANGED, .version = 4},
      {METHOD_upsert, 1, .message = &bad.base, REFUSED(INVALID_ARGUMENT, 4)},
      {METHOD_upsert, 2, .message = &first.base, REFUSED(EMAIL_TAKEN, 0)},
      {METHOD_delete, 1, APPLIED(5)},
      {METHOD_upsert, 1, .message = &first.base, REFUSED(DELETED, 5)},
      {METHOD_upsert, 2, .message = &first.base, APPLIED(1)},
  };
  rig_expect(rig, steps, 7);
  const struct uuid one = user_numbered(1);
  const struct user *row = fake_user_find(rig->fake, &one);
  cr_assert(row);
  const struct profile expected = {.bio = SPAN_LITERAL("Counts."), .privacy = {{1, 3, 2, 1, 1, 3}}};
  cr_expect(profile_equal(&row->profile, &expected));
  cr_expect(span_equal(row->first_name, SPAN_LITERAL("Ada")) && span_equal(row->last_name, SPAN_LITERAL("King")));
  rig_expect(rig, steps + 7, 3);
  rig_check_tables(rig);
  rig_destroy(rig);
}
