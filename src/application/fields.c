// SPDX-License-Identifier: MIT
// The fields of a user, one by one.
#include "lumin/application/fields.h"

// From here on a value, or nothing: empty text makes an empty value where the field may be cleared.

static enum lumin_status names_read(struct decision *decision, const struct fields *fields,
                                    struct user_names *ret_names) {
  enum lumin_status status = LUMIN_OK;
  struct user_names names = {decision->user.first_name, decision->user.last_name};
  if (fields->first_name != NULL) {
    status = first_name_parse(span_from_text(fields->first_name), "first_name", decision->arena, &names.first_name,
                              &decision->refusal);
  }
  if (status == LUMIN_OK && fields->last_name != NULL) {
    status = last_name_parse(span_from_text(fields->last_name), "last_name", decision->arena, &names.last_name,
                             &decision->refusal);
  }
  if (status == LUMIN_OK) {
    *ret_names = names;
  }
  return status;
}

static bool is_given(const char *text) { return text != NULL && text[0] != '\0'; }

static enum lumin_status email_read(struct decision *decision, const char *text, struct email *ret_email) {
  return is_given(text) ? email_parse(span_from_text(text), "email", decision->arena, ret_email, &decision->refusal)
                        : LUMIN_OK;
}

static enum lumin_status phone_read(struct decision *decision, const char *text, struct span *ret_phone) {
  return is_given(text) ? phone_parse(span_from_text(text), "phone", decision->arena, ret_phone, &decision->refusal)
                        : LUMIN_OK;
}

static enum lumin_status language_code_read(struct decision *decision, const char *text, struct span *ret_code) {
  return is_given(text)
             ? language_code_parse(span_from_text(text), "language_code", decision->arena, ret_code, &decision->refusal)
             : LUMIN_OK;
}

static enum lumin_status bio_read(struct decision *decision, const char *text, struct span *ret_bio) {
  return is_given(text) ? bio_parse(span_from_text(text), "bio", decision->arena, ret_bio, &decision->refusal)
                        : LUMIN_OK;
}

static enum lumin_status birth_date_read(struct decision *decision, const char *text, struct span *ret_date) {
  const struct birth_date_rule rule = {"birth_date", decision->time_ns};
  return is_given(text) ? birth_date_parse(span_from_text(text), &rule, decision->arena, ret_date, &decision->refusal)
                        : LUMIN_OK;
}

static enum lumin_status avatar_url_read(struct decision *decision, const char *text, struct span *ret_url) {
  return is_given(text)
             ? avatar_url_parse(span_from_text(text), "avatar_url", decision->arena, ret_url, &decision->refusal)
             : LUMIN_OK;
}

static enum lumin_status privacy_read(struct decision *decision, const Lumin__User__V1__PrivacySettings *settings,
                                      struct privacy *ret_privacy) {
  struct privacy privacy = {{0}};
  if (settings == NULL) {
    return LUMIN_OK;
  }
  const struct {
    enum privacy_field field;
    int number;
    const char *path;
  } given[] = {
      {PRIVACY_EMAIL, (int)settings->email, "privacy_settings.email"},
      {PRIVACY_PHONE, (int)settings->phone, "privacy_settings.phone"},
      {PRIVACY_BIRTH_DATE, (int)settings->birth_date, "privacy_settings.birth_date"},
      {PRIVACY_BIO, (int)settings->bio, "privacy_settings.bio"},
      {PRIVACY_AVATAR, (int)settings->avatar, "privacy_settings.avatar"},
      {PRIVACY_PROFILE_VIEWS, (int)settings->profile_views, "privacy_settings.profile_views"},
  };
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < sizeof given / sizeof given[0] && status == LUMIN_OK; i++) {
    status = visibility_parse(given[i].number, given[i].path, &privacy.of[given[i].field], &decision->refusal);
  }
  if (status == LUMIN_OK) {
    *ret_privacy = privacy;
  }
  return status;
}

// ---- create

static enum lumin_status profile_read(struct decision *decision, const struct fields *fields,
                                      struct profile *ret_profile) {
  enum lumin_status status = language_code_read(decision, fields->language_code, &ret_profile->language_code);
  if (status == LUMIN_OK) {
    status = bio_read(decision, fields->bio, &ret_profile->bio);
  }
  if (status == LUMIN_OK) {
    status = birth_date_read(decision, fields->birth_date, &ret_profile->birth_date);
  }
  if (status == LUMIN_OK) {
    status = avatar_url_read(decision, fields->avatar_url, &ret_profile->avatar_url);
  }
  return status == LUMIN_OK ? privacy_read(decision, fields->privacy_settings, &ret_profile->privacy) : status;
}

