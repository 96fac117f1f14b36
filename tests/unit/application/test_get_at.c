// SPDX-License-Identifier: MIT
// get_at: every version of a life beside the fold as the domain does it, however the events are cut into pieces.
#include "query_rig.h"

#define PIECE 500
#define EVENTS 1203
#define BIRTH (-INT64_C(5000000)) // the query comes at 1000, long after the last event

TestSuite(get_at, .init = rig_begin, .fini = rig_end);

// A life: created, activated, then names, views and blocks by turns.
static struct recorded_event life[EVENTS];
static struct user states[EVENTS + 1]; // by version
static ProtobufCMessage some_body;

static struct event event_number(size_t i) {
  struct span name = arena_printf(arena, "Ada %zu", i);
  if (i == 0)
    return (struct event){.type = EVENT_USER_CREATED, .user_created.first_name = name};
  switch (i % 5) {
  case 1:
    return (struct event){.type = EVENT_USER_ACTIVATED};
  case 2:
    return (struct event){.type = EVENT_USERNAME_CHANGED, .username_changed.first_name = name};
  case 3:
    return (struct event){.type = EVENT_USER_BLOCKED,
                          .user_blocked = {SPAN_LITERAL("spam"), BIRTH + 10 * (int64_t)i + 15}};
  default:
    return (struct event){.type = EVENT_PROFILE_VIEWED, .profile_viewed.viewer_id = eve};
  }
}

static void life_make(void) {
  rig_begin();
  struct user state = {.id = ada};
  for (size_t i = 0; i < EVENTS; i++) {
    struct event event = event_number(i);
    event.version = i + 1;
    event.time_ns = BIRTH + 10 * (int64_t)i;
    life[i] = (struct recorded_event){
        .type = event.type, .version = event.version, .time_ns = event.time_ns, .body = &some_body, .event = event};
    user_apply(&state, &event);
    states[i + 1] = state;
  }
}

TestSuite(get_at_life, .init = life_make, .fini = rig_end);

static enum lumin_status plan(struct query *query, uint64_t version, const int64_t *time_ns,
                              struct refusal *ret_refusal) {
  Lumin__User__V1__GetAt request = LUMIN__USER__V1__GET_AT__INIT;
  Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
  request.version = version;
  if (time_ns != NULL) {
    int64_t rest = (*time_ns % 1000000000 + 1000000000) % 1000000000;
    time.nanos = (int32_t)rest;
    time.seconds = (*time_ns - rest) / 1000000000;
    request.time = &time;
  }
  *query = query_of(&ada);
  *ret_refusal = (struct refusal){0};
  return query_get_at.plan(query, &request.base, ret_refusal);
}

// Reads pieces until there is an answer, as the door does.
static enum lumin_status answer(struct query *query, size_t count, struct query_reply *ret_reply, size_t *ret_rounds) {
  const struct user *now = count > 0 ? &states[count] : NULL;
  enum lumin_status status = LUMIN_RETRY;
  for (*ret_rounds = 0; status == LUMIN_RETRY; ++*ret_rounds) {
    struct query_rows rows = rows_of(&now);
    size_t after = (size_t)query->page.after.number, left = count - after;
    rows.page = (struct page_rows){.events = life + after, .count = left < query->page.most ? left : query->page.most};
    *ret_reply = (struct query_reply){0};
    status = query_get_at.answer(query, &rows, ret_reply);
    cr_assert(status != LUMIN_RETRY || query->again_ms == 0);
  }
  query_finish(query);
  return status;
}

static void expect_state(const struct query_reply *reply, const struct user *state) {
  const Lumin__User__V1__User *user = (const void *)reply->message;
  cr_assert_eq(user->version, state->version);
  cr_expect_eq((int)user->status, (int)state->status, "version %lu", (unsigned long)state->version);
  cr_expect(span_equal(span_from_text(user->first_name), state->first_name));
  cr_expect_eq(user->profile_views, state->profile_views);
  cr_expect(span_equal(span_from_text(user->block_reason), state->block_reason));
}

Test(get_at_life, every_version) {
  for (uint64_t version = 1; version <= EVENTS; version++) {
    struct query query;
    struct refusal refusal;
    struct query_reply reply;
    size_t rounds = 0;
    cr_assert_eq(plan(&query, version, NULL, &refusal), LUMIN_OK);
    cr_assert_eq(answer(&query, EVENTS, &reply, &rounds), LUMIN_OK);
    expect_state(&reply, &states[version]);
    cr_expect_eq(rounds, version == EVENTS ? 1 : version / PIECE + 1, "version %lu", (unsigned long)version);
  }
}

Test(get_at_life, every_time) {
  for (size_t i = 0; i < EVENTS - 1; i += 7)
    for (int64_t beside = -1; beside <= 9; beside += 5) {
      int64_t time_ns = life[i].time_ns + beside;
      size_t version = beside < 0 ? i : i + 1;
      struct query query;
      struct refusal refusal;
      struct query_reply reply;
      size_t rounds = 0;
      cr_assert_eq(plan(&query, 0, &time_ns, &refusal), LUMIN_OK);
      enum lumin_status status = answer(&query, EVENTS, &reply, &rounds);
      if (version == 0) {
        cr_expect_eq(status, LUMIN_NOT_FOUND);
        continue;
      }
      struct user then = user_at(&states[version], time_ns); // a block may have ended between two events
      cr_assert_eq(status, LUMIN_OK);
      expect_state(&reply, &then);
    }
}

