// SPDX-License-Identifier: MIT
// One request, looked at: whether it can be answered, which method it means, whom it is about, and whether its bytes
// are what the method wants. What is wrong is answered here, before anything is on a stream (guarantee 10).
#include "door_internal.h"
#include "lumin/application/command_id.h"

static bool request_is_answerable(struct door *door, const struct request *request);
static enum lumin_status request_check(struct door *door, struct request *request, struct refusal *ret_refusal);
static enum lumin_status accept_check(struct request *request, struct refusal *ret_refusal);
static enum lumin_status headers_check(const struct request *request, struct refusal *ret_refusal);
static enum lumin_status command_id_find(struct request *request, struct refusal *ret_refusal);
static enum lumin_status payload_decode(struct door *door, struct request *request, struct refusal *ret_refusal);
static enum lumin_status user_id_find(struct request *request, struct refusal *ret_refusal);

void request_take(struct door *door, natsMsg *message) {
  struct request request = {
      .message = message,
      .caller.reply = span_from_text(natsMsg_GetReply(message)),
      .caller.started_ns = clock_monotonic_ns(),
      .payload = span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)),
  };
  struct span subject = span_from_text(natsMsg_GetSubject(message));
  struct span content_type = link_header_get(message, "Content-Type");
  request.json = payload_is_json(request.payload, content_type);
  request.caller.typed = content_type.len > 0 || link_header_get(message, "Accept").len > 0;
  if (accept_check(&request, &(struct refusal){0}) != LUMIN_OK) { // first, so that every refusal can be read
    request.caller.json = request.json;
  }
  bool sound = rpc_subject_parse(worker_prefix(door->worker), subject, &request.subject);
  request.caller.method = sound ? method_find(request.subject.method) : NULL;
  if (request.caller.method != NULL) {
    atomic_fetch_add(&door->methods[request.caller.method->id].requests, 1);
  }
  if (!request_is_answerable(door, &request)) {
    atomic_fetch_add(&door->totals.dropped, 1);
    return;
  }
  struct span traceparent = link_header_get(message, "traceparent");
  request.caller.traceparent = trace_parent_is_valid(traceparent) ? traceparent : SPAN_EMPTY;
  struct refusal refusal = {0};
  if (request.caller.method == NULL) {
    (void)refuse_field(&refusal, "subject", "a method of docs/methods.md behind rpc", "there is no such method");
    refusal.reason = LUMIN_UNIMPLEMENTED;
    reply_refuse(door, &request.caller, &refusal, door->scratch);
  } else if (request_check(door, &request, &refusal) != LUMIN_OK) {
    reply_refuse(door, &request.caller, &refusal, door->scratch);
  } else if (request.caller.method->kind == METHOD_COMMAND) {
    command_take(door, &request);
  } else {
    query_take(door, &request);
  }
}

static bool request_is_answerable(struct door *door, const struct request *request) {
  return request->caller.reply.len > 0 && !door_output_is_full(door) &&
         reply_is_allowed(worker_prefix(door->worker), span_from_text(door->worker->config->nats_inbox_prefix),
                          request->caller.reply);
}

static enum lumin_status request_check(struct door *door, struct request *request, struct refusal *ret_refusal) {
  enum lumin_status status = headers_check(request, ret_refusal);
  if (status == LUMIN_OK && request->caller.method->kind == METHOD_COMMAND) {
    status = command_id_find(request, ret_refusal); // first, so that every later refusal names it
  }
  if (status == LUMIN_OK) {
    status = accept_check(request, ret_refusal);
  }
  if (status == LUMIN_OK) {
    status = payload_decode(door, request, ret_refusal);
  }
  return status == LUMIN_OK ? user_id_find(request, ret_refusal) : status;
}

