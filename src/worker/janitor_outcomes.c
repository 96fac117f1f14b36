// SPDX-License-Identifier: MIT
// Takes outcomes away that are older than any command the stream can bring again, plus a margin (guarantee 2: "within
// the outcome retention, by message timestamp"). The table is walked by its pages, some at a time, each in its own
// transaction: that needs no index, which every command would have to pay for.
#include <inttypes.h>

#include "janitor_internal.h"
#include "lumin/base/clock.h"

#define BLOCKS_PER_STEP 64

struct step {
  uint64_t pruned;
  bool last;
};

static int64_t retention_ns(const struct round *round);
static enum lumin_status cutoff_find(struct round *round, int64_t *ret_cutoff_ns);
static enum lumin_status step_take(struct round *round, uint64_t block, int64_t cutoff_ns, struct step *ret_step);

enum lumin_status outcomes_prune(struct round *round, uint64_t *block, int64_t until_ns, uint64_t *ret_pruned) {
  int64_t cutoff = 0;
  enum lumin_status status = round->commands.max_age_ns > 0 ? cutoff_find(round, &cutoff) : LUMIN_OK;
  struct step step = {.last = cutoff <= 0}; // a stream that keeps commands for ever may bring any of them again
  while (status == LUMIN_OK && !step.last && clock_monotonic_ns() < until_ns) {
    status = step_take(round, *block, cutoff, &step);
    if (status == LUMIN_OK) {
      *ret_pruned += step.pruned;
      *block = step.last ? 0 : *block + BLOCKS_PER_STEP;
    }
  }
  return status;
}

// As long as the stream says, or the configuration, whichever is longer: one of the two may be about to change.
static int64_t retention_ns(const struct round *round) {
  int64_t planned = round->config->streams_commands_max_age_ms * NS_PER_MS;
  int64_t age = round->commands.max_age_ns > planned ? round->commands.max_age_ns : planned;
  return age + round->config->janitor_outcome_margin_ms * NS_PER_MS;
}

// Time as the newest applied command has it, so that a database whose clock runs ahead forgets nothing too early.
static enum lumin_status cutoff_find(struct round *round, int64_t *ret_cutoff_ns) {
  int64_t now = 0;
  enum lumin_status status = database_number(
      round->database,
      "SELECT least(max(input_ts), (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint) FROM lumin.partitions",
      &now);
  if (status == LUMIN_OK) {
    *ret_cutoff_ns = now - retention_ns(round);
  }
  return status;
}

// An outcome that a later decision has just replaced is newer, and stays: the condition is looked at again under lock.
static const char step_sql[] =
    "WITH old AS MATERIALIZED ("
    "  SELECT ctid AS place FROM lumin.outcomes"
    "   WHERE ctid >= $1::tid AND ctid < $2::tid AND stream_ts < $3::bigint),"
    " gone AS (DELETE FROM lumin.outcomes"
    "   WHERE ctid = ANY (ARRAY(SELECT place FROM old)) AND stream_ts < $3::bigint RETURNING 1)"
    "SELECT (SELECT count(*) FROM gone),"
    "       pg_relation_size('lumin.outcomes') <= $4::bigint * current_setting('block_size')::bigint";

static enum lumin_status step_take(struct round *round, uint64_t block, int64_t cutoff_ns, struct step *ret_step) {
  char from[32], to[32], cutoff[32], end[32];
  const char *values[] = {from, to, cutoff, end};
  (void)snprintf(from, sizeof from, "(%" PRIu64 ",0)", block);
  (void)snprintf(to, sizeof to, "(%" PRIu64 ",0)", block + BLOCKS_PER_STEP);
  (void)snprintf(cutoff, sizeof cutoff, "%" PRId64, cutoff_ns);
  (void)snprintf(end, sizeof end, "%" PRIu64, block + BLOCKS_PER_STEP);
  struct database_query query = {.sql = step_sql, .values = values, .count = 4};
  PGresult *result = NULL;
  enum lumin_status status = database_ask(round->database, &query, &result);
  if (status != LUMIN_OK) {
    return status;
  }
  struct span pruned = {PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0)};
  bool last = *PQgetvalue(result, 0, 1) == 't';
  struct step step = {.last = last};
  status = span_to_u64(pruned, &step.pruned) ? LUMIN_OK : LUMIN_INTERNAL;
  PQclear(result);
  if (status == LUMIN_OK) {
    *ret_step = step;
  }
  return status;
}