enum lumin_status fields_create(struct decision *decision, const struct fields *fields) {
  struct user_draft draft = {0};
  struct event event = {0};
  enum lumin_status status = names_read(decision, fields, &draft.names);
  if (status == LUMIN_OK) {
    status = email_read(decision, fields->email, &draft.email);
  }
  if (status == LUMIN_OK) {
    status = phone_read(decision, fields->phone, &draft.phone);
  }
  if (status == LUMIN_OK) {
    status = profile_read(decision, fields, &draft.profile);
  }
  if (status == LUMIN_OK) {
    status = user_create(&decision->user, &draft, &event, &decision->refusal);
  }
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}

// ---- change

static enum lumin_status emit(struct decision *decision, enum lumin_status status, const struct event *event) {
  return status == LUMIN_OK ? decision_emit(decision, event) : status;
}

static enum lumin_status change_names(struct decision *decision, const struct fields *fields) {
  struct user_names names = {0};
  struct event event = {0};
  if (fields->first_name == NULL && fields->last_name == NULL) {
    return LUMIN_OK;
  }
  enum lumin_status status = names_read(decision, fields, &names);
  if (status == LUMIN_OK) {
    status = user_change_username(&decision->user, &names, &event, &decision->refusal);
  }
  return emit(decision, status, &event);
}

static enum lumin_status change_email(struct decision *decision, const struct fields *fields) {
  struct email email = {0};
  struct event event = {0};
  if (fields->email == NULL) {
    return LUMIN_OK;
  }
  enum lumin_status status = email_read(decision, fields->email, &email);
  if (status == LUMIN_OK) {
    status = user_change_email(&decision->user, &email, &event, &decision->refusal);
  }
  return emit(decision, status, &event);
}

static enum lumin_status change_privacy(struct decision *decision, const struct fields *fields) {
  struct privacy privacy = {{0}};
  struct event event = {0};
  if (fields->privacy_settings == NULL) {
    return LUMIN_OK;
  }
  enum lumin_status status = privacy_read(decision, fields->privacy_settings, &privacy);
  if (status == LUMIN_OK) {
    status = user_change_privacy(&decision->user, privacy, &event, &decision->refusal);
  }
  return emit(decision, status, &event);
}

// Those whose value is one text.
struct text_field {
  enum lumin_status (*read)(struct decision *decision, const char *text, struct span *ret_value);
  enum lumin_status (*change)(const struct user *user, struct span value, struct event *ret_event,
                              struct refusal *ret_refusal);
};

static enum lumin_status change_text(struct decision *decision, const char *text, const struct text_field *field) {
  struct span value = SPAN_EMPTY;
  struct event event = {0};
  if (text == NULL) {
    return LUMIN_OK;
  }
  enum lumin_status status = field->read(decision, text, &value);
  if (status == LUMIN_OK) {
    status = field->change(&decision->user, value, &event, &decision->refusal);
  }
  return emit(decision, status, &event);
}

static enum lumin_status change_phone(struct decision *decision, const struct fields *fields) {
  return change_text(decision, fields->phone, &(struct text_field){phone_read, user_change_phone});
}

// The address that is given goes before the one that is cleared: a user has one at all times.
static enum lumin_status change_addresses(struct decision *decision, const struct fields *fields) {
  bool phone_first = fields->email != NULL && fields->email[0] == '\0';
  enum lumin_status status = phone_first ? change_phone(decision, fields) : change_email(decision, fields);
  if (status != LUMIN_OK) {
    return status;
  }
  return phone_first ? change_email(decision, fields) : change_phone(decision, fields);
}

static enum lumin_status change_profile(struct decision *decision, const struct fields *fields) {
  const struct {
    const char *text;
    struct text_field field;
  } texts[] = {
      {fields->language_code, {language_code_read, user_change_language_code}},
      {fields->bio, {bio_read, user_change_bio}},
      {fields->birth_date, {birth_date_read, user_change_birth_date}},
      {fields->avatar_url, {avatar_url_read, user_change_avatar_url}},
  };
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == LUMIN_OK; i++) {
    status = change_text(decision, texts[i].text, &texts[i].field);
  }
  return status == LUMIN_OK ? change_privacy(decision, fields) : status;
}

enum lumin_status fields_change(struct decision *decision, const struct fields *fields) {
  enum lumin_status status = change_names(decision, fields);
  if (status == LUMIN_OK) {
    status = change_addresses(decision, fields);
  }
  return status == LUMIN_OK ? change_profile(decision, fields) : status;
}
