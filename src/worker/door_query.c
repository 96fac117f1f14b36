// SPDX-License-Identifier: MIT
// Queries. Those that come while a load is under way go into the next one together; those whose rows are not yet what
// is asked for wait, and read again. Bounded in number, in bytes and in subscriptions (guarantee 11).
#include "door_internal.h"

#include <stdlib.h>

#include "lumin/base/map.h"

#define SCAN_PAUSE (5 * NS_PER_MS) // between two looks at all that wait

static struct door_query *query_make(const struct request *request, const struct query *query);
static enum lumin_status room_check(const struct door *door, size_t bytes, struct refusal *ret_refusal);
static void query_end(struct door *door, struct query_list *list, struct door_query *query);
static void patient_wake(struct door *door);
static enum lumin_status rows_load(struct door *door);
static void query_answer(struct door *door, struct door_query *query, enum lumin_status loaded);

void query_take(struct door *door, struct request *request) {
  struct refusal refusal = {0};
  struct query query = {.has_user_id = request->has_user_id,
                        .user_id = request->user_id,
                        .time_ns = clock_wall_ns(),
                        .timeout_ms = door->worker->config->rpc_timeout_ms};
  enum lumin_status status = header_number(request, "Lumin-Min-Version", &query.min_version, &refusal);
  if (status == LUMIN_OK) {
    status = request->caller.method->query->plan(&query, request->body, &refusal);
  }
  if (status == LUMIN_OK) {
    status = room_check(door, sizeof(struct door_query) + caller_bytes(&request->caller), &refusal);
  }
  if (status != LUMIN_OK) {
    reply_refuse(door, &request->caller, &refusal, door->scratch);
    return;
  }
  struct door_query *waiting = query_make(request, &query);
  if (waiting == NULL) {
    reply_refuse_reason(door, &request->caller, LUMIN_UNAVAILABLE, "the worker is short of memory");
    return;
  }
  TAILQ_INSERT_TAIL(&door->asking, waiting, others);
  door->query_count++;
  door->waiting_bytes += waiting->bytes;
}

static enum lumin_status room_check(const struct door *door, size_t bytes, struct refusal *ret_refusal) {
  bool room = door->query_count < QUERIES_MAX && door->waiting_bytes + bytes <= WAITING_BYTES_MAX;
  return room ? LUMIN_OK : refuse(ret_refusal, LUMIN_RESOURCE_EXHAUSTED, "too many queries wait: come again later");
}

static struct door_query *query_make(const struct request *request, const struct query *query) {
  size_t bytes = sizeof(struct door_query) + caller_bytes(&request->caller);
  struct door_query *waiting = calloc(1, bytes);
  if (waiting != NULL) {
    waiting->caller = caller_keep(&request->caller, waiting->texts);
    waiting->query = *query;
    waiting->bytes = bytes;
    waiting->deadline_ns = request->caller.started_ns + query->patience_ms * NS_PER_MS;
  }
  return waiting;
}

static void query_end(struct door *door, struct query_list *list, struct door_query *query) {
  TAILQ_REMOVE(list, query, others);
  natsSubscription_Destroy(query->listening); // safe because this very thread takes messages from the socket
  door->patient_count -= query->patient;
  door->query_count--;
  door->waiting_bytes -= query->bytes;
  free(query);
}

void queries_forget(struct door *door) {
  struct query_list *lists[] = {&door->asking, &door->loading, &door->patient};
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    while (!TAILQ_EMPTY(lists[i])) {
      query_end(door, lists[i], TAILQ_FIRST(lists[i]));
    }
  }
}

// ---- waiting

void queries_listen(struct door *door) {
  struct door_query *query = NULL;
  TAILQ_FOREACH(query, &door->patient, others) {
    natsMsg *message = query->listening != NULL ? link_next(query->listening, NULL) : NULL;
    if (message != NULL) { // it is committed, so the table has it
      natsMsg_Destroy(message);
      query->due_ns = door->next_due_ns = 0;
    }
  }
}

