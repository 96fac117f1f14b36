// SPDX-License-Identifier: MIT
// A query's two steps on any request: the plan is refused with a reason or stays within its bounds, a query that waits
// is kept whole, the last answer is an answer or a refusal and can be written in both formats, and a page's token leads
// to the page behind it, of this request alone. The input is the method on a line of its own, with "+" where a user id
// stands in the subject; a byte that says which rows there are; and the request in either format.
#include "types.h"

#include "application/page.h"
#include "lumin/application/query.h"

#define NOW_NS INT64_C(1700000000000000000)

static const struct uuid somebody = {{0xaa, 1, 2, 3, 4, 5, 0x46, 7, 0x88}};

static const struct user ada = {.id = {{0xaa, 1, 2, 3, 4, 5, 0x46, 7, 0x88}},
                                .version = 3,
                                .status = USER_ACTIVE,
                                .first_name = {"Ada", 3},
                                .email = {{"ada@example.com", 15}, {"ada@example.com", 15}},
                                .profile = {.bio = {"x", 1}, .privacy = {{1, 2, 3, 1, 2, 3}}},
                                .created_ns = NOW_NS - 3000,
                                .updated_ns = NOW_NS - 1000};
static const struct user gone = {.id = {{0xaa}}, .version = 9, .status = USER_DELETED, .updated_ns = NOW_NS - 1000};
static struct recorded_event events[3] = {{.type = EVENT_USER_ACTIVATED, .version = 1, .time_ns = NOW_NS - 3000},
                                          {.type = EVENT_BIO_CHANGED, .version = 2, .time_ns = NOW_NS - 2000},
                                          {.type = (enum event_type)99, .version = 3, .time_ns = NOW_NS - 1000}};
static struct viewer viewers[3] = {{.view_count = 1}, {.view_count = 2}, {.view_count = 3}};
static const struct outcome outcome = {.status = OUTCOME_APPLIED, .version = 3, .stream_ts_ns = NOW_NS - 1000};

static struct query query_begin(bool has_user_id, struct arena *arena) {
  return (struct query){.has_user_id = has_user_id,
                        .user_id = has_user_id ? somebody : (struct uuid){{0}},
                        .min_version = 2,
                        .timeout_ms = 5000,
                        .time_ns = NOW_NS,
                        .arena = arena};
}

// As another release might have asked: the payload's user id counts too.
static void user_id_take(struct query *query, const ProtobufCMessage *message) {
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "user_id");
  if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING) {
    const char *text = *(const char *const *)(const void *)((const char *)message + field->offset);
    query->has_user_id |= uuid_parse(span_from_text(text), &query->user_id) == LUMIN_OK;
  }
}

static void check_kept(const struct query *query, struct arena *arena) {
  struct query kept = query_keep(query, arena_alloc(arena, query_bytes(query)));
  FUZZ_CHECK(kept.user_count == query->user_count && span_equal(kept.identifier.key, query->identifier.key));
  for (size_t i = 0; i < query->user_count; i++) {
    FUZZ_CHECK(memcmp((const char *)kept.users + i * sizeof *kept.users, &query->users[i], sizeof *kept.users) == 0);
  }
}

static struct query_rows rows_make(const struct query *query, uint8_t which, struct arena *arena) {
  struct query_rows rows = {.last = true, .most = (which & 0x40) != 0 ? 2 : SIZE_MAX, .arena = arena};
  const struct user **users = ARENA_ARRAY(arena, query->user_count, const struct user *);
  struct user *page_users = ARENA_ARRAY(arena, 3, struct user);
  for (size_t i = 0; i < query->user_count; i++) {
    users[i] = (which & 1) != 0 ? &ada : (which & 2) != 0 ? &gone : NULL;
  }
  page_users[0] = page_users[1] = page_users[2] = ada;
  rows.users = users;
  rows.holder = (which & 4) != 0 ? &ada : NULL;
  rows.outcome = (which & 8) != 0 ? &outcome : NULL;
  rows.page = (struct page_rows){.events = query->page.kind == PAGE_EVENTS ? events : NULL,
                                 .users = query->page.kind == PAGE_USERS ? page_users : NULL,
                                 .viewers = query->page.kind == PAGE_VIEWERS ? viewers : NULL,
                                 .count = which >> 4 & 3};
  rows.page.count = rows.page.count < query->page.most ? rows.page.count : query->page.most;
  return rows;
}

