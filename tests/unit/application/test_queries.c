// SPDX-License-Identifier: MIT
// The queries' two steps: what is planned from a request, and what is answered from rows.
#include "query_rig.h"

static const char *const some_id = "0192F5C4-8d7e-7c3a-9b1f-2a6d4e8f0c11";

TestSuite(get, .init = rig_begin, .fini = rig_end);
TestSuite(get_many, .init = rig_begin, .fini = rig_end);
TestSuite(find_by, .init = rig_begin, .fini = rig_end);
TestSuite(command_outcome, .init = rig_begin, .fini = rig_end);
TestSuite(keeping, .init = rig_begin, .fini = rig_end);

static enum lumin_status plan_get(struct query *query, struct refusal *ret_refusal) {
  Lumin__User__V1__Get request = LUMIN__USER__V1__GET__INIT;
  return query_get.plan(query, &request.base, ret_refusal);
}

static enum lumin_status plan_outcome(struct query *query, const char *id, uint32_t wait_ms,
                                      struct refusal *ret_refusal) {
  Lumin__User__V1__CommandOutcome request = LUMIN__USER__V1__COMMAND_OUTCOME__INIT;
  request.command_id = TEXT(id);
  request.wait_ms = wait_ms;
  return query_command_outcome.plan(query, &request.base, ret_refusal);
}

Test(get, wants_a_user_id) {
  struct query query = query_of(NULL);
  struct refusal refusal = {0};
  expect_invalid(plan_get(&query, &refusal), &refusal, "user_id");
  cr_assert_eq(query.user_count, 0);
}

Test(get, waits_only_for_a_version) {
  struct query plain = query_of(&ada), versioned = query_of(&ada);
  struct refusal refusal = {0};
  versioned.min_version = 3;
  cr_assert_eq(plan_get(&plain, &refusal), LUMIN_OK);
  cr_assert(plain.user_count == 1 && uuid_equal(plain.users, &ada));
  cr_assert(!plain.needs_outcome && plain.patience_ms == 0);
  cr_assert_eq(plan_get(&versioned, &refusal), LUMIN_OK);
  cr_assert(versioned.patience_ms == 5000 && versioned.again_ms > 0);
}

static enum lumin_status answer_get(uint64_t min_version, const struct user *user, bool last,
                                    struct query_reply *ret_reply) {
  struct query query = query_of(&ada);
  struct query_rows rows = rows_of(&user);
  query.min_version = min_version;
  rows.last = last;
  *ret_reply = (struct query_reply){0};
  return query_get.answer(&query, &rows, ret_reply);
}

static const Lumin__User__V1__User *user_in(const struct query_reply *reply) {
  cr_assert_eq(reply->message->descriptor, &lumin__user__v1__user__descriptor);
  return (const void *)reply->message;
}

Test(get, answers_by_the_row) {
  struct user user = {.id = ada, .version = 2, .status = USER_PENDING};
  struct user gone = {.id = ada, .version = 4, .status = USER_DELETED};
  struct query_reply reply;
  cr_assert_eq(answer_get(0, &user, true, &reply), LUMIN_OK);
  cr_assert(user_in(&reply)->version == 2 && strcmp(user_in(&reply)->user_id, ADA) == 0);
  cr_assert_eq(answer_get(2, &user, false, &reply), LUMIN_OK);
  cr_assert_eq(answer_get(0, NULL, true, &reply), LUMIN_NOT_FOUND);
  cr_assert_eq(reply.refusal.reason, LUMIN_NOT_FOUND);
  cr_assert_eq(answer_get(0, &gone, true, &reply), LUMIN_DELETED);
  cr_assert(reply.refusal.current_status == USER_DELETED && reply.refusal.current_version == 4);
  cr_assert_null(reply.message);
}

Test(get, a_block_that_has_ended_by_the_querys_time_is_not_there) {
  struct user user = {.id = ada,
                      .version = 2,
                      .status = USER_BLOCKED,
                      .status_before_block = USER_ACTIVE,
                      .block_reason = SPAN_LITERAL("spam"),
                      .blocked_until_ns = 1000};
  struct query_reply reply;
  cr_assert_eq(answer_get(0, &user, true, &reply), LUMIN_OK);
  cr_expect_eq((int)user_in(&reply)->status, USER_ACTIVE);
  cr_expect_str_empty(user_in(&reply)->block_reason);
  user.blocked_until_ns = 1001;
  cr_assert_eq(answer_get(0, &user, true, &reply), LUMIN_OK);
  cr_expect_eq((int)user_in(&reply)->status, USER_BLOCKED);
}

