// SPDX-License-Identifier: MIT
// deactivate: the user has left for a while.
#include "lumin/application/decision.h"

enum lumin_status command_deactivate(struct decision *decision, const ProtobufCMessage *message) {
  (void)message;
  struct event event = {0};
  enum lumin_status status = user_deactivate(&decision->user, &event, &decision->refusal);
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
