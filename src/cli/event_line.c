// SPDX-License-Identifier: MIT
// The body is found by ce-type and shown by its descriptor, so that a new event needs its row in events.def and no line
// here. Nothing in it is trusted: an event that cannot be read is a line that says so.
#include "event_line.h"

#include <inttypes.h>

#include "document.h"
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
enum { EVENT_TYPE_COUNT = sizeof event_types / sizeof event_types[0] };
enum { SEQ_WIDTH = 8, TIME_WIDTH = 30, EVENT_WIDTH = 24 };

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
      .time = or_else(link_header_get(message, "ce-time"), stream_time),
      .name = or_else(token_last(link_header_get(message, "ce-type")), token_last(before)),
      .user_id = or_else(link_header_get(message, "ce-subject"), user_token),
      .version = or_else(link_header_get(message, "ce-sequence"), SPAN_LITERAL("?")),
  };
}

// NULL where the event is not known, or its body is none of that event.
static enum lumin_status body_read(const struct reply_reader *reader, struct span name, struct span body,
                                   const ProtobufCMessage **ret_message) {
  const struct event_type_row *type = event_type_find(name);
  struct refusal refusal = {0};
  *ret_message = NULL;
  if (type == NULL) {
    return LUMIN_OK;
  }
  struct encoded encoded = {.type = type->body, .bytes = body};
  enum lumin_status status = codec_decode(reader->codec, &encoded, reader->arena, ret_message, &refusal);
  return status == LUMIN_INVALID_ARGUMENT ? LUMIN_OK : status;
}

// ---- a line

static enum lumin_status body_rows(const struct reply_reader *reader, struct span name, struct span body,
                                   struct rows *rows) {
  const ProtobufCMessage *message = NULL;
  enum lumin_status status = body_read(reader, name, body, &message);
  if (status != LUMIN_OK || message != NULL) {
    return status == LUMIN_OK ? rows_add_message(rows, message) : status;
  }
  const char *why = event_type_find(name) == NULL ? "unknown_event" : "undecodable";
  return rows_add(rows, span_from_text(why), arena_printf(reader->arena, "%zu_bytes", body.len));
}

static void column_write(struct span text, size_t width) {
  fputs("  ", stdout);
  text_write(stdout, text);
  for (size_t len = text.len; len < width; len++) {
    fputc(' ', stdout);
  }
}

void event_heading_write(void) {
  printf("%-*s  %-*s  %-*s  %-*s  %s\n", SEQ_WIDTH, "SEQUENCE", TIME_WIDTH, "TIME", EVENT_WIDTH, "EVENT", UUID_TEXT_LEN,
         "USER", "VERSION AND FIELDS");
}

static enum lumin_status line_write(const struct reply_reader *reader, const struct stream_item *item,
                                    const struct event_view *view) {
  struct rows rows = {.arena = reader->arena};
  enum lumin_status status = body_rows(reader, view->name, client_payload(item->message), &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  bool table = reader->terminal;
  printf("%-*" PRIu64, table ? SEQ_WIDTH : 0, item->seq);
  column_write(view->time, table ? TIME_WIDTH : 0);
  column_write(view->name, EVENT_WIDTH);
  column_write(view->user_id, table ? UUID_TEXT_LEN : 0);
  fputs("  v", stdout);
  text_write(stdout, view->version);
  rows_write_flat(stdout, &rows);
  fputc('\n', stdout);
  return LUMIN_OK;
}

// ---- JSON

// CloudEvents' JSON form: what binary mode has in headers without their prefix, and ours as extensions, whose names
// may hold small letters and digits only.
static void attributes_set(json_t *object, const struct stream_item *item, const struct event_view *view) {
  static const struct {
    const char *attribute, *header;
  } known[] = {{"id", "ce-id"},
               {"source", "ce-source"},
               {"type", "ce-type"},
               {"subject", "ce-subject"},
               {"sequence", "ce-sequence"},
               {"partition", "ce-partition"},
               {"position", "ce-position"},
               {"commandid", "Lumin-Command-Id"},
               {"actor", "Lumin-Actor"},
               {"traceparent", "traceparent"},
               {"tracestate", "tracestate"}};
  (void)json_object_set_new(object, "specversion", json_string("1.0"));
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    document_set_text(object, known[i].attribute, link_header_get(item->message, known[i].header));
  }
  document_set_text(object, "time", view->time);
  char seq[24];
  int len = snprintf(seq, sizeof seq, "%" PRIu64, item->seq);
  document_set_text(object, "streamsequence", span_of(seq, (size_t)len));
}

static enum lumin_status json_write(const struct reply_reader *reader, const struct stream_item *item,
                                    const struct event_view *view) {
  const ProtobufCMessage *message = NULL;
  struct span body = client_payload(item->message);
  enum lumin_status status = body_read(reader, view->name, body, &message);
  json_t *object = status == LUMIN_OK ? json_object() : NULL;
  if (object == NULL) {
    return LUMIN_NO_MEMORY;
  }
  attributes_set(object, item, view);
  const char *type = message != NULL ? "application/json" : "application/protobuf";
  (void)json_object_set_new(object, "datacontenttype", json_string(type));
  json_t *data = message != NULL ? document_message(message, reader->arena) : document_bytes(body);
  (void)json_object_set_new(object, message != NULL ? "data" : "data_base64", data);
  return document_write(object);
}

enum lumin_status event_write(const struct reply_reader *reader, const struct stream_item *item) {
  char time[CLOCK_RFC3339_MAX];
  size_t time_len = clock_format_rfc3339(item->ts_ns, time);
  struct event_view view = view_of(item->message, span_of(time, time_len));
  return reader->json ? json_write(reader, item, &view) : line_write(reader, item, &view);
}
