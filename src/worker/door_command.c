// SPDX-License-Identifier: MIT
// A command by request/reply is a message of the command stream like any other; the door puts it there and passes its
// outcome on. UNAVAILABLE and RESOURCE_EXHAUSTED mean "certainly not on the stream"; every doubt is DEADLINE_EXCEEDED.
// The outcome comes after the commit (guarantee 1), since the lane sends it then.
#include "door_internal.h"

#include <stdlib.h>

#include "lumin/application/command_id.h"
#include "lumin/application/pipeline.h"
#include "lumin/infrastructure/nats/js.h"

static enum lumin_status command_check(struct request *request, struct refusal *ret_refusal);
static enum lumin_status user_find(struct request *request, struct refusal *ret_refusal);
static enum lumin_status room_check(struct door *door, const struct door_command *command, struct refusal *ret_refusal);
static struct door_command *command_make(struct door *door, const struct request *request);
static enum lumin_status command_publish(struct door *door, const struct request *request,
                                         const struct door_command *command);
static void command_forget(struct door *door, struct door_command *command);

void command_take(struct door *door, struct request *request) {
  struct refusal refusal = {0};
  if (command_check(request, &refusal) != LUMIN_OK) {
    reply_refuse(door, &request->caller, &refusal, door->scratch);
    return;
  }
  struct door_command *command = command_make(door, request);
  if (command == NULL) {
    reply_refuse_reason(door, &request->caller, LUMIN_UNAVAILABLE, "the worker is short of memory");
    return;
  }
  if (room_check(door, command, &refusal) != LUMIN_OK) {
    atomic_fetch_add(&door->totals.shed, 1);
    reply_refuse(door, &request->caller, &refusal, door->scratch);
    free(command);
    return;
  }
  pending_add(door->commands, &command->pending);
  door->waiting[command->partition]++;
  door->waiting_bytes += command->bytes;
  if (command_publish(door, request, command) != LUMIN_OK) {
    reply_refuse_reason(door, &command->caller, LUMIN_UNAVAILABLE, "the command could not be sent to its stream");
    command_forget(door, command);
  }
}

static enum lumin_status command_check(struct request *request, struct refusal *ret_refusal) {
  uint64_t version = 0;
  enum lumin_status status = user_find(request, ret_refusal);
  if (status == LUMIN_OK) {
    status = header_number(request, "Lumin-Expected-Version", &version, ret_refusal);
  }
  if (status == LUMIN_OK && !actor_is_valid(link_header_get(request->message, "Lumin-Actor"))) {
    status = refuse_field(ret_refusal, "Lumin-Actor", "up to 256 printable ASCII characters",
                          "the actor cannot be recorded");
  }
  return status;
}

// A command that may make its user gets an id for it from its own id.
static enum lumin_status user_find(struct request *request, struct refusal *ret_refusal) {
  enum lumin_status status = LUMIN_OK;
  if (!request->has_user_id && request->caller.method->user == USER_NAMED) {
    return refuse_field(ret_refusal, "user_id", "a lower-case UUID", "the request names no user");
  }
  if (!request->has_user_id) {
    status = command_user_id(&request->caller.command_id, &request->user_id);
  }
  request->caller.user_id = request->user_id;
  return status == LUMIN_OK ? LUMIN_OK : refuse(ret_refusal, LUMIN_UNAVAILABLE, "no user id could be made");
}

static struct door_command *command_make(struct door *door, const struct request *request) {
  size_t bytes = sizeof(struct door_command) + caller_bytes(&request->caller);
  struct door_command *command = calloc(1, bytes);
  char token[RANDOM_TOKEN_LEN + 1], user[UUID_TEXT_LEN + 1];
  if (command == NULL || random_token(token) != LUMIN_OK) {
    free(command);
    return NULL;
  }
  memcpy(command->pending.token, token, RANDOM_TOKEN_LEN);
  command->pending.deadline_ns = request->caller.started_ns + door->worker->config->rpc_timeout_ms * NS_PER_MS;
  command->caller = caller_keep(&request->caller, command->texts);
  command->bytes = bytes;
  command->ack_generation = acks_generation(door);
  uuid_format(&request->user_id, user);
  command->partition = partition_of(span_of(user, UUID_TEXT_LEN), (uint32_t)door->worker->config->partitions);
  return command;
}

// Overload is shed here, before a command is on the stream.
static enum lumin_status room_check(struct door *door, const struct door_command *command,
                                    struct refusal *ret_refusal) {
  if (door->waiting[command->partition] >= door->worker->config->rpc_waiting_per_partition) {
    return refuse(ret_refusal, LUMIN_RESOURCE_EXHAUSTED, "too many commands of this partition wait: come again later");
  }
  if (pending_count(door->commands) >= COMMANDS_MAX || door->waiting_bytes + command->bytes > WAITING_BYTES_MAX) {
    return refuse(ret_refusal, LUMIN_RESOURCE_EXHAUSTED, "too many commands wait: come again later");
  }
  return LUMIN_OK;
}

// ---- to the stream

#define COMMAND_HEADERS 7

