// SPDX-License-Identifier: MIT
// Pages: so many rows behind a place, each kind in the order of an index, so that a page costs what it holds.
#include "lumin/infrastructure/codec/codec.h"
#include "store_internal.h"
#include "user_row.h"

static enum lumin_status events_params(const struct page_wanted *page, struct arena *arena, struct params *params) {
  enum lumin_status status = params_uuid(params, arena, &page->user_id);
  if (status == LUMIN_OK) {
    status = params_int8(params, arena, page->after.number);
  }
  return status == LUMIN_OK ? params_int4(params, arena, (int32_t)page->most) : status;
}

static enum lumin_status viewers_params(const struct page_wanted *page, struct arena *arena, struct params *params) {
  enum lumin_status status = params_uuid(params, arena, &page->user_id);
  if (status == LUMIN_OK) {
    status = params_int8(params, arena, page->after.number);
  }
  if (status == LUMIN_OK) {
    status = params_uuid(params, arena, &page->after.id);
  }
  return status == LUMIN_OK ? params_int4(params, arena, (int32_t)page->most) : status;
}

static enum lumin_status users_params(const struct page_wanted *page, struct arena *arena, struct params *params) {
  enum lumin_status status = params_int4(params, arena, (int32_t)page->statuses);
  if (status == LUMIN_OK) {
    status = params_int8(params, arena, page->time_ns);
  }
  if (status == LUMIN_OK) {
    status = params_int8(params, arena, page->after.number);
  }
  if (status == LUMIN_OK) {
    status = params_uuid(params, arena, &page->after.id);
  }
  if (status == LUMIN_OK) {
    status = params_int8(params, arena, page->until_ns);
  }
  return status == LUMIN_OK ? params_int4(params, arena, (int32_t)page->most) : status;
}

// ---- rows

static enum lumin_status event_read(const PGresult *rows, int row, struct arena *arena,
                                    struct recorded_event *ret_event) {
  struct span body = span_of(PQgetvalue(rows, row, 5), (size_t)PQgetlength(rows, row, 5));
  *ret_event = (struct recorded_event){
      .version = (uint64_t)field_int(rows, row, 0),
      .type = (enum event_type)field_int(rows, row, 1),
      .time_ns = field_int(rows, row, 2),
      .command_id = field_uuid(rows, row, 3),
  };
  if (!field_text(rows, row, 4, arena, &ret_event->actor)) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = codec_read_event(ret_event->type, body, arena, &ret_event->body, &ret_event->event);
  ret_event->event.version = ret_event->version;
  ret_event->event.time_ns = ret_event->time_ns;
  return status == LUMIN_NO_MEMORY ? status : LUMIN_OK; // what cannot be read has no body
}

static enum lumin_status events_read(const PGresult *rows, struct arena *arena, struct page_rows *ret_rows) {
  int count = PQntuples(rows);
  struct recorded_event *events = ARENA_ARRAY(arena, (size_t)count, struct recorded_event);
  enum lumin_status status = events != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  for (int i = 0; i < count && status == LUMIN_OK; i++) {
    status = event_read(rows, i, arena, &events[i]);
  }
  *ret_rows = (struct page_rows){.events = events, .count = (size_t)count};
  return status;
}

static enum lumin_status viewers_read(const PGresult *rows, struct arena *arena, struct page_rows *ret_rows) {
  int count = PQntuples(rows);
  struct viewer *viewers = ARENA_ARRAY(arena, (size_t)count, struct viewer);
  for (int i = 0; viewers != NULL && i < count; i++) {
    viewers[i] = (struct viewer){
        .viewer_id = field_uuid(rows, i, 0),
        .last_viewed_ns = field_int(rows, i, 1),
        .view_count = (uint64_t)field_int(rows, i, 2),
    };
  }
  *ret_rows = (struct page_rows){.viewers = viewers, .count = (size_t)count};
  return viewers != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

enum lumin_status users_read(const PGresult *rows, struct arena *arena, struct page_rows *ret_rows) {
  int count = PQntuples(rows);
  struct user *users = ARENA_ARRAY(arena, (size_t)count, struct user);
  for (int i = 0; users != NULL && i < count; i++) {
    if (!user_read(rows, i, arena, &users[i])) {
      return LUMIN_NO_MEMORY;
    }
  }
  *ret_rows = (struct page_rows){.users = users, .count = (size_t)count};
  return users != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

// ---- kinds

static const struct {
  enum session_statement statement;
  enum lumin_status (*params)(const struct page_wanted *page, struct arena *arena, struct params *params);
  enum lumin_status (*read)(const PGresult *rows, struct arena *arena, struct page_rows *ret_rows);
} kinds[] = {
    [PAGE_EVENTS] = {STATEMENT_EVENTS_PAGE, events_params, events_read},
    [PAGE_USERS] = {STATEMENT_USERS_PAGE, users_params, users_read},
    [PAGE_VIEWERS] = {STATEMENT_VIEWERS_PAGE, viewers_params, viewers_read},
};

enum lumin_status page_add(const struct page_wanted *page, struct arena *arena, struct statements *statements) {
  struct params *params = params_begin(statements, kinds[page->kind].statement);
  return params != NULL ? kinds[page->kind].params(page, arena, params) : LUMIN_INTERNAL;
}

enum lumin_status page_read(const struct page_wanted *page, const PGresult *rows, struct arena *arena,
                            struct page_rows *ret_rows) {
  return kinds[page->kind].read(rows, arena, ret_rows);
}
