// SPDX-License-Identifier: MIT
// confirm_email: the e-mail address named is the user's.
#include "lumin/application/decision.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_confirm_email(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ConfirmEmail *confirm = (const void *)message;
  struct email email = {0};
  struct event event = {0};
  enum lumin_status status =
      email_parse(span_from_text(confirm->email), "email", decision->arena, &email, &decision->refusal);
  if (status == LUMIN_OK) {
    status = user_confirm_email(&decision->user, &email, &event, &decision->refusal);
  }
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
