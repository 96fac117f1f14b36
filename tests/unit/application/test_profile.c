// SPDX-License-Identifier: MIT
// get_profile: each privacy setting alone for each kind of viewer, and the statuses that are cases of their own.
#include "query_rig.h"

typedef Lumin__User__V1__Profile profile_message;

TestSuite(profile, .init = rig_begin, .fini = rig_end);

static const struct user whole = {
    .id = {{0xad, 0xa0}},
    .version = 7,
    .status = USER_ACTIVE,
    .first_name = SPAN_LITERAL("Ada"),
    .last_name = SPAN_LITERAL("Lovelace"),
    .email = {SPAN_LITERAL("ada@example.com"), SPAN_LITERAL("ada@example.com")},
    .email_verified = true,
    .phone = SPAN_LITERAL("+442079460958"),
    .phone_verified = true,
    .profile = {.language_code = SPAN_LITERAL("en"),
                .bio = SPAN_LITERAL("Counts."),
                .birth_date = SPAN_LITERAL("1915-12-10"),
                .avatar_url = SPAN_LITERAL("https://example.com/a"),
                .privacy = {{VISIBILITY_EVERYONE, VISIBILITY_EVERYONE, VISIBILITY_EVERYONE, VISIBILITY_EVERYONE,
                             VISIBILITY_EVERYONE, VISIBILITY_EVERYONE}}},
    .profile_views = 9,
    .block_reason = SPAN_LITERAL("spam"),
};

struct looker {
  const char *viewer_id;
  bool is_contact;
};
static const struct looker owner = {ADA, false}, contact = {EVE, true}, stranger = {EVE, false}, nobody = {"", false};

static enum lumin_status plan(struct query *query, const struct looker *looker, struct refusal *ret_refusal) {
  Lumin__User__V1__GetProfile request = LUMIN__USER__V1__GET_PROFILE__INIT;
  request.viewer_id = TEXT(looker->viewer_id);
  request.is_contact = looker->is_contact;
  return query_get_profile.plan(query, &request.base, ret_refusal);
}

static enum lumin_status ask(const struct user *user, const struct looker *looker, struct query_reply *ret_reply) {
  struct query query = query_of(&ada);
  struct refusal refusal = {0};
  cr_assert_eq(plan(&query, looker, &refusal), LUMIN_OK);
  struct query_rows rows = rows_of(&user);
  *ret_reply = (struct query_reply){0};
  return query_get_profile.answer(&query, &rows, ret_reply);
}

static const profile_message *profile_of(const struct user *user, const struct looker *looker) {
  struct query_reply reply;
  cr_assert_eq(ask(user, looker, &reply), LUMIN_OK);
  cr_assert_eq(reply.message->descriptor, &lumin__user__v1__profile__descriptor);
  return (const void *)reply.message;
}

static bool is_hidden(const profile_message *profile, const char *field) {
  for (size_t i = 0; i < profile->n_hidden_fields; i++)
    if (strcmp(profile->hidden_fields[i], field) == 0)
      return true;
  return false;
}

// What each setting covers, and what the whole user shows there.
static const struct {
  enum privacy_field setting;
  const char *fields[2];
} covered[] = {
    {PRIVACY_EMAIL, {"email", "email_verified"}}, {PRIVACY_PHONE, {"phone", "phone_verified"}},
    {PRIVACY_BIRTH_DATE, {"birth_date", NULL}},   {PRIVACY_BIO, {"bio", NULL}},
    {PRIVACY_AVATAR, {"avatar_url", NULL}},       {PRIVACY_PROFILE_VIEWS, {"profile_views", NULL}},
};

// By reflection, so that a field that is added to the message and forgotten here is seen.
static bool is_empty(const profile_message *profile, const ProtobufCFieldDescriptor *field) {
  const char *member = (const char *)profile + field->offset;
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING:
    return (*(const char *const *)(const void *)member)[0] == '\0';
  case PROTOBUF_C_TYPE_BOOL:
    return *(const protobuf_c_boolean *)(const void *)member == 0;
  case PROTOBUF_C_TYPE_UINT64:
    return *(const uint64_t *)(const void *)member == 0;
  default:
    return *(const int *)(const void *)member == 0;
  }
}

// Exactly the fields that are hidden are empty: the whole user has all of them.
static void expect_hidden(const profile_message *profile, const char *const *fields, size_t count, const char *what) {
  cr_expect_eq(profile->n_hidden_fields, count, "%s: %zu hidden", what, profile->n_hidden_fields);
  for (size_t i = 0; i < count; i++)
    cr_expect(is_hidden(profile, fields[i]), "%s: %s is not hidden", what, fields[i]);
  for (unsigned i = 0; i < profile->base.descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &profile->base.descriptor->fields[i];
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
      cr_expect_eq(is_empty(profile, field), is_hidden(profile, field->name), "%s: %s", what, field->name);
  }
}

