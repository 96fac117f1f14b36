// SPDX-License-Identifier: MIT
// The queries' two steps: what is planned from a request, and what is answered from rows.
#include "lumin/application/query.h"
#include "lumin/user/v1/queries.pb-c.h"

#include <criterion/criterion.h>

static const struct uuid ada = {{0xad, 0xa0}}, eve = {{0xe7, 0xe0}};
static const char *const some_id = "0192F5C4-8d7e-7c3a-9b1f-2a6d4e8f0c11";

static enum lumin_status plan_get(struct query *query, struct refusal *ret_refusal) {
  Lumin__User__V1__Get request = LUMIN__USER__V1__GET__INIT;
  return query_get.plan(query, &request.base, ret_refusal);
}

static enum lumin_status plan_outcome(struct query *query, const char *id, uint32_t wait_ms,
                                      struct refusal *ret_refusal) {
  Lumin__User__V1__CommandOutcome request = LUMIN__USER__V1__COMMAND_OUTCOME__INIT;
  request.command_id = (char *)(uintptr_t)id;
  request.wait_ms = wait_ms;
  return query_command_outcome.plan(query, &request.base, ret_refusal);
}

Test(get, wants_a_user_id) {
  struct query query = {0};
  struct refusal refusal = {0};
  cr_assert_eq(plan_get(&query, &refusal), LUMIN_INVALID_ARGUMENT);
  cr_assert(span_equal(refusal.field, SPAN_LITERAL("user_id")));
  cr_assert(!query.needs_user);
}

Test(get, waits_only_for_a_version) {
  struct query plain = {.has_user_id = true, .user_id = ada, .timeout_ms = 5000};
  struct query versioned = {.has_user_id = true, .user_id = ada, .timeout_ms = 5000, .min_version = 3};
  struct refusal refusal = {0};
  cr_assert_eq(plan_get(&plain, &refusal), LUMIN_OK);
  cr_assert(plain.needs_user && !plain.needs_outcome && plain.patience_ms == 0);
  cr_assert_eq(plan_get(&versioned, &refusal), LUMIN_OK);
  cr_assert(versioned.patience_ms == 5000 && versioned.again_ms > 0);
}

static enum lumin_status answer_get(uint64_t min_version, const struct user *user, bool last,
                                    struct query_reply *ret_reply) {
  struct query query = {.has_user_id = true, .user_id = ada, .min_version = min_version, .needs_user = true};
  struct query_rows rows = {.user = user};
  *ret_reply = (struct query_reply){0};
  return query_get.answer(&query, &rows, last, ret_reply);
}

Test(get, answers_by_the_row) {
  struct user user = {.id = ada, .version = 2, .status = USER_PENDING};
  struct user gone = {.id = ada, .version = 4, .status = USER_DELETED};
  struct query_reply reply;
  cr_assert_eq(answer_get(0, &user, true, &reply), LUMIN_OK);
  cr_assert_eq(reply.user, &user);
  cr_assert_eq(answer_get(2, &user, false, &reply), LUMIN_OK);
  cr_assert_eq(answer_get(0, NULL, true, &reply), LUMIN_NOT_FOUND);
  cr_assert_eq(reply.refusal.reason, LUMIN_NOT_FOUND);
  cr_assert_eq(answer_get(0, &gone, true, &reply), LUMIN_DELETED);
  cr_assert(reply.refusal.current_status == USER_DELETED && reply.refusal.current_version == 4);
  cr_assert_null(reply.user);
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

Test(command_outcome, takes_an_id_in_any_case_and_waits_thirty_seconds_at_most) {
  struct query query = {0};
  struct refusal refusal = {0};
  cr_assert_eq(plan_outcome(&query, some_id, 30000, &refusal), LUMIN_OK);
  cr_assert(query.needs_outcome && !query.needs_user && query.patience_ms == 30000);
  cr_assert_eq(query.command_id.bytes[2], 0xf5);
  cr_assert_eq(plan_outcome(&query, some_id, 30001, &refusal), LUMIN_INVALID_ARGUMENT);
  cr_assert(span_equal(refusal.field, SPAN_LITERAL("wait_ms")));
  cr_assert_eq(plan_outcome(&query, "7", 0, &refusal), LUMIN_INVALID_ARGUMENT);
  cr_assert(span_equal(refusal.field, SPAN_LITERAL("command_id")));
  cr_assert_eq(plan_outcome(&query, "", 0, &refusal), LUMIN_INVALID_ARGUMENT);
}

Test(command_outcome, shows_a_users_commands_alone_to_who_may_see_that_user) {
  struct outcome outcome = {.command_id = eve, .user_id = ada, .status = OUTCOME_REJECTED};
  struct query_rows rows = {.outcome = &outcome}, none = {0};
  struct query anybody = {.command_id = eve}, mine = {.has_user_id = true, .user_id = ada};
  struct query other = {.has_user_id = true, .user_id = eve};
  struct query_reply reply = {0};
  cr_assert_eq(query_command_outcome.answer(&anybody, &rows, true, &reply), LUMIN_OK);
  cr_assert_eq(reply.outcome, &outcome);
  cr_assert_eq(query_command_outcome.answer(&mine, &rows, false, &reply), LUMIN_OK);
  reply = (struct query_reply){0};
  cr_assert_eq(query_command_outcome.answer(&other, &rows, true, &reply), LUMIN_NOT_FOUND);
  cr_assert_null(reply.outcome);
  cr_assert_eq(query_command_outcome.answer(&anybody, &none, false, &reply), LUMIN_RETRY);
  cr_assert_eq(query_command_outcome.answer(&anybody, &none, true, &reply), LUMIN_NOT_FOUND);
}

Test(catalog, each_query_has_a_handler_and_each_command_a_decision) {
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    bool query = methods[i].kind == METHOD_QUERY;
    cr_assert_eq(methods[i].query != NULL && methods[i].query->plan != NULL && methods[i].query->answer != NULL, query);
    cr_assert_eq(methods[i].decide != NULL, !query);
  }
}
