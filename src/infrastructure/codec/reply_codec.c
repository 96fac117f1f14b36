// SPDX-License-Identifier: MIT
// Replies as bytes: outcomes, users, errors.
#include "lumin/infrastructure/codec/codec.h"
#include "parts.h"
#include "unpack.h"

// A C string for protobuf-c; every text of a reply is without NULs.
static char *text_of(struct span value, struct arena *arena, bool *short_of_memory) {
  struct span copy = arena_copy(arena, value);
  *short_of_memory = *short_of_memory || copy.data == NULL;
  return copy.data == NULL ? (char *)(uintptr_t) "" : (char *)(uintptr_t)copy.data;
}

static bool error_fill(const struct refusal *refusal, struct arena *arena, Lumin__User__V1__Error *error) {
  bool short_of_memory = false;
  lumin__user__v1__error__init(error);
  bool on_wire = refusal->reason <= LUMIN_INTERNAL;
  error->reason = (Lumin__User__V1__Reason)(on_wire ? refusal->reason : LUMIN_INTERNAL);
  error->message = text_of(refusal->message, arena, &short_of_memory);
  error->field = text_of(refusal->field, arena, &short_of_memory);
  error->allowed = text_of(refusal->allowed, arena, &short_of_memory);
  error->current_status = (Lumin__User__V1__UserStatus)refusal->current_status;
  error->current_version = refusal->current_version;
  return !short_of_memory;
}

enum lumin_status codec_encode_refusal(const struct refusal *refusal, struct arena *arena, struct span *ret_bytes) {
  Lumin__User__V1__Error error;
  return error_fill(refusal, arena, &error) ? codec_pack(&error.base, arena, ret_bytes) : LUMIN_NO_MEMORY;
}

enum lumin_status codec_decode_refusal(struct span bytes, struct arena *arena, struct refusal *ret_refusal) {
  ProtobufCMessage *message = NULL;
  enum lumin_status status = message_unpack(&lumin__user__v1__error__descriptor, bytes, SIZE_MAX, arena, &message);
  if (status != LUMIN_OK) {
    return status == LUMIN_INVALID_ARGUMENT ? LUMIN_INTERNAL : status;
  }
  const Lumin__User__V1__Error *error = (const void *)message;
  *ret_refusal = (struct refusal){
      .reason = (enum lumin_status)error->reason,
      .message = span_from_text(error->message),
      .field = span_from_text(error->field),
      .allowed = span_from_text(error->allowed),
      .current_status = (int)error->current_status,
      .current_version = error->current_version,
  };
  return LUMIN_OK;
}

enum lumin_status codec_encode_outcome(const struct outcome *outcome, struct arena *arena, struct span *ret_bytes) {
  Lumin__User__V1__Outcome reply = LUMIN__USER__V1__OUTCOME__INIT;
  Lumin__User__V1__Error error;
  Google__Protobuf__Timestamp time;
  char command_id[UUID_TEXT_LEN + 1], user_id[UUID_TEXT_LEN + 1];
  uuid_format(&outcome->command_id, command_id);
  uuid_format(&outcome->user_id, user_id);
  reply.command_id = command_id;
  reply.user_id = uuid_is_nil(&outcome->user_id) ? reply.user_id : user_id;
  reply.status = (Lumin__User__V1__OutcomeStatus)outcome->status;
  reply.version = outcome->version;
  reply.stream_sequence = outcome->stream_seq;
  reply.time = timestamp_message(outcome->stream_ts_ns, &time);
  if (outcome->refusal.reason != LUMIN_OK) {
    if (!error_fill(&outcome->refusal, arena, &error)) {
      return LUMIN_NO_MEMORY;
    }
    reply.error = &error;
  }
  return codec_pack(&reply.base, arena, ret_bytes);
}

enum lumin_status codec_encode_user(const struct user *user, struct arena *arena, struct span *ret_bytes) {
  Lumin__User__V1__User reply = LUMIN__USER__V1__USER__INIT;
  Google__Protobuf__Timestamp created, updated, blocked_until;
  Lumin__User__V1__PrivacySettings settings;
  char user_id[UUID_TEXT_LEN + 1];
  bool short_of_memory = false;
  uuid_format(&user->id, user_id);
  reply.user_id = user_id;
  reply.version = user->version;
  reply.status = (Lumin__User__V1__UserStatus)user->status;
  reply.first_name = text_of(user->first_name, arena, &short_of_memory);
  reply.last_name = text_of(user->last_name, arena, &short_of_memory);
  reply.email = text_of(user->email.text, arena, &short_of_memory);
  reply.email_verified = user->email_verified;
  reply.phone = text_of(user->phone, arena, &short_of_memory);
  reply.phone_verified = user->phone_verified;
  reply.created_at = timestamp_message(user->created_ns, &created);
  reply.updated_at = timestamp_message(user->updated_ns, &updated);
  reply.language_code = text_of(user->profile.language_code, arena, &short_of_memory);
  reply.bio = text_of(user->profile.bio, arena, &short_of_memory);
  reply.birth_date = text_of(user->profile.birth_date, arena, &short_of_memory);
  reply.avatar_url = text_of(user->profile.avatar_url, arena, &short_of_memory);
  reply.privacy_settings = privacy_message(user->profile.privacy, &settings);
  reply.profile_views = user->profile_views;
  reply.block_reason = text_of(user->block_reason, arena, &short_of_memory);
  if (user->blocked_until_ns != 0) {
    reply.blocked_until = timestamp_message(user->blocked_until_ns, &blocked_until);
  }
  return short_of_memory ? LUMIN_NO_MEMORY : codec_pack(&reply.base, arena, ret_bytes);
}