Test(get, a_row_that_is_too_old_is_no_answer_until_the_last) {
  struct user user = {.id = ada, .version = 2, .status = USER_PENDING};
  struct query_reply reply;
  cr_assert_eq(answer_get(3, &user, false, &reply), LUMIN_RETRY);
  cr_assert_eq(answer_get(1, NULL, false, &reply), LUMIN_RETRY);
  cr_assert_eq(answer_get(3, &user, true, &reply), LUMIN_DEADLINE_EXCEEDED);
  cr_assert(reply.refusal.current_status == USER_PENDING && reply.refusal.current_version == 2);
  cr_assert_eq(answer_get(1, NULL, true, &reply), LUMIN_DEADLINE_EXCEEDED);
  cr_assert_eq(reply.refusal.current_version, 0);
}

// ---- get_many

static enum lumin_status plan_many(struct query *query, char **ids, size_t count, struct refusal *ret_refusal) {
  Lumin__User__V1__GetMany request = LUMIN__USER__V1__GET_MANY__INIT;
  request.user_ids = ids;
  request.n_user_ids = count;
  *ret_refusal = (struct refusal){0};
  return query_get_many.plan(query, &request.base, ret_refusal);
}

Test(get_many, takes_each_id_once_in_the_order_of_the_request) {
  struct query query = query_of(NULL);
  struct refusal refusal;
  char *ids[] = {TEXT(EVE), TEXT(ADA), TEXT(EVE), TEXT(BOB), TEXT(ADA)};
  cr_assert_eq(plan_many(&query, ids, 5, &refusal), LUMIN_OK);
  cr_assert_eq(query.user_count, 3);
  cr_expect(uuid_equal(&query.users[0], &eve) && uuid_equal(&query.users[1], &ada) &&
            uuid_equal(&query.users[2], &bob));
}

Test(get_many, takes_five_hundred_and_no_more) {
  struct refusal refusal;
  char *ids[QUERY_USERS_MAX + 1];
  for (size_t i = 0; i <= QUERY_USERS_MAX; i++)
    ids[i] = TEXT(arena_printf(arena, "ada00000-0000-0000-0000-%012zx", i).data);
  struct query most = query_of(NULL), beyond = query_of(NULL), none = query_of(NULL);
  cr_assert_eq(plan_many(&most, ids, QUERY_USERS_MAX, &refusal), LUMIN_OK);
  cr_assert_eq(most.user_count, QUERY_USERS_MAX);
  for (size_t i = 0; i < QUERY_USERS_MAX; i++)
    cr_assert_eq(most.users[i].bytes[15], i & 0xff);
  expect_invalid(plan_many(&beyond, ids, QUERY_USERS_MAX + 1, &refusal), &refusal, "user_ids");
  expect_invalid(plan_many(&none, ids, 0, &refusal), &refusal, "user_ids");
}

Test(get_many, names_the_id_at_fault) {
  struct query query = query_of(NULL), mine = query_of(&ada);
  struct refusal refusal;
  char *ids[] = {TEXT(ADA), TEXT("ADA00000-0000-0000-0000-000000000000")}, *others[] = {TEXT(ADA), TEXT(EVE)};
  expect_invalid(plan_many(&query, ids, 2, &refusal), &refusal, "user_ids[1]");
  // the right to one user's subjects is no right to others
  expect_invalid(plan_many(&mine, others, 2, &refusal), &refusal, "user_ids[1]");
}

static enum lumin_status answer_many(const struct user *const *users, size_t most, uint64_t min_version,
                                     struct query_reply *ret_reply) {
  struct query query = query_of(NULL);
  struct refusal refusal;
  char *ids[] = {TEXT(EVE), TEXT(ADA), TEXT(BOB)};
  cr_assert_eq(plan_many(&query, ids, 3, &refusal), LUMIN_OK);
  struct query_rows rows = rows_of(users);
  rows.most = most;
  query.min_version = min_version;
  *ret_reply = (struct query_reply){0};
  return query_get_many.answer(&query, &rows, ret_reply);
}

Test(get_many, tells_apart_what_is_there_deleted_and_not_found) {
  struct user there = {.id = bob, .version = 2, .status = USER_ACTIVE};
  struct user gone = {.id = eve, .version = 4, .status = USER_DELETED};
  const struct user *const users[] = {&gone, NULL, &there};
  struct query_reply reply;
  cr_assert_eq(answer_many(users, SIZE_MAX, 0, &reply), LUMIN_OK);
  const Lumin__User__V1__Users *found = (const void *)reply.message;
  cr_assert(found->n_users == 1 && found->n_deleted_user_ids == 1 && found->n_not_found_user_ids == 1);
  cr_expect_str_eq(found->users[0]->user_id, BOB);
  cr_expect_str_eq(found->deleted_user_ids[0], EVE);
  cr_expect_str_eq(found->not_found_user_ids[0], ADA);
  cr_expect_eq(found->n_remaining_user_ids, 0);
}

