// SPDX-License-Identifier: MIT
// record_profile_view: somebody looked at the profile. May come thousands of times a second for one user: the pipeline
// writes one users row and one row a viewer for a whole batch of them.
#include "lumin/application/decision.h"
#include "lumin/user/v1/commands.pb-c.h"

enum lumin_status command_record_profile_view(struct decision *decision, const ProtobufCMessage *message) {
  const Lumin__User__V1__RecordProfileView *view = (const void *)message;
  struct uuid viewer_id = {{0}};
  struct event event = {0};
  if (uuid_parse(span_from_text(view->viewer_id), &viewer_id) != LUMIN_OK || uuid_is_nil(&viewer_id)) {
    return refuse_field(&decision->refusal, "viewer_id", "a lower-case UUID", "the viewer id is not a UUID");
  }
  enum lumin_status status = user_record_profile_view(&decision->user, &viewer_id, &event, &decision->refusal);
  return status == LUMIN_OK ? decision_emit(decision, &event) : status;
}
