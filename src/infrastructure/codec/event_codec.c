// SPDX-License-Identifier: MIT
// Events as bytes: one pair of small functions a type, found by table. Stored bytes are forever: a change here is a
// change of every event ever written.
#include "lumin/application/messages.h"
#include "lumin/infrastructure/codec/codec.h"
#include "lumin/user/v1/events.pb-c.h"
#include "unpack.h"

// Values end with a NUL behind them (arena_copy); what was decoded from C strings does too, and remembered states do
// not.
static char *text_of(struct span value, struct arena *arena) {
  struct span copy = arena_copy(arena, value);
  return (char *)(uintptr_t)copy.data;
}

static enum lumin_status pack_texts(ProtobufCMessage *message, char *const *const texts[], size_t count,
                                    struct arena *arena, struct span *ret_body) {
  for (size_t i = 0; i < count; i++) {
    if (*texts[i] == NULL) {
      return LUMIN_NO_MEMORY;
    }
  }
  return codec_pack(message, arena, ret_body);
}

static enum lumin_status encode_user_created(const struct event *event, struct arena *arena, struct span *ret_body) {
  const struct profile *profile = &event->user_created.profile;
  Lumin__User__V1__UserCreated body = LUMIN__USER__V1__USER_CREATED__INIT;
  body.first_name = text_of(event->user_created.first_name, arena);
  body.last_name = text_of(event->user_created.last_name, arena);
  body.email = text_of(event->user_created.email.text, arena);
  body.phone = text_of(event->user_created.phone, arena);
  body.language_code = text_of(profile->language_code, arena);
  body.bio = text_of(profile->bio, arena);
  body.birth_date = text_of(profile->birth_date, arena);
  body.avatar_url = text_of(profile->avatar_url, arena);
  Lumin__User__V1__PrivacySettings settings;
  body.privacy_settings = privacy_message(profile->privacy, &settings);
  char *const *const texts[] = {&body.first_name,    &body.last_name, &body.email,      &body.phone,
                                &body.language_code, &body.bio,       &body.birth_date, &body.avatar_url};
  return pack_texts(&body.base, texts, sizeof texts / sizeof texts[0], arena, ret_body);
}

static enum lumin_status encode_username_changed(const struct event *event, struct arena *arena,
                                                 struct span *ret_body) {
  Lumin__User__V1__UsernameChanged body = LUMIN__USER__V1__USERNAME_CHANGED__INIT;
  body.first_name = text_of(event->username_changed.first_name, arena);
  body.last_name = text_of(event->username_changed.last_name, arena);
  return pack_texts(&body.base, (char *const *[]){&body.first_name, &body.last_name}, 2, arena, ret_body);
}

// Events of one text, and of nothing at all.
#define ENCODE_TEXT(name, INIT, Body, member, value)                                                                   \
  static enum lumin_status encode_##name(const struct event *event, struct arena *arena, struct span *ret_body) {      \
    Lumin__User__V1__##Body body = LUMIN__USER__V1__##INIT##__INIT;                                                    \
    body.member = text_of(event->name.value, arena);                                                                   \
    return pack_texts(&body.base, (char *const *[]){&body.member}, 1, arena, ret_body);                                \
  }
#define ENCODE_NOTHING(name, INIT, Body)                                                                               \
  static enum lumin_status encode_##name(const struct event *event, struct arena *arena, struct span *ret_body) {      \
    (void)event;                                                                                                       \
    Lumin__User__V1__##Body body = LUMIN__USER__V1__##INIT##__INIT;                                                    \
    return codec_pack(&body.base, arena, ret_body);                                                                    \
  }
ENCODE_TEXT(email_changed, EMAIL_CHANGED, EmailChanged, email, email.text)
ENCODE_TEXT(phone_changed, PHONE_CHANGED, PhoneChanged, phone, phone)
ENCODE_TEXT(bio_changed, BIO_CHANGED, BioChanged, bio, bio)
ENCODE_TEXT(birth_date_changed, BIRTH_DATE_CHANGED, BirthDateChanged, birth_date, birth_date)
ENCODE_TEXT(avatar_url_changed, AVATAR_URL_CHANGED, AvatarUrlChanged, avatar_url, avatar_url)
ENCODE_TEXT(language_code_changed, LANGUAGE_CODE_CHANGED, LanguageCodeChanged, language_code, language_code)
ENCODE_TEXT(email_confirmed, EMAIL_CONFIRMED, EmailConfirmed, email, email.text)
ENCODE_TEXT(phone_confirmed, PHONE_CONFIRMED, PhoneConfirmed, phone, phone)
ENCODE_NOTHING(user_activated, USER_ACTIVATED, UserActivated)
ENCODE_NOTHING(user_deactivated, USER_DEACTIVATED, UserDeactivated)
ENCODE_NOTHING(user_deleted, USER_DELETED, UserDeleted)

