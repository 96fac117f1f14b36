// SPDX-License-Identifier: MIT
// command_outcome: how a command ended, by its id; where it has not ended yet, the service waits for it if asked to.
#include "steps.h"

#define WAIT_MAX_MS 30000
#define AGAIN_MS 250 // between two readings, in case the outcome's own message was lost

static enum lumin_status plan(struct query *query, const ProtobufCMessage *message, struct refusal *ret_refusal) {
  const Lumin__User__V1__CommandOutcome *request = (const void *)message;
  if (uuid_parse_any_case(span_from_text(request->command_id), &query->command_id) != LUMIN_OK) {
    return refuse_field(ret_refusal, "command_id", "a UUID", "the command id is not a UUID");
  }
  if (request->wait_ms > WAIT_MAX_MS) {
    return refuse_field(ret_refusal, "wait_ms", "0 to 30000", "the service does not wait that long");
  }
  query->needs_outcome = true;
  query->patience_ms = request->wait_ms;
  query->again_ms = AGAIN_MS;
  return LUMIN_OK;
}

static enum lumin_status answer(struct query *query, const struct query_rows *rows, struct query_reply *ret_reply) {
  const struct outcome *outcome = rows->outcome;
  // Who has the right to one user's subjects alone learns nothing of others' commands.
  bool theirs = outcome != NULL && query->has_user_id && !uuid_equal(&outcome->user_id, &query->user_id);
  if (outcome == NULL || theirs) {
    return rows->last ? refuse(&ret_reply->refusal, LUMIN_NOT_FOUND, "no outcome of such a command is known")
                      : LUMIN_RETRY;
  }
  const Lumin__User__V1__Outcome *message = outcome_message(outcome, rows->arena);
  if (message == NULL) {
    return LUMIN_NO_MEMORY;
  }
  ret_reply->message = &message->base;
  ret_reply->outcome_here = outcome->status;
  return LUMIN_OK;
}

const struct query_handler query_command_outcome = {.plan = plan, .answer = answer};
