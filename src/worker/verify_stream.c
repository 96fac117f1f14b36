// SPDX-License-Identifier: MIT
// Guarantee 8: the event stream beside the events table, message by message in bounded memory.
//
// - A message must be an event of the table: (partition, position) carries its user, version and type, and all else
//   that it says, its body included, is what the table says. Asked in batches, after the message was read, so that its
//   commit is visible. Of a message from an earlier layout the table tells where its event stands now.
// - None comes twice: a set of positions for each partition, kept as ranges. As each is one event's, no id comes twice.
// - A user's come in the order of versions: versions ascend with positions (check "4 order"), so only a message below
//   its partition's highest position can be late, and the table tells which later versions of its user it must not
//   follow. The next ones will do: of any two in the wrong order, some two stand next to each other.
// - What was relayed when the reading began is there: what the ranges leave out, unless the stream's limits took it.
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "verify_internal.h"

#define BATCH 256
#define BATCH_MEMORY ((size_t)4 << 20)
#define DIGEST_LEN 32 // SHA-256
#define LATER_VERSIONS "32"
#define CLOCK_SLACK (10 * NS_PER_SECOND) // between the stream's clock and the commands'

struct seen {
  struct ranges positions;
  uint64_t highest;
  uint64_t relayed; // when the reading began
  bool scattered;   // more ranges than memory allows
};

// A message of the batch; what it says at length, as digests.
struct said {
  uint64_t seq;
  struct uuid user_id;
  uint64_t version;
  uint32_t partition;
  uint64_t position;
  enum event_type type;
  int64_t time_ns;
  struct uuid command_id;
  unsigned char actor[DIGEST_LEN], trace[DIGEST_LEN], body[DIGEST_LEN];
};

struct comparison {
  struct program *program;
  struct database *database;
  struct arena *arena; // of a batch
  uint32_t partitions;
  uint64_t base;     // positions up to here are of an earlier layout
  struct seen *seen; // by partition
  struct said batch[BATCH];
  bool known[BATCH]; // the table has it
  size_t count;
  struct verdict stream, order, complete;
};

static enum lumin_status comparison_make(struct comparison *comparison);

enum lumin_status verify_stream(struct program *program, bool *ret_fine) {
  struct comparison *comparison = calloc(1, sizeof *comparison);
  if (comparison == NULL) {
    return LUMIN_NO_MEMORY;
  }
  comparison->program = program;
  comparison->database = program->database;
  comparison->partitions = (uint32_t)program->config->partitions;
  comparison->base = program->layout.position_base;
  comparison->arena = arena_create(BATCH_MEMORY);
  comparison->seen = calloc(comparison->partitions, sizeof *comparison->seen);
  comparison->stream = (struct verdict){.name = "8 stream", .unit = "messages"};
  comparison->order = (struct verdict){.name = "8 stream order", .unit = "messages"};
  comparison->complete = (struct verdict){.name = "8 relayed", .unit = "events"};
  bool room = comparison->arena != NULL && comparison->seen != NULL;
  enum lumin_status status = room ? comparison_make(comparison) : LUMIN_NO_MEMORY;
  if (status == LUMIN_OK) {
    bool stream = verdict_print(&comparison->stream), order = verdict_print(&comparison->order);
    bool complete = verdict_print(&comparison->complete);
    *ret_fine = *ret_fine && stream && order && complete;
  }
  for (uint32_t i = 0; comparison->seen != NULL && i < comparison->partitions; i++) {
    ranges_free(&comparison->seen[i].positions);
  }
  free(comparison->seen);
  arena_destroy(comparison->arena);
  free(comparison);
  return status;
}

static enum lumin_status relayed_load(struct comparison *comparison);
static enum lumin_status messages_compare(struct comparison *comparison, const struct js_stream_info *info);
static enum lumin_status missing_find(struct comparison *comparison, const struct js_stream_info *info);

// What was relayed is asked for before the stream's end, and the stream's beginning once more after the reading, since
// its limits go on removing.
static enum lumin_status comparison_make(struct comparison *comparison) {
  struct js_stream_info begun = {0}, ended = {0};
  enum lumin_status status = relayed_load(comparison);
  if (status == LUMIN_OK) {
    status = stream_ask(comparison->program, STREAM_EVENTS, &begun);
  }
  if (status == LUMIN_OK && begun.messages > 0) {
    status = messages_compare(comparison, &begun);
  }
  if (status == LUMIN_OK) {
    status = stream_ask(comparison->program, STREAM_EVENTS, &ended);
  }
  return status == LUMIN_OK ? missing_find(comparison, &ended) : status;
}

