// SPDX-License-Identifier: MIT
// confirm_phone: the phone number named is the user's.
#include "lumin/application/decision.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_confirm_phone(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ConfirmPhone *confirm = (const void *)message;
  struct span phone = SPAN_EMPTY;
  struct event event = {0};
  enum lumin_status status =
      phone_parse(span_from_text(confirm->phone), "phone", decision->arena, &phone, &decision->refusal);
  if (status == LUMIN_OK) {
    status = user_confirm_phone(&decision->user, phone, &event, &decision->refusal);
  }
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