static size_t headers_fill(struct door *door, const struct request *request, const struct door_command *command,
                           struct link_header headers[COMMAND_HEADERS]) {
  char id[UUID_TEXT_LEN + 1];
  uuid_format(&command->caller.command_id, id);
  struct span tracestate = link_header_get(request->message, "tracestate");
  bool traced = command->caller.traceparent.len > 0 && trace_state_is_valid(tracestate);
  const struct link_header all[COMMAND_HEADERS] = {
      {"Lumin-Command-Id", arena_copy(door->scratch, span_of(id, UUID_TEXT_LEN))},
      {"Lumin-Reply-To",
       arena_printf(door->scratch, "%s.o.%.*s", door->own_subject, RANDOM_TOKEN_LEN, command->pending.token)},
      {"Content-Type", request->json ? SPAN_LITERAL("application/json") : SPAN_LITERAL("application/protobuf")},
      {"Lumin-Expected-Version", link_header_get(request->message, "Lumin-Expected-Version")},
      {"Lumin-Actor", link_header_get(request->message, "Lumin-Actor")},
      {"traceparent", command->caller.traceparent},
      {"tracestate", traced ? tracestate : SPAN_EMPTY},
  };
  size_t count = 0;
  for (size_t i = 0; i < COMMAND_HEADERS; i++) {
    if (all[i].value.len > 0) {
      headers[count++] = all[i];
    }
  }
  return count;
}

// To the unmapped subject: the server finds the partition. No Nats-Msg-Id: a repeated request must reach the lane and
// get the stored outcome.
static enum lumin_status command_publish(struct door *door, const struct request *request,
                                         const struct door_command *command) {
  struct link_header headers[COMMAND_HEADERS];
  char user[UUID_TEXT_LEN + 1];
  uuid_format(&command->caller.user_id, user);
  struct span subject = arena_printf(door->scratch, "%.*s.command.%s.%s", SPAN_ARGS(worker_prefix(door->worker)),
                                     command->caller.method->name, user);
  struct span reply = acks_subject(door, command);
  size_t count = headers_fill(door, request, command, headers);
  if (subject.data == NULL || reply.data == NULL || count < 2 || headers[1].value.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status =
      link_publish_message(door->link, &(struct link_message){subject, reply, request->payload, headers, count});
  if (status == LUMIN_OK) {
    acks_expect(door);
  }
  return status;
}

// ---- and back

// By the last token of the message's subject; NULL where the command is done with.
static struct door_command *command_of(struct door *door, natsMsg *message) {
  struct span subject = span_from_text(natsMsg_GetSubject(message));
  size_t skip = subject.len > RANDOM_TOKEN_LEN ? subject.len - RANDOM_TOKEN_LEN : 0;
  return (struct door_command *)pending_find(door->commands, span_skip(subject, skip));
}

void command_stored(struct door *door, natsMsg *message) {
  struct door_command *command = command_of(door, message);
  struct span bytes = span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
  struct js_pub_ack ack = {0};
  struct js_error error = {0};
  if (command == NULL || js_pub_ack_parse(bytes, door->scratch, &ack, &error) != LUMIN_OK) {
    return; // its outcome was faster; or this is no certainty, whatever it is
  }
  command->stored = error.code == 0;
  if (!command->stored) {
    bool full = error.err_code == JS_ERR_STREAM_FULL_MESSAGES;
    reply_refuse_reason(door, &command->caller, full ? LUMIN_RESOURCE_EXHAUSTED : LUMIN_UNAVAILABLE,
                        full ? "the command stream is full" : "the command stream refused the command");
    command_forget(door, command);
  }
}

void commands_refuse(struct door *door, uint64_t ack_generation) {
  struct pending *entry = pending_oldest(door->commands);
  while (entry != NULL) {
    struct door_command *command = (struct door_command *)entry;
    entry = entry->newer;
    if (command->ack_generation == ack_generation && !command->stored) {
      arena_reset(door->scratch);
      reply_refuse_reason(door, &command->caller, LUMIN_UNAVAILABLE, "no stream takes commands at the moment");
      command_forget(door, command);
    }
  }
}

void command_decided(struct door *door, natsMsg *message) {
  struct door_command *command = command_of(door, message);
  if (command == NULL) {
    atomic_fetch_add(&door->totals.late, 1);
    return;
  }
  struct reply reply = {
      .body = span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)),
      .outcome = link_header_get(message, "Lumin-Outcome"),
      .error_code = link_header_get(message, "Nats-Service-Error-Code"),
      .error = link_header_get(message, "Nats-Service-Error"),
  };
  // Without memory for it the answer stays as it came, and its Content-Type says so.
  (void)!reply_convert(&command->caller, &lumin__user__v1__outcome__descriptor, door->scratch, &reply);
  reply_send(door, &command->caller, &reply);
  command_forget(door, command);
}

static void command_forget(struct door *door, struct door_command *command) {
  pending_remove(door->commands, &command->pending);
  door->waiting[command->partition]--;
  door->waiting_bytes -= command->bytes;
  free(command);
}

void commands_forget(struct door *door) {
  for (struct pending *oldest; (oldest = pending_oldest(door->commands)) != NULL;) {
    command_forget(door, (struct door_command *)oldest);
  }
}

static void command_expire(struct door *door, struct door_command *command) {
  char id[UUID_TEXT_LEN + 1];
  uuid_format(&command->caller.command_id, id);
  arena_reset(door->scratch);
  struct refusal refusal = {.reason = LUMIN_DEADLINE_EXCEEDED};
  refusal.message = arena_printf(
      door->scratch, "command %s %s in time: ask command_outcome, or send the same command with the same id again", id,
      command->stored ? "is on its stream, but was not decided" : "may be on its stream, but nothing was heard of it");
  reply_refuse(door, &command->caller, &refusal, door->scratch);
  command_forget(door, command);
}

void commands_expire(struct door *door) {
  int64_t now = clock_monotonic_ns();
  for (struct pending *oldest; (oldest = pending_oldest(door->commands)) != NULL && oldest->deadline_ns <= now;) {
    command_expire(door, (struct door_command *)oldest);
  }
}

int64_t commands_deadline_ns(const struct door *door) {
  const struct pending *oldest = pending_oldest(door->commands);
  return oldest != NULL ? oldest->deadline_ns : INT64_MAX;
}
