// SPDX-License-Identifier: MIT
// A payload is shown as JSON where it can be decoded, by the method's own message; else as bytes, with what is wrong
// with them.
#include "dead_item.h"

#include <inttypes.h>
#include <stdlib.h>

#include "document.h"
#include "lumin/application/tokens.h"
#include "lumin/base/clock.h"
#include "rows.h"

enum { SEQ_WIDTH = 8, TIME_WIDTH = 30, METHOD_WIDTH = 24, REASON_WIDTH = 18 };

static struct span header(const struct stream_item *item, const char *name) {
  return link_header_get(item->message, name);
}

// What stands in front of the last dot, and behind it.
static struct span last_cut(struct span text, struct span *ret_last) {
  const char *dot = text.len > 0 ? memrchr(text.data, '.', text.len) : NULL;
  size_t len = dot != NULL ? (size_t)(dot - text.data) : 0;
  *ret_last = dot != NULL ? span_skip(text, len + 1) : text;
  return span_of(text.data, len);
}

struct dead_item dead_item_of(const struct stream_item *item) {
  struct dead_item dead = {
      .seq = item->seq,
      .ts_ns = item->ts_ns,
      .command_id = header(item, "Lumin-Command-Id"),
      .reason = header(item, "Lumin-Dead-Reason"),
      .message = header(item, "Lumin-Dead-Message"),
      .field = header(item, "Lumin-Dead-Field"),
      .partition = header(item, "Lumin-Dead-Partition"),
      .position = header(item, "Lumin-Dead-Position"),
      .stream_seq = header(item, "Lumin-Stream-Sequence"),
      .content_type = header(item, "Content-Type"),
      .payload = client_payload(item->message),
      .payload_omitted = header(item, "Lumin-Dead-Payload").len > 0,
      .headers_incomplete = header(item, "Lumin-Dead-Headers").len > 0,
  };
  struct span rest = last_cut(span_from_text(natsMsg_GetSubject(item->message)), &dead.user_token);
  (void)last_cut(rest, &dead.method);
  return dead;
}

// ---- the list

static void column_write(struct span text, int width) {
  text_write(stdout, text);
  fprintf(stdout, "%*s  ", text.len < (size_t)width ? width - (int)text.len : 0, "");
}

void dead_heading_write(void) {
  printf("%-*s  %-*s  %-*s  %-*s  %-*s  %s\n", SEQ_WIDTH, "SEQUENCE", TIME_WIDTH, "TIME", METHOD_WIDTH, "METHOD",
         UUID_TEXT_LEN, "USER", REASON_WIDTH, "REASON", "WHY");
}

static struct span time_text(int64_t ts_ns, char room[CLOCK_RFC3339_MAX]) {
  size_t len = clock_format_rfc3339(ts_ns, room);
  return span_of(room, len);
}

static void line_write(const struct reply_reader *reader, const struct dead_item *item) {
  char time[CLOCK_RFC3339_MAX];
  bool table = reader->terminal;
  printf("%-*" PRIu64 "  ", table ? SEQ_WIDTH : 0, item->seq);
  column_write(time_text(item->ts_ns, time), table ? TIME_WIDTH : 0);
  column_write(item->method, table ? METHOD_WIDTH : 0);
  column_write(item->user_token, table ? UUID_TEXT_LEN : 0);
  column_write(item->reason, table ? REASON_WIDTH : 0);
  if (item->field.len > 0) {
    text_write(stdout, item->field);
    fputs(": ", stdout);
  }
  text_write(stdout, item->message);
  fputc('\n', stdout);
}

static json_t *item_document(const struct dead_item *item) {
  char time[CLOCK_RFC3339_MAX], seq[24];
  json_t *object = json_object();
  if (object == NULL) {
    return NULL;
  }
  int len = snprintf(seq, sizeof seq, "%" PRIu64, item->seq);
  document_set_text(object, "sequence", span_of(seq, (size_t)len));
  document_set_text(object, "time", time_text(item->ts_ns, time));
  document_set_text(object, "method", item->method);
  document_set_text(object, "userId", item->user_token);
  document_set_text(object, "commandId", item->command_id);
  document_set_text(object, "reason", item->reason);
  document_set_text(object, "message", item->message);
  document_set_text(object, "field", item->field);
  document_set_text(object, "partition", item->partition);
  document_set_text(object, "position", item->position);
  document_set_text(object, "streamSequence", item->stream_seq);
  (void)json_object_set_new(object, "payloadBytes", json_integer((json_int_t)item->payload.len));
  return object;
}

enum lumin_status dead_line_write(const struct reply_reader *reader, const struct dead_item *item) {
  if (reader->json) {
    return document_write(item_document(item));
  }
  line_write(reader, item);
  return LUMIN_OK;
}

// ---- one of them

// The payload by its method's message. `*ret_message` is NULL where it cannot be decoded; *ret_refusal says why then.
static enum lumin_status payload_read(const struct reply_reader *reader, const struct dead_item *item,
                                      const ProtobufCMessage **ret_message, struct refusal *ret_refusal) {
  const struct method *method = method_find(item->method);
  *ret_message = NULL;
  if (method == NULL || item->payload_omitted) {
    (void)refuse(ret_refusal, LUMIN_UNIMPLEMENTED,
                 method == NULL ? "luminctl knows no such method"
                                : "too large for the stream: see lumin.dead_commands");
    return LUMIN_OK;
  }
  const struct encoded encoded = {method->request, item->payload, payload_is_json(item->payload, item->content_type)};
  enum lumin_status status = codec_decode(reader->codec, &encoded, reader->arena, ret_message, ret_refusal);
  return status == LUMIN_INVALID_ARGUMENT ? LUMIN_OK : status;
}

