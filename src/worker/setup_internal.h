// SPDX-License-Identifier: MIT
// Between the files of setup.
#pragma once

#include "lumin/worker/setup.h"

// Whether commands are mapped to the partitions that the workers read them from.
enum program_exit setup_check_mapping(struct program *program);

// Two user ids whose partitions of `partitions` tell that number from every other up to PARTITIONS_TOLD: a server that
// counts otherwise puts at least one of them elsewhere.
#define PARTITIONS_TOLD 2048
LUMIN_MUST_USE enum lumin_status mapping_witnesses(uint32_t partitions, struct uuid ret_users[2]);