Test(get_many, names_those_that_have_no_room) {
  struct user rows[] = {{.id = eve, .version = 1, .status = USER_ACTIVE},
                        {.id = ada, .version = 1, .status = USER_ACTIVE},
                        {.id = bob, .version = 1, .status = USER_ACTIVE}};
  const struct user *const users[] = {&rows[0], &rows[1], &rows[2]};
  struct query_reply reply;
  cr_assert_eq(answer_many(users, SIZE_MAX, 0, &reply), LUMIN_OK);
  cr_assert_eq(reply.items, 3);
  cr_assert_eq(answer_many(users, 1, 0, &reply), LUMIN_OK);
  const Lumin__User__V1__Users *found = (const void *)reply.message;
  cr_assert(found->n_users == 1 && found->n_remaining_user_ids == 2);
  cr_expect_str_eq(found->users[0]->user_id, EVE);
  cr_expect_str_eq(found->remaining_user_ids[0], ADA);
  cr_expect_str_eq(found->remaining_user_ids[1], BOB);
}

Test(get_many, waits_until_each_user_has_the_version) {
  struct user rows[] = {{.id = eve, .version = 3, .status = USER_ACTIVE}, {.id = bob, .version = 2}};
  const struct user *const users[] = {&rows[0], &rows[0], &rows[1]};
  struct query_reply reply;
  cr_expect_eq(answer_many(users, SIZE_MAX, 3, &reply), LUMIN_RETRY);
  cr_expect_eq(answer_many(users, SIZE_MAX, 2, &reply), LUMIN_OK);
}

// ---- find_by_email, find_by_phone

static enum lumin_status plan_email(struct query *query, const char *email, struct refusal *ret_refusal) {
  Lumin__User__V1__FindByEmail request = LUMIN__USER__V1__FIND_BY_EMAIL__INIT;
  request.email = TEXT(email);
  *ret_refusal = (struct refusal){0};
  return query_find_by_email.plan(query, &request.base, ret_refusal);
}

Test(find_by, every_spelling_of_an_address_asks_for_one_key) {
  static const char *const spellings[] = {"ada@example.com", "ADA@Example.COM", "\"ada\"@example.com"};
  struct refusal refusal;
  for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
    struct query query = query_of(NULL);
    cr_assert_eq(plan_email(&query, spellings[i], &refusal), LUMIN_OK);
    cr_expect_eq(query.identifier.kind, IDENTIFIER_EMAIL);
    cr_expect(span_equal(query.identifier.key, SPAN_LITERAL("ada@example.com")), "%s", spellings[i]);
  }
  struct query none = query_of(NULL), wrong = query_of(NULL);
  expect_invalid(plan_email(&none, "", &refusal), &refusal, "email");
  expect_invalid(plan_email(&wrong, "ada", &refusal), &refusal, "email");
}

Test(find_by, a_number_is_asked_for_without_its_separators) {
  Lumin__User__V1__FindByPhone request = LUMIN__USER__V1__FIND_BY_PHONE__INIT;
  struct query query = query_of(NULL), wrong = query_of(NULL);
  struct refusal refusal = {0};
  request.phone = TEXT("+44 (20) 7946-0958");
  cr_assert_eq(query_find_by_phone.plan(&query, &request.base, &refusal), LUMIN_OK);
  cr_expect_eq(query.identifier.kind, IDENTIFIER_PHONE);
  cr_expect(span_equal(query.identifier.key, SPAN_LITERAL("+442079460958")));
  request.phone = TEXT("442079460958");
  expect_invalid(query_find_by_phone.plan(&wrong, &request.base, &refusal), &refusal, "phone");
}

