// SPDX-License-Identifier: MIT
// change_username: another first and last name.
#include "lumin/application/decision.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_username(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangeUsername *change = (const void *)message;
  struct user_names names = {0};
  struct event event = {0};
  enum lumin_status status = first_name_parse(span_from_text(change->first_name), "first_name", decision->arena,
                                              &names.first_name, &decision->refusal);
  if (status == LUMIN_OK) {
    status = last_name_parse(span_from_text(change->last_name), "last_name", decision->arena, &names.last_name,
                             &decision->refusal);
  }
  if (status == LUMIN_OK) {
    status = user_change_username(&decision->user, &names, &event, &decision->refusal);
  }
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
