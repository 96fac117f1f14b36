// SPDX-License-Identifier: MIT
// Giving up: what the event stream holds beyond the table is removed from it, message by message, so that no id stands
// for two contents there (guarantees 3 and 8 for whoever reads it from now on). First, in one transaction, the repair
// is noted and, where that is asked for, every partition's input position is put at the end of the command stream: else
// the commands would bring back what was given up. So an interrupted repair leaves partitions closed or done, never
// half done, and goes on when it is run again.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"
#include "repair_internal.h"

#define PROGRESS_INTERVAL (5 * NS_PER_SECOND)

struct removal {
  struct repair *repair;
  uint64_t done;
  int64_t progress_at_ns;
};

// ---- the note, and the input positions

// $1 owner, $2 and $3 the end of the command stream, $4 whether to go there.
static const char begin_sql[] =
    "WITH mine AS (SELECT partition, input_seq FROM lumin.partitions WHERE owner = $1::uuid FOR UPDATE), "
    "given_up AS (INSERT INTO lumin.lost_ranges (partition, first_seq, last_seq, acknowledged_at) "
    "SELECT partition, input_seq + 1, $2::int8, clock_timestamp() FROM mine WHERE $4::bool AND input_seq < $2::int8 "
    "ON CONFLICT (partition, first_seq, last_seq) DO UPDATE SET acknowledged_at = clock_timestamp()), "
    "skipped AS (UPDATE lumin.partitions p SET input_seq = $2::int8, input_ts = $3::int8 FROM mine m "
    "WHERE $4::bool AND p.partition = m.partition), "
    "noted AS (INSERT INTO lumin.repairs (kind, skipped_seq) SELECT 'discard', CASE WHEN $4::bool THEN $2::int8 END "
    "WHERE EXISTS (SELECT FROM mine)) SELECT count(*) FROM mine";

static enum lumin_status discard_begin(struct repair *repair) {
  char owner[UUID_TEXT_LEN + 1], seq[24], ts[24];
  PGresult *rows = NULL;
  int64_t ts_ns = repair->commands.last_ts_ns;
  bool skip = repair->options->commands == REPAIR_COMMANDS_SKIP;
  uuid_format(&repair->tenure.worker.id, owner);
  (void)snprintf(seq, sizeof seq, "%" PRIu64, repair->commands.last_seq);
  (void)snprintf(ts, sizeof ts, "%" PRId64, ts_ns);
  const char *values[] = {owner, seq, ts, skip ? "true" : "false"};
  struct database_query query = {.sql = begin_sql, .values = values, .count = 4};
  enum lumin_status status = database_ask(repair->database, &query, &rows);
  if (status != LUMIN_OK) {
    return repair_database_failed(repair, status);
  }
  bool all = strtoull(PQgetvalue(rows, 0, 0), NULL, 10) == repair->partitions;
  PQclear(rows);
  if (!all) {
    tenure_complain(repair->program, &repair->tenure, LUMIN_NOT_OWNER);
    return LUMIN_IO;
  }
  if (skip) {
    (void)printf("commands up to %" PRIu64 " of the stream are skipped\n", repair->commands.last_seq);
  }
  return LUMIN_OK;
}

// A stored place in the event stream that is about to go would look like a stream that was shortened.
static enum lumin_status places_clear(struct repair *repair) {
  enum lumin_status status = database_run(
      repair->database, "UPDATE lumin.partitions SET event_stream_seq = 0, event_stream_ts = 0 WHERE event_stream_seq "
                        "IN (SELECT stream_seq FROM pg_temp.staged)");
  return status == LUMIN_OK ? status : repair_database_failed(repair, status);
}

// ---- the messages

static enum lumin_status message_remove(struct removal *removal, uint64_t seq) {
  struct program *program = removal->repair->program;
  struct client_answer answer;
  struct js_error error = {0};
  bool done = false;
  ARENA_SCOPED struct arena *arena = arena_create((size_t)1 << 16);
  if (arena == NULL) {
    return LUMIN_NO_MEMORY;
  }
  struct client_question question = {.subject = js_message_delete_subject(arena, STREAM_EVENTS),
                                     .payload = js_message_get_by_seq(arena, seq),
                                     .timeout_ns = 5 * NS_PER_SECOND};
  FAILPOINT("repair.remove");
  enum lumin_status status = client_ask(program->client, &question, arena, &answer);
  if (status == LUMIN_OK) {
    status = js_success_parse(answer.payload, arena, &done, &error);
  }
  bool gone = status == LUMIN_OK &&
              (error.code == 0 || error.err_code == JS_ERR_NO_MESSAGE || error.err_code == JS_ERR_SEQUENCE_NOT_FOUND);
  if (gone) {
    return LUMIN_OK;
  }
  program_complain(
      program, "message %" PRIu64 " of stream %s cannot be removed: %.*s", seq, STREAM_EVENTS,
      SPAN_ARGS(status == LUMIN_OK ? error.description : span_from_text(client_complaint(program->client, status))));
  return LUMIN_IO;
}

static void progress_print(struct removal *removal, bool now) {
  int64_t time = clock_monotonic_ns();
  if (now || time >= removal->progress_at_ns) {
    removal->progress_at_ns = time + PROGRESS_INTERVAL;
    (void)printf("removed %" PRIu64 " of %" PRIu64 " events\n", removal->done, removal->repair->ahead_events);
    (void)fflush(stdout);
  }
}

static enum lumin_status messages_remove(struct removal *removal) {
  struct repair *repair = removal->repair;
  uint64_t after = 0;
  for (;;) {
    uint64_t *seqs = NULL;
    size_t count = 0;
    arena_reset(repair->scratch);
    enum lumin_status status = staging_sequences(repair->database, after, repair->scratch, &seqs, &count);
    if (status != LUMIN_OK) {
      return repair_database_failed(repair, status);
    }
    if (count == 0) {
      return LUMIN_OK;
    }
    for (size_t i = 0; i < count; i++) {
      status = message_remove(removal, seqs[i]);
      if (status != LUMIN_OK) {
        return status;
      }
      removal->done++;
      progress_print(removal, false);
    }
    after = seqs[count - 1];
  }
}

enum lumin_status repair_discard(struct repair *repair) {
  bool fine = false;
  struct removal removal = {.repair = repair, .progress_at_ns = clock_monotonic_ns() + PROGRESS_INTERVAL};
  enum lumin_status status = repair->discarding ? LUMIN_OK : discard_begin(repair);
  FAILPOINT("repair.noted");
  if (status == LUMIN_OK) {
    status = places_clear(repair);
  }
  if (status == LUMIN_OK) {
    status = messages_remove(&removal);
  }
  progress_print(&removal, true);
  return status == LUMIN_OK ? repair_end(repair, removal.done, &fine) : status;
}
