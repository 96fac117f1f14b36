// SPDX-License-Identifier: MIT
// Loads: queries that have come meanwhile are answered from one round trip together, which reads each user once. A load
// holds a bounded number of rows, an answer no more bytes than NATS carries: the pages of a long one are cut to fit
// (guarantee 11).
#include "door_internal.h"

#include "lumin/base/map.h"

#define REPLY_HEADERS_MAX 1024 // bytes

static void load_gather(struct door *door);
static enum lumin_status rows_load(struct door *door, struct load_result *ret_rows);
static void query_answer(struct door *door, struct door_query *query, const struct load_result *rows);

void queries_answer(struct door *door) {
  struct load_result rows = {0};
  queries_wake(door);
  if ((TAILQ_EMPTY(&door->asking) && TAILQ_EMPTY(&door->ongoing)) || door_output_is_full(door)) {
    return;
  }
  arena_reset(door->rows);
  load_gather(door);
  enum lumin_status loaded = TAILQ_EMPTY(&door->loading) ? LUMIN_OK : rows_load(door, &rows);
  while (!TAILQ_EMPTY(&door->loading)) {
    struct door_query *query = TAILQ_FIRST(&door->loading);
    if (loaded == LUMIN_OK) {
      query_answer(door, query, &rows);
    } else {
      query_refuse_reason(door, query, LUMIN_UNAVAILABLE, "the database cannot be read at the moment");
    }
  }
}

// In the order they came, as far as there is room; the first has room always.
static void asking_gather(struct door *door) {
  size_t rows = 0, pages = ONGOING_IN_LOAD, count = 0;
  while (!TAILQ_EMPTY(&door->asking)) {
    struct door_query *query = TAILQ_FIRST(&door->asking);
    rows += query_rows_most(&query->query);
    pages += query->query.page.kind != PAGE_NONE;
    if (count++ > 0 && (rows > LOAD_ROWS_MAX || pages > LOAD_PAGES_MAX)) {
      return;
    }
    TAILQ_REMOVE(&door->asking, query, others);
    TAILQ_INSERT_TAIL(&door->loading, query, others);
  }
}

static void load_gather(struct door *door) {
  asking_gather(door);
  queries_go_on(door); // behind them, and so answered after them
}

// ---- rows

struct wanted {
  struct uuid *users, *commands;
  uint64_t *tickets; // of the cache, for each of the users; 0: it does not want that one
  struct identifier *holders;
  struct page_wanted *pages;
  struct load_request request;
};

static enum lumin_status wanted_make(struct door *door, struct wanted *wanted) {
  size_t rows = 0, queries = 0;
  const struct door_query *query = NULL;
  TAILQ_FOREACH(query, &door->loading, others) {
    rows += query_rows_most(&query->query);
    queries++;
  }
  wanted->users = ARENA_ARRAY(door->rows, rows, struct uuid);
  wanted->tickets = ARENA_ARRAY(door->rows, rows, uint64_t);
  wanted->commands = ARENA_ARRAY(door->rows, queries, struct uuid);
  wanted->holders = ARENA_ARRAY(door->rows, queries, struct identifier);
  wanted->pages = ARENA_ARRAY(door->rows, LOAD_PAGES_MAX, struct page_wanted);
  wanted->request = (struct load_request){
      .users = wanted->users, .commands = wanted->commands, .holders = wanted->holders, .pages = wanted->pages};
  bool whole = wanted->users != NULL && wanted->tickets != NULL && wanted->commands != NULL &&
               wanted->holders != NULL && wanted->pages != NULL;
  return whole ? LUMIN_OK : LUMIN_NO_MEMORY;
}

// The map finds those that are wanted already.
static enum lumin_status wanted_add_user(struct door *door, struct wanted *wanted, const struct uuid *user_id,
                                         bool cached) {
  uint64_t *ticket = uuid_map_get(door->user_rows, user_id);
  if (ticket == NULL) {
    size_t place = wanted->request.user_count++;
    wanted->users[place] = *user_id;
    ticket = &wanted->tickets[place];
    if (uuid_map_put(door->user_rows, user_id, ticket, NULL) != LUMIN_OK) {
      return LUMIN_NO_MEMORY;
    }
  }
  if (cached && *ticket == 0) {
    *ticket = load_ticket(door, user_id);
  }
  return LUMIN_OK;
}