static enum lumin_status database_failed(struct comparison *comparison, enum lumin_status status) {
  program_complain(comparison->program, "PostgreSQL: %s", database_error(comparison->database));
  return status;
}

static enum lumin_status relayed_load(struct comparison *comparison) {
  PGresult *rows = NULL;
  struct database_query query = {.sql = "SELECT partition, relayed_position FROM lumin.partitions"};
  enum lumin_status status = database_ask(comparison->database, &query, &rows);
  if (status != LUMIN_OK) {
    return database_failed(comparison, status);
  }
  for (int i = 0; i < PQntuples(rows); i++) {
    unsigned long partition = strtoul(PQgetvalue(rows, i, 0), NULL, 10);
    if (partition < comparison->partitions) {
      comparison->seen[partition].relayed = strtoull(PQgetvalue(rows, i, 1), NULL, 10);
      comparison->complete.looked_at += comparison->seen[partition].relayed - comparison->base;
    }
  }
  PQclear(rows);
  return LUMIN_OK;
}

// ---- the messages

static enum lumin_status batch_compare(struct comparison *comparison);

// SHA-256 of texts, one behind the other with a zero between them.
static bool digest_make(struct span first, const struct span *second, unsigned char ret_digest[DIGEST_LEN]) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool fine = context != NULL && EVP_DigestInit_ex2(context, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(context, first.data, first.len) == 1 &&
              (second == NULL ||
               (EVP_DigestUpdate(context, "", 1) == 1 && EVP_DigestUpdate(context, second->data, second->len) == 1)) &&
              EVP_DigestFinal_ex(context, ret_digest, NULL) == 1;
  EVP_MD_CTX_free(context);
  return fine;
}

static bool said_add(struct comparison *comparison, const struct stream_event *event) {
  struct said *said = &comparison->batch[comparison->count++];
  *said = (struct said){.seq = event->seq,
                        .user_id = event->user_id,
                        .version = event->version,
                        .partition = event->partition,
                        .position = event->position,
                        .type = event->type,
                        .time_ns = event->time_ns,
                        .command_id = event->command_id};
  return digest_make(event->actor, NULL, said->actor) &&
         digest_make(event->traceparent, &event->tracestate, said->trace) && digest_make(event->body, NULL, said->body);
}

static enum lumin_status message_take(struct comparison *comparison, const struct stream_message *message) {
  struct span prefix = span_from_text(comparison->program->config->service_prefix);
  struct stream_event event = stream_event_read(message->message, message->seq, prefix);
  comparison->stream.looked_at++;
  comparison->order.looked_at++;
  bool placed = event.partition < comparison->partitions || event.position <= comparison->base;
  if (!event.readable || !placed) {
    verdict_differ(&comparison->stream, "message %" PRIu64 ": its headers name no event", event.seq);
    return LUMIN_OK;
  }
  if (!said_add(comparison, &event)) {
    return LUMIN_NO_MEMORY;
  }
  return comparison->count == BATCH ? batch_compare(comparison) : LUMIN_OK;
}

static enum lumin_status messages_compare(struct comparison *comparison, const struct js_stream_info *info) {
  struct stream_message message;
  struct stream_reading reading = {.stream = STREAM_EVENTS, .first_seq = info->first_seq, .last_seq = info->last_seq};
  struct stream_reader *reader = stream_reader_create(comparison->program, &reading);
  enum lumin_status status = reader != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  while (status == LUMIN_OK && (status = stream_reader_next(reader, &message)) == LUMIN_OK) {
    status = message_take(comparison, &message);
    natsMsg_Destroy(message.message);
  }
  if (status == LUMIN_NOT_FOUND) {
    status = batch_compare(comparison);
  } else if (status == LUMIN_UNAVAILABLE || status == LUMIN_DEADLINE_EXCEEDED || status == LUMIN_CONNECTION_LOST) {
    status = stream_unreadable(comparison->program, STREAM_EVENTS, status);
  }
  stream_reader_destroy(reader);
  return status;
}

#define ARRAYS_MAX 11

