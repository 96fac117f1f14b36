// SPDX-License-Identifier: MIT
// change_privacy_settings: other people may see what is named.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_privacy_settings(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangePrivacySettings *change = (const void *)message;
  return fields_change(decision, &(struct fields){.privacy_settings = change->privacy_settings});
}
