// SPDX-License-Identifier: MIT
// Replies as bytes: outcomes, users, errors.
#include "lumin/application/messages.h"
#include "lumin/infrastructure/codec/codec.h"
#include "unpack.h"

enum lumin_status codec_encode_refusal(const struct refusal *refusal, struct arena *arena, struct span *ret_bytes) {
  const Lumin__User__V1__Error *message = error_message(refusal, arena);
  return message != NULL ? codec_pack(&message->base, arena, ret_bytes) : LUMIN_NO_MEMORY;
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
  const Lumin__User__V1__Outcome *message = outcome_message(outcome, arena);
  return message != NULL ? codec_pack(&message->base, arena, ret_bytes) : LUMIN_NO_MEMORY;
}

enum lumin_status codec_encode_user(const struct user *user, struct arena *arena, struct span *ret_bytes) {
  const Lumin__User__V1__User *message = user_message(user, arena);
  return message != NULL ? codec_pack(&message->base, arena, ret_bytes) : LUMIN_NO_MEMORY;
}

enum lumin_status codec_decode_user(struct span bytes, struct arena *arena, struct user *ret_user) {
  ProtobufCMessage *message = NULL;
  enum lumin_status status = message_unpack(&lumin__user__v1__user__descriptor, bytes, SIZE_MAX, arena, &message);
  if (status != LUMIN_OK) {
    return status == LUMIN_INVALID_ARGUMENT ? LUMIN_INTERNAL : status;
  }
  *ret_user = user_restore((const Lumin__User__V1__User *)(const void *)message);
  return LUMIN_OK;
}
