// SPDX-License-Identifier: MIT
// find_by_phone: by the number in its one spelling.
#include "steps.h"

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  const Lumin__User__V1__FindByPhone *request = (const void *)message;
  struct span phone = SPAN_EMPTY;
  enum lumin_status status = phone_parse(span_from_text(request->phone), "phone", query->arena, &phone, ret_refusal);
  return status == LUMIN_OK ? plan_holder(query, IDENTIFIER_PHONE, phone) : status;
}

const struct query_handler query_find_by_phone = {.by_user = true, .plan = plan, .answer = answer_holder};