static enum lumin_status wanted_add(struct door *door, struct wanted *wanted, struct door_query *query) {
  struct load_request *request = &wanted->request;
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < query->query.user_count && status == LUMIN_OK; i++) {
    status = wanted_add_user(door, wanted, &query->query.users[i], query->caller.method->query->from_cache);
  }
  if (query->query.needs_outcome) {
    wanted->commands[request->command_count++] = query->query.command_id;
  }
  if (query->query.identifier.kind != 0) {
    query->holder = request->holder_count;
    wanted->holders[request->holder_count++] = query->query.identifier;
  }
  if (query->query.page.kind != PAGE_NONE) {
    query->page = request->page_count;
    wanted->pages[request->page_count++] = query->query.page;
  }
  return status;
}

static enum lumin_status rows_map(struct door *door, const struct load_result *rows) {
  enum lumin_status status = LUMIN_OK;
  uuid_map_clear(door->user_rows);
  uuid_map_clear(door->outcome_rows);
  for (size_t i = 0; i < rows->user_count && status == LUMIN_OK; i++) {
    status = uuid_map_put(door->user_rows, &rows->users[i].id, &rows->users[i], NULL);
  }
  for (size_t i = 0; i < rows->outcome_count && status == LUMIN_OK; i++) {
    status = uuid_map_put(door->outcome_rows, &rows->outcomes[i].command_id, &rows->outcomes[i], NULL);
  }
  return status;
}

static enum lumin_status rows_load(struct door *door, struct load_result *ret_rows) {
  struct wanted wanted = {0};
  struct load_result rows = {0};
  struct door_query *query = NULL;
  enum lumin_status status = wanted_make(door, &wanted);
  uuid_map_clear(door->user_rows);
  for (query = TAILQ_FIRST(&door->loading); query != NULL && status == LUMIN_OK; query = TAILQ_NEXT(query, others)) {
    status = wanted_add(door, &wanted, query);
  }
  if (status == LUMIN_OK) {
    door->loaded_ns = clock_monotonic_ns();
    status = door_database_load(door, &wanted.request, &rows);
  }
  if (status == LUMIN_OK) {
    status = rows_map(door, &rows);
  }
  for (size_t i = 0; status == LUMIN_OK && i < wanted.request.user_count; i++) {
    load_keep(door, &wanted.users[i], wanted.tickets[i], uuid_map_get(door->user_rows, &wanted.users[i]));
  }
  if (status == LUMIN_OK) {
    *ret_rows = rows;
  }
  return status;
}

// A query's own among the rows of the load.
static enum lumin_status rows_pick(struct door *door, const struct door_query *query, const struct load_result *rows,
                                   struct query_rows *ret_rows) {
  const struct query *wanted = &query->query;
  const struct user **users = ARENA_ARRAY(door->rows, wanted->user_count, const struct user *);
  if (users == NULL) {
    return LUMIN_NO_MEMORY;
  }
  for (size_t i = 0; i < wanted->user_count; i++) {
    users[i] = uuid_map_get(door->user_rows, &wanted->users[i]);
  }
  bool held = wanted->identifier.kind != 0 && rows->holders[query->holder].version > 0;
  *ret_rows = (struct query_rows){
      .users = users,
      .holder = held ? &rows->holders[query->holder] : NULL,
      .outcome = wanted->needs_outcome ? uuid_map_get(door->outcome_rows, &wanted->command_id) : NULL,
      .page = wanted->page.kind != PAGE_NONE ? rows->pages[query->page] : (struct page_rows){0},
      .last = clock_monotonic_ns() >= query->deadline_ns,
      .most = SIZE_MAX,
      .arena = door->answers,
  };
  return LUMIN_OK;
}

// ---- answers

static struct span outcome_name(enum outcome_status status) {
  static const char *const names[] = {"", "APPLIED", "UNCHANGED", "REJECTED", "DEAD"};
  return span_from_text(status >= OUTCOME_NONE && status <= OUTCOME_DEAD ? names[status] : "");
}