// The command's own headers, as they go with it when it is sent again.
static json_t *headers_document(const struct stream_item *source) {
  const char **names = NULL;
  int count = 0;
  json_t *object = json_object();
  if (natsMsgHeader_Keys(source->message, &names, &count) == NATS_OK) {
    for (int i = 0; object != NULL && i < count; i++) {
      document_set_text(object, names[i], header(source, names[i]));
    }
    free(names);
  }
  return object;
}

static enum lumin_status item_document_write(const struct reply_reader *reader, const struct stream_item *source,
                                             const ProtobufCMessage *outcome) {
  const ProtobufCMessage *payload = NULL;
  struct refusal refusal = {0};
  struct dead_item item = dead_item_of(source);
  enum lumin_status status = payload_read(reader, &item, &payload, &refusal);
  json_t *object = status == LUMIN_OK ? item_document(&item) : NULL;
  if (object == NULL) {
    return LUMIN_NO_MEMORY;
  }
  (void)json_object_set_new(object, "headers", headers_document(source));
  if (payload != NULL) {
    (void)json_object_set_new(object, "payload", document_message(payload, reader->arena));
  } else {
    (void)json_object_set_new(object, "payloadBase64", document_bytes(item.payload));
    document_set_text(object, "payloadFault", refusal.message);
  }
  if (outcome != NULL) {
    (void)json_object_set_new(object, "outcome", document_message(outcome, reader->arena));
  }
  return document_write(object);
}

static enum lumin_status payload_rows(const struct reply_reader *reader, const struct dead_item *item,
                                      struct rows *rows) {
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  struct span json = SPAN_EMPTY;
  enum lumin_status status = payload_read(reader, item, &message, &refusal);
  if (status != LUMIN_OK) {
    return status;
  }
  if (message != NULL) {
    status = codec_encode_json(message, reader->arena, &json);
    return status == LUMIN_OK ? rows_add(rows, SPAN_LITERAL("payload"), json) : status;
  }
  json_t *bytes = document_bytes(item->payload);
  struct span text = arena_printf(reader->arena, "%s", bytes != NULL ? json_string_value(bytes) : "");
  json_decref(bytes);
  status = rows_add(rows, SPAN_LITERAL("payload_base64"), text);
  return status == LUMIN_OK ? rows_add(rows, SPAN_LITERAL("payload_fault"), refusal.message) : status;
}

static enum lumin_status header_rows(const struct stream_item *source, struct rows *rows) {
  static const char *const carried[] = {"Content-Type", "Lumin-Expected-Version", "Lumin-Actor", "traceparent",
                                        "tracestate"};
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < sizeof carried / sizeof carried[0] && status == LUMIN_OK; i++) {
    struct span value = header(source, carried[i]);
    if (value.len > 0) {
      status = rows_add(rows, arena_printf(rows->arena, "header.%s", carried[i]), value);
    }
  }
  return status;
}

static enum lumin_status outcome_rows(const ProtobufCMessage *outcome, struct rows *rows) {
  struct rows inner = {.arena = rows->arena};
  enum lumin_status status = outcome != NULL ? rows_add_message(&inner, outcome) : LUMIN_OK;
  for (size_t i = 0; i < inner.count && status == LUMIN_OK; i++) {
    struct row *row = &inner.items[i];
    status = rows_add(rows, arena_printf(rows->arena, "outcome.%.*s", SPAN_ARGS(row->name)), row->value);
  }
  return status;
}

enum lumin_status dead_item_write(const struct reply_reader *reader, const struct stream_item *source,
                                  const ProtobufCMessage *outcome) {
  if (reader->json) {
    return item_document_write(reader, source, outcome);
  }
  struct dead_item item = dead_item_of(source);
  struct rows rows = {.arena = reader->arena};
  char time[CLOCK_RFC3339_MAX];
  const struct {
    const char *name;
    struct span value;
  } facts[] = {
      {"sequence", arena_printf(reader->arena, "%" PRIu64, item.seq)},
      {"time", time_text(item.ts_ns, time)},
      {"method", item.method},
      {"user_id", item.user_token},
      {"command_id", item.command_id},
      {"reason", item.reason},
      {"message", item.message},
      {"field", item.field},
      {"partition", item.partition},
      {"position", item.position},
      {"stream_sequence", item.stream_seq},
      {"headers", item.headers_incomplete ? SPAN_LITERAL("incomplete: it cannot be replayed from here") : SPAN_EMPTY}};
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < sizeof facts / sizeof facts[0] && status == LUMIN_OK; i++) {
    struct span value = facts[i].value.data != NULL ? facts[i].value : SPAN_LITERAL("");
    status = rows_add(&rows, span_from_text(facts[i].name), value);
  }
  status = status == LUMIN_OK ? header_rows(source, &rows) : status;
  status = status == LUMIN_OK ? payload_rows(reader, &item, &rows) : status;
  status = status == LUMIN_OK ? outcome_rows(outcome, &rows) : status;
  if (status == LUMIN_OK) {
    rows_write(stdout, &rows);
  }
  return status;
}
