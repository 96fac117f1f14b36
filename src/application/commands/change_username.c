// SPDX-License-Identifier: MIT
// change_username: another first and last name.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_username(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangeUsername *change = (const void *)message;
  return fields_change(decision, &(struct fields){.first_name = change->first_name, .last_name = change->last_name});
}