static enum lumin_status arrays_ask(struct comparison *comparison, const char *sql, struct sql_array *arrays, int count,
                                    PGresult **ret_rows) {
  const char *values[ARRAYS_MAX];
  for (int i = 0; i < count; i++) {
    values[i] = sql_array_text(&arrays[i]);
  }
  struct database_query query = {.sql = sql, .values = values, .count = count};
  enum lumin_status status = database_ask(comparison->database, &query, ret_rows);
  return status == LUMIN_OK ? status : database_failed(comparison, status);
}

static void said_put(const struct said *said, bool earlier, struct sql_array arrays[ARRAYS_MAX]) {
  sql_array_number(&arrays[0], said->partition);
  sql_array_number(&arrays[1], (int64_t)said->position);
  sql_array_uuid(&arrays[2], &said->user_id);
  sql_array_number(&arrays[3], (int64_t)said->version);
  sql_array_number(&arrays[4], (int64_t)said->type);
  sql_array_number(&arrays[5], said->time_ns);
  sql_array_uuid(&arrays[6], &said->command_id);
  sql_array_bytea(&arrays[7], span_of(said->actor, DIGEST_LEN));
  sql_array_bytea(&arrays[8], span_of(said->trace, DIGEST_LEN));
  sql_array_bytea(&arrays[9], span_of(said->body, DIGEST_LEN));
  sql_array_number(&arrays[10], earlier);
}

// A row for each message: what of it is not what the table says, empty where nothing; and where its event stands. No
// place: the table has no such event at all.
static const char comparison_sql[] =
    "SELECT b.i, coalesce(CASE WHEN e.time_ns <> b.time THEN 'time' WHEN e.command_id <> b.command THEN 'command id' "
    "WHEN sha256(convert_to(coalesce(e.actor, ''), 'UTF8')) <> b.actor THEN 'actor' "
    "WHEN sha256(convert_to(coalesce(e.traceparent, ''), 'UTF8') || '\\x00' || "
    "convert_to(coalesce(e.tracestate, ''), 'UTF8')) <> b.trace THEN 'trace context' "
    "WHEN sha256(e.body) <> b.body THEN 'body' END, ''), coalesce(e.partition, -1), coalesce(e.position, 0) "
    "FROM unnest($1::int4[], $2::int8[], $3::uuid[], $4::int8[], $5::int2[], $6::int8[], $7::uuid[], $8::bytea[], "
    "$9::bytea[], $10::bytea[], $11::int4[]) WITH ORDINALITY AS b(partition, position, user_id, version, type, time, "
    "command, actor, trace, body, earlier, i) LEFT JOIN lumin.events e ON e.user_id = b.user_id AND e.version = "
    "b.version AND e.type = b.type AND (b.earlier = 1 OR e.partition = b.partition AND e.position = b.position) "
    "ORDER BY b.i";

static void difference_note(struct comparison *comparison, size_t index, const char *what) {
  const struct said *said = &comparison->batch[index];
  char user[UUID_TEXT_LEN + 1];
  uuid_format(&said->user_id, user);
  if (comparison->known[index]) {
    verdict_differ(&comparison->stream,
                   "message %" PRIu64 ": user %s, version %" PRIu64 ": its %s is not that of the table", said->seq,
                   user, said->version, what);
    return;
  }
  verdict_differ(&comparison->stream,
                 "message %" PRIu64 ": user %s, version %" PRIu64 ", partition %" PRIu32 ", position %" PRIu64
                 ": the table has no such event",
                 said->seq, user, said->version, said->partition, said->position);
}

static void row_note(struct comparison *comparison, const PGresult *rows, int row) {
  size_t index = strtoul(PQgetvalue(rows, row, 0), NULL, 10) - 1;
  struct said *said = &comparison->batch[index];
  const char *what = PQgetvalue(rows, row, 1);
  long partition = strtol(PQgetvalue(rows, row, 2), NULL, 10);
  comparison->known[index] = partition >= 0 && partition < (long)comparison->partitions;
  if (!comparison->known[index] || what[0] != '\0') {
    difference_note(comparison, index, what);
  }
  if (comparison->known[index]) {
    said->partition = (uint32_t)partition;
    said->position = strtoull(PQgetvalue(rows, row, 3), NULL, 10);
  }
}

