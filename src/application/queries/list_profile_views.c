// SPDX-License-Identifier: MIT
// list_profile_views: who has looked at a user's profile, the last one first. Who looks again while the pages are read
// moves to the front, and is not shown a second time behind it.
#include "steps.h"

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  struct page_place first = {.number = INT64_MAX};
  memset(first.id.bytes, 0xff, sizeof first.id.bytes);
  enum lumin_status status = plan_user(query, ret_refusal);
  query->page.kind = PAGE_VIEWERS;
  query->page.user_id = query->user_id;
  return status == LUMIN_OK ? page_plan(query, message, first, ret_refusal) : status;
}

static Lumin__User__V1__ProfileView *view_message(const struct viewer *viewer, struct arena *arena) {
  Lumin__User__V1__ProfileView *message = ARENA_NEW(arena, Lumin__User__V1__ProfileView);
  if (message == NULL) {
    return NULL;
  }
  lumin__user__v1__profile_view__init(message);
  message->viewer_id = uuid_message(&viewer->viewer_id, arena);
  message->last_viewed_at = time_message(viewer->last_viewed_ns, arena);
  message->view_count = viewer->view_count;
  return message->viewer_id != NULL && message->last_viewed_at != NULL ? message : NULL;
}

static enum lumin_status answer(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  enum lumin_status status = check_living(query, rows, &ret_reply->refusal);
  if (status != LUMIN_OK) {
    return status;
  }
  size_t items = page_items(query, rows);
  Lumin__User__V1__ProfileViews *reply = ARENA_NEW(rows->arena, Lumin__User__V1__ProfileViews);
  Lumin__User__V1__ProfileView **views = ARENA_ARRAY(rows->arena, items, Lumin__User__V1__ProfileView *);
  if (reply == NULL || views == NULL) {
    return LUMIN_NO_MEMORY;
  }
  lumin__user__v1__profile_views__init(reply);
  reply->views = views;
  reply->profile_views = rows->users[0]->profile_views;
  reply->version = rows->users[0]->version;
  for (; reply->n_views < items; reply->n_views++) {
    views[reply->n_views] = view_message(&rows->page.viewers[reply->n_views], rows->arena);
    if (views[reply->n_views] == NULL) {
      return LUMIN_NO_MEMORY;
    }
  }
  const struct viewer *end = items > 0 ? &rows->page.viewers[items - 1] : NULL;
  struct page_place last =
      end != NULL ? (struct page_place){end->last_viewed_ns, end->viewer_id} : (struct page_place){0};
  reply->next_page_token = page_token(query, rows, last);
  ret_reply->message = &reply->base;
  ret_reply->items = items;
  return reply->next_page_token != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

const struct query_handler query_list_profile_views = {.by_user = true, .plan = plan, .answer = answer};
