// SPDX-License-Identifier: MIT
// get: a user by id, at least as new as the caller has seen it.
#include "lumin/application/query.h"

#define AGAIN_MS 20 // between two readings of a row that is too old

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  (void)message;
  if (!query->has_user_id) {
    return refuse_field(ret_refusal, "user_id", "a lower-case UUID", "the request names no user");
  }
  query->needs_user = true;
  query->patience_ms = query->min_version > 0 ? query->timeout_ms : 0;
  query->again_ms = AGAIN_MS;
  return LUMIN_OK;
}

static enum lumin_status refuse_state(struct query_reply *reply, const struct user *user, enum lumin_status reason,
                                      const char *message) {
  (void)refuse(&reply->refusal, reason, message);
  reply->refusal.current_status = user != NULL ? (int)user->status : 0;
  reply->refusal.current_version = user != NULL ? user->version : 0;
  return reason;
}

static enum lumin_status answer(const struct query *query, const struct query_rows *rows, bool last,
                                struct query_reply *ret_reply) {
  const struct user *user = rows->user;
  if ((user != NULL ? user->version : 0) < query->min_version) {
    return last ? refuse_state(ret_reply, user, LUMIN_DEADLINE_EXCEEDED,
                               "the user has not reached the version of Lumin-Min-Version")
                : LUMIN_RETRY;
  }
  if (user == NULL) {
    return refuse_state(ret_reply, NULL, LUMIN_NOT_FOUND, "there is no such user");
  }
  if (user->status == USER_DELETED) {
    return refuse_state(ret_reply, user, LUMIN_DELETED, "the user was deleted");
  }
  ret_reply->user = user;
  return LUMIN_OK;
}

const struct query_handler query_get = {plan, answer};
