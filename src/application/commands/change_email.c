// SPDX-License-Identifier: MIT
// change_email: another address, not verified; or none, where there is a phone.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_email(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangeEmail *change = (const void *)message;
  return fields_change(decision, &(struct fields){.email = change->email});
}
