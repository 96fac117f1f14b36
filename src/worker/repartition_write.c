// SPDX-License-Identifier: MIT
// The change of the tables: one transaction, behind locks that no worker passes, so that whoever comes late meets
// either the old layout whole or the new one. What a commit in doubt came to, the next run reads (guarantees 3, 5 and
// 8).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/application/pipeline.h"
#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"
#include "repartition_internal.h"
#include "verify_internal.h"

#define ATTEMPTS 15 // for the locks
#define BATCH 4096
#define BATCH_MEMORY ((size_t)1 << 20)

// ---- users, page by page

typedef enum lumin_status (*user_visit)(void *self, const struct uuid *user_id);

// In a transaction.
static enum lumin_status users_visit(struct repartition *repartition, const char *sql, user_visit visit, void *self) {
  struct page page = {0};
  enum lumin_status status = page_open(&page, repartition->database, "users", sql);
  while (status == LUMIN_OK && (status = page_next(&page)) == LUMIN_OK) {
    struct uuid user_id = page_uuid(&page, 0);
    status = visit(self, &user_id);
  }
  if (status == LUMIN_NOT_FOUND) {
    return page_close(&page);
  }
  PQclear(page.rows);
  return status;
}

static uint32_t partition_among(const struct uuid *user_id, uint32_t partitions) {
  char text[UUID_TEXT_LEN + 1];
  uuid_format(user_id, text);
  return partition_of(span_of(text, UUID_TEXT_LEN), partitions);
}

// ---- their new partitions

struct places {
  struct repartition *repartition;
  struct arena *arena; // of a batch
  struct sql_array users, partitions;
  size_t count;
};

static bool batch_begin(struct places *places) {
  arena_reset(places->arena);
  places->count = 0;
  return sql_array_begin(&places->users, places->arena, BATCH, UUID_TEXT_LEN) &&
         sql_array_begin(&places->partitions, places->arena, BATCH, 5);
}

