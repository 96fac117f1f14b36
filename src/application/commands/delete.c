// SPDX-License-Identifier: MIT
// delete: the user's fields go, its identifiers become free, its id stays known.
#include "lumin/application/decision.h"

enum lumin_status command_delete(struct decision *decision, const ProtobufCMessage *message) {
  (void)message;
  struct event event = {0};
  enum lumin_status status = user_delete(&decision->user, &event, &decision->refusal);
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
