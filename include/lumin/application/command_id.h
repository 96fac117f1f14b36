// SPDX-License-Identifier: MIT
// Ids that are derived, so that whoever derives them again gets the same: the ids of commands that name none, and of
// the users that a create without a user id makes. Part of guarantee 2: one message has one command id, at every door.
#pragma once

#include "lumin/base/uuid.h"

// From a Nats-Msg-Id of whatever form.
LUMIN_MUST_USE enum lumin_status command_id_of_msg_id(struct span msg_id, struct uuid *ret_command_id);

// From a message's own place and content.
LUMIN_MUST_USE enum lumin_status command_id_of_place(uint64_t seq, int64_t ts_ns, struct span subject,
                                                     struct span payload, struct uuid *ret_command_id);

// The user that a command without a user id is about: a retry with the same command id names the same user.
LUMIN_MUST_USE enum lumin_status command_user_id(const struct uuid *command_id, struct uuid *ret_user_id);