static enum lumin_status reply_encode(const struct caller *caller, const struct query_reply *answer,
                                      struct arena *arena, struct reply *reply) {
  reply->outcome = outcome_name(answer->outcome_here);
  reply->json = caller->json;
  return caller->json ? codec_encode_json(answer->message, arena, &reply->body)
                      : codec_pack(answer->message, arena, &reply->body);
}

size_t reply_limit(const struct door *door) {
  int64_t limit = link_is_alive(door->link) ? link_max_payload(door->link) : INT64_MAX;
  return limit > 2 * REPLY_HEADERS_MAX ? (size_t)limit - REPLY_HEADERS_MAX : REPLY_HEADERS_MAX;
}

// How many items to try next, of an answer of `items` that takes `len` bytes, 0 for more than there is memory.
static size_t items_fitting(size_t items, size_t len, size_t limit) {
  size_t fitting = len == 0 ? items / 2 : (size_t)((double)items * (double)limit / (double)len);
  fitting = fitting < items ? fitting : items - 1;
  return fitting > 0 ? fitting : 1;
}

enum lumin_status answer_make(struct door *door, const struct asked *asked, struct query_rows *rows,
                              struct refusal *ret_refusal, struct reply *ret_reply) {
  size_t limit = reply_limit(door), items = query_rows_most(asked->query);
  for (;;) {
    struct query_reply answer = {0};
    struct reply reply = {0};
    arena_reset(door->answers);
    enum lumin_status status = asked->caller->method->query->answer(asked->query, rows, &answer);
    if (status == LUMIN_OK) {
      status = reply_encode(asked->caller, &answer, door->answers, &reply);
    }
    items = answer.items > 0 ? answer.items : items;
    bool large = status == LUMIN_OK && reply.body.len > limit;
    if (status == LUMIN_OK && !large) {
      *ret_reply = reply;
      return status;
    }
    if (status != LUMIN_OK && status != LUMIN_NO_MEMORY) {
      *ret_refusal = answer.refusal;
      return status;
    }
    if (items < 2 || (large && answer.items == 0)) {
      return large ? LUMIN_RESOURCE_EXHAUSTED : LUMIN_NO_MEMORY;
    }
    rows->most = items = items_fitting(items, reply.body.len, limit);
  }
}

static void query_refuse(struct door *door, struct door_query *query, const struct refusal *refusal) {
  reply_refuse(door, &query->caller, refusal, door->answers);
  query_end(door, &door->loading, query);
}

void query_refuse_reason(struct door *door, struct door_query *query, enum lumin_status reason, const char *message) {
  struct refusal refusal = {0};
  (void)refuse(&refusal, reason, message);
  arena_reset(door->answers);
  query_refuse(door, query, &refusal);
}

static void query_postpone(struct door *door, struct door_query *query) {
  if (door_waits_no_more(door)) {
    query_refuse_reason(door, query, LUMIN_UNAVAILABLE, "this worker stops: ask again");
    return;
  }
  enum lumin_status status = query_wait(door, query);
  if (status != LUMIN_OK) {
    query_refuse_reason(door, query, status, "no more queries can wait at the moment: ask again");
  }
}

static void query_answer(struct door *door, struct door_query *query, const struct load_result *rows) {
  const struct asked asked = {&query->caller, &query->query};
  struct query_rows own = {0};
  struct refusal refusal = {0};
  struct reply reply = {0};
  enum lumin_status status = rows_pick(door, query, rows, &own);
  if (status == LUMIN_OK) {
    status = answer_make(door, &asked, &own, &refusal, &reply);
  }
  if (status == LUMIN_OK) {
    reply_send(door, &query->caller, &reply);
    query_end(door, &door->loading, query);
  } else if (status == LUMIN_RETRY) {
    query_postpone(door, query);
  } else if (refusal.reason != LUMIN_OK) {
    query_refuse(door, query, &refusal);
  } else if (status == LUMIN_RESOURCE_EXHAUSTED) {
    query_refuse_reason(door, query, status, "the answer does not fit into a message of this NATS server");
  } else {
    query_refuse_reason(door, query, LUMIN_UNAVAILABLE, "the worker is short of memory");
  }
}
