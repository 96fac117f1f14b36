// SPDX-License-Identifier: MIT
// Failpoints, for the builds that have them.
#include "lumin/base/failpoint.h"

#ifdef LUMIN_FAILPOINTS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
  char name[64]; // empty: any
  long at;       // 0: never
  const char *action;
  const char *file;
} plan;
static atomic_long passed;
static pthread_once_t planned = PTHREAD_ONCE_INIT;

static void plan_read(void) {
  const char *at = getenv("LUMIN_FAIL_AT");
  if (at == NULL) {
    return;
  }
  const char *colon = strrchr(at, ':');
  if (colon != NULL) {
    size_t len = (size_t)(colon - at);
    memcpy(plan.name, at, len < sizeof plan.name ? len : sizeof plan.name - 1);
  }
  plan.at = strtol(colon != NULL ? colon + 1 : at, NULL, 10);
  plan.action = getenv("LUMIN_FAIL_ACTION");
  plan.file = getenv("LUMIN_FAIL_FILE");
}

void failpoint_pass(const char *name) {
  (void)pthread_once(&planned, plan_read);
  if (plan.at == 0 || (plan.name[0] != '\0' && strcmp(plan.name, name) != 0) ||
      (plan.file != NULL && access(plan.file, F_OK) != 0) || atomic_fetch_add(&passed, 1) + 1 != plan.at) {
    return;
  }
  if (plan.action == NULL || strcmp(plan.action, "exit") == 0) {
    _exit(86);
  } else if (strcmp(plan.action, "stop") == 0) {
    (void)raise(SIGSTOP); // this thread at once, the others soon: kill() would let this one run on for a while
  } else if (strncmp(plan.action, "sleep:", 6) == 0) {
    long ms = strtol(plan.action + 6, NULL, 10);
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
  }
}

#else
typedef int failpoints_are_not_built_in; // ISO C wants a declaration
#endif
