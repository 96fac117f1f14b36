// SPDX-License-Identifier: MIT
// get_profile: what a viewer may see of a user. The owner sees everything; others see what the privacy settings allow
// them, of a user who is BLOCKED the name alone, and of one who is DEACTIVATED nothing but that. What is hidden does
// not depend on what is there, so that hiding tells nothing.
#include "steps.h"

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  const Lumin__User__V1__GetProfile *request = (const void *)message;
  struct span viewer = span_from_text(request->viewer_id);
  struct uuid viewer_id = {{0}};
  if (viewer.len > 0 && uuid_parse(viewer, &viewer_id) != LUMIN_OK) {
    return refuse_field(ret_refusal, "viewer_id", "a lower-case UUID, or empty",
                        "the viewer's id is not a lower-case UUID");
  }
  if (viewer.len == 0 && request->is_contact) {
    return refuse_field(ret_refusal, "is_contact", "false where viewer_id is empty",
                        "somebody who is not known is nobody's contact");
  }
  query->viewer = viewer.len == 0                           ? VIEWER_STRANGER
                  : uuid_equal(&viewer_id, &query->user_id) ? VIEWER_OWNER
                  : request->is_contact                     ? VIEWER_CONTACT
                                                            : VIEWER_STRANGER;
  return plan_user(query, ret_refusal);
}

static bool may_see(enum query_viewer viewer, enum visibility visibility) {
  return viewer == VIEWER_OWNER || visibility == VISIBILITY_EVERYONE ||
         (viewer == VIEWER_CONTACT && visibility == VISIBILITY_CONTACTS);
}

// The user with all that the viewer may not see taken away.
struct shown {
  struct user user;
  const char *hidden[16];
  size_t hidden_count;
};

static void hide(struct shown *shown, const char *field) { shown->hidden[shown->hidden_count++] = field; }

static void hide_names(struct shown *shown) {
  shown->user.first_name = shown->user.last_name = SPAN_EMPTY;
  hide(shown, "first_name");
  hide(shown, "last_name");
}

static void hide_email(struct shown *shown) {
  shown->user.email = (struct email){0};
  shown->user.email_verified = false;
  hide(shown, "email");
  hide(shown, "email_verified");
}

static void hide_phone(struct shown *shown) {
  shown->user.phone = SPAN_EMPTY;
  shown->user.phone_verified = false;
  hide(shown, "phone");
  hide(shown, "phone_verified");
}

static void hide_birth_date(struct shown *shown) {
  shown->user.profile.birth_date = SPAN_EMPTY;
  hide(shown, "birth_date");
}

static void hide_bio(struct shown *shown) {
  shown->user.profile.bio = SPAN_EMPTY;
  hide(shown, "bio");
}

static void hide_avatar(struct shown *shown) {
  shown->user.profile.avatar_url = SPAN_EMPTY;
  hide(shown, "avatar_url");
}

static void hide_views(struct shown *shown) {
  shown->user.profile_views = 0;
  hide(shown, "profile_views");
}

static struct shown user_shown(const struct user *user, enum query_viewer viewer) {
  static void (*const hiders[PRIVACY_FIELDS])(struct shown * shown) = {
      [PRIVACY_EMAIL] = hide_email, [PRIVACY_PHONE] = hide_phone,   [PRIVACY_BIRTH_DATE] = hide_birth_date,
      [PRIVACY_BIO] = hide_bio,     [PRIVACY_AVATAR] = hide_avatar, [PRIVACY_PROFILE_VIEWS] = hide_views,
  };
  struct shown shown = {.user = *user};
  bool away = viewer != VIEWER_OWNER && (user->status == USER_BLOCKED || user->status == USER_DEACTIVATED);
  if (away && user->status == USER_DEACTIVATED) {
    hide_names(&shown);
  }
  for (size_t i = 0; i < PRIVACY_FIELDS; i++) {
    if (away || !may_see(viewer, (enum visibility)user->profile.privacy.of[i])) {
      hiders[i](&shown);
    }
  }
  return shown;
}

static bool texts_fill(const struct user *user, struct arena *arena, Lumin__User__V1__Profile *profile) {
  profile->user_id = uuid_message(&user->id, arena);
  const struct {
    char **member;
    struct span text;
  } texts[] = {
      {&profile->first_name, user->first_name},
      {&profile->last_name, user->last_name},
      {&profile->email, user->email.text},
      {&profile->phone, user->phone},
      {&profile->bio, user->profile.bio},
      {&profile->birth_date, user->profile.birth_date},
      {&profile->avatar_url, user->profile.avatar_url},
  };
  bool fine = profile->user_id != NULL;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0] && fine; i++) {
    *texts[i].member = text_message(texts[i].text, arena);
    fine = *texts[i].member != NULL;
  }
  return fine;
}

static bool hidden_fill(const struct shown *shown, struct arena *arena, Lumin__User__V1__Profile *profile) {
  profile->hidden_fields = ARENA_ARRAY(arena, shown->hidden_count, char *);
  for (size_t i = 0; profile->hidden_fields != NULL && i < shown->hidden_count; i++) {
    profile->hidden_fields[profile->n_hidden_fields++] = (char *)(uintptr_t)shown->hidden[i];
  }
  return profile->hidden_fields != NULL;
}

static enum lumin_status answer(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  enum lumin_status status = check_living(query, rows, &ret_reply->refusal);
  if (status != LUMIN_OK) {
    return status;
  }
  struct user now = user_at(rows->users[0], query->time_ns);
  struct shown shown = user_shown(&now, query->viewer);
  Lumin__User__V1__Profile *profile = ARENA_NEW(rows->arena, Lumin__User__V1__Profile);
  if (profile == NULL) {
    return LUMIN_NO_MEMORY;
  }
  lumin__user__v1__profile__init(profile);
  profile->version = shown.user.version;
  profile->status = (Lumin__User__V1__UserStatus)shown.user.status;
  profile->email_verified = shown.user.email_verified;
  profile->phone_verified = shown.user.phone_verified;
  profile->profile_views = shown.user.profile_views;
  ret_reply->message = &profile->base;
  bool whole = texts_fill(&shown.user, rows->arena, profile) && hidden_fill(&shown, rows->arena, profile);
  return whole ? LUMIN_OK : LUMIN_NO_MEMORY;
}

const struct query_handler query_get_profile = {.by_user = true, .from_cache = true, .plan = plan, .answer = answer};
