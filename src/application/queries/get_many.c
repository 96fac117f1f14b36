// SPDX-License-Identifier: MIT
// get_many: users by their ids, in the order of the request, and what became of the others.
#include "steps.h"

#define SLOTS 1024 // a power of two, at least twice the ids

// The ids that were named already: places in the array, counted from 1.
struct id_set {
  uint16_t slots[SLOTS];
};

static bool id_is_new(struct id_set *set, const struct uuid *ids, size_t place) {
  size_t slot = uuid_hash(&ids[place]) & (SLOTS - 1);
  while (set->slots[slot] != 0 && !uuid_equal(&ids[set->slots[slot] - 1], &ids[place])) {
    slot = (slot + 1) & (SLOTS - 1);
  }
  bool fresh = set->slots[slot] == 0;
  set->slots[slot] = fresh ? (uint16_t)(place + 1) : set->slots[slot];
  return fresh;
}

static enum lumin_status refuse_id(const struct query *query, size_t place, const char *allowed, const char *message,
                                   struct refusal *ret_refusal) {
  struct span field = arena_printf(query->arena, "user_ids[%zu]", place);
  return refuse_field(ret_refusal, field.data != NULL ? field.data : "user_ids", allowed, message);
}

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  const Lumin__User__V1__GetMany *request = (const void *)message;
  size_t count = request->n_user_ids;
  if (count == 0 || count > QUERY_USERS_MAX) {
    return refuse_field(ret_refusal, "user_ids", "1 to 500 ids", "the request names no user, or too many");
  }
  struct uuid *ids = ARENA_ARRAY(query->arena, count, struct uuid);
  struct id_set *set = ARENA_NEW(query->arena, struct id_set);
  if (ids == NULL || set == NULL) {
    return refuse_memory(ret_refusal);
  }
  for (size_t i = 0; i < count; i++) {
    struct uuid *id = &ids[query->user_count];
    if (uuid_parse(span_from_text(request->user_ids[i]), id) != LUMIN_OK) {
      return refuse_id(query, i, "a lower-case UUID", "the user id is not a lower-case UUID", ret_refusal);
    }
    // Who has the right to one user's subjects alone asks for that user.
    if (query->has_user_id && !uuid_equal(id, &query->user_id)) {
      return refuse_id(query, i, "the user id of the subject", "the payload names another user than the subject",
                       ret_refusal);
    }
    query->user_count += id_is_new(set, ids, query->user_count);
  }
  query->users = ids;
  plan_patience(query);
  return LUMIN_OK;
}

static enum lumin_status versions_check(const struct query *query, const struct query_rows *rows,
                                        struct refusal *ret_refusal) {
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < query->user_count && status == LUMIN_OK; i++) {
    status = check_version(query, rows, rows->users[i], ret_refusal);
  }
  return status;
}

static bool lists_make(const struct query *query, struct arena *arena, Lumin__User__V1__Users *reply) {
  lumin__user__v1__users__init(reply);
  reply->users = ARENA_ARRAY(arena, query->user_count, Lumin__User__V1__User *);
  reply->not_found_user_ids = ARENA_ARRAY(arena, query->user_count, char *);
  reply->deleted_user_ids = ARENA_ARRAY(arena, query->user_count, char *);
  reply->remaining_user_ids = ARENA_ARRAY(arena, query->user_count, char *);
  return reply->users != NULL && reply->not_found_user_ids != NULL && reply->deleted_user_ids != NULL &&
         reply->remaining_user_ids != NULL;
}

static bool user_add(const struct query *query, const struct query_rows *rows, size_t place,
                     Lumin__User__V1__Users *reply) {
  const struct user *user = rows->users[place];
  char *id = uuid_message(&query->users[place], rows->arena);
  if (user == NULL) {
    reply->not_found_user_ids[reply->n_not_found_user_ids++] = id;
  } else if (user->status == USER_DELETED) {
    reply->deleted_user_ids[reply->n_deleted_user_ids++] = id;
  } else if (reply->n_users >= rows->most) {
    reply->remaining_user_ids[reply->n_remaining_user_ids++] = id;
  } else {
    struct user now = user_at(user, query->time_ns);
    Lumin__User__V1__User *message = user_message(&now, rows->arena);
    reply->users[reply->n_users++] = message;
    return message != NULL;
  }
  return id != NULL;
}

static enum lumin_status answer(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  enum lumin_status status = versions_check(query, rows, &ret_reply->refusal);
  if (status != LUMIN_OK) {
    return status;
  }
  Lumin__User__V1__Users *reply = ARENA_NEW(rows->arena, Lumin__User__V1__Users);
  if (reply == NULL || !lists_make(query, rows->arena, reply)) {
    return LUMIN_NO_MEMORY;
  }
  for (size_t i = 0; i < query->user_count; i++) {
    if (!user_add(query, rows, i, reply)) {
      return LUMIN_NO_MEMORY;
    }
  }
  ret_reply->message = &reply->base;
  ret_reply->items = reply->n_users;
  return LUMIN_OK;
}

const struct query_handler query_get_many = {.by_user = true, .from_cache = true, .plan = plan, .answer = answer};
