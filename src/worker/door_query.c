// SPDX-License-Identifier: MIT
// Queries: planned when they come, and waiting for the next load, for rows that are not yet what is asked for, or for
// their turn to go on. Bounded in number, in bytes and in subscriptions (guarantee 11).
#include "door_internal.h"

#include <stdlib.h>

#define SCAN_PAUSE (5 * NS_PER_MS) // between two looks at all that wait
#define TIMEOUT_MAX_MS 30000

static enum lumin_status headers_read(const struct request *request, struct query *query, struct refusal *ret_refusal);
static size_t bytes_of(const struct request *request, const struct query *query);
static enum lumin_status room_check(const struct door *door, size_t bytes, struct refusal *ret_refusal);
static void query_wait_for_load(struct door *door, const struct request *request, const struct query *query);

void query_take(struct door *door, struct request *request) {
  struct refusal refusal = {0};
  struct query query = {.has_user_id = request->has_user_id,
                        .user_id = request->user_id,
                        .time_ns = clock_wall_ns(),
                        .timeout_ms = door->worker->config->rpc_timeout_ms,
                        .arena = door->scratch};
  enum lumin_status status = headers_read(request, &query, &refusal);
  if (status == LUMIN_OK) {
    status = request->caller.method->query->plan(&query, request->body, &refusal);
  }
  if (status == LUMIN_OK && asked_answer(door, &(struct asked){&request->caller, &query})) {
    return;
  }
  if (status == LUMIN_OK) {
    status = room_check(door, bytes_of(request, &query), &refusal);
  }
  if (status == LUMIN_OK) {
    query_wait_for_load(door, request, &query);
  } else if (refusal.reason != LUMIN_OK) {
    reply_refuse(door, &request->caller, &refusal, door->scratch);
  } else {
    reply_refuse_reason(door, &request->caller, LUMIN_UNAVAILABLE, "the worker is short of memory");
  }
}

// A version that a query cannot heed is refused: its sender relies on it.
static enum lumin_status headers_read(const struct request *request, struct query *query, struct refusal *ret_refusal) {
  uint64_t timeout_ms = (uint64_t)query->timeout_ms;
  enum lumin_status status = header_number(request, "Lumin-Min-Version", &query->min_version, ret_refusal);
  if (status == LUMIN_OK && query->min_version > 0 && !request->caller.method->query->by_user) {
    status = refuse_field(ret_refusal, "Lumin-Min-Version", "0, or no such header: this query is not about one user",
                          "the answer to this query has no version");
  }
  if (status == LUMIN_OK) {
    status = header_number(request, "Lumin-Timeout-Ms", &timeout_ms, ret_refusal);
  }
  if (status == LUMIN_OK && timeout_ms > TIMEOUT_MAX_MS) {
    status = refuse_field(ret_refusal, "Lumin-Timeout-Ms", "0 to 30000", "the service does not wait that long");
  }
  query->timeout_ms = (int64_t)timeout_ms;
  return status;
}

static size_t bytes_of(const struct request *request, const struct query *query) {
  return sizeof(struct door_query) + caller_bytes(&request->caller) + query_bytes(query);
}

static enum lumin_status room_check(const struct door *door, size_t bytes, struct refusal *ret_refusal) {
  bool room = door->query_count < QUERIES_MAX && door->waiting_bytes + bytes <= WAITING_BYTES_MAX;
  return room ? LUMIN_OK : refuse(ret_refusal, LUMIN_RESOURCE_EXHAUSTED, "too many queries wait: come again later");
}

static struct door_query *query_make(const struct request *request, const struct query *query) {
  size_t bytes = bytes_of(request, query);
  struct door_query *waiting = calloc(1, bytes);
  if (waiting != NULL) {
    waiting->caller = caller_keep(&request->caller, waiting->texts);
    waiting->query = query_keep(query, waiting->texts + caller_bytes(&request->caller));
    waiting->bytes = bytes;
    waiting->deadline_ns = request->caller.started_ns + query->patience_ms * NS_PER_MS;
  }
  return waiting;
}

static void query_wait_for_load(struct door *door, const struct request *request, const struct query *query) {
  struct door_query *waiting = query_make(request, query);
  if (waiting == NULL) {
    reply_refuse_reason(door, &request->caller, LUMIN_UNAVAILABLE, "the worker is short of memory");
    return;
  }
  TAILQ_INSERT_TAIL(&door->asking, waiting, others);
  door->query_count++;
  door->waiting_bytes += waiting->bytes;
}

void query_end(struct door *door, struct query_list *list, struct door_query *query) {
  TAILQ_REMOVE(list, query, others);
  natsSubscription_Destroy(query->listening); // safe because this very thread takes messages from the socket
  door->patient_count -= query->patient;
  door->query_count--;
  door->waiting_bytes -= query->bytes;
  query_finish(&query->query);
  free(query);
}

void queries_forget(struct door *door) {
  struct query_list *lists[] = {&door->asking, &door->loading, &door->patient, &door->ongoing};
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

void queries_wake(struct door *door) {
  int64_t now = clock_monotonic_ns();
  if (now < door->next_due_ns) {
    return;
  }
  door->next_due_ns = INT64_MAX;
  struct door_query *query = TAILQ_FIRST(&door->patient);
  while (query != NULL) {
    struct door_query *next = TAILQ_NEXT(query, others);
    if (query->due_ns <= now || door_waits_no_more(door)) {
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
enum lumin_status query_wait(struct door *door, struct door_query *query) {
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
    if (query->query.again_ms == 0 && query->leads) {
      TAILQ_INSERT_HEAD(&door->ongoing, query, others);
    } else if (query->query.again_ms == 0) {
      TAILQ_INSERT_TAIL(&door->ongoing, query, others);
    } else {
      TAILQ_INSERT_TAIL(&door->patient, query, others);
      door->next_due_ns = earliest(door->next_due_ns, query->due_ns);
    }
  }
  return status;
}

// ---- going on

static void ongoing_expire(struct door *door) {
  int64_t now = clock_monotonic_ns();
  struct door_query *query = TAILQ_FIRST(&door->ongoing);
  while (query != NULL) {
    struct door_query *next = TAILQ_NEXT(query, others);
    bool late = query->deadline_ns <= now;
    if (late || door_waits_no_more(door)) {
      TAILQ_REMOVE(&door->ongoing, query, others);
      TAILQ_INSERT_TAIL(&door->loading, query, others);
      query_refuse_reason(door, query, late ? LUMIN_DEADLINE_EXCEEDED : LUMIN_UNAVAILABLE,
                          late ? "the user has too many events to fold them in this time"
                               : "this worker stops: ask again");
    }
    query = next;
  }
}

// Their pieces are large: all of them in each load would keep every other query waiting, and none would come to its
// end.
void queries_go_on(struct door *door) {
  ongoing_expire(door);
  for (size_t count = 0; count < ONGOING_IN_LOAD && !TAILQ_EMPTY(&door->ongoing); count++) {
    struct door_query *query = TAILQ_FIRST(&door->ongoing);
    query->leads = count == 0;
    TAILQ_REMOVE(&door->ongoing, query, others);
    TAILQ_INSERT_TAIL(&door->loading, query, others);
  }
}

int64_t queries_deadline_ns(const struct door *door) {
  if (!TAILQ_EMPTY(&door->asking) || !TAILQ_EMPTY(&door->ongoing)) {
    return door_output_is_full(door) ? clock_monotonic_ns() + SCAN_PAUSE : 0;
  }
  return TAILQ_EMPTY(&door->patient) ? INT64_MAX : door->next_due_ns;
}
