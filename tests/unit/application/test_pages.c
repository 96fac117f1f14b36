// SPDX-License-Identifier: MIT
// Pages: limits, tokens that only fit their own request, and the queries that are made of pages.
#include "query_rig.h"

#include "lumin/user/v1/events.pb-c.h"

typedef Lumin__User__V1__List list_request;
typedef Lumin__User__V1__GetHistory history_request;

TestSuite(page, .init = rig_begin, .fini = rig_end);
TestSuite(list, .init = rig_begin, .fini = rig_end);
TestSuite(history, .init = rig_begin, .fini = rig_end);
TestSuite(views, .init = rig_begin, .fini = rig_end);

static enum lumin_status plan_list(struct query *query, const list_request *request, struct refusal *ret_refusal) {
  *query = query_of(NULL);
  *ret_refusal = (struct refusal){0};
  return query_list.plan(query, &request->base, ret_refusal);
}

static enum lumin_status plan_history(struct query *query, const struct uuid *user_id, uint64_t from_version,
                                      const char *token, struct refusal *ret_refusal) {
  history_request request = LUMIN__USER__V1__GET_HISTORY__INIT;
  request.from_version = from_version;
  request.page_token = TEXT(token);
  *query = query_of(user_id);
  *ret_refusal = (struct refusal){0};
  return query_get_history.plan(query, &request.base, ret_refusal);
}

Test(page, limits) {
  static const struct {
    uint32_t limit, most;
  } cases[] = {{0, 51}, {1, 2}, {50, 51}, {499, 500}, {500, 501}, {501, 501}, {1000000000, 501}, {UINT32_MAX, 501}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    list_request request = LUMIN__USER__V1__LIST__INIT;
    struct query query;
    struct refusal refusal;
    request.limit = cases[i].limit;
    cr_assert_eq(plan_list(&query, &request, &refusal), LUMIN_OK);
    cr_expect_eq(query.page.most, cases[i].most, "%u", cases[i].limit);
  }
}

// Three users of which the page shows `limit`.
static struct user three[] = {{.id = {{1}}, .version = 1, .status = USER_ACTIVE, .created_ns = 10},
                              {.id = {{2}}, .version = 1, .status = USER_ACTIVE, .created_ns = 10},
                              {.id = {{3}}, .version = 1, .status = USER_ACTIVE, .created_ns = 20}};

static const Lumin__User__V1__UserPage *answer_list(struct query *query, size_t most) {
  struct query_rows rows = rows_of(NULL);
  struct query_reply reply = {0};
  rows.most = most;
  rows.page = (struct page_rows){.users = three, .count = query->page.most < 3 ? query->page.most : 3};
  cr_assert_eq(query_list.answer(query, &rows, &reply), LUMIN_OK);
  const Lumin__User__V1__UserPage *page = (const void *)reply.message;
  cr_assert_eq(page->n_users, reply.items);
  return page;
}

static const char *token_of_list(uint32_t limit) {
  list_request request = LUMIN__USER__V1__LIST__INIT;
  struct query query;
  struct refusal refusal;
  request.limit = limit;
  cr_assert_eq(plan_list(&query, &request, &refusal), LUMIN_OK);
  return answer_list(&query, SIZE_MAX)->next_page_token;
}

Test(page, a_token_leads_behind_the_last_item_whatever_the_next_limit) {
  list_request request = LUMIN__USER__V1__LIST__INIT;
  struct query query;
  struct refusal refusal;
  request.page_token = TEXT(token_of_list(2));
  cr_assert_eq(strlen(request.page_token), 43);
  for (uint32_t limit = 0; limit < 3; limit++) {
    request.limit = limit;
    cr_assert_eq(plan_list(&query, &request, &refusal), LUMIN_OK);
    cr_expect_eq(query.page.after.number, 10);
    cr_expect(uuid_equal(&query.page.after.id, &three[1].id));
  }
}

Test(page, the_last_page_has_no_token) {
  cr_expect_str_empty(token_of_list(3));
  cr_expect_str_empty(token_of_list(0));
}

