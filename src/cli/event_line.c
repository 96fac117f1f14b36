// SPDX-License-Identifier: MIT
// The body is found by ce-type and shown by its descriptor, so that a new event needs its row in events.def and no line
// here. Nothing in it is trusted: an event that cannot be read is a line that says so.
#include "event_line.h"

#include <inttypes.h>

#include "client.h"
#include "lumin/base/clock.h"
#include "rows.h"

#include "lumin/user/v1/events.pb-c.h"

static const struct event_type_row {
  const char *name;
  const ProtobufCMessageDescriptor *body;
} event_types[] = {
#define EVENT(symbol, number, name) {#name, &lumin__user__v1__##name##__descriptor},
#include "lumin/domain/events.def"
#undef EVENT
};
enum { EVENT_TYPE_COUNT = sizeof event_types / sizeof event_types[0], EVENT_WIDTH = 16 };

static const struct event_type_row *event_type_find(struct span name) {
  for (size_t i = 0; i < EVENT_TYPE_COUNT; i++) {
    if (name_equal(name, event_types[i].name)) {
      return &event_types[i];
    }
  }
  return NULL;
}

const char *event_name_find(struct span name) {
  const struct event_type_row *type = event_type_find(name);
  return type == NULL ? NULL : type->name;
}

struct name_list event_names(struct arena *arena) {
  struct name_list list = {ARENA_ARRAY(arena, EVENT_TYPE_COUNT, const char *), 0};
  while (list.items != NULL && list.count < EVENT_TYPE_COUNT) {
    list.items[list.count] = event_types[list.count].name;
    list.count++;
  }
  return list;
}

struct event_view {
  struct span time, name, user_id, version;
};

// What follows the last dot; all of it where there is none.
static struct span token_last(struct span text) {
  struct span token = text;
  while (text.len > 0) {
    token = span_cut(&text, '.');
  }
  return token;
}

static struct span or_else(struct span a, struct span b) { return a.len > 0 ? a : b; }

// "<prefix>.event.<event>.<user id>" says who and what, too.
static struct event_view view_of(natsMsg *message, struct span stream_time) {
  struct span subject = span_from_text(natsMsg_GetSubject(message));
  struct span user_token = token_last(subject);
  struct span before = span_of(subject.data, subject.len > user_token.len ? subject.len - user_token.len - 1 : 0);
  return (struct event_view){
      .time = or_else(client_header_get(message, "ce-time"), stream_time),
      .name = or_else(token_last(client_header_get(message, "ce-type")), token_last(before)),
      .user_id = or_else(client_header_get(message, "ce-subject"), user_token),
      .version = or_else(client_header_get(message, "ce-sequence"), SPAN_LITERAL("?")),
  };
}

static enum lumin_status body_rows(const struct reply_reader *reader, const struct event_type_row *type,
                                   struct span body, struct rows *rows) {
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  enum lumin_status status = LUMIN_INVALID_ARGUMENT;
  if (type != NULL) {
    status = codec_decode(reader->codec, &(struct encoded){.type = type->body, .bytes = body}, reader->arena, &message,
                          &refusal);
  }
  if (status == LUMIN_INVALID_ARGUMENT) {
    const char *why = type == NULL ? "unknown_event" : "undecodable";
    return rows_add(rows, span_from_text(why), arena_printf(reader->arena, "%zu_bytes", body.len));
  }
  return status == LUMIN_OK ? rows_add_message(rows, message) : status;
}

static void column_write(struct span text, size_t width) {
  fputs("  ", stdout);
  text_write(stdout, text);
  for (size_t len = text.len; len < width; len++) {
    fputc(' ', stdout);
  }
}

enum lumin_status event_line_write(const struct reply_reader *reader, natsMsg *message, uint64_t seq, int64_t ts_ns) {
  char time[CLOCK_RFC3339_MAX];
  size_t time_len = clock_format_rfc3339(ts_ns, time);
  struct event_view view = view_of(message, span_of(time, time_len));
  struct rows rows = {.arena = reader->arena};
  enum lumin_status status = body_rows(reader, event_type_find(view.name), client_payload(message), &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  printf("%" PRIu64, seq);
  column_write(view.time, 0);
  column_write(view.name, EVENT_WIDTH);
  column_write(view.user_id, 0);
  fputs("  v", stdout);
  text_write(stdout, view.version);
  rows_write_flat(stdout, &rows);
  fputc('\n', stdout);
  return LUMIN_OK;
}