static enum lumin_status encode_user_blocked(const struct event *event, struct arena *arena, struct span *ret_body) {
  Lumin__User__V1__UserBlocked body = LUMIN__USER__V1__USER_BLOCKED__INIT;
  Google__Protobuf__Timestamp until;
  body.reason = text_of(event->user_blocked.reason, arena);
  body.until = event->user_blocked.until_ns != 0 ? timestamp_message(event->user_blocked.until_ns, &until) : NULL;
  return pack_texts(&body.base, (char *const *[]){&body.reason}, 1, arena, ret_body);
}

static enum lumin_status encode_privacy_settings_changed(const struct event *event, struct arena *arena,
                                                         struct span *ret_body) {
  Lumin__User__V1__PrivacySettingsChanged body = LUMIN__USER__V1__PRIVACY_SETTINGS_CHANGED__INIT;
  Lumin__User__V1__PrivacySettings settings;
  body.privacy_settings = privacy_message(event->privacy_settings_changed.privacy, &settings);
  return codec_pack(&body.base, arena, ret_body);
}

static enum lumin_status encode_profile_viewed(const struct event *event, struct arena *arena, struct span *ret_body) {
  Lumin__User__V1__ProfileViewed body = LUMIN__USER__V1__PROFILE_VIEWED__INIT;
  char viewer_id[UUID_TEXT_LEN + 1];
  uuid_format(&event->profile_viewed.viewer_id, viewer_id);
  body.viewer_id = viewer_id;
  return codec_pack(&body.base, arena, ret_body);
}