Test(page, a_page_that_is_cut_goes_on_behind_the_cut) {
  list_request request = LUMIN__USER__V1__LIST__INIT;
  struct query query;
  struct refusal refusal;
  cr_assert_eq(plan_list(&query, &request, &refusal), LUMIN_OK);
  const Lumin__User__V1__UserPage *page = answer_list(&query, 1);
  cr_assert_eq(page->n_users, 1);
  request.page_token = page->next_page_token;
  cr_assert_eq(plan_list(&query, &request, &refusal), LUMIN_OK);
  cr_expect(uuid_equal(&query.page.after.id, &three[0].id));
}

Test(page, a_token_with_any_letter_changed_is_refused) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \x7f";
  list_request request = LUMIN__USER__V1__LIST__INIT;
  struct query query;
  struct refusal refusal;
  const char *token = token_of_list(2);
  for (size_t i = 0; i < 43; i++)
    for (size_t j = 0; j < sizeof letters - 1; j++) {
      char *copy = TEXT(arena_copy(arena, span_from_text(token)).data);
      copy[i] = letters[j];
      request.page_token = copy;
      enum lumin_status status = plan_list(&query, &request, &refusal);
      if (letters[j] == token[i])
        cr_assert_eq(status, LUMIN_OK);
      else
        expect_invalid(status, &refusal, "page_token");
    }
}

Test(page, a_token_cut_off_or_drawn_out_is_refused) {
  list_request request = LUMIN__USER__V1__LIST__INIT;
  struct query query;
  struct refusal refusal;
  struct span token = span_from_text(token_of_list(2));
  for (size_t len = 1; len < token.len; len++) {
    request.page_token = TEXT(arena_copy(arena, span_of(token.data, len)).data);
    expect_invalid(plan_list(&query, &request, &refusal), &refusal, "page_token");
  }
  static const char *const tails[] = {"A", "=", "AA==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
  for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
    request.page_token = TEXT(arena_printf(arena, "%s%s", token.data, tails[i]).data);
    expect_invalid(plan_list(&query, &request, &refusal), &refusal, "page_token");
  }
}

static const char *token_of_history(const struct uuid *user_id, uint64_t from_version) {
  struct recorded_event events[51];
  for (size_t i = 0; i < 51; i++)
    events[i] = (struct recorded_event){.type = EVENT_USER_ACTIVATED, .version = i + 1};
  struct user user = {.id = *user_id, .version = 99, .status = USER_ACTIVE};
  const struct user *const users[] = {&user};
  struct query query;
  struct refusal refusal;
  struct query_reply reply = {0};
  cr_assert_eq(plan_history(&query, user_id, from_version, "", &refusal), LUMIN_OK);
  struct query_rows rows = rows_of(users);
  rows.page = (struct page_rows){.events = events, .count = 51};
  cr_assert_eq(query_get_history.answer(&query, &rows, &reply), LUMIN_OK);
  return ((const Lumin__User__V1__History *)(const void *)reply.message)->next_page_token;
}

Test(page, a_token_of_another_request_is_refused) {
  struct query query;
  struct refusal refusal;
  const char *token = token_of_history(&ada, 3);
  cr_assert_eq(plan_history(&query, &ada, 3, token, &refusal), LUMIN_OK);
  cr_assert_eq(query.page.after.number, 50);
  expect_invalid(plan_history(&query, &eve, 3, token, &refusal), &refusal, "page_token");
  expect_invalid(plan_history(&query, &ada, 4, token, &refusal), &refusal, "page_token");
  // another method, with the same fields but for that
  Lumin__User__V1__ListProfileViews views = LUMIN__USER__V1__LIST_PROFILE_VIEWS__INIT;
  query = query_of(&ada);
  views.page_token = TEXT(token_of_history(&ada, 0));
  expect_invalid(query_list_profile_views.plan(&query, &views.base, &refusal), &refusal, "page_token");
  // another filter
  list_request list = LUMIN__USER__V1__LIST__INIT;
  Lumin__User__V1__UserStatus active = LUMIN__USER__V1__USER_STATUS__USER_STATUS_ACTIVE;
  list.statuses = &active;
  list.n_statuses = 1;
  list.page_token = TEXT(token_of_list(1));
  expect_invalid(plan_list(&query, &list, &refusal), &refusal, "page_token");
}

