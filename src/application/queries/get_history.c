// SPDX-License-Identifier: MIT
// get_history: what happened to a user, as it was recorded. It is there for deleted users too.
#include "steps.h"

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  const Lumin__User__V1__GetHistory *request = (const void *)message;
  if (request->from_version > INT64_MAX) {
    return refuse_field(ret_refusal, "from_version", "0 to 9223372036854775807", "no user gets to such a version");
  }
  struct page_place first = {.number = request->from_version == 0 ? 0 : (int64_t)request->from_version - 1};
  enum lumin_status status = plan_user(query, ret_refusal);
  query->page.kind = PAGE_EVENTS;
  query->page.user_id = query->user_id;
  return status == LUMIN_OK ? page_plan(query, message, first, ret_refusal) : status;
}

// The member of the oneof is called as the event is; NULL for an event that this release does not know.
static void body_fill(const struct recorded_event *event, const char *name, Lumin__User__V1__HistoryEvent *message) {
  const ProtobufCFieldDescriptor *field =
      name != NULL && event->body != NULL
          ? protobuf_c_message_descriptor_get_field_by_name(&lumin__user__v1__history_event__descriptor, name)
          : NULL;
  if (field != NULL && field->descriptor == event->body->descriptor) {
    *(const ProtobufCMessage **)(void *)((char *)message + field->offset) = event->body;
    *(uint32_t *)(void *)((char *)message + field->quantifier_offset) = field->id;
  }
}

static Lumin__User__V1__HistoryEvent *event_message(const struct recorded_event *event, struct arena *arena) {
  Lumin__User__V1__HistoryEvent *message = ARENA_NEW(arena, Lumin__User__V1__HistoryEvent);
  if (message == NULL) {
    return NULL;
  }
  const char *name = event_name(event->type);
  lumin__user__v1__history_event__init(message);
  message->version = event->version;
  message->event = (char *)(uintptr_t)(name != NULL ? name : arena_printf(arena, "event_%d", (int)event->type).data);
  message->time = time_message(event->time_ns, arena);
  message->command_id = uuid_message(&event->command_id, arena);
  message->actor = text_message(event->actor, arena);
  body_fill(event, name, message);
  bool whole = message->event != NULL && message->time != NULL && message->command_id != NULL && message->actor != NULL;
  return whole ? message : NULL;
}

static enum lumin_status answer(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  enum lumin_status status = check_known(query, rows, &ret_reply->refusal);
  if (status != LUMIN_OK) {
    return status;
  }
  size_t items = page_items(query, rows);
  Lumin__User__V1__History *reply = ARENA_NEW(rows->arena, Lumin__User__V1__History);
  Lumin__User__V1__HistoryEvent **events = ARENA_ARRAY(rows->arena, items, Lumin__User__V1__HistoryEvent *);
  if (reply == NULL || events == NULL) {
    return LUMIN_NO_MEMORY;
  }
  lumin__user__v1__history__init(reply);
  reply->events = events;
  uint64_t shown = items > 0 ? rows->page.events[items - 1].version : 0; // read after the row
  reply->version = shown > rows->users[0]->version ? shown : rows->users[0]->version;
  for (; reply->n_events < items; reply->n_events++) {
    events[reply->n_events] = event_message(&rows->page.events[reply->n_events], rows->arena);
    if (events[reply->n_events] == NULL) {
      return LUMIN_NO_MEMORY;
    }
  }
  struct page_place last = {.number = items > 0 ? (int64_t)rows->page.events[items - 1].version : 0};
  reply->next_page_token = page_token(query, rows, last);
  ret_reply->message = &reply->base;
  ret_reply->items = items;
  return reply->next_page_token != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

const struct query_handler query_get_history = {.by_user = true, .plan = plan, .answer = answer};
