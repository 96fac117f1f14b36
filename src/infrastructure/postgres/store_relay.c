// SPDX-License-Identifier: MIT
// What the relay reads back from the tables, in position order: the events table is the outbox.
#include "columns.h"
#include "lumin/infrastructure/codec/codec.h"
#include "store_internal.h"

struct relay_rows {
  struct arena *arena;
  struct stored_event *events;
  struct stored_dead *dead;
  size_t count;
};

static enum lumin_status events_take(void *self, int index, const PGresult *rows) {
  (void)index;
  struct relay_rows *taken = self;
  int count = PQntuples(rows);
  taken->events = ARENA_ARRAY(taken->arena, (size_t)count, struct stored_event);
  bool fine = taken->events != NULL;
  for (int i = 0; fine && i < count; i++) {
    struct stored_event *event = &taken->events[i];
    event->user_id = field_uuid(rows, i, 0);
    event->version = (uint64_t)field_int(rows, i, 1);
    event->position = (uint64_t)field_int(rows, i, 2);
    event->type = (enum event_type)field_int(rows, i, 3);
    event->time_ns = field_int(rows, i, 4);
    event->command_id = field_uuid(rows, i, 5);
    fine = field_text(rows, i, 6, taken->arena, &event->actor) &&
           field_text(rows, i, 7, taken->arena, &event->traceparent) &&
           field_text(rows, i, 8, taken->arena, &event->tracestate) &&
           field_text(rows, i, 9, taken->arena, &event->body);
  }
  taken->count = (size_t)count;
  return fine ? LUMIN_OK : LUMIN_NO_MEMORY;
}

// One that cannot be read is none: the reason stands beside it.
static bool refusal_read(const PGresult *rows, int row, struct arena *arena, struct refusal *ret_refusal) {
  struct span error = span_of(PQgetvalue(rows, row, 8), (size_t)PQgetlength(rows, row, 8));
  return error.len == 0 || codec_decode_refusal(error, arena, ret_refusal) != LUMIN_NO_MEMORY;
}

static enum lumin_status dead_take(void *self, int index, const PGresult *rows) {
  (void)index;
  struct relay_rows *taken = self;
  int count = PQntuples(rows);
  taken->dead = ARENA_ARRAY(taken->arena, (size_t)count, struct stored_dead);
  bool fine = taken->dead != NULL;
  for (int i = 0; fine && i < count; i++) {
    struct stored_dead *dead = &taken->dead[i];
    dead->dead_position = (uint64_t)field_int(rows, i, 0);
    dead->stream_seq = (uint64_t)field_int(rows, i, 1);
    dead->command_id = field_uuid(rows, i, 2);
    fine = field_text(rows, i, 3, taken->arena, &dead->method) &&
           field_text(rows, i, 4, taken->arena, &dead->user_token) &&
           field_text(rows, i, 5, taken->arena, &dead->reason) &&
           field_text(rows, i, 6, taken->arena, &dead->headers) &&
           field_text(rows, i, 7, taken->arena, &dead->payload) && refusal_read(rows, i, taken->arena, &dead->refusal);
  }
  taken->count = (size_t)count;
  return fine ? LUMIN_OK : LUMIN_NO_MEMORY;
}

static enum lumin_status after_ask(struct store *store, enum session_statement statement, const struct params *params,
                                   const struct session_sink *sink) {
  if (store->session == NULL) {
    return LUMIN_CONNECTION_LOST;
  }
  enum lumin_status status = session_send(store->session, statement, params);
  return status == LUMIN_OK ? session_sync(store->session, sink) : status;
}

static bool after_params(const struct rows_after *after, struct arena *arena, struct params *params) {
  return params_int4(params, arena, after->partition) == LUMIN_OK &&
         params_int8(params, arena, (int64_t)after->position) == LUMIN_OK &&
         params_int4(params, arena, (int32_t)after->most) == LUMIN_OK;
}

enum lumin_status store_events_after(struct store *store, const struct rows_after *after, struct arena *arena,
                                     struct stored_events *ret_events) {
  struct params params = {0};
  struct relay_rows taken = {.arena = arena};
  struct session_sink sink = {&taken, events_take};
  if (!after_params(after, arena, &params)) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = after_ask(store, STATEMENT_EVENTS_LOAD, &params, &sink);
  if (status == LUMIN_OK) {
    *ret_events = (struct stored_events){taken.events, taken.count};
  }
  return status;
}

enum lumin_status store_dead_after(struct store *store, const struct rows_after *after, struct arena *arena,
                                   struct stored_deads *ret_dead) {
  struct params params = {0};
  struct relay_rows taken = {.arena = arena};
  struct session_sink sink = {&taken, dead_take};
  if (!after_params(after, arena, &params)) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = after_ask(store, STATEMENT_DEAD_LOAD, &params, &sink);
  if (status == LUMIN_OK) {
    *ret_dead = (struct stored_deads){taken.dead, taken.count};
  }
  return status;
}

// ---- places

struct place_rows {
  struct arena *arena;
  struct stored_places places;
};

static enum lumin_status places_take(void *self, int index, const PGresult *rows) {
  (void)index;
  struct place_rows *taken = self;
  size_t count = (size_t)PQntuples(rows);
  struct stored_place *places = ARENA_ARRAY(taken->arena, count, struct stored_place);
  for (size_t i = 0; places != NULL && i < count; i++) {
    places[i] = (struct stored_place){field_uuid(rows, (int)i, 0), (uint16_t)field_int(rows, (int)i, 1),
                                      (uint64_t)field_int(rows, (int)i, 2)};
  }
  taken->places = (struct stored_places){places, count};
  return places != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

enum lumin_status store_event_places(struct store *store, const struct event_keys *keys, struct arena *arena,
                                     struct stored_places *ret_places) {
  static const enum column_type types[] = {COLUMN_UUID, COLUMN_INT8};
  struct params params = {0};
  struct place_rows taken = {.arena = arena};
  struct session_sink sink = {&taken, places_take};
  struct columns columns = columns_begin(arena, types, 2, keys->count);
  for (size_t i = 0; i < keys->count; i++) {
    column_uuid(&columns.items[0], &keys->users[i]);
    column_int8(&columns.items[1], (int64_t)keys->versions[i]);
  }
  enum lumin_status status = params_columns(&params, &columns);
  if (status == LUMIN_OK) {
    status = after_ask(store, STATEMENT_EVENTS_PLACES, &params, &sink);
  }
  if (status == LUMIN_OK) {
    *ret_places = taken.places;
  }
  return status;
}
