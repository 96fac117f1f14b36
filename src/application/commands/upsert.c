// SPDX-License-Identifier: MIT
// upsert: create, or update of what is given. For callers that bring users along from elsewhere and do not know which
// of them are here already.
#include "lumin/application/fields.h"
#include "lumin/user/v1/commands.pb-c.h"

static const char *text_or_nothing(const char *text) { return text[0] != '\0' ? text : NULL; }

enum lumin_status command_upsert(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__Upsert *upsert = (const void *)message;
  bool exists = decision->user.status != USER_NONE && decision->user.status != USER_DELETED;
  const struct fields fields = {
      .first_name = exists ? text_or_nothing(upsert->first_name) : upsert->first_name,
      .last_name = text_or_nothing(upsert->last_name),
      .email = text_or_nothing(upsert->email),
      .phone = text_or_nothing(upsert->phone),
      .language_code = text_or_nothing(upsert->language_code),
      .bio = text_or_nothing(upsert->bio),
      .birth_date = text_or_nothing(upsert->birth_date),
      .avatar_url = text_or_nothing(upsert->avatar_url),
      .privacy_settings = upsert->privacy_settings,
  };
  return exists ? fields_change(decision, &fields) : fields_create(decision, &fields);
}