static void patient_wake(struct door *door) {
  int64_t now = clock_monotonic_ns();
  if (now < door->next_due_ns) {
    return;
  }
  door->next_due_ns = INT64_MAX;
  struct door_query *query = TAILQ_FIRST(&door->patient);
  while (query != NULL) {
    struct door_query *next = TAILQ_NEXT(query, others);
    if (query->due_ns <= now || door->stop_deadline_ns != 0) {
      TAILQ_REMOVE(&door->patient, query, others);
      TAILQ_INSERT_TAIL(&door->asking, query, others);
    } else {
      door->next_due_ns = earliest(door->next_due_ns, query->due_ns);
    }
    query = next;
  }
  door->next_due_ns = door->next_due_ns < now + SCAN_PAUSE ? now + SCAN_PAUSE : door->next_due_ns;
}

static enum lumin_status listening_begin(struct door *door, struct door_query *query) {
  char id[UUID_TEXT_LEN + 1];
  uuid_format(&query->query.command_id, id);
  struct span subject = arena_printf(door->rows, "%.*s.outcome.%s", SPAN_ARGS(worker_prefix(door->worker)), id);
  natsConnection *connection = link_connection(door->link);
  bool fine =
      subject.data != NULL && natsConnection_SubscribeSync(&query->listening, connection, subject.data) == NATS_OK;
  return fine ? LUMIN_OK : LUMIN_UNAVAILABLE;
}

// Its rows are not yet what is asked for. Whoever begins to listen reads again at once: the outcome may have come
// between the reading and the listening.
static enum lumin_status query_wait(struct door *door, struct door_query *query) {
  int64_t now = clock_monotonic_ns();
  enum lumin_status status = LUMIN_OK;
  query->due_ns = earliest(now + query->query.again_ms * NS_PER_MS, query->deadline_ns);
  if (!query->patient) {
    if (door->patient_count >= PATIENT_MAX) {
      return LUMIN_RESOURCE_EXHAUSTED;
    }
    query->patient = true;
    door->patient_count++;
    if (query->query.needs_outcome) {
      status = listening_begin(door, query);
      query->due_ns = now;
    }
  }
  if (status == LUMIN_OK) {
    TAILQ_REMOVE(&door->loading, query, others);
    TAILQ_INSERT_TAIL(&door->patient, query, others);
    door->next_due_ns = earliest(door->next_due_ns, query->due_ns);
  }
  return status;
}

// ---- one load

void queries_answer(struct door *door) {
  patient_wake(door);
  if (TAILQ_EMPTY(&door->asking)) {
    return;
  }
  arena_reset(door->rows);
  uuid_map_clear(door->user_rows);
  uuid_map_clear(door->outcome_rows);
  for (size_t i = 0; i < LOAD_MAX && !TAILQ_EMPTY(&door->asking); i++) {
    struct door_query *query = TAILQ_FIRST(&door->asking);
    TAILQ_REMOVE(&door->asking, query, others);
    TAILQ_INSERT_TAIL(&door->loading, query, others);
  }
  enum lumin_status loaded = rows_load(door);
  while (!TAILQ_EMPTY(&door->loading)) {
    query_answer(door, TAILQ_FIRST(&door->loading), loaded);
  }
}

static enum lumin_status rows_map(struct door *door, const struct load_result *rows) {
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < rows->user_count && status == LUMIN_OK; i++) {
    status = uuid_map_put(door->user_rows, &rows->users[i].id, &rows->users[i], NULL);
  }
  for (size_t i = 0; i < rows->outcome_count && status == LUMIN_OK; i++) {
    status = uuid_map_put(door->outcome_rows, &rows->outcomes[i].command_id, &rows->outcomes[i], NULL);
  }
  return status;
}

