// SPDX-License-Identifier: MIT
// Queries that the cache can answer are answered where they arrive, without a hand-over to anybody; what it lacks a
// load leaves there. A reply of one whole user is there as it is sent.
#include "cached.h"
#include "door_internal.h"

static bool users_find(struct door *door, const struct asked *asked, struct cached_user *ret_users);
static bool user_reply(struct door *door, const struct asked *asked, const struct cached_user *cached);
static bool rows_reply(struct door *door, const struct asked *asked, const struct cached_user *cached);

bool asked_answer(struct door *door, const struct asked *asked) {
  const struct query_handler *handler = asked->caller->method->query;
  size_t count = asked->query->user_count;
  if (door->worker->cache == NULL || !handler->from_cache || count == 0) {
    return false;
  }
  struct cached_user *users = ARENA_ARRAY(door->scratch, count, struct cached_user);
  if (users == NULL || !users_find(door, asked, users)) {
    return false;
  }
  bool plain = handler->plain_user && users->version > 0 && users->status != USER_DELETED;
  return plain ? user_reply(door, asked, users) : rows_reply(door, asked, users);
}

static bool users_find(struct door *door, const struct asked *asked, struct cached_user *ret_users) {
  struct cache_question question = {
      .min_version = asked->query->min_version, .now_ns = asked->caller->started_ns, .time_ns = asked->query->time_ns};
  bool found = true;
  for (size_t i = 0; i < asked->query->user_count && found; i++) {
    question.user_id = asked->query->users[i];
    found = cache_get(door->worker->cache, &question, door->scratch, &ret_users[i]);
  }
  return found;
}

static bool user_reply(struct door *door, const struct asked *asked, const struct cached_user *cached) {
  struct reply reply = {.body = cached->body};
  if (reply_convert(asked->caller, asked->caller->method->reply, door->scratch, &reply) != LUMIN_OK ||
      reply.body.len > reply_limit(door)) {
    return false;
  }
  reply_send(door, asked->caller, &reply);
  return true;
}

// ---- replies that are made of users

static const struct user **rows_make(struct door *door, const struct cached_user *cached, size_t count) {
  struct user *users = ARENA_ARRAY(door->scratch, count, struct user);
  const struct user **rows = ARENA_ARRAY(door->scratch, count, const struct user *);
  bool fine = users != NULL && rows != NULL;
  for (size_t i = 0; i < count && fine; i++) {
    if (cached[i].version > 0) {
      fine = codec_decode_user(cached[i].body, door->scratch, &users[i]) == LUMIN_OK;
      rows[i] = &users[i];
    }
  }
  return fine ? rows : NULL;
}

static bool rows_reply(struct door *door, const struct asked *asked, const struct cached_user *cached) {
  struct query_rows rows = {
      .users = rows_make(door, cached, asked->query->user_count), .most = SIZE_MAX, .arena = door->answers};
  struct refusal refusal = {0};
  struct reply reply = {0};
  enum lumin_status status = rows.users != NULL ? answer_make(door, asked, &rows, &refusal, &reply) : LUMIN_NO_MEMORY;
  if (status == LUMIN_OK) {
    reply_send(door, asked->caller, &reply);
  } else if (status != LUMIN_RETRY && refusal.reason != LUMIN_OK) {
    reply_refuse(door, asked->caller, &refusal, door->answers);
  }
  return status == LUMIN_OK || (status != LUMIN_RETRY && refusal.reason != LUMIN_OK);
}

// ---- loads

uint64_t load_ticket(struct door *door, const struct uuid *user_id) {
  return door->worker->cache != NULL ? cache_load_begin(door->worker->cache, user_id) : 0;
}

void load_keep(struct door *door, const struct uuid *user_id, uint64_t ticket, const struct user *row) {
  struct cached_user cached = cached_none();
  if (ticket != 0 && (row == NULL || cached_make(row, clock_wall_ns(), door->rows, &cached) == LUMIN_OK)) {
    cache_keep(door->worker->cache, user_id, ticket, door->loaded_ns, &cached);
  }
}
