// SPDX-License-Identifier: MIT
// Why a command or a query was refused, in the words its sender gets to read.
#pragma once

#include "lumin/base/span.h"
#include "lumin/base/status.h"

struct refusal {
  enum lumin_status reason; // LUMIN_OK where there is none
  struct span message;      // one line for a person; never holds what the caller sent
  struct span field;        // path in the request; empty where no field is at fault
  struct span allowed;      // what the field may hold
  int current_status;       // enum user_status, 0 where it does not matter
  uint64_t current_version; // 0 where it does not matter
};

// Fills *ret_refusal and returns `reason`, so that a verb can end with it. The texts must outlive the refusal:
// literals, or of the arena that the batch's outcomes are published from.
enum lumin_status refuse(struct refusal *ret_refusal, enum lumin_status reason, const char *message);
enum lumin_status refuse_field(struct refusal *ret_refusal, const char *field, const char *allowed,
                               const char *message); // INVALID_ARGUMENT