// Not parsed again: what was valid when it was stored stays readable, however the rules change.
static enum lumin_status email_restore(const char *text, struct arena *arena, struct email *ret_email) {
  struct span key = arena_copy(arena, span_from_text(text));
  if (key.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  char *letters = (char *)(uintptr_t)key.data;
  for (size_t i = 0; i < key.len; i++) {
    letters[i] = (char)(letters[i] >= 'A' && letters[i] <= 'Z' ? letters[i] + 32 : letters[i]);
  }
  *ret_email = (struct email){.text = span_from_text(text), .key = key};
  return LUMIN_OK;
}

static enum lumin_status decode_user_created(const ProtobufCMessage *message, struct arena *arena,
                                             struct event *event) {
  const Lumin__User__V1__UserCreated *body = (const void *)message;
  event->user_created.first_name = span_from_text(body->first_name);
  event->user_created.last_name = span_from_text(body->last_name);
  event->user_created.phone = span_from_text(body->phone);
  event->user_created.profile = (struct profile){
      .language_code = span_from_text(body->language_code),
      .bio = span_from_text(body->bio),
      .birth_date = span_from_text(body->birth_date),
      .avatar_url = span_from_text(body->avatar_url),
      .privacy = privacy_restore(body->privacy_settings),
  };
  return email_restore(body->email, arena, &event->user_created.email);
}

static enum lumin_status decode_username_changed(const ProtobufCMessage *message, struct arena *arena,
                                                 struct event *event) {
  (void)arena;
  const Lumin__User__V1__UsernameChanged *body = (const void *)message;
  event->username_changed.first_name = span_from_text(body->first_name);
  event->username_changed.last_name = span_from_text(body->last_name);
  return LUMIN_OK;
}

#define DECODE_EMAIL(name, Body)                                                                                       \
  static enum lumin_status decode_##name(const ProtobufCMessage *message, struct arena *arena, struct event *event) {  \
    return email_restore(((const Lumin__User__V1__##Body *)(const void *)message)->email, arena, &event->name.email);  \
  }
#define DECODE_TEXT(name, Body, member)                                                                                \
  static enum lumin_status decode_##name(const ProtobufCMessage *message, struct arena *arena, struct event *event) {  \
    (void)arena;                                                                                                       \
    event->name.member = span_from_text(((const Lumin__User__V1__##Body *)(const void *)message)->member);             \
    return LUMIN_OK;                                                                                                   \
  }
#define DECODE_NOTHING(name)                                                                                           \
  static enum lumin_status decode_##name(const ProtobufCMessage *message, struct arena *arena, struct event *event) {  \
    (void)message;                                                                                                     \
    (void)arena;                                                                                                       \
    (void)event;                                                                                                       \
    return LUMIN_OK;                                                                                                   \
  }
DECODE_EMAIL(email_changed, EmailChanged)
DECODE_EMAIL(email_confirmed, EmailConfirmed)
DECODE_TEXT(phone_changed, PhoneChanged, phone)
DECODE_TEXT(phone_confirmed, PhoneConfirmed, phone)
DECODE_TEXT(bio_changed, BioChanged, bio)
DECODE_TEXT(birth_date_changed, BirthDateChanged, birth_date)
DECODE_TEXT(avatar_url_changed, AvatarUrlChanged, avatar_url)
DECODE_TEXT(language_code_changed, LanguageCodeChanged, language_code)
DECODE_NOTHING(user_activated)
DECODE_NOTHING(user_deactivated)
DECODE_NOTHING(user_deleted)

static enum lumin_status decode_user_blocked(const ProtobufCMessage *message, struct arena *arena,
                                             struct event *event) {
  (void)arena;
  const Lumin__User__V1__UserBlocked *body = (const void *)message;
  event->user_blocked.reason = span_from_text(body->reason);
  event->user_blocked.until_ns = timestamp_restore(body->until);
  return LUMIN_OK;
}

static enum lumin_status decode_privacy_settings_changed(const ProtobufCMessage *message, struct arena *arena,
                                                         struct event *event) {
  (void)arena;
  const Lumin__User__V1__PrivacySettingsChanged *body = (const void *)message;
  event->privacy_settings_changed.privacy = privacy_restore(body->privacy_settings);
  return LUMIN_OK;
}

static enum lumin_status decode_profile_viewed(const ProtobufCMessage *message, struct arena *arena,
                                               struct event *event) {
  (void)arena;
  const Lumin__User__V1__ProfileViewed *body = (const void *)message;
  return uuid_parse(span_from_text(body->viewer_id), &event->profile_viewed.viewer_id);
}

static const struct event_codec {
  const ProtobufCMessageDescriptor *type;
  enum lumin_status (*encode)(const struct event *event, struct arena *arena, struct span *ret_body);
  enum lumin_status (*decode)(const ProtobufCMessage *message, struct arena *arena, struct event *event);
} event_codecs[] = {
#define EVENT(symbol, number, name) [number] = {&lumin__user__v1__##name##__descriptor, encode_##name, decode_##name},
#include "lumin/domain/events.def"
#undef EVENT
};

static const struct event_codec *event_codec_find(enum event_type type) {
  bool known = type > 0 && (size_t)type < sizeof event_codecs / sizeof event_codecs[0];
  return known && event_codecs[type].type != NULL ? &event_codecs[type] : NULL;
}

enum lumin_status codec_encode_event(const struct event *event, struct arena *arena, struct span *ret_body) {
  const struct event_codec *codec = event_codec_find(event->type);
  return codec == NULL ? LUMIN_INTERNAL : codec->encode(event, arena, ret_body);
}

enum lumin_status codec_read_event(enum event_type type, struct span body, struct arena *arena,
                                   const ProtobufCMessage **ret_message, struct event *ret_event) {
  const struct event_codec *codec = event_codec_find(type);
  if (codec == NULL) {
    return LUMIN_INTERNAL;
  }
  ProtobufCMessage *message = NULL;
  struct event event = {.type = type};
  enum lumin_status status = message_unpack(codec->type, body, SIZE_MAX, arena, &message);
  if (status == LUMIN_OK) {
    status = codec->decode(message, arena, &event);
  }
  if (status == LUMIN_OK) {
    *ret_message = message;
    *ret_event = event;
  }
  return status == LUMIN_INVALID_ARGUMENT ? LUMIN_INTERNAL : status;
}

enum lumin_status codec_decode_event(enum event_type type, struct span body, struct arena *arena,
                                     struct event *ret_event) {
  const ProtobufCMessage *message = NULL;
  return codec_read_event(type, body, arena, &message, ret_event);
}
