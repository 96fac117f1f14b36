// SPDX-License-Identifier: MIT
// activate: the user may be viewed and is let in again.
#include "lumin/application/decision.h"

enum lumin_status command_activate(struct decision *decision, const ProtobufCMessage *message) {
  (void)message;
  struct event event = {0};
  enum lumin_status status = user_activate(&decision->user, &event, &decision->refusal);
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
