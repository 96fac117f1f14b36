// SPDX-License-Identifier: MIT
// change_phone: another number, not verified; or none, where there is an e-mail address.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_phone(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangePhone *change = (const void *)message;
  return fields_change(decision, &(struct fields){.phone = change->phone});
}