// Headers that nats.c cannot read would pass for absent ones, and a command without its id is another command.
static enum lumin_status headers_check(const struct request *request, struct refusal *ret_refusal) {
  return link_headers_are_readable(request->message)
             ? LUMIN_OK
             : refuse_field(ret_refusal, "headers", "lines of a name, a colon and a value",
                            "the headers cannot be read");
}

static enum lumin_status accept_check(struct request *request, struct refusal *ret_refusal) {
  return media_choose(link_header_get(request->message, "Accept"), request->json, &request->caller.json)
             ? LUMIN_OK
             : refuse_field(ret_refusal, "Accept", "application/protobuf or application/json",
                            "answers come in protobuf and in JSON only");
}

static enum lumin_status command_id_find(struct request *request, struct refusal *ret_refusal) {
  struct span given = link_header_get(request->message, "Lumin-Command-Id");
  struct span msg_id = link_header_get(request->message, "Nats-Msg-Id");
  struct uuid *id = &request->caller.command_id;
  if (given.len > 0) {
    return uuid_parse_any_case(given, id) == LUMIN_OK
               ? LUMIN_OK
               : refuse_field(ret_refusal, "Lumin-Command-Id", "a UUID", "the command id is not a UUID");
  }
  enum lumin_status status = msg_id.len > 0 ? command_id_of_msg_id(msg_id, id) : uuid_v7(id);
  return status == LUMIN_OK ? LUMIN_OK : refuse(ret_refusal, LUMIN_UNAVAILABLE, "no command id could be made");
}

static enum lumin_status payload_decode(struct door *door, struct request *request, struct refusal *ret_refusal) {
  struct codec_port codec = codec_port(door->codec);
  struct encoded encoded = {request->caller.method->request, request->payload, request->json};
  enum lumin_status status = codec.decode(codec.self, &encoded, door->scratch, &request->body, ret_refusal);
  return status == LUMIN_NO_MEMORY ? refuse(ret_refusal, LUMIN_RESOURCE_EXHAUSTED, "the request needs too much memory")
                                   : status;
}

// The payload's user id; empty where the message has no such field, or leaves it out.
static struct span payload_user_id(const ProtobufCMessage *body) {
  const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(body->descriptor, "user_id");
  if (field == NULL || field->type != PROTOBUF_C_TYPE_STRING) {
    return SPAN_EMPTY;
  }
  return span_from_text(*(const char *const *)(const void *)((const char *)body + field->offset));
}

// The suffix is what an operator granted the caller, so a payload that names another user is refused.
static enum lumin_status user_id_find(struct request *request, struct refusal *ret_refusal) {
  struct span named = payload_user_id(request->body);
  struct uuid of_payload = {0};
  if (request->subject.has_suffix && uuid_parse(request->subject.suffix, &request->user_id) != LUMIN_OK) {
    return refuse_field(ret_refusal, "subject", "a lower-case UUID behind the method, or nothing",
                        "the subject does not end in a user id");
  }
  if (named.len > 0 && uuid_parse(named, &of_payload) != LUMIN_OK) {
    return refuse_field(ret_refusal, "user_id", "a lower-case UUID", "the user id is not a lower-case UUID");
  }
  if (named.len > 0 && request->subject.has_suffix && !uuid_equal(&of_payload, &request->user_id)) {
    return refuse_field(ret_refusal, "user_id", "the user id of the subject, or nothing",
                        "the payload names another user than the subject");
  }
  request->has_user_id = request->subject.has_suffix || named.len > 0;
  request->user_id = named.len > 0 ? of_payload : request->user_id;
  request->caller.user_id = request->user_id;
  return LUMIN_OK;
}

enum lumin_status header_number(const struct request *request, const char *name, uint64_t *ret_number,
                                struct refusal *ret_refusal) {
  struct span text = link_header_get(request->message, name);
  return text.len == 0 || span_to_u64(text, ret_number)
             ? LUMIN_OK
             : refuse_field(ret_refusal, name, "a whole number, 0 or more", "the header is not a number");
}
