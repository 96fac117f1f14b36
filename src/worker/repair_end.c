// SPDX-License-Identifier: MIT
// What both ways of a repair begin and end with. In the order of the command stream an e-mail may pass from one user to
// another before it did so by commit, and come back to nobody; so at the end the identifiers are made as the users have
// them (guarantee 7). No worker takes a partition before that.
#include <inttypes.h>
#include <stdio.h>

#include "repair_internal.h"
#include "verify_internal.h"

enum lumin_status repair_note(struct repair *repair) {
  enum lumin_status status = database_run(
      repair->database, "INSERT INTO lumin.repairs (kind) SELECT 'adopt' WHERE NOT EXISTS (SELECT FROM lumin.repairs "
                        "WHERE finished_at IS NULL)");
  return status == LUMIN_OK ? status : repair_database_failed(repair, status);
}

#define HELD                                                                                                           \
  "(SELECT 1::int2 AS kind, email_key AS key, user_id FROM lumin.users WHERE status <> 5 AND email_key <> '' "         \
  "UNION ALL SELECT 2::int2, phone, user_id FROM lumin.users WHERE status <> 5 AND phone <> '')"

enum lumin_status repair_settle(struct repair *repair) {
  enum lumin_status status = database_run(
      repair->database, "BEGIN; DELETE FROM lumin.identifiers i WHERE NOT EXISTS (SELECT FROM " HELD
                        " h WHERE h.kind = i.kind AND h.key = i.key AND h.user_id = i.user_id); "
                        "INSERT INTO lumin.identifiers (kind, key, user_id) SELECT kind, key, user_id FROM " HELD
                        " h WHERE NOT EXISTS (SELECT FROM lumin.identifiers i WHERE i.kind = h.kind AND i.key = h.key) "
                        "ON CONFLICT DO NOTHING; COMMIT");
  return status == LUMIN_OK ? status : repair_database_failed(repair, status);
}

// Only two events that were both published, or lost commands, can bring two users to one address.
static enum lumin_status identifiers_verify(struct repair *repair, bool *ret_fine) {
  struct verdict verdict = {.name = "7 identifiers", .unit = "identifiers"};
  int64_t count = 0;
  enum lumin_status status = database_number(repair->database, "SELECT count(*) FROM lumin.identifiers", &count);
  if (status == LUMIN_OK) {
    status = database_run(repair->database, "BEGIN");
  }
  if (status == LUMIN_OK) {
    status = verdict_query(&verdict, repair->database, verify_identifiers_sql);
  }
  if (status == LUMIN_OK) {
    status = database_run(repair->database, "COMMIT");
  }
  if (status != LUMIN_OK) {
    return status;
  }
  verdict.looked_at = (uint64_t)count;
  *ret_fine = verdict.differences == 0 || verdict_print(&verdict);
  if (!*ret_fine) {
    program_complain(repair->program, "these users have an e-mail or a phone that another user has too: change theirs");
  }
  return LUMIN_OK;
}

enum lumin_status repair_end(struct repair *repair, uint64_t events, bool *ret_fine) {
  char sql[160];
  (void)snprintf(sql, sizeof sql,
                 "UPDATE lumin.repairs SET finished_at = clock_timestamp(), events = events + %" PRIu64
                 " WHERE finished_at IS NULL",
                 events);
  enum lumin_status status = repair_settle(repair);
  if (status != LUMIN_OK) {
    return status;
  }
  status = identifiers_verify(repair, ret_fine);
  if (status == LUMIN_OK) {
    status = database_run(repair->database, sql);
  }
  return status == LUMIN_OK ? status : repair_database_failed(repair, status);
}
