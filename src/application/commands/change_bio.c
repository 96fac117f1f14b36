// SPDX-License-Identifier: MIT
// change_bio: another bio, or none.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_change_bio(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__ChangeBio *change = (const void *)message;
  return fields_change(decision, &(struct fields){.bio = change->bio});
}
