// SPDX-License-Identifier: MIT
// change_birth_date: another birth date, or none.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_birth_date(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangeBirthDate *change = (const void *)message;
  return fields_change(decision, &(struct fields){.birth_date = change->birth_date});
}
