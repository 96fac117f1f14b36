// SPDX-License-Identifier: MIT
// It wakes once an interval, connects, looks, cleans and leaves: between its rounds it costs nothing, and a server that
// is away is the others' to report.
#include "janitor_internal.h"

#include <stdlib.h>

#include "lumin/base/clock.h"
#include "lumin/base/log.h"
#include "lumin/base/pause.h"

#define ROUND_MEMORY ((size_t)8 << 20) // an answer to MSG.GET may take 2 MiB, and as much again decoded
#define STATEMENT_TIMEOUT (5 * NS_PER_SECOND)
#define PRUNING_SHARE 10 // of the interval, one part
#define BACKED_UP_ROUNDS 3

struct janitor {
  struct worker *worker;
  pthread_t thread;
  struct pause pause;

  // The thread's own.
  struct arena *arena;
  int64_t interval_ns;
  uint64_t block;            // of the outcomes: where the next round goes on
  unsigned backed_up_rounds; // in a row
};

static void *janitor_live(void *self);
static void janitor_destroy(struct janitor *janitor);
static void janitor_clean(struct janitor *janitor);
static bool round_open(struct janitor *janitor, struct round *round);
static void round_close(struct round *round);
static void round_purge(struct janitor *janitor, struct round *round);
static void round_prune(struct janitor *janitor, struct round *round);

struct janitor *janitor_start(struct worker *worker) {
  struct janitor *janitor = calloc(1, sizeof *janitor);
  if (janitor == NULL) {
    return NULL;
  }
  janitor->worker = worker;
  janitor->interval_ns = worker->config->janitor_interval_ms * NS_PER_MS;
  janitor->arena = arena_create(ROUND_MEMORY);
  if (janitor->arena == NULL || pause_init(&janitor->pause) != LUMIN_OK) {
    arena_destroy(janitor->arena);
    free(janitor);
    return NULL;
  }
  if (pthread_create(&janitor->thread, NULL, janitor_live, janitor) != 0) {
    janitor_destroy(janitor);
    return NULL;
  }
  return janitor;
}

void janitor_stop(struct janitor *janitor) {
  if (janitor != NULL) {
    pause_end(&janitor->pause);
    pthread_join(janitor->thread, NULL);
    janitor_destroy(janitor);
  }
}

static void janitor_destroy(struct janitor *janitor) {
  pause_finish(&janitor->pause);
  arena_destroy(janitor->arena);
  free(janitor);
}

// Each sleeps about an interval, so that workers started together do not come together.
static void *janitor_live(void *self) {
  struct janitor *janitor = self;
  int64_t interval = janitor->interval_ns;
  while (pause_until(&janitor->pause,
                     clock_monotonic_ns() + interval - (int64_t)random_below((uint64_t)interval / 4 + 1))) {
    janitor_clean(janitor);
  }
  return NULL;
}

static void janitor_clean(struct janitor *janitor) {
  struct round round = {.config = janitor->worker->config, .arena = janitor->arena};
  arena_reset(janitor->arena);
  if (round_open(janitor, &round)) {
    round_purge(janitor, &round);
    round_prune(janitor, &round);
  }
  round_close(&round);
}

// ---- a round

static bool owns_first_partition(struct janitor *janitor, struct round *round) {
  char id[UUID_TEXT_LEN + 1];
  const char *values[] = {id};
  uuid_format(&janitor->worker->id, id);
  struct database_query query = {
      .sql = "SELECT 1 FROM lumin.partitions WHERE partition = 0 AND owner = $1::uuid", .values = values, .count = 1};
  PGresult *result = NULL;
  if (database_ask(round->database, &query, &result) != LUMIN_OK) {
    return false;
  }
  bool owns = PQntuples(result) == 1;
  PQclear(result);
  return owns;
}

static bool round_open(struct janitor *janitor, struct round *round) {
  char name[160], error[256] = "";
  const char *complaint = "";
  struct session_options session = worker_session_options(janitor->worker, "janitor", name, sizeof name);
  session.statement_timeout_ns = STATEMENT_TIMEOUT;
  if (database_open(&session, &round->database, error, sizeof error) != LUMIN_OK) {
    round->database = NULL;
    return false;
  }
  if (!owns_first_partition(janitor, round)) {
    return false;
  }
  struct link_options link = worker_link_options(janitor->worker, "janitor", name, sizeof name);
  if (client_open(&link, &round->client, &complaint) != LUMIN_OK) {
    round->client = NULL;
    return false;
  }
  return true;
}

static void round_close(struct round *round) {
  client_close(round->client);
  database_close(round->database);
}

// Said once it has lasted, and when it is over: a burst that is applied the next moment is nobody's worry.
static void backlog_note(struct janitor *janitor, const struct round *round, const struct purge_report *report) {
  bool backed_up = report->backed_up;
  int64_t messages = (int64_t)(round->commands.messages - report->purged);
  unsigned before = janitor->backed_up_rounds;
  janitor->backed_up_rounds = !backed_up ? 0 : before < BACKED_UP_ROUNDS ? before + 1 : before;
  if (before < BACKED_UP_ROUNDS && janitor->backed_up_rounds == BACKED_UP_ROUNDS) {
    log_warn("commands_backed_up", log_number("messages", messages), log_number("limit", round->commands.max_messages),
             log_string("consequence", "a full stream refuses commands: see which partitions fall behind"));
  } else if (before == BACKED_UP_ROUNDS && !backed_up) {
    log_info("commands_caught_up", log_number("messages", messages));
  }
}

static void round_purge(struct janitor *janitor, struct round *round) {
  struct purge_report report = {0};
  if (commands_purge(round, &report) != LUMIN_OK) {
    return; // the servers are not in order: the next round looks again
  }
  if (report.purged > 0) {
    log_info("commands_purged", log_number("messages", (int64_t)report.purged),
             log_number("below_seq", (int64_t)report.up_to));
  }
  backlog_note(janitor, round, &report);
}

static void round_prune(struct janitor *janitor, struct round *round) {
  uint64_t pruned = 0;
  int64_t until = clock_monotonic_ns() + janitor->interval_ns / PRUNING_SHARE;
  enum lumin_status status = outcomes_prune(round, &janitor->block, until, &pruned);
  if (pruned > 0) {
    log_info("outcomes_pruned", log_number("outcomes", (int64_t)pruned), log_string("status", status_name(status)));
  }
}
