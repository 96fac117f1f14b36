// SPDX-License-Identifier: MIT
// list: users by time of creation and id. Neither ever changes, so that pages neither skip nor repeat a user, whatever
// is written meanwhile. A block that has ended by the query's time is not there.
#include "steps.h"

#define ALL_BUT_DELETED (1U << USER_PENDING | 1U << USER_ACTIVE | 1U << USER_DEACTIVATED | 1U << USER_BLOCKED)

static enum lumin_status statuses_read(const struct query *query, const Lumin__User__V1__List *request,
                                       unsigned *ret_statuses, struct refusal *ret_refusal) {
  unsigned statuses = 0;
  for (size_t i = 0; i < request->n_statuses; i++) {
    int number = (int)request->statuses[i];
    if (number < USER_PENDING || number > USER_DELETED) {
      struct span field = arena_printf(query->arena, "statuses[%zu]", i);
      return refuse_field(ret_refusal, field.data != NULL ? field.data : "statuses",
                          "PENDING, ACTIVE, DEACTIVATED, BLOCKED or DELETED", "there is no such status");
    }
    statuses |= 1U << number;
  }
  *ret_statuses = statuses != 0 ? statuses : ALL_BUT_DELETED;
  return LUMIN_OK;
}

static enum lumin_status time_read(const Google__Protobuf__Timestamp *time, const char *field, int64_t *time_ns,
                                   struct refusal *ret_refusal) {
  return time == NULL || timestamp_read(time, time_ns) == LUMIN_OK
             ? LUMIN_OK
             : refuse_field(ret_refusal, field, "a time, with nanoseconds below a second", "the time is none");
}

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  const Lumin__User__V1__List *request = (const void *)message;
  struct page_wanted *page = &query->page;
  if (query->has_user_id) {
    return refuse_field(ret_refusal, "subject", "the method without a user id", "this query is not about one user");
  }
  *page =
      (struct page_wanted){.kind = PAGE_USERS, .time_ns = query->time_ns, .from_ns = INT64_MIN, .until_ns = INT64_MAX};
  enum lumin_status status = statuses_read(query, request, &page->statuses, ret_refusal);
  if (status == LUMIN_OK) {
    status = time_read(request->created_from, "created_from", &page->from_ns, ret_refusal);
  }
  if (status == LUMIN_OK) {
    status = time_read(request->created_until, "created_until", &page->until_ns, ret_refusal);
  }
  // Behind the greatest id of the nanosecond before.
  struct page_place first = {.number = page->from_ns == INT64_MIN ? INT64_MIN : page->from_ns - 1};
  memset(first.id.bytes, 0xff, sizeof first.id.bytes);
  return status == LUMIN_OK ? page_plan(query, message, first, ret_refusal) : status;
}

static enum lumin_status answer(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  size_t items = page_items(query, rows);
  Lumin__User__V1__UserPage *reply = ARENA_NEW(rows->arena, Lumin__User__V1__UserPage);
  Lumin__User__V1__User **users = ARENA_ARRAY(rows->arena, items, Lumin__User__V1__User *);
  if (reply == NULL || users == NULL) {
    return LUMIN_NO_MEMORY;
  }
  lumin__user__v1__user_page__init(reply);
  reply->users = users;
  for (; reply->n_users < items; reply->n_users++) {
    struct user now = user_at(&rows->page.users[reply->n_users], query->page.time_ns);
    users[reply->n_users] = user_message(&now, rows->arena);
    if (users[reply->n_users] == NULL) {
      return LUMIN_NO_MEMORY;
    }
  }
  const struct user *end = items > 0 ? &rows->page.users[items - 1] : NULL;
  struct page_place last = end != NULL ? (struct page_place){end->created_ns, end->id} : (struct page_place){0};
  reply->next_page_token = page_token(query, rows, last);
  reply->time = time_message(query->page.time_ns, rows->arena);
  ret_reply->message = &reply->base;
  ret_reply->items = items;
  return reply->next_page_token != NULL && reply->time != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

const struct query_handler query_list = {.plan = plan, .answer = answer};
