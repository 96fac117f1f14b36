// SPDX-License-Identifier: MIT
// find_by_email: by the key that addresses are compared by, so that every spelling of an address finds its user.
#include "steps.h"

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  const Lumin__User__V1__FindByEmail *request = (const void *)message;
  struct email email = {0};
  enum lumin_status status = email_parse(span_from_text(request->email), "email", query->arena, &email, ret_refusal);
  return status == LUMIN_OK ? plan_holder(query, IDENTIFIER_EMAIL, email.key) : status;
}

const struct query_handler query_find_by_email = {.by_user = true, .plan = plan, .answer = answer_holder};