// Which messages the table does not know, or knows otherwise; and the places of the others.
static enum lumin_status known_find(struct comparison *comparison) {
  struct sql_array arrays[ARRAYS_MAX];
  PGresult *rows = NULL;
  for (int i = 0; i < ARRAYS_MAX; i++) {
    if (!sql_array_begin(&arrays[i], comparison->arena, BATCH, 2 * DIGEST_LEN + 6)) {
      return LUMIN_NO_MEMORY;
    }
  }
  for (size_t i = 0; i < comparison->count; i++) {
    const struct said *said = &comparison->batch[i];
    said_put(said, said->position <= comparison->base, arrays);
    comparison->known[i] = false;
  }
  enum lumin_status status = arrays_ask(comparison, comparison_sql, arrays, ARRAYS_MAX, &rows);
  for (int i = 0; status == LUMIN_OK && i < PQntuples(rows); i++) {
    row_note(comparison, rows, i);
  }
  PQclear(rows);
  return status;
}

// ---- their order

// The messages that lie below a position seen before, as indexes.
static size_t late_find(const struct comparison *comparison, size_t ret_late[BATCH], uint64_t ret_highest[BATCH]) {
  size_t late = 0;
  for (size_t i = 0; i < comparison->count; i++) {
    const struct said *event = &comparison->batch[i];
    struct seen *seen = &comparison->seen[event->partition];
    if (!comparison->known[i]) {
      continue;
    }
    if (event->position < seen->highest) {
      ret_late[late] = i;
      ret_highest[late++] = seen->highest;
    } else {
      seen->highest = event->position;
    }
  }
  return late;
}

// Whether the position came before the batch's message at `index`.
static bool was_before(const struct comparison *comparison, size_t index, uint64_t position) {
  uint32_t partition = comparison->batch[index].partition;
  for (size_t i = 0; i < index; i++) {
    if (comparison->batch[i].partition == partition && comparison->batch[i].position == position) {
      return true;
    }
  }
  return ranges_have(&comparison->seen[partition].positions, position);
}

static enum lumin_status late_compare(struct comparison *comparison) {
  struct sql_array arrays[3];
  size_t late[BATCH];
  uint64_t highest[BATCH];
  PGresult *rows = NULL;
  size_t count = late_find(comparison, late, highest);
  if (count == 0) {
    return LUMIN_OK;
  }
  for (int i = 0; i < 3; i++) {
    if (!sql_array_begin(&arrays[i], comparison->arena, BATCH, UUID_TEXT_LEN)) {
      return LUMIN_NO_MEMORY;
    }
  }
  for (size_t i = 0; i < count; i++) {
    sql_array_uuid(&arrays[0], &comparison->batch[late[i]].user_id);
    sql_array_number(&arrays[1], (int64_t)comparison->batch[late[i]].version);
    sql_array_number(&arrays[2], (int64_t)highest[i]);
  }
  enum lumin_status status =
      arrays_ask(comparison,
                 "SELECT b.i, e.position, e.version FROM unnest($1::uuid[], $2::int8[], $3::int8[]) WITH ORDINALITY "
                 "AS b(user_id, version, highest, i), LATERAL (SELECT e.position, e.version FROM lumin.events e WHERE "
                 "e.user_id = b.user_id AND e.version > b.version AND e.position <= b.highest ORDER BY e.version "
                 "LIMIT " LATER_VERSIONS ") e ORDER BY b.i, e.version",
                 arrays, 3, &rows);
  size_t said = SIZE_MAX;
  for (int i = 0; status == LUMIN_OK && i < PQntuples(rows); i++) {
    size_t index = late[strtoul(PQgetvalue(rows, i, 0), NULL, 10) - 1];
    const struct said *event = &comparison->batch[index];
    if (index != said && was_before(comparison, index, strtoull(PQgetvalue(rows, i, 1), NULL, 10))) {
      char user[UUID_TEXT_LEN + 1];
      uuid_format(&event->user_id, user);
      verdict_differ(&comparison->order, "message %" PRIu64 ": user %s, version %" PRIu64 " comes after version %s",
                     event->seq, user, event->version, PQgetvalue(rows, i, 2));
      said = index;
    }
  }
  PQclear(rows);
  return status;
}

// ---- the batch

