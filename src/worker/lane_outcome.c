// SPDX-License-Identifier: MIT
// Outcomes to whoever waits: core messages, best effort, after the commit (guarantee 1). They go to the subject of the
// command's id and to an allowed Lumin-Reply-To, and nowhere else.
#include "command_log.h"
#include "lane_internal.h"

static const char *outcome_name(enum outcome_status status) {
  static const char *const names[] = {"NONE", "APPLIED", "UNCHANGED", "REJECTED", "DEAD"};
  return (size_t)status < sizeof names / sizeof names[0] ? names[status] : names[0];
}

static struct link_header content_type(bool json) {
  return (struct link_header){"Content-Type",
                              json ? SPAN_LITERAL("application/json") : SPAN_LITERAL("application/protobuf")};
}

// The first header is the body's type.
static size_t headers_fill(struct lane *lane, const struct command *command, struct link_header headers[8]) {
  const struct outcome *outcome = &command->outcome;
  size_t count = 0;
  headers[count++] = content_type(false);
  headers[count++] = (struct link_header){"Lumin-Outcome", span_from_text(outcome_name(outcome->status))};
  if (outcome->refusal.reason != LUMIN_OK) {
    headers[count++] = (struct link_header){
        "Nats-Service-Error-Code", arena_printf(lane->arena, "%d", status_service_code(outcome->refusal.reason))};
    headers[count++] = (struct link_header){"Nats-Service-Error",
                                            arena_printf(lane->arena, "%s: %.*s", status_name(outcome->refusal.reason),
                                                         SPAN_ARGS(outcome->refusal.message))};
  }
  if (command->traceparent.len > 0) {
    headers[count++] = (struct link_header){"traceparent", command->traceparent};
  }
  if (command->tracestate.len > 0) {
    headers[count++] = (struct link_header){"tracestate", command->tracestate};
  }
  for (size_t i = 0; i < count; i++) {
    if (headers[i].value.data == NULL) {
      return 0; // the arena is full; the body says it all
    }
  }
  return count;
}

// A door reads protobuf, whatever its caller wants.
static bool reply_to_is_door(const struct lane *lane, struct span reply_to) {
  return span_starts_with(span_skip(reply_to, worker_prefix(lane->worker).len), SPAN_LITERAL(".door."));
}

static enum lumin_status outcome_publish(struct lane *lane, const struct command *command) {
  struct span body = SPAN_EMPTY, json = SPAN_EMPTY;
  char id[UUID_TEXT_LEN + 1];
  uuid_format(&command->command_id, id);
  enum lumin_status status = codec_encode_outcome(&command->outcome, lane->arena, &body);
  struct span subject = arena_printf(lane->arena, "%.*s.outcome.%s", SPAN_ARGS(worker_prefix(lane->worker)), id);
  if (status != LUMIN_OK || subject.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  struct link_header headers[8];
  size_t count = headers_fill(lane, command, headers);
  if (command->json_outcome &&
      codec_convert_json(&lumin__user__v1__outcome__descriptor, body, lane->arena, &json) != LUMIN_OK) {
    json = SPAN_EMPTY; // without memory for it, it goes as it is
  }
  if (command->reply_to.len > 0) { // who waits comes first
    struct span reply_to = arena_copy(lane->arena, command->reply_to);
    bool as_json = json.len > 0 && !reply_to_is_door(lane, command->reply_to);
    headers[0] = content_type(as_json);
    struct link_message message = {reply_to, SPAN_EMPTY, as_json ? json : body, headers, count};
    status = reply_to.data == NULL ? LUMIN_NO_MEMORY : link_publish_message(lane->link, &message);
  }
  if (status == LUMIN_OK) {
    headers[0] = content_type(json.len > 0);
    struct link_message message = {subject, SPAN_EMPTY, json.len > 0 ? json : body, headers, count};
    status = link_publish_message(lane->link, &message);
  }
  return status;
}

// One line a command, for who follows one: never above debug, where input could flood the log.
static void decided_report(const struct lane *lane, const struct command *commands, size_t count) {
  for (size_t i = 0; log_is_on(LOG_DEBUG) && i < count; i++) {
    const struct command *command = &commands[i];
    const struct outcome *outcome = &command->outcome;
    enum lumin_status reason = outcome->refusal.reason;
    struct command_mark mark;
    log_debug("command_decided", log_number("lane", lane->number), log_command_id(&command->command_id, &mark),
              log_trace_id(command->traceparent),
              log_string("method", command->method != NULL ? command->method->name : "unknown"),
              log_number("partition", command->inbound->partition), log_number("seq", (int64_t)command->inbound->seq),
              log_string("outcome", outcome_name(outcome->status)),
              log_optional("reason", span_from_text(reason == LUMIN_OK ? "" : status_name(reason))),
              log_number("version", (int64_t)outcome->version));
  }
}

// One line a batch, however many there are: input must not flood the log.
static void dead_report(const struct lane *lane, const struct command *commands, size_t count) {
  const struct command *first = NULL, *misplaced = NULL;
  struct command_mark mark;
  int64_t dead = 0;
  for (size_t i = 0; i < count; i++) {
    if (commands[i].outcome.status == OUTCOME_DEAD && !commands[i].unrecorded) {
      dead++;
      first = first == NULL ? &commands[i] : first;
      misplaced = misplaced == NULL && commands[i].wrong_partition ? &commands[i] : misplaced;
    }
  }
  if (first != NULL) {
    log_warn("commands_dead", log_number("lane", lane->number), log_number("count", dead),
             log_command_id(&first->command_id, &mark), log_trace_id(first->traceparent),
             log_number("partition", first->inbound->partition), log_number("seq", (int64_t)first->inbound->seq),
             log_string("reason", status_name(first->outcome.refusal.reason)),
             log_text("what", first->outcome.refusal.message));
  }
  if (misplaced != NULL) {
    log_error("wrong_partition", log_command_id(&misplaced->command_id, &mark), log_trace_id(misplaced->traceparent),
              log_number("partition", misplaced->inbound->partition),
              log_number("seq", (int64_t)misplaced->inbound->seq),
              log_string("what", "somebody publishes past the partition mapping; the command is dead"));
  }
}

void lane_publish_outcomes(struct lane *lane, const struct batch *batch) {
  size_t count = 0;
  const struct command *commands = batch_commands(batch, &count);
  enum lumin_status status = LUMIN_OK;
  decided_report(lane, commands, count);
  dead_report(lane, commands, count);
  for (size_t i = 0; i < count && lane->link != NULL && status != LUMIN_CONNECTION_LOST; i++) {
    status = outcome_publish(lane, &commands[i]);
  }
}
