// SPDX-License-Identifier: MIT
// Places where a fault test may end, stop or delay the program. Without LUMIN_FAILPOINTS they are nothing.
//
// LUMIN_FAIL_AT=<n> or <name>:<n> acts at the n-th passage of any failpoint, or of the one of that name, counted from 1
// over the whole process. LUMIN_FAIL_ACTION is exit (the default: _exit(86)), stop (SIGSTOP to itself) or sleep:<ms>.
// LUMIN_FAIL_FILE names a file; nothing acts before it exists, and passages count from then on.
#pragma once

#ifdef LUMIN_FAILPOINTS
void failpoint_pass(const char *name);
#define FAILPOINT(name) failpoint_pass(name)
#else
#define FAILPOINT(name) ((void)0)
#endif
