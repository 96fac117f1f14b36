// SPDX-License-Identifier: MIT
// Answers. Their headers are built from what this service knows or has checked, never copied blindly; a body is never
// empty, since clients take an empty one for no answer at all.
#include "command_log.h"
#include "door_internal.h"

static void method_count(struct door *door, const struct caller *caller, const struct reply *reply);
static void answer_report(const struct caller *caller, const struct reply *reply);
static struct span line_of(struct span text, struct arena *arena);
static void refusal_body(const struct caller *caller, const struct refusal *refusal, struct arena *arena,
                         struct reply *reply);

#define REPLY_HEADERS 6

static size_t header_add(struct link_header *headers, size_t count, const char *name, struct span value) {
  if (value.len > 0) {
    headers[count++] = (struct link_header){name, value};
  }
  return count;
}

void reply_send(struct door *door, const struct caller *caller, const struct reply *reply) {
  struct link_header headers[REPLY_HEADERS];
  char command_id[UUID_TEXT_LEN + 1];
  size_t count = header_add(headers, 0, "Content-Type",
                            reply->json ? SPAN_LITERAL("application/json") : SPAN_LITERAL("application/protobuf"));
  if (!uuid_is_nil(&caller->command_id)) {
    uuid_format(&caller->command_id, command_id);
    count = header_add(headers, count, "Lumin-Command-Id", span_of(command_id, UUID_TEXT_LEN));
  }
  count = header_add(headers, count, "Lumin-Outcome", reply->outcome);
  count = header_add(headers, count, "Nats-Service-Error-Code", reply->error_code);
  count = header_add(headers, count, "Nats-Service-Error", reply->error);
  count = header_add(headers, count, "traceparent", caller->traceparent);
  // Protobuf is meant where nothing is said, and one header costs as much as all else about a small answer.
  count = count == 1 && !reply->json && !caller->typed ? 0 : count;
  method_count(door, caller, reply); // first: who has the answer finds it counted
  answer_report(caller, reply);
  if (!link_is_alive(door->link) ||
      link_publish_message(
          door->link, &(struct link_message){caller->reply, SPAN_EMPTY, reply->body, headers, count}) != LUMIN_OK) {
    atomic_fetch_add(&door->totals.lost, 1);
  }
}

// Of a refusal its reason, which is a name of ours; the text behind it may be made of what was sent.
static void answer_report(const struct caller *caller, const struct reply *reply) {
  struct span rest = reply->error, reason = span_cut(&rest, ':');
  struct command_mark mark;
  if (log_is_on(LOG_DEBUG)) {
    log_debug("request_answered", log_string("thread", "door"), log_command_id(&caller->command_id, &mark),
              log_trace_id(caller->traceparent),
              log_string("method", caller->method != NULL ? caller->method->name : "unknown"),
              log_optional("outcome", reply->outcome), log_optional("code", reply->error_code),
              log_optional("reason", reason),
              log_number("microseconds", (clock_monotonic_ns() - caller->started_ns) / 1000));
  }
}

static void method_count(struct door *door, const struct caller *caller, const struct reply *reply) {
  if (caller->method == NULL) {
    return;
  }
  struct door_method *method = &door->methods[caller->method->id];
  atomic_fetch_add(&method->processing_ns, (uint64_t)(clock_monotonic_ns() - caller->started_ns));
  if (reply->error_code.len > 0) {
    atomic_fetch_add(&method->errors, 1);
    pthread_mutex_lock(&door->lock);
    (void)snprintf(method->last_error, sizeof method->last_error, "%.*s", SPAN_ARGS(reply->error));
    pthread_mutex_unlock(&door->lock);
  }
}

void reply_refuse(struct door *door, const struct caller *caller, const struct refusal *refusal, struct arena *arena) {
  struct reply reply = {
      .error_code = arena_printf(arena, "%d", status_service_code(refusal->reason)),
      .error =
          line_of(arena_printf(arena, "%s: %.*s", status_name(refusal->reason), SPAN_ARGS(refusal->message)), arena),
  };
  refusal_body(caller, refusal, arena, &reply);
  if (reply.body.len == 0 || reply.error_code.data == NULL || reply.error.data == NULL) {
    reply = (struct reply){
        .body = SPAN_LITERAL("?"), .error_code = SPAN_LITERAL("500"), .error = SPAN_LITERAL("INTERNAL: no memory")};
  }
  reply_send(door, caller, &reply);
}

void reply_refuse_reason(struct door *door, const struct caller *caller, enum lumin_status reason,
                         const char *message) {
  struct refusal refusal = {0};
  (void)refuse(&refusal, reason, message);
  reply_refuse(door, caller, &refusal, door->scratch);
}

// A command is answered by an Outcome, whose status stays open: the door does not know what becomes of the command id.
static void refusal_body(const struct caller *caller, const struct refusal *refusal, struct arena *arena,
                         struct reply *reply) {
  const ProtobufCMessageDescriptor *type = &lumin__user__v1__error__descriptor;
  enum lumin_status status = LUMIN_OK;
  if (caller->method != NULL && caller->method->kind == METHOD_COMMAND) {
    struct outcome outcome = {.command_id = caller->command_id, .user_id = caller->user_id, .refusal = *refusal};
    type = &lumin__user__v1__outcome__descriptor;
    status = codec_encode_outcome(&outcome, arena, &reply->body);
  } else {
    status = codec_encode_refusal(refusal, arena, &reply->body);
  }
  if (status == LUMIN_OK) {
    status = reply_convert(caller, type, arena, reply);
  }
  if (status != LUMIN_OK) {
    reply->body = SPAN_EMPTY;
  }
}

enum lumin_status reply_convert(const struct caller *caller, const ProtobufCMessageDescriptor *type,
                                struct arena *arena, struct reply *reply) {
  if (!caller->json) {
    return LUMIN_OK;
  }
  enum lumin_status status = codec_convert_json(type, reply->body, arena, &reply->body);
  reply->json = status == LUMIN_OK;
  return status;
}

// A header's value is one line.
static struct span line_of(struct span text, struct arena *arena) {
  struct span copy = text.data != NULL ? arena_copy(arena, text) : SPAN_EMPTY;
  char *letters = (char *)(uintptr_t)copy.data;
  for (size_t i = 0; letters != NULL && i < copy.len; i++) {
    letters[i] = (char)((unsigned char)letters[i] < ' ' || letters[i] == 0x7f ? ' ' : letters[i]);
  }
  return copy;
}

size_t caller_bytes(const struct caller *caller) { return caller->reply.len + caller->traceparent.len + 2; }

static struct span text_keep(struct span text, char **place) {
  char *copy = *place;
  if (text.len > 0) {
    memcpy(copy, text.data, text.len);
  }
  copy[text.len] = '\0';
  *place += text.len + 1;
  return span_of(copy, text.len);
}

struct caller caller_keep(const struct caller *caller, char *texts) {
  struct caller kept = *caller;
  kept.reply = text_keep(caller->reply, &texts);
  kept.traceparent = text_keep(caller->traceparent, &texts);
  return kept;
}
