// SPDX-License-Identifier: MIT
// `lumin-user worker`: starts the threads of a worker in order, waits for a signal, and ends them in order.
#pragma once

#include "lumin/worker/program.h"

// PROGRAM_OK after a stop by SIGTERM or SIGINT, in which no request was lost.
enum program_exit worker_run(const struct config *config);
