// SPDX-License-Identifier: MIT
// get_at: a user as it was, by the fold of its events up to there. They are read in pieces, and the state that the fold
// has come to is all that is kept between two of them, so that a user with any number of events takes bounded memory
// and lets other queries through. The past of a deleted user can be asked for.
#include <stdlib.h>

#include "lumin/application/memory.h"
#include "steps.h"

#define PIECE 500 // events

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  const Lumin__User__V1__GetAt *request = (const void *)message;
  if ((request->version == 0) == (request->time == NULL)) {
    return refuse_field(ret_refusal, "version", "a version, or a time in the field time",
                        "the request names neither version nor time, or both");
  }
  if (request->time != NULL && timestamp_read(request->time, &query->at_ns) != LUMIN_OK) {
    return refuse_field(ret_refusal, "time", "a time, with nanoseconds below a second", "the time is none");
  }
  query->at_version = request->version;
  enum lumin_status status = plan_user(query, ret_refusal);
  query->page = (struct page_wanted){.kind = PAGE_EVENTS, .user_id = query->user_id, .most = PIECE};
  query->patience_ms = query->timeout_ms;
  return status;
}

static bool is_beyond(const struct query *query, const struct recorded_event *event) {
  return query->at_version != 0 ? event->version > query->at_version : event->time_ns > query->at_ns;
}

// What has not been yet cannot be told: others may still change it. A user's own time may be ahead of this machine's.
static enum lumin_status future_refuse(const struct query *query, const struct user *now, struct refusal *ret_refusal) {
  if (query->at_version > now->version) {
    return refuse_state(ret_refusal, now, LUMIN_NOT_FOUND, "the user has not reached this version");
  }
  if (query->at_version == 0 && query->at_ns > query->time_ns && query->at_ns > now->updated_ns) {
    return refuse_field(ret_refusal, "time", "a time that is not in the future",
                        "nobody knows yet how the user will be");
  }
  return LUMIN_OK;
}

// The state as it is, its texts moved to memory that outlives the piece.
static enum lumin_status state_keep(struct query *query, const struct user *state, uint64_t version) {
  struct user *kept = malloc(sizeof *kept + user_texts_len(state));
  if (kept == NULL) {
    return LUMIN_NO_MEMORY;
  }
  *kept = *state;
  user_texts_move(kept, (char *)(kept + 1));
  free(query->state);
  query->state = kept;
  query->page.after.number = (int64_t)version;
  query->again_ms = 0;
  return LUMIN_RETRY;
}

static enum lumin_status state_answer(const struct query *query, const struct query_rows *rows,
                                      const struct user *state, struct query_reply *ret_reply) {
  if (state->version == 0) {
    return refuse_state(&ret_reply->refusal, NULL, LUMIN_NOT_FOUND, "there was no such user yet");
  }
  if (state->status == USER_DELETED) {
    return refuse_state(&ret_reply->refusal, state, LUMIN_DELETED, "the user was deleted by then");
  }
  struct user then = user_at(state, query->at_version != 0 ? state->updated_ns : query->at_ns);
  const Lumin__User__V1__User *message = user_message(&then, rows->arena);
  if (message == NULL) {
    return LUMIN_NO_MEMORY;
  }
  ret_reply->message = &message->base;
  return LUMIN_OK;
}

static enum lumin_status fold(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  struct user state = query->state != NULL ? *query->state : (struct user){.id = query->user_id};
  const struct page_rows *page = &rows->page;
  size_t i = 0;
  for (; i < page->count && !is_beyond(query, &page->events[i]); i++) {
    if (page->events[i].body == NULL) {
      return refuse(&ret_reply->refusal, LUMIN_INTERNAL, "an event of the user cannot be read by this release");
    }
    user_apply(&state, &page->events[i].event);
  }
  if (i < page->count || page->count < PIECE) {
    return state_answer(query, rows, &state, ret_reply);
  }
  return rows->last ? refuse_state(&ret_reply->refusal, &state, LUMIN_DEADLINE_EXCEEDED,
                                   "the user has too many events to fold them in this time")
                    : state_keep(query, &state, page->events[page->count - 1].version);
}

// The row is the fold of all events (guarantee 6).
static bool is_now(const struct query *query, const struct user *now) {
  return query->at_version != 0 ? query->at_version == now->version : query->at_ns >= now->updated_ns;
}

static enum lumin_status answer(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  const struct user *now = rows->users[0];
  enum lumin_status status = check_known(query, rows, &ret_reply->refusal);
  if (status == LUMIN_OK) {
    status = future_refuse(query, now, &ret_reply->refusal);
  }
  if (status != LUMIN_OK) {
    return status;
  }
  return is_now(query, now) ? state_answer(query, rows, now, ret_reply) : fold(query, rows, ret_reply);
}

const struct query_handler query_get_at = {.by_user = true, .plan = plan, .answer = answer};
