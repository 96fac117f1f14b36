// SPDX-License-Identifier: MIT
// `lumin-user repair`: after PostgreSQL was restored to an earlier point, or failed over to a standby that lacked
// commits, the event stream knows of events that the table has lost. `--adopt` takes them back; `--discard` gives them
// up. docs/operations.md, "Restore", has the drill.
#pragma once

#include "lumin/worker/program.h"

enum repair_kind { REPAIR_NONE, REPAIR_ADOPT, REPAIR_DISCARD };
enum repair_commands { REPAIR_COMMANDS_UNSAID, REPAIR_COMMANDS_REPLAY, REPAIR_COMMANDS_SKIP };

struct repair_options {
  enum repair_kind kind;
  enum repair_commands commands; // of --discard: what becomes of the commands since
  bool dry_run;                  // only says what would be done
};

// PROGRAM_FAILED: not all could be repaired; the output says what and why. It can be run again at any time.
enum program_exit repair_run(const struct config *config, const struct repair_options *options);
