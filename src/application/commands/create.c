// SPDX-License-Identifier: MIT
// create: a user comes to be, with every field at once.
#include "lumin/application/decision.h"
#include "lumin/user/v1/commands.pb-c.h"

static enum lumin_status draft_parse(struct decision *decision, const Lumin__User__V1__Create *create,
                                     struct user_draft *ret_draft);

enum lumin_status command_create(struct decision *decision, const ProtobufCMessage *message) {
  struct user_draft draft = {0};
  enum lumin_status status = draft_parse(decision, (const void *)message, &draft);
  struct event event = {0};
  if (status == LUMIN_OK) {
    status = user_create(&decision->user, &draft, &event, &decision->refusal);
  }
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}

static enum lumin_status draft_parse(struct decision *decision, const Lumin__User__V1__Create *create,
                                     struct user_draft *ret_draft) {
  struct arena *arena = decision->arena;
  struct refusal *refusal = &decision->refusal;
  struct user_draft draft = {0};
  enum lumin_status status =
      first_name_parse(span_from_text(create->first_name), "first_name", arena, &draft.names.first_name, refusal);
  if (status == LUMIN_OK) {
    status = last_name_parse(span_from_text(create->last_name), "last_name", arena, &draft.names.last_name, refusal);
  }
  if (status == LUMIN_OK && create->email[0] != '\0') {
    status = email_parse(span_from_text(create->email), "email", arena, &draft.email, refusal);
  }
  if (status == LUMIN_OK && create->phone[0] != '\0') {
    status = phone_parse(span_from_text(create->phone), "phone", arena, &draft.phone, refusal);
  }
  if (status == LUMIN_OK) {
    *ret_draft = draft;
  }
  return status;
}