Test(profile, field_by_field) {
  static const struct {
    const struct looker *looker;
    const char *name;
    bool sees[4]; // by visibility
  } lookers[] = {
      {&owner, "owner", {true, true, true, true}},
      {&contact, "contact", {false, true, true, false}},
      {&stranger, "stranger", {false, true, false, false}},
      {&nobody, "nobody known", {false, true, false, false}},
  };
  for (size_t i = 0; i < sizeof lookers / sizeof lookers[0]; i++)
    for (size_t j = 0; j < sizeof covered / sizeof covered[0]; j++)
      for (int visibility = VISIBILITY_UNSPECIFIED; visibility <= VISIBILITY_NOBODY; visibility++) {
        struct user user = whole;
        user.profile.privacy.of[covered[j].setting] = (uint8_t)visibility;
        size_t fields = covered[j].fields[1] != NULL ? 2 : 1;
        expect_hidden(profile_of(&user, lookers[i].looker), covered[j].fields, lookers[i].sees[visibility] ? 0 : fields,
                      lookers[i].name);
      }
}

Test(profile, what_is_hidden_does_not_tell_what_is_there) {
  struct user bare = {.id = ada, .version = 1, .status = USER_ACTIVE, .first_name = SPAN_LITERAL("Ada")};
  struct user full = whole;
  bare.profile.privacy = full.profile.privacy = privacy_default;
  const profile_message *a = profile_of(&bare, &stranger), *b = profile_of(&full, &stranger);
  cr_assert_eq(a->n_hidden_fields, b->n_hidden_fields);
  for (size_t i = 0; i < a->n_hidden_fields; i++)
    cr_expect_str_eq(a->hidden_fields[i], b->hidden_fields[i]);
}

Test(profile, statuses_are_cases_of_their_own) {
  static const char *const all[] = {"first_name",     "last_name",  "email", "email_verified", "phone",
                                    "phone_verified", "birth_date", "bio",   "avatar_url",     "profile_views"};
  static const struct {
    enum user_status status;
    const struct looker *looker;
    size_t first, count; // of `all`
  } cases[] = {
      {USER_PENDING, &stranger, 0, 0},     {USER_ACTIVE, &stranger, 0, 0},   {USER_BLOCKED, &stranger, 2, 8},
      {USER_BLOCKED, &contact, 2, 8},      {USER_BLOCKED, &owner, 0, 0},     {USER_DEACTIVATED, &stranger, 0, 10},
      {USER_DEACTIVATED, &contact, 0, 10}, {USER_DEACTIVATED, &owner, 0, 0}, {USER_DEACTIVATED, &nobody, 0, 10},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct user user = whole;
    user.status = cases[i].status;
    const profile_message *profile = profile_of(&user, cases[i].looker);
    cr_expect(profile->status == (Lumin__User__V1__UserStatus)cases[i].status && profile->version == 7);
    cr_expect_str_eq(profile->user_id, ADA);
    expect_hidden(profile, all + cases[i].first, cases[i].count, user_status_name(cases[i].status));
  }
}

Test(profile, a_block_that_has_ended_hides_nothing) {
  struct user user = whole;
  user.status = USER_BLOCKED;
  user.status_before_block = USER_ACTIVE;
  user.blocked_until_ns = 1000; // the query's time
  expect_hidden(profile_of(&user, &stranger), NULL, 0, "ended");
}

Test(profile, of_nobody_and_of_a_deleted_user_there_is_none) {
  struct user gone = {.id = ada, .version = 8, .status = USER_DELETED};
  struct query_reply reply;
  cr_expect_eq(ask(&gone, &owner, &reply), LUMIN_DELETED);
  cr_expect_eq(reply.refusal.current_version, 8);
  cr_expect_eq(ask(&gone, &stranger, &reply), LUMIN_DELETED);
  cr_expect_eq(ask(NULL, &stranger, &reply), LUMIN_NOT_FOUND);
}

Test(profile, viewers_that_cannot_be) {
  struct query query = query_of(&ada), unnamed = query_of(NULL);
  struct refusal refusal = {0};
  expect_invalid(plan(&query, &(struct looker){"Eve", false}, &refusal), &refusal, "viewer_id");
  expect_invalid(plan(&query, &(struct looker){"", true}, &refusal), &refusal, "is_contact");
  expect_invalid(plan(&unnamed, &stranger, &refusal), &refusal, "user_id");
}
