// SPDX-License-Identifier: MIT
// change_language_code: another language, or none.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_language_code(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangeLanguageCode *change = (const void *)message;
  return fields_change(decision, &(struct fields){.language_code = change->language_code});
}