static void check_answer(const struct method *method, struct query *query, uint8_t which, struct arena *arena) {
  struct query_rows rows = rows_make(query, which, arena);
  struct query_reply reply = {0};
  struct span json = SPAN_EMPTY;
  enum lumin_status status = method->query->answer(query, &rows, &reply);
  query_finish(query);
  if (status != LUMIN_OK) {
    FUZZ_CHECK(status > LUMIN_OK && status <= LUMIN_INTERNAL && reply.refusal.reason == status);
    fuzz_check_words(reply.refusal.message);
    return;
  }
  FUZZ_CHECK(reply.message != NULL && reply.message->descriptor == method->reply);
  FUZZ_CHECK(codec_encode_json(reply.message, arena, &json) == LUMIN_OK);
  FUZZ_CHECK(packed(reply.message, arena).len < FUZZ_PAYLOAD_LIMIT);
}

// The token of a full page, sent with the same request, begins behind the page's last row; changed, it is refused.
static void check_token(const struct method *method, bool has_user_id, ProtobufCMessage *message, struct arena *arena) {
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "page_token");
  struct query query = query_begin(has_user_id, arena), again = query;
  struct refusal refusal = {0};
  user_id_take(&query, message);
  user_id_take(&again, message);
  if (field == NULL || method->query->plan(&query, message, &refusal) != LUMIN_OK) {
    return;
  }
  const struct page_place last = {.number = NOW_NS - (int64_t)query.page.most, .id = somebody};
  struct query_rows full = {.page.count = query.page.most, .most = SIZE_MAX, .arena = arena};
  char *token = page_token(&query, &full, last);
  FUZZ_CHECK(token != NULL && strlen(token) == 43);
  *(char **)(void *)((char *)message + field->offset) = token;
  FUZZ_CHECK(method->query->plan(&again, message, &refusal) == LUMIN_OK);
  FUZZ_CHECK(again.page.after.number == last.number && uuid_equal(&again.page.after.id, &last.id));
  token[query.page.most % 43] ^= 1;
  FUZZ_CHECK(method->query->plan(&again, message, &refusal) == LUMIN_INVALID_ARGUMENT);
  fuzz_check_refusal(&refusal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  struct span name = bytes_line(&feed);
  uint8_t which = bytes_u8(&feed);
  bool has_user_id = span_starts_with(name, SPAN_LITERAL("+"));
  const struct method *method = method_find(span_skip(name, has_user_id ? 1 : 0));
  struct arena *arena = fuzz_arena();
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  if (method == NULL || method->kind != METHOD_QUERY) {
    return -1;
  }
  struct encoded encoded = {method->request, feed.rest, span_starts_with(feed.rest, SPAN_LITERAL("{"))};
  if (codec_decode(fuzz_codec(), &encoded, arena, &message, &refusal) != LUMIN_OK) {
    return 0;
  }
  struct query query = query_begin(has_user_id, arena);
  user_id_take(&query, message);
  enum lumin_status status = method->query->plan(&query, message, &refusal);
  if (status != LUMIN_OK) {
    FUZZ_CHECK(status == LUMIN_INVALID_ARGUMENT);
    fuzz_check_refusal(&refusal);
    return 0;
  }
  FUZZ_CHECK(query.user_count <= QUERY_USERS_MAX && query.page.most <= QUERY_USERS_MAX + 1);
  FUZZ_CHECK(query_rows_most(&query) > 0 && query.patience_ms >= 0);
  check_kept(&query, arena);
  check_answer(method, &query, which, arena);
  check_token(method, has_user_id, (ProtobufCMessage *)(uintptr_t)message, arena);
  return 0;
}