Test(get_at_life, a_piece_that_ends_where_the_events_end) {
  struct query query;
  struct refusal refusal;
  struct query_reply reply;
  size_t rounds = 0;
  int64_t time_ns = life[PIECE - 1].time_ns - 1;
  cr_assert_eq(plan(&query, 0, &time_ns, &refusal), LUMIN_OK);
  cr_assert_eq(answer(&query, PIECE, &reply, &rounds), LUMIN_OK);
  expect_state(&reply, &states[PIECE - 1]);
}

Test(get_at_life, what_is_not_yet) {
  struct query query;
  struct refusal refusal;
  struct query_reply reply;
  size_t rounds = 0;
  int64_t future = 1001, beyond = INT64_MAX, now = 1000;
  cr_assert_eq(plan(&query, EVENTS + 1, NULL, &refusal), LUMIN_OK);
  cr_expect_eq(answer(&query, EVENTS, &reply, &rounds), LUMIN_NOT_FOUND);
  cr_expect_eq(reply.refusal.current_version, EVENTS);
  const int64_t *futures[] = {&future, &beyond};
  for (size_t i = 0; i < 2; i++) {
    cr_assert_eq(plan(&query, 0, futures[i], &refusal), LUMIN_OK);
    expect_invalid(answer(&query, EVENTS, &reply, &rounds), &reply.refusal, "time");
  }
  cr_assert_eq(plan(&query, 0, &now, &refusal), LUMIN_OK);
  cr_expect_eq(answer(&query, EVENTS, &reply, &rounds), LUMIN_OK);
  cr_assert_eq(plan(&query, 1, NULL, &refusal), LUMIN_OK);
  cr_expect_eq(answer(&query, 0, &reply, &rounds), LUMIN_NOT_FOUND);
}

Test(get_at_life, a_users_own_time_may_be_ahead_of_the_workers) {
  struct query query;
  struct refusal refusal;
  struct query_reply reply = {0};
  int64_t time_ns = 5000; // the query came at 1000
  struct user ahead = {.id = ada, .version = 2, .status = USER_ACTIVE, .updated_ns = 5000};
  const struct user *const users[] = {&ahead};
  struct query_rows rows = rows_of(users);
  cr_assert_eq(plan(&query, 0, &time_ns, &refusal), LUMIN_OK);
  cr_expect_eq(query_get_at.answer(&query, &rows, &reply), LUMIN_OK);
}

Test(get_at_life, the_past_of_a_deleted_user) {
  struct query query;
  struct refusal refusal;
  struct query_reply reply;
  size_t rounds = 0;
  struct event deleted = {.type = EVENT_USER_DELETED, .version = 5, .time_ns = life[4].time_ns};
  life[4].event = deleted;
  states[5] = states[4];
  user_apply(&states[5], &deleted);
  cr_assert_eq(plan(&query, 4, NULL, &refusal), LUMIN_OK);
  cr_assert_eq(answer(&query, 5, &reply, &rounds), LUMIN_OK);
  expect_state(&reply, &states[4]);
  cr_assert_eq(plan(&query, 5, NULL, &refusal), LUMIN_OK);
  cr_expect_eq(answer(&query, 5, &reply, &rounds), LUMIN_DELETED);
  cr_expect_eq(reply.refusal.current_version, 5);
}

Test(get_at_life, an_event_that_cannot_be_read_is_no_answer) {
  struct query query;
  struct refusal refusal;
  struct query_reply reply;
  size_t rounds = 0;
  life[2].body = NULL;
  cr_assert_eq(plan(&query, 4, NULL, &refusal), LUMIN_OK);
  cr_expect_eq(answer(&query, 9, &reply, &rounds), LUMIN_INTERNAL);
  cr_assert_eq(plan(&query, 2, NULL, &refusal), LUMIN_OK);
  cr_expect_eq(answer(&query, 9, &reply, &rounds), LUMIN_OK);
}

Test(get_at_life, patience_ends) {
  struct query query;
  struct refusal refusal;
  struct query_reply reply = {0};
  const struct user *now = &states[EVENTS];
  cr_assert_eq(plan(&query, EVENTS - 1, NULL, &refusal), LUMIN_OK);
  cr_expect_eq(query.patience_ms, 5000);
  struct query_rows rows = rows_of(&now);
  rows.page = (struct page_rows){.events = life, .count = PIECE};
  rows.last = true;
  cr_expect_eq(query_get_at.answer(&query, &rows, &reply), LUMIN_DEADLINE_EXCEEDED);
  query_finish(&query);
}

Test(get_at, wants_a_version_or_a_time) {
  struct query query;
  struct refusal refusal;
  int64_t time_ns = 1;
  expect_invalid(plan(&query, 0, NULL, &refusal), &refusal, "version");
  expect_invalid(plan(&query, 1, &time_ns, &refusal), &refusal, "version");
  Lumin__User__V1__GetAt request = LUMIN__USER__V1__GET_AT__INIT;
  Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
  time.nanos = -1;
  request.time = &time;
  query = query_of(&ada);
  expect_invalid(query_get_at.plan(&query, &request.base, &refusal), &refusal, "time");
}
