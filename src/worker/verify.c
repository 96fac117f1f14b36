// SPDX-License-Identifier: MIT
// The guarantees of DESIGN section 4 that data can show, on a live system: the tables under one snapshot, then the
// event stream beside them. What a statement can tell is left to PostgreSQL, which spills to disk where memory is
// short.
#include "lumin/worker/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "lumin/base/clock.h"
#include "verify_internal.h"

// A check by statements. `count` gives what was looked at, `differences` a text for each.
struct statement_check {
  const char *name, *unit;
  const char *count;
  const char *differences;
};

const char verify_identifiers_sql[] =
    "WITH held AS (SELECT 1::int2 AS kind, email_key AS key, user_id FROM lumin.users WHERE status <> 5 "
    "AND email_key <> '' UNION ALL SELECT 2::int2, phone, user_id FROM lumin.users WHERE status <> 5 AND phone <> '') "
    "SELECT CASE WHEN i.user_id IS NULL THEN format('user %s: its %s is not claimed by it', h.user_id, "
    "CASE h.kind WHEN 1 THEN 'e-mail' ELSE 'phone' END) ELSE format('user %s: claims %s that it does not have', "
    "i.user_id, CASE i.kind WHEN 1 THEN 'an e-mail' ELSE 'a phone' END) END "
    "FROM held h FULL JOIN lumin.identifiers i ON i.kind = h.kind AND i.key = h.key AND i.user_id = h.user_id "
    "WHERE i.user_id IS NULL OR h.user_id IS NULL";

static const struct statement_check checks[] = {
    {"3 versions", "events", "SELECT count(*) FROM lumin.events",
     "SELECT format('user %s: version %s follows %s', user_id, version, previous) FROM (SELECT user_id, version, "
     "lag(version, 1, 0::int8) OVER (PARTITION BY user_id ORDER BY version) AS previous FROM lumin.events) e "
     "WHERE version <> previous + 1"},
    {"3 positions", "partitions", "SELECT count(*) FROM lumin.partitions",
     "SELECT format('partition %s: position %s follows %s', partition, position, previous) FROM (SELECT partition, "
     "position, lag(position, 1, s.position_base) OVER (PARTITION BY partition ORDER BY position) AS "
     "previous FROM lumin.events, lumin.settings s) e WHERE position <> previous + 1 AND NOT EXISTS (SELECT FROM "
     "lumin.void_positions v WHERE "
     "v.partition = e.partition AND v.first_position = previous + 1 AND v.last_position = position - 1) UNION ALL "
     "SELECT format('partition %s: its events end at position %s, event_position is %s', p.partition, "
     "coalesce(e.last, s.position_base), p.event_position) FROM lumin.settings s, lumin.partitions p LEFT JOIN LATERAL "
     "(SELECT max(position) AS last FROM lumin.events e WHERE e.partition = p.partition) e ON true "
     "WHERE coalesce(e.last, s.position_base) <> p.event_position UNION ALL "
     "SELECT format('partition %s: relayed_position %s is above event_position %s', partition, relayed_position, "
     "event_position) FROM lumin.partitions WHERE relayed_position > event_position UNION ALL "
     "SELECT DISTINCT format('partition %s has events, and no row', partition) FROM lumin.events e "
     "WHERE NOT EXISTS (SELECT FROM lumin.partitions p WHERE p.partition = e.partition)"},
    // An outcome is kept as long as its command can come again; %lld is the time before which it may be gone.
    {"2 outcomes", "events", "SELECT count(*) FROM lumin.events WHERE time_ns >= %lld",
     "SELECT format('user %s, version %s: its command %s has %s', e.user_id, e.version, e.command_id, "
     "CASE WHEN o.command_id IS NULL THEN 'no outcome' ELSE format('an outcome of status %s, version %s, user %s', "
     "o.status, o.version, o.user_id) END) FROM lumin.events e "
     "LEFT JOIN lumin.outcomes o ON o.command_id = e.command_id WHERE e.time_ns >= %lld AND (o.command_id IS NULL "
     "OR o.status <> 1 OR o.user_id <> e.user_id OR o.version < e.version)"},
    {"2 applied", "outcomes", "SELECT count(*) FROM lumin.outcomes WHERE status = 1",
     "SELECT format('command %s: applied to user %s at version %s, which is no event of it', o.command_id, o.user_id, "
     "o.version) FROM lumin.outcomes o LEFT JOIN lumin.events e ON e.user_id = o.user_id AND e.version = o.version "
     "AND e.command_id = o.command_id WHERE o.status = 1 AND e.user_id IS NULL"},
    // Who looked at whom, from the bodies of the events: the viewer's id is their first field.
    {"6 views", "viewers", "SELECT count(*) FROM lumin.profile_views",
     "WITH seen AS (SELECT e.user_id, convert_from(substring(e.body FROM 3 FOR 36), 'UTF8')::uuid AS viewer_id, "
     "count(*) AS views, max(e.time_ns) AS last FROM lumin.events e JOIN lumin.users u ON u.user_id = e.user_id AND "
     "u.status <> 5 WHERE e.type = 16 AND substring(e.body FOR 2) = '\\x0a24' GROUP BY 1, 2) "
     "SELECT format('user %s, viewer %s: %s views by the events, %s by the row%s', coalesce(s.user_id, v.user_id), "
     "coalesce(s.viewer_id, v.viewer_id), coalesce(s.views, 0), coalesce(v.view_count, 0), "
     "CASE WHEN s.views = v.view_count THEN ', the last at another time' ELSE '' END) FROM seen s "
     "FULL JOIN lumin.profile_views v ON v.user_id = s.user_id AND v.viewer_id = s.viewer_id "
     "WHERE s.views IS DISTINCT FROM v.view_count OR s.last IS DISTINCT FROM v.last_viewed_ns"},
    {"7 identifiers", "identifiers", "SELECT count(*) FROM lumin.identifiers", verify_identifiers_sql},
    {"9 lost ranges", "ranges", "SELECT count(*) FROM lumin.lost_ranges",
     "SELECT format('partition %s: commands %s to %s of the stream expired unread, found at %s', partition, first_seq, "
     "last_seq, to_char(found_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) FROM lumin.lost_ranges "
     "WHERE acknowledged_at IS NULL"},
    {"9 dead", "dead commands", "SELECT count(*) FROM lumin.dead_commands",
     "SELECT format('command %s: its outcome is DEAD, and it is not among the dead commands', command_id) "
     "FROM lumin.outcomes o WHERE status = 4 AND NOT EXISTS (SELECT FROM lumin.dead_commands d WHERE "
     "d.command_id = o.command_id) UNION ALL SELECT format('partition %s: dead_relayed %s is above dead_position %s', "
     "partition, dead_relayed, dead_position) FROM lumin.partitions WHERE dead_relayed > dead_position"},
};

