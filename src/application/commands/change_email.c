// SPDX-License-Identifier: MIT
// change_email: another address, not verified; or none, where there is a phone.
#include "lumin/application/decision.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_email(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangeEmail *change = (const void *)message;
  struct email email = {0};
  struct event event = {0};
  enum lumin_status status = LUMIN_OK;
  if (change->email[0] != '\0') {
    status = email_parse(span_from_text(change->email), "email", decision->arena, &email, &decision->refusal);
  }
  if (status == LUMIN_OK) {
    status = user_change_email(&decision->user, &email, &event, &decision->refusal);
  }
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
