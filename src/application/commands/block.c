// SPDX-License-Identifier: MIT
// block: the user is kept out, for a reason; until somebody activates it, or until a time.
#include "lumin/application/decision.h"
#include "lumin/user/v1/commands.pb-c.h"

static enum lumin_status until_read(struct decision *decision, const Google__Protobuf__Timestamp *until,
                                    int64_t *ret_until_ns) {
  if (until == NULL) {
    return LUMIN_OK;
  }
  const struct block_until input = {until->seconds, until->nanos};
  return block_until_parse(input, decision->time_ns, "until", ret_until_ns, &decision->refusal);
}

enum lumin_status command_block(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__Block *order = (const void *)message;
  struct user_block block = {0};
  struct event event = {0};
  enum lumin_status status =
      block_reason_parse(span_from_text(order->reason), "reason", decision->arena, &block.reason, &decision->refusal);
  if (status == LUMIN_OK) {
    status = until_read(decision, order->until, &block.until_ns);
  }
  if (status == LUMIN_OK) {
    status = user_block(&decision->user, &block, &event, &decision->refusal);
  }
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