static enum lumin_status positions_add(struct comparison *comparison) {
  for (size_t i = 0; i < comparison->count; i++) {
    const struct said *event = &comparison->batch[i];
    struct seen *seen = &comparison->seen[event->partition];
    if (!comparison->known[i] || seen->scattered) {
      continue;
    }
    enum lumin_status status = ranges_add(&seen->positions, event->position);
    if (status == LUMIN_NO_MEMORY) {
      return status;
    }
    if (status == LUMIN_ALREADY_EXISTS) {
      char user[UUID_TEXT_LEN + 1];
      uuid_format(&event->user_id, user);
      verdict_differ(&comparison->stream, "message %" PRIu64 ": user %s, version %" PRIu64 " once more", event->seq,
                     user, event->version);
    }
    if (status == LUMIN_RESOURCE_EXHAUSTED) {
      seen->scattered = true;
      verdict_differ(&comparison->complete, "partition %" PRIu32 ": more than %d holes in its positions",
                     event->partition, RANGES_MAX);
    }
  }
  return LUMIN_OK;
}

static enum lumin_status batch_compare(struct comparison *comparison) {
  arena_reset(comparison->arena);
  if (comparison->count == 0) {
    return LUMIN_OK;
  }
  enum lumin_status status = known_find(comparison);
  if (status == LUMIN_OK) {
    status = late_compare(comparison);
  }
  if (status == LUMIN_OK) {
    status = positions_add(comparison);
  }
  comparison->count = 0;
  return status;
}

// ---- what is missing

// Which events of a stretch of positions must be on the stream. All, where it has never removed any. Else those newer
// than its oldest message; and those so far above the lowest position seen that the relay cannot have published them
// before that one (it holds a partition back at four times relay.entries).
static bool must_be_there(const struct comparison *comparison, uint32_t partition, const struct js_stream_info *info,
                          char *ret_sql, size_t size) {
  const struct ranges *positions = &comparison->seen[partition].positions;
  int64_t oldest = info->messages > 0 ? info->first_ts_ns : info->last_ts_ns;
  uint64_t ahead = 4 * comparison->program->config->relay_entries;
  bool as_relayed = comparison->base == 0; // events of an earlier layout were relayed in another order
  uint64_t sure = positions->count > 0 && as_relayed ? positions->items[0].first + ahead : INT64_MAX;
  if (info->first_seq <= 1) {
    return snprintf(ret_sql, size, "true") < (int)size;
  }
  return snprintf(ret_sql, size, "(time_ns > %" PRId64 " OR position >= %" PRIu64 ")", oldest + CLOCK_SLACK, sure) <
         (int)size;
}

static enum lumin_status stretch_look(struct comparison *comparison, uint32_t partition, struct range stretch,
                                      const char *must) {
  char sql[512];
  (void)snprintf(sql, sizeof sql,
                 "SELECT format('user %%s, version %%s: position %%s of partition %%s is not on the stream', user_id, "
                 "version, position, partition) FROM lumin.events WHERE partition = %" PRIu32
                 " AND position BETWEEN %" PRIu64 " AND %" PRIu64 " AND %s ORDER BY position",
                 partition, stretch.first, stretch.last, must);
  return verdict_query(&comparison->complete, comparison->database, sql);
}

// The stretches between the ranges, up to what was relayed.
static enum lumin_status partition_look(struct comparison *comparison, uint32_t partition,
                                        const struct js_stream_info *info) {
  char must[128];
  const struct seen *seen = &comparison->seen[partition];
  enum lumin_status status = LUMIN_OK;
  uint64_t next = comparison->base + 1; // position that is not accounted for yet
  if (seen->scattered || !must_be_there(comparison, partition, info, must, sizeof must)) {
    return LUMIN_OK;
  }
  for (size_t i = 0; status == LUMIN_OK && i <= seen->positions.count && next <= seen->relayed; i++) {
    bool behind = i == seen->positions.count || seen->positions.items[i].first > seen->relayed;
    uint64_t last = behind ? seen->relayed : seen->positions.items[i].first - 1;
    if (next <= last) {
      status = stretch_look(comparison, partition, (struct range){next, last}, must);
    }
    next = behind ? seen->relayed + 1 : seen->positions.items[i].last + 1;
  }
  return status;
}

static enum lumin_status missing_find(struct comparison *comparison, const struct js_stream_info *info) {
  enum lumin_status status = database_run(comparison->database, "BEGIN READ ONLY");
  for (uint32_t i = 0; status == LUMIN_OK && i < comparison->partitions; i++) {
    status = partition_look(comparison, i, info);
  }
  if (status == LUMIN_OK) {
    status = database_run(comparison->database, "COMMIT");
  }
  return status == LUMIN_OK ? status : database_failed(comparison, status);
}