Test(page, the_user_may_stand_in_the_subject_of_one_page_and_in_the_payload_of_the_next) {
  history_request request = LUMIN__USER__V1__GET_HISTORY__INIT;
  struct query query = query_of(&ada);
  struct refusal refusal = {0};
  request.from_version = 3;
  request.user_id = TEXT(ADA);
  request.page_token = TEXT(token_of_history(&ada, 3));
  cr_assert_eq(query_get_history.plan(&query, &request.base, &refusal), LUMIN_OK);
}

// ---- list

Test(list, statuses) {
  static const struct {
    int statuses[3];
    size_t count;
    unsigned bits;
  } cases[] = {
      {{0}, 0, 1U << USER_PENDING | 1U << USER_ACTIVE | 1U << USER_DEACTIVATED | 1U << USER_BLOCKED},
      {{USER_ACTIVE}, 1, 1U << USER_ACTIVE},
      {{USER_DELETED, USER_BLOCKED, USER_BLOCKED}, 3, 1U << USER_DELETED | 1U << USER_BLOCKED},
  };
  struct query query;
  struct refusal refusal;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    list_request request = LUMIN__USER__V1__LIST__INIT;
    request.statuses = (void *)(uintptr_t)cases[i].statuses;
    request.n_statuses = cases[i].count;
    cr_assert_eq(plan_list(&query, &request, &refusal), LUMIN_OK);
    cr_expect_eq(query.page.statuses, cases[i].bits);
    cr_expect_eq(query.page.time_ns, 1000);
  }
  static const int unknown[] = {0, 6, -1, INT32_MAX};
  for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
    int statuses[] = {USER_ACTIVE, unknown[i]};
    list_request request = LUMIN__USER__V1__LIST__INIT;
    request.statuses = (void *)statuses;
    request.n_statuses = 2;
    expect_invalid(plan_list(&query, &request, &refusal), &refusal, "statuses[1]");
  }
}

Test(list, times) {
  Google__Protobuf__Timestamp from = GOOGLE__PROTOBUF__TIMESTAMP__INIT, until = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
  list_request request = LUMIN__USER__V1__LIST__INIT;
  struct query query;
  struct refusal refusal;
  request.created_from = &from;
  request.created_until = &until;
  from.seconds = 1;
  from.nanos = 5;
  until.seconds = INT64_MAX; // beyond what there can be: no end
  cr_assert_eq(plan_list(&query, &request, &refusal), LUMIN_OK);
  cr_expect_eq(query.page.until_ns, INT64_MAX);
  cr_expect_eq(query.page.after.number, 1000000004); // behind all of the nanosecond before
  cr_expect_eq(query.page.after.id.bytes[0], 0xff);
  from.seconds = INT64_MIN;
  cr_assert_eq(plan_list(&query, &request, &refusal), LUMIN_OK);
  cr_expect_eq(query.page.after.number, INT64_MIN);
  from.nanos = 1000000000;
  expect_invalid(plan_list(&query, &request, &refusal), &refusal, "created_from");
  from.nanos = 0;
  until.nanos = -1;
  expect_invalid(plan_list(&query, &request, &refusal), &refusal, "created_until");
}

Test(list, is_not_about_one_user) {
  list_request request = LUMIN__USER__V1__LIST__INIT;
  struct query query = query_of(&ada);
  struct refusal refusal = {0};
  expect_invalid(query_list.plan(&query, &request.base, &refusal), &refusal, "subject");
  cr_expect(!query_list.by_user);
}

// ---- get_history

Test(history, begins_with_the_version_asked_for) {
  static const struct {
    uint64_t from;
    int64_t after;
  } cases[] = {{0, 0}, {1, 0}, {2, 1}, {INT64_MAX, INT64_MAX - 1}};
  struct query query;
  struct refusal refusal;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cr_assert_eq(plan_history(&query, &ada, cases[i].from, "", &refusal), LUMIN_OK);
    cr_expect_eq(query.page.after.number, cases[i].after);
  }
  expect_invalid(plan_history(&query, &ada, (uint64_t)INT64_MAX + 1, "", &refusal), &refusal, "from_version");
  expect_invalid(plan_history(&query, NULL, 0, "", &refusal), &refusal, "user_id");
}

