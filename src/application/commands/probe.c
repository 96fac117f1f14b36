// SPDX-License-Identifier: MIT
// probe: changes nothing; that it is answered shows that the whole path of a command works.
#include "lumin/application/decision.h"

enum lumin_status command_probe(struct decision *decision, const ProtobufCMessage *message) {
  (void)decision;
  (void)message;
  return LUMIN_OK;
}
