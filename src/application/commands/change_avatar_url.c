// SPDX-License-Identifier: MIT
// change_avatar_url: another avatar, or none.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_avatar_url(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangeAvatarUrl *change = (const void *)message;
  return fields_change(decision, &(struct fields){.avatar_url = change->avatar_url});
}