static enum lumin_status verify_tables(struct program *program, bool *ret_fine);
static enum lumin_status check_make(struct program *program, const struct statement_check *check, bool *ret_fine);

enum program_exit verify_run(const struct config *config) {
  struct program program;
  if (program_init(&program, config, "verify") != LUMIN_OK) {
    return PROGRAM_FAILED;
  }
  bool fine = true;
  enum lumin_status status = LUMIN_OK;
  enum program_exit end = program_open_postgres(&program, 0); // large tables take their time
  if (end == PROGRAM_OK) {
    end = program_open_nats(&program);
  }
  if (end == PROGRAM_OK) {
    end = program_check_schema(&program);
  }
  if (end == PROGRAM_OK) {
    status = verify_tables(&program, &fine);
    if (status == LUMIN_OK) {
      status = verify_commands(&program, &fine);
    }
    if (status == LUMIN_OK) {
      status = verify_stream(&program, &fine);
    }
    end = fine ? PROGRAM_OK : PROGRAM_FAILED;
  }
  if (status != LUMIN_OK) {
    end = status == LUMIN_CONNECTION_LOST || status == LUMIN_UNAVAILABLE ? PROGRAM_UNAVAILABLE : PROGRAM_FAILED;
  }
  program_finish(&program);
  return end;
}

// One snapshot for all tables: the system goes on meanwhile.
static enum lumin_status verify_tables(struct program *program, bool *ret_fine) {
  enum lumin_status status =
      database_run(program->database, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off");
  for (size_t i = 0; status == LUMIN_OK && i < sizeof checks / sizeof checks[0]; i++) {
    status = check_make(program, &checks[i], ret_fine);
  }
  if (status == LUMIN_OK) {
    status = verify_folds(program, ret_fine);
  }
  if (status == LUMIN_OK) {
    status = database_run(program->database, "COMMIT");
  }
  if (status != LUMIN_OK) {
    program_complain(program, "PostgreSQL: %s", database_error(program->database));
  }
  return status;
}

// Puts the time into a statement that asks for it.
static bool text_fill(const char *sql, int64_t since_ns, char *ret_text, size_t size) {
  const char *hole = strstr(sql, "%lld");
  int len = hole == NULL ? snprintf(ret_text, size, "%s", sql)
                         : snprintf(ret_text, size, "%.*s%" PRId64 "%s", (int)(hole - sql), sql, since_ns, hole + 4);
  return len > 0 && (size_t)len < size;
}

static enum lumin_status check_make(struct program *program, const struct statement_check *check, bool *ret_fine) {
  char count[256], differences[1800];
  int64_t looked_at = 0;
  int64_t since_ns = clock_wall_ns() - program->config->streams_commands_max_age_ms * NS_PER_MS;
  struct verdict verdict = {.name = check->name, .unit = check->unit};
  if (!text_fill(check->count, since_ns, count, sizeof count) ||
      !text_fill(check->differences, since_ns, differences, sizeof differences)) {
    return LUMIN_INTERNAL;
  }
  enum lumin_status status = database_number(program->database, count, &looked_at);
  if (status == LUMIN_OK) {
    verdict.looked_at = (uint64_t)looked_at;
    status = verdict_query(&verdict, program->database, differences);
  }
  if (status == LUMIN_OK && !verdict_print(&verdict)) {
    *ret_fine = false;
  }
  return status;
}