static enum lumin_status batch_write(struct places *places) {
  PGresult *rows = NULL;
  const char *values[] = {sql_array_text(&places->users), sql_array_text(&places->partitions)};
  struct database_query query = {
      .sql = "INSERT INTO pg_temp.places SELECT * FROM unnest($1::uuid[], $2::int4[])", .values = values, .count = 2};
  enum lumin_status status = database_ask(places->repartition->database, &query, &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  PQclear(rows);
  return batch_begin(places) ? LUMIN_OK : LUMIN_NO_MEMORY;
}

static enum lumin_status place_add(void *self, const struct uuid *user_id) {
  struct places *places = self;
  sql_array_uuid(&places->users, user_id);
  sql_array_number(&places->partitions, partition_among(user_id, places->repartition->options->partitions));
  return ++places->count == BATCH ? batch_write(places) : LUMIN_OK;
}

static enum lumin_status places_fill(struct repartition *repartition) {
  ARENA_SCOPED struct arena *arena = arena_create(BATCH_MEMORY);
  struct places places = {.repartition = repartition, .arena = arena};
  if (arena == NULL || !batch_begin(&places)) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status =
      database_run(repartition->database,
                   "CREATE TEMP TABLE places (user_id uuid PRIMARY KEY, partition int4 NOT NULL) ON COMMIT DROP");
  if (status == LUMIN_OK) {
    status = users_visit(repartition, "SELECT DISTINCT user_id FROM lumin.events", place_add, &places);
  }
  if (status == LUMIN_OK && places.count > 0) {
    status = batch_write(&places);
  }
  return status == LUMIN_OK ? database_run(repartition->database, "ANALYZE pg_temp.places") : status;
}

// ---- the transaction

// Whoever holds the partitions holds all lanes, between two batches. Rows that a stopped process has locked in a
// half-sent batch are freed as a worker would.
static enum lumin_status locks_take(struct repartition *repartition) {
  char unlock[96];
  (void)snprintf(unlock, sizeof unlock, "SELECT lumin.end_stuck_backends(%" PRId64 " * interval '1 ms')",
                 repartition->program->config->worker_lease_ms);
  enum lumin_status status = LUMIN_RETRY;
  for (int i = 0; i < ATTEMPTS && status == LUMIN_RETRY; i++) {
    status = database_run(repartition->database,
                          "BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL jit = off; LOCK TABLE lumin.partitions, "
                          "lumin.events, lumin.settings IN ACCESS EXCLUSIVE MODE");
    if (status == LUMIN_RETRY) {
      (void)printf("waiting for the tables: %s\n", database_error(repartition->database));
      (void)!database_run(repartition->database, "ROLLBACK");
      (void)!database_run(repartition->database, unlock);
    }
  }
  return status == LUMIN_OK ? status : repartition_failed(repartition, status);
}

// Once more, where nobody can change anything any longer. NOT_FOUND: something is left that only a worker can do.
static enum lumin_status drain_confirm(struct repartition *repartition, struct drain *drain) {
  const char *names = "";
  arena_reset(repartition->scratch);
  enum lumin_status status = workers_look(repartition, &names);
  if (status == LUMIN_OK && names[0] != '\0') {
    program_complain(repartition->program, "a worker came back: %s: run it again", names);
    return LUMIN_RETRY;
  }
  if (status == LUMIN_OK) {
    status = drain_look(repartition, drain);
  }
  if (status == LUMIN_OK && !drain_is_done(drain)) {
    drain_say(drain);
    return LUMIN_NOT_FOUND;
  }
  return status;
}

static enum lumin_status layout_change(struct repartition *repartition, const struct drain *drain) {
  char sql[256];
  int64_t events = 0;
  int64_t begun_ns = clock_monotonic_ns();
  (void)snprintf(sql, sizeof sql, "SELECT lumin.change_layout(%u, %" PRIu64 ", %" PRId64 ", %" PRIu64 ", %" PRId64 ")",
                 repartition->options->partitions, drain->commands.last_seq, drain->commands.last_ts_ns,
                 drain->events.last_seq, drain->events.last_ts_ns);
  (void)printf("rewriting: %u partitions become %u\n", repartition->before, repartition->options->partitions);
  enum lumin_status status = places_fill(repartition);
  if (status == LUMIN_OK) {
    status = database_number(repartition->database, sql, &events);
  }
  FAILPOINT("repartition.rewrite");
  if (status == LUMIN_OK) {
    status = database_run(repartition->database, "COMMIT");
  }
  if (status != LUMIN_OK) {
    return repartition_failed(repartition, status);
  }
  (void)printf("rewritten: %" PRId64 " events in %.1f s\n", events,
               (double)(clock_monotonic_ns() - begun_ns) / (double)NS_PER_SECOND);
  return LUMIN_OK;
}

enum lumin_status layout_write(struct repartition *repartition) {
  struct drain drain = {0};
  enum lumin_status status = locks_take(repartition);
  if (status != LUMIN_OK) {
    return status;
  }
  status = drain_confirm(repartition, &drain);
  if (status == LUMIN_OK) {
    status = layout_change(repartition, &drain);
  }
  if (status != LUMIN_OK) {
    (void)!database_run(repartition->database, "ROLLBACK");
  }
  return status;
}

// ---- the old commands

static enum lumin_status purge_send(struct repartition *repartition, uint64_t before_seq) {
  struct program *program = repartition->program;
  struct client_answer answer;
  struct js_error error = {0};
  uint64_t purged = 0;
  arena_reset(repartition->scratch);
  struct client_question question = {.subject = js_stream_purge_subject(repartition->scratch, STREAM_COMMANDS),
                                     .payload = js_stream_purge_body(repartition->scratch, before_seq),
                                     .timeout_ns = 30 * NS_PER_SECOND};
  enum lumin_status status = client_ask(program->client, &question, repartition->scratch, &answer);
  if (status == LUMIN_OK) {
    status = js_purged_parse(answer.payload, repartition->scratch, &purged, &error);
  }
  if (status != LUMIN_OK || error.code != 0) {
    program_complain(
        program, "stream %s cannot be purged, run it again: %.*s", STREAM_COMMANDS,
        SPAN_ARGS(status == LUMIN_OK ? error.description : span_from_text(client_complaint(program->client, status))));
    return LUMIN_IO;
  }
  (void)printf("removed: %" PRIu64 " decided commands, which lie under the old partitions\n", purged);
  return LUMIN_OK;
}

// What they are told by stands in the note. In a stream that was made anew since, there are none.
static enum lumin_status decided_find(struct repartition *repartition, uint64_t *ret_seq) {
  int64_t seq = 0, ts_ns = 0, found_ns = 0;
  struct js_stream_info info = {0};
  enum lumin_status status = database_number(
      repartition->database, "SELECT command_seq FROM lumin.repartitions WHERE finished_at IS NULL", &seq);
  if (status == LUMIN_OK) {
    status = database_number(repartition->database,
                             "SELECT command_ts FROM lumin.repartitions WHERE finished_at IS NULL", &ts_ns);
  }
  if (status != LUMIN_OK) {
    return repartition_failed(repartition, status);
  }
  status = stream_ask(repartition->program, STREAM_COMMANDS, &info);
  bool there = seq > 0 && info.messages > 0 && info.first_seq <= (uint64_t)seq && (uint64_t)seq <= info.last_seq;
  if (status == LUMIN_OK && there) {
    status = stream_ask_time(repartition->program, STREAM_COMMANDS, (uint64_t)seq, &found_ns);
    there = status == LUMIN_NOT_FOUND || found_ns == ts_ns;
    status = status == LUMIN_NOT_FOUND ? LUMIN_OK : status;
  }
  if (status == LUMIN_OK) {
    *ret_seq = there ? (uint64_t)seq : 0;
  }
  return status;
}

enum lumin_status commands_remove(struct repartition *repartition) {
  uint64_t seq = 0;
  enum lumin_status status = decided_find(repartition, &seq);
  if (status == LUMIN_OK && seq > 0) {
    status = purge_send(repartition, seq + 1);
  }
  FAILPOINT("repartition.removed");
  if (status != LUMIN_OK) {
    return status;
  }
  status = database_run(repartition->database,
                        "ANALYZE lumin.events; "
                        "UPDATE lumin.repartitions SET finished_at = clock_timestamp() WHERE finished_at IS NULL");
  return status == LUMIN_OK ? status : repartition_failed(repartition, status);
}

// ---- what it would come to

struct moves {
  struct repartition *repartition;
  uint64_t users, moved;
};

static enum lumin_status move_count(void *self, const struct uuid *user_id) {
  struct moves *moves = self;
  uint32_t to = partition_among(user_id, moves->repartition->options->partitions);
  moves->users++;
  moves->moved += partition_among(user_id, moves->repartition->before) != to;
  return LUMIN_OK;
}

enum lumin_status layout_count(struct repartition *repartition) {
  struct moves moves = {.repartition = repartition};
  int64_t events = 0;
  enum lumin_status status = database_run(repartition->database, "BEGIN READ ONLY");
  if (status == LUMIN_OK) {
    status = users_visit(repartition, "SELECT user_id FROM lumin.users", move_count, &moves);
  }
  if (status == LUMIN_OK) {
    status = database_number(repartition->database, "SELECT count(*) FROM lumin.events", &events);
  }
  if (status == LUMIN_OK) {
    status = database_run(repartition->database, "COMMIT");
  }
  if (status != LUMIN_OK) {
    return repartition_failed(repartition, status);
  }
  (void)printf("%u partitions would become %u: %" PRId64 " events get new positions; %" PRIu64 " of %" PRIu64
               " users change their partition\n",
               repartition->before, repartition->options->partitions, events, moves.moved, moves.users);
  return LUMIN_OK;
}