Test(find_by, answers_with_the_holder_and_shows_it_to_who_may_see_it) {
  struct user holder = {.id = ada, .version = 2, .status = USER_ACTIVE};
  struct query anybody = query_of(NULL), mine = query_of(&ada), other = query_of(&eve);
  struct query_rows rows = rows_of(NULL), none = rows_of(NULL);
  struct query_reply reply = {0};
  rows.holder = &holder;
  rows.last = none.last = true;
  cr_expect_eq(query_find_by_email.answer(&anybody, &rows, &reply), LUMIN_OK);
  cr_expect_str_eq(user_in(&reply)->user_id, ADA);
  cr_expect_eq(query_find_by_email.answer(&mine, &rows, &reply), LUMIN_OK);
  cr_expect_eq(query_find_by_email.answer(&other, &rows, &reply), LUMIN_NOT_FOUND);
  cr_expect_eq(query_find_by_phone.answer(&anybody, &none, &reply), LUMIN_NOT_FOUND);
  anybody.min_version = 3;
  cr_expect_eq(query_find_by_phone.answer(&anybody, &rows, &reply), LUMIN_DEADLINE_EXCEEDED);
  cr_expect_eq(reply.refusal.current_version, 2);
  rows.last = none.last = false;
  cr_expect_eq(query_find_by_phone.answer(&anybody, &rows, &reply), LUMIN_RETRY);
  cr_expect_eq(query_find_by_phone.answer(&anybody, &none, &reply), LUMIN_RETRY);
}

// ---- command_outcome

Test(command_outcome, takes_an_id_in_any_case_and_waits_thirty_seconds_at_most) {
  struct query query = query_of(NULL);
  struct refusal refusal = {0};
  cr_assert_eq(plan_outcome(&query, some_id, 30000, &refusal), LUMIN_OK);
  cr_assert(query.needs_outcome && query.user_count == 0 && query.patience_ms == 30000);
  cr_assert_eq(query.command_id.bytes[2], 0xf5);
  expect_invalid(plan_outcome(&query, some_id, 30001, &refusal), &refusal, "wait_ms");
  expect_invalid(plan_outcome(&query, "7", 0, &refusal), &refusal, "command_id");
  expect_invalid(plan_outcome(&query, "", 0, &refusal), &refusal, "command_id");
}

Test(command_outcome, shows_a_users_commands_alone_to_who_may_see_that_user) {
  struct outcome outcome = {.command_id = eve, .user_id = ada, .status = OUTCOME_REJECTED};
  struct query_rows rows = rows_of(NULL), none = rows_of(NULL);
  struct query anybody = query_of(NULL), mine = query_of(&ada), other = query_of(&eve);
  struct query_reply reply = {0};
  rows.outcome = &outcome;
  cr_assert_eq(query_command_outcome.answer(&anybody, &rows, &reply), LUMIN_OK);
  cr_assert_eq(reply.outcome_here, OUTCOME_REJECTED);
  cr_assert_str_eq(((const Lumin__User__V1__Outcome *)(const void *)reply.message)->command_id, EVE);
  cr_assert_eq(query_command_outcome.answer(&mine, &rows, &reply), LUMIN_OK);
  cr_assert_eq(query_command_outcome.answer(&anybody, &none, &reply), LUMIN_RETRY);
  reply = (struct query_reply){0};
  rows.last = none.last = true;
  cr_assert_eq(query_command_outcome.answer(&other, &rows, &reply), LUMIN_NOT_FOUND);
  cr_assert_null(reply.message);
  cr_assert_eq(query_command_outcome.answer(&anybody, &none, &reply), LUMIN_NOT_FOUND);
}

// ---- what waits

Test(keeping, a_kept_query_points_to_nothing_of_the_request) {
  struct query query = query_of(NULL), found = query_of(NULL);
  struct refusal refusal;
  char *ids[] = {TEXT(ADA), TEXT(EVE)};
  cr_assert_eq(plan_many(&query, ids, 2, &refusal), LUMIN_OK);
  cr_assert_eq(plan_email(&found, "Ada@example.com", &refusal), LUMIN_OK);
  char *rooms[] = {malloc(query_bytes(&query)), malloc(query_bytes(&found))};
  cr_assert(rooms[0] != NULL && rooms[1] != NULL);
  struct query kept = query_keep(&query, rooms[0]), kept_found = query_keep(&found, rooms[1]);
  arena_reset(arena);
  memset(arena_alloc(arena, 4096), 0xff, 4096);
  cr_expect(kept.user_count == 2 && uuid_equal(&kept.users[0], &ada) && uuid_equal(&kept.users[1], &eve));
  cr_expect(span_equal(kept_found.identifier.key, SPAN_LITERAL("ada@example.com")));
  cr_expect_eq(query_rows_most(&kept), 2);
  cr_expect_eq(query_rows_most(&kept_found), 1);
  query_finish(&kept);
  query_finish(&kept_found);
  free(rooms[0]);
  free(rooms[1]);
}

Test(catalog, each_query_has_a_handler_and_each_command_a_decision) {
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    bool query = methods[i].kind == METHOD_QUERY;
    cr_assert_eq(methods[i].query != NULL && methods[i].query->plan != NULL && methods[i].query->answer != NULL, query);
    cr_assert_eq(methods[i].decide != NULL, !query);
  }
}