// An event that is added, and forgotten in HistoryEvent, is seen here.
Test(history, every_event_has_its_body){
#define EVENT(symbol, number, name)                                                                                    \
  {                                                                                                                    \
    const ProtobufCFieldDescriptor *field =                                                                            \
        protobuf_c_message_descriptor_get_field_by_name(&lumin__user__v1__history_event__descriptor, #name);           \
    cr_expect(field != NULL && field->descriptor == &lumin__user__v1__##name##__descriptor &&                          \
                  field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF,                                                          \
              #name " is not in HistoryEvent");                                                                        \
  }
#include "lumin/domain/events.def"
#undef EVENT
}

Test(history, shows_events_as_recorded_and_those_of_a_newer_release_without_body) {
  Lumin__User__V1__BioChanged body = LUMIN__USER__V1__BIO_CHANGED__INIT;
  body.bio = TEXT("hi");
  struct recorded_event events[] = {
      {.type = EVENT_BIO_CHANGED,
       .version = 4,
       .time_ns = 5000000007,
       .command_id = eve,
       .actor = SPAN_LITERAL("me"),
       .body = &body.base},
      {.type = (enum event_type)77, .version = 5, .time_ns = 1, .command_id = bob},
  };
  struct user gone = {.id = ada, .version = 4, .status = USER_DELETED};
  const struct user *const users[] = {&gone};
  struct query query;
  struct refusal refusal;
  struct query_reply reply = {0};
  cr_assert_eq(plan_history(&query, &ada, 4, "", &refusal), LUMIN_OK);
  struct query_rows rows = rows_of(users);
  rows.page = (struct page_rows){.events = events, .count = 2};
  cr_assert_eq(query_get_history.answer(&query, &rows, &reply), LUMIN_OK);
  const Lumin__User__V1__History *history = (const void *)reply.message;
  cr_assert_eq(history->n_events, 2);
  cr_expect_eq(history->version, 5); // the events are read after the row
  const Lumin__User__V1__HistoryEvent *known = history->events[0], *unknown = history->events[1];
  cr_expect_eq((int)known->body_case, LUMIN__USER__V1__HISTORY_EVENT__BODY_BIO_CHANGED);
  cr_expect_str_eq(known->bio_changed->bio, "hi");
  cr_expect(known->version == 4 && known->time->seconds == 5 && known->time->nanos == 7);
  cr_expect(strcmp(known->event, "bio_changed") == 0 && strcmp(known->actor, "me") == 0 &&
            strcmp(known->command_id, EVE) == 0);
  cr_expect_eq((int)unknown->body_case, LUMIN__USER__V1__HISTORY_EVENT__BODY__NOT_SET);
  cr_expect_str_eq(unknown->event, "event_77");
}

// ---- list_profile_views

Test(views, the_last_one_first) {
  struct viewer viewers[] = {{eve, 9, 1}, {bob, 7, 3}};
  struct user user = {.id = ada, .version = 4, .status = USER_ACTIVE, .profile_views = 4};
  const struct user *const users[] = {&user};
  Lumin__User__V1__ListProfileViews request = LUMIN__USER__V1__LIST_PROFILE_VIEWS__INIT;
  struct query query = query_of(&ada);
  struct refusal refusal = {0};
  struct query_reply reply = {0};
  request.limit = 1;
  cr_assert_eq(query_list_profile_views.plan(&query, &request.base, &refusal), LUMIN_OK);
  cr_expect_eq(query.page.after.number, INT64_MAX);
  struct query_rows rows = rows_of(users);
  rows.page = (struct page_rows){.viewers = viewers, .count = 2};
  cr_assert_eq(query_list_profile_views.answer(&query, &rows, &reply), LUMIN_OK);
  const Lumin__User__V1__ProfileViews *views = (const void *)reply.message;
  cr_assert(views->n_views == 1 && views->profile_views == 4 && views->version == 4);
  cr_expect_str_eq(views->views[0]->viewer_id, EVE);
  request.page_token = views->next_page_token;
  query = query_of(&ada);
  cr_assert_eq(query_list_profile_views.plan(&query, &request.base, &refusal), LUMIN_OK);
  cr_expect(query.page.after.number == 9 && uuid_equal(&query.page.after.id, &eve));
}
