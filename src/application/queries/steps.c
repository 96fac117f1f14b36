// SPDX-License-Identifier: MIT
// Which state of a user may be shown, and to whom waits for one.
#include "steps.h"

enum lumin_status plan_user(struct query *query, struct refusal *ret_refusal) {
  if (!query->has_user_id) {
    return refuse_field(ret_refusal, "user_id", "a lower-case UUID", "the request names no user");
  }
  struct uuid *users = ARENA_NEW(query->arena, struct uuid);
  if (users == NULL) {
    return refuse_memory(ret_refusal);
  }
  *users = query->user_id;
  query->users = users;
  query->user_count = 1;
  plan_patience(query);
  return LUMIN_OK;
}

void plan_patience(struct query *query) {
  query->patience_ms = query->min_version > 0 ? query->timeout_ms : 0;
  query->again_ms = QUERY_AGAIN_MS;
}

enum lumin_status plan_holder(struct query *query, enum identifier_kind kind, struct span key) {
  query->identifier = (struct identifier){.kind = kind, .key = key};
  plan_patience(query);
  return LUMIN_OK;
}

enum lumin_status answer_holder(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  // Who has the right to one user's subjects alone learns nothing of others.
  const struct user *holder = rows->holder;
  holder = holder != NULL && query->has_user_id && !uuid_equal(&holder->id, &query->user_id) ? NULL : holder;
  enum lumin_status status = check_version(query, rows, holder, &ret_reply->refusal);
  if (status == LUMIN_OK && holder == NULL) {
    return refuse(&ret_reply->refusal, LUMIN_NOT_FOUND, "no user has this address");
  }
  return status == LUMIN_OK ? answer_user(query, rows, holder, ret_reply) : status;
}

enum lumin_status check_version(const struct query *query, const struct query_rows *rows, const struct user *user,
                                struct refusal *ret_refusal) {
  struct user now = user != NULL ? user_at(user, query->time_ns) : (struct user){0};
  if (now.version >= query->min_version) {
    return LUMIN_OK;
  }
  return rows->last ? refuse_state(ret_refusal, &now, LUMIN_DEADLINE_EXCEEDED,
                                   "the user has not reached the version of Lumin-Min-Version")
                    : LUMIN_RETRY;
}

enum lumin_status check_known(const struct query *query, const struct query_rows *rows, struct refusal *ret_refusal) {
  enum lumin_status status = check_version(query, rows, rows->users[0], ret_refusal);
  if (status == LUMIN_OK && rows->users[0] == NULL) {
    return refuse_state(ret_refusal, NULL, LUMIN_NOT_FOUND, "there is no such user");
  }
  return status;
}

enum lumin_status check_living(const struct query *query, const struct query_rows *rows, struct refusal *ret_refusal) {
  enum lumin_status status = check_known(query, rows, ret_refusal);
  if (status == LUMIN_OK && rows->users[0]->status == USER_DELETED) {
    return refuse_state(ret_refusal, rows->users[0], LUMIN_DELETED, "the user was deleted");
  }
  return status;
}

enum lumin_status refuse_state(struct refusal *ret_refusal, const struct user *user, enum lumin_status reason,
                               const char *message) {
  (void)refuse(ret_refusal, reason, message);
  ret_refusal->current_status = user != NULL ? (int)user->status : 0;
  ret_refusal->current_version = user != NULL ? user->version : 0;
  return reason;
}

enum lumin_status refuse_memory(struct refusal *ret_refusal) {
  return refuse(ret_refusal, LUMIN_UNAVAILABLE, "the worker is short of memory");
}

enum lumin_status answer_user(const struct query *query, const struct query_rows *rows, const struct user *user,
                              struct query_reply *ret_reply) {
  struct user now = user_at(user, query->time_ns);
  const Lumin__User__V1__User *message = user_message(&now, rows->arena);
  if (message == NULL) {
    return LUMIN_NO_MEMORY;
  }
  ret_reply->message = &message->base;
  return LUMIN_OK;
}
