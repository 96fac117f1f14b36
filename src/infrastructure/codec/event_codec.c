// SPDX-License-Identifier: MIT
// Events as bytes: one pair of small functions a type, found by table. Stored bytes are forever: a change here is a
// change of every event ever written.
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
  Lumin__User__V1__UserCreated body = LUMIN__USER__V1__USER_CREATED__INIT;
  body.first_name = text_of(event->user_created.first_name, arena);
  body.last_name = text_of(event->user_created.last_name, arena);
  body.email = text_of(event->user_created.email.text, arena);
  body.phone = text_of(event->user_created.phone, arena);
  return pack_texts(&body.base, (char *const *[]){&body.first_name, &body.last_name, &body.email, &body.phone}, 4,
                    arena, ret_body);
}

static enum lumin_status encode_username_changed(const struct event *event, struct arena *arena,
                                                 struct span *ret_body) {
  Lumin__User__V1__UsernameChanged body = LUMIN__USER__V1__USERNAME_CHANGED__INIT;
  body.first_name = text_of(event->username_changed.first_name, arena);
  body.last_name = text_of(event->username_changed.last_name, arena);
  return pack_texts(&body.base, (char *const *[]){&body.first_name, &body.last_name}, 2, arena, ret_body);
}

static enum lumin_status encode_email_changed(const struct event *event, struct arena *arena, struct span *ret_body) {
  Lumin__User__V1__EmailChanged body = LUMIN__USER__V1__EMAIL_CHANGED__INIT;
  body.email = text_of(event->email_changed.email.text, arena);
  return pack_texts(&body.base, (char *const *[]){&body.email}, 1, arena, ret_body);
}

static enum lumin_status encode_user_deleted(const struct event *event, struct arena *arena, struct span *ret_body) {
  (void)event;
  Lumin__User__V1__UserDeleted body = LUMIN__USER__V1__USER_DELETED__INIT;
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

static enum lumin_status decode_email_changed(const ProtobufCMessage *message, struct arena *arena,
                                              struct event *event) {
  const Lumin__User__V1__EmailChanged *body = (const void *)message;
  return email_restore(body->email, arena, &event->email_changed.email);
}

static enum lumin_status decode_user_deleted(const ProtobufCMessage *message, struct arena *arena,
                                             struct event *event) {
  (void)message;
  (void)arena;
  (void)event;
  return LUMIN_OK;
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

enum lumin_status codec_decode_event(enum event_type type, struct span body, struct arena *arena,
                                     struct event *ret_event) {
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
    *ret_event = event;
  }
  return status == LUMIN_INVALID_ARGUMENT ? LUMIN_INTERNAL : status;
}
