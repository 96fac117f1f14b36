// SPDX-License-Identifier: MIT
#include "lumin/worker/republish.h"
enum program_exit republish_run(const struct config *config, const struct republish_options *options) {
  (void)config, (void)options;
  return PROGRAM_FAILED;
}