static enum lumin_status rows_load(struct door *door) {
  struct uuid *users = ARENA_ARRAY(door->rows, LOAD_MAX, struct uuid);
  struct uuid *commands = ARENA_ARRAY(door->rows, LOAD_MAX, struct uuid);
  struct load_request request = {.users = users, .commands = commands};
  struct load_result rows = {0};
  const struct door_query *query = NULL;
  if (users == NULL || commands == NULL) {
    return LUMIN_NO_MEMORY;
  }
  TAILQ_FOREACH(query, &door->loading, others) {
    if (query->query.needs_user) {
      users[request.user_count++] = query->query.user_id;
    }
    if (query->query.needs_outcome) {
      commands[request.command_count++] = query->query.command_id;
    }
  }
  enum lumin_status status = door_database_load(door, &request, &rows);
  return status == LUMIN_OK ? rows_map(door, &rows) : status;
}

static struct span outcome_name(enum outcome_status status) {
  static const char *const names[] = {"", "APPLIED", "UNCHANGED", "REJECTED", "DEAD"};
  return span_from_text(status >= OUTCOME_NONE && status <= OUTCOME_DEAD ? names[status] : "");
}

static enum lumin_status reply_encode(struct door *door, const struct query_reply *answer, struct reply *ret_reply) {
  struct reply reply = {0};
  if (answer->user != NULL) {
    enum lumin_status status = codec_encode_user(answer->user, door->rows, &reply.body);
    *ret_reply = reply;
    return status;
  }
  enum lumin_status status = codec_encode_outcome(answer->outcome, door->rows, &reply.body);
  reply.outcome = outcome_name(answer->outcome->status);
  *ret_reply = reply;
  return status;
}

static void query_refuse(struct door *door, struct door_query *query, const struct refusal *refusal) {
  reply_refuse(door, &query->caller, refusal, door->rows);
  query_end(door, &door->loading, query);
}

static void query_refuse_reason(struct door *door, struct door_query *query, enum lumin_status reason,
                                const char *message) {
  struct refusal refusal = {0};
  (void)refuse(&refusal, reason, message);
  query_refuse(door, query, &refusal);
}

static void query_answer(struct door *door, struct door_query *query, enum lumin_status loaded) {
  const struct user *row = uuid_map_get(door->user_rows, &query->query.user_id);
  struct user user = row != NULL ? user_at(row, query->query.time_ns) : (struct user){0};
  struct query_rows rows = {.user = row != NULL ? &user : NULL,
                            .outcome = uuid_map_get(door->outcome_rows, &query->query.command_id)};
  struct query_reply answer = {0};
  struct reply reply = {0};
  if (loaded != LUMIN_OK) {
    query_refuse_reason(door, query, LUMIN_UNAVAILABLE, "the database cannot be read at the moment");
    return;
  }
  bool last = clock_monotonic_ns() >= query->deadline_ns;
  enum lumin_status status = query->caller.method->query->answer(&query->query, &rows, last, &answer);
  if (status == LUMIN_RETRY && door->stop_deadline_ns != 0) {
    query_refuse_reason(door, query, LUMIN_UNAVAILABLE, "this worker stops: ask again");
  } else if (status == LUMIN_RETRY) {
    status = query_wait(door, query);
    if (status != LUMIN_OK) {
      query_refuse_reason(door, query, status, "no more queries can wait at the moment: ask again");
    }
  } else if (status != LUMIN_OK) {
    query_refuse(door, query, &answer.refusal);
  } else if (reply_encode(door, &answer, &reply) != LUMIN_OK ||
             reply_convert(&query->caller, query->caller.method->reply, door->rows, &reply) != LUMIN_OK) {
    query_refuse_reason(door, query, LUMIN_UNAVAILABLE, "the worker is short of memory");
  } else {
    reply_send(door, &query->caller, &reply);
    query_end(door, &door->loading, query);
  }
}

int64_t queries_deadline_ns(const struct door *door) {
  if (!TAILQ_EMPTY(&door->asking)) {
    return 0;
  }
  return TAILQ_EMPTY(&door->patient) ? INT64_MAX : door->next_due_ns;
}
