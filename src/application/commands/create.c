// SPDX-License-Identifier: MIT
// create: a user comes to be, with every field at once.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_create(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__Create *create = (const void *)message;
  const struct fields fields = {
      .first_name = create->first_name,
      .last_name = create->last_name,
      .email = create->email,
      .phone = create->phone,
      .language_code = create->language_code,
      .bio = create->bio,
      .birth_date = create->birth_date,
      .avatar_url = create->avatar_url,
      .privacy_settings = create->privacy_settings,
  };
  return fields_create(decision, &fields);
}
