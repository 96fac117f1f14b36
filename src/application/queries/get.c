// SPDX-License-Identifier: MIT
// get: a user by id, at least as new as the caller has seen it.
#include "steps.h"

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  (void)message;
  return plan_user(query, ret_refusal);
}

static enum lumin_status answer(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  enum lumin_status status = check_living(query, rows, &ret_reply->refusal);
  return status == LUMIN_OK ? answer_user(query, rows, rows->users[0], ret_reply) : status;
}

const struct query_handler query_get = {
    .by_user = true, .from_cache = true, .plain_user = true, .plan = plan, .answer = answer};
