// SPDX-License-Identifier: MIT
// Guarantee 8: the event stream beside the events table, message by message in bounded memory.
//
// - A message must be an event of the table: (partition, position) carries its user, version and type. Asked in
// batches,
//   after the message was read, so that its commit is visible.
// - None comes twice: a set of positions for each partition, kept as ranges. As each is one event's, no id comes twice.
// - A user's come in the order of versions: versions ascend with positions (check "4 order"), so only a message below
// its
//   partition's highest position can be late, and the table tells which later versions of its user it must not follow.
// - What was relayed when the reading began is there: what the ranges leave out, unless the stream's limits took it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "verify_internal.h"

#define BATCH 256
#define BATCH_MEMORY ((size_t)4 << 20)
#define CLOCK_SLACK (10 * NS_PER_SECOND) // between the stream's clock and the commands'

struct seen {
  struct ranges positions;
  uint64_t highest;
  uint64_t relayed; // when the reading began
  bool scattered;   // more ranges than memory allows
};

struct comparison {
  struct program *program;
  struct database *database;
  struct arena *arena; // of a batch
  uint32_t partitions;
  struct seen *seen; // by partition
  struct stream_event batch[BATCH];
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
static enum lumin_status stream_ask(struct comparison *comparison, struct js_stream_info *ret_info);
static enum lumin_status messages_compare(struct comparison *comparison, const struct js_stream_info *info);
static enum lumin_status missing_find(struct comparison *comparison, const struct js_stream_info *info);

// What was relayed is asked for before the stream's end, and the stream's beginning once more after the reading, since
// its limits go on removing.
static enum lumin_status comparison_make(struct comparison *comparison) {
  struct js_stream_info begun = {0}, ended = {0};
  enum lumin_status status = relayed_load(comparison);
  if (status == LUMIN_OK) {
    status = stream_ask(comparison, &begun);
  }
  if (status == LUMIN_OK && begun.messages > 0) {
    status = messages_compare(comparison, &begun);
  }
  if (status == LUMIN_OK) {
    status = stream_ask(comparison, &ended);
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
      comparison->complete.looked_at += comparison->seen[partition].relayed;
    }
  }
  PQclear(rows);
  return LUMIN_OK;
}

static enum lumin_status stream_ask(struct comparison *comparison, struct js_stream_info *ret_info) {
  struct program *program = comparison->program;
  struct client_answer answer;
  struct js_error error = {0};
  struct client_question question = {.subject = js_stream_info_subject(program->arena, STREAM_EVENTS),
                                     .payload = SPAN_LITERAL(""),
                                     .timeout_ns = 5 * NS_PER_SECOND};
  enum lumin_status status = client_ask(program->client, &question, program->arena, &answer);
  if (status == LUMIN_OK) {
    status = js_stream_info_parse(answer.payload, program->arena, ret_info, &error);
  }
  if (status == LUMIN_OK && error.code == 0) {
    return LUMIN_OK;
  }
  program_complain(
      program, "stream %s: %.*s", STREAM_EVENTS,
      SPAN_ARGS(status == LUMIN_OK ? error.description : span_from_text(client_complaint(program->client, status))));
  return LUMIN_UNAVAILABLE;
}

// ---- the messages

static enum lumin_status batch_compare(struct comparison *comparison);

static enum lumin_status messages_compare(struct comparison *comparison, const struct js_stream_info *info) {
  struct stream_event event;
  struct reader *reader = reader_create(comparison->program, info->first_seq, info->last_seq);
  enum lumin_status status = reader != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  while (status == LUMIN_OK && (status = reader_next(reader, &event)) == LUMIN_OK) {
    comparison->stream.looked_at++;
    comparison->order.looked_at++;
    if (!event.readable || event.partition >= comparison->partitions) {
      verdict_differ(&comparison->stream, "message %" PRIu64 ": its headers name no event", event.seq);
      continue;
    }
    comparison->batch[comparison->count++] = event;
    if (comparison->count == BATCH) {
      status = batch_compare(comparison);
    }
  }
  if (status == LUMIN_NOT_FOUND) {
    status = batch_compare(comparison);
  } else if (status == LUMIN_UNAVAILABLE || status == LUMIN_DEADLINE_EXCEEDED || status == LUMIN_CONNECTION_LOST) {
    program_complain(comparison->program, "stream %s cannot be read: %s", STREAM_EVENTS,
                     client_complaint(comparison->program->client, status));
    status = LUMIN_UNAVAILABLE;
  }
  reader_destroy(reader);
  return status;
}

// An array in PostgreSQL's text form.
struct array {
  char *text;
  size_t len, room;
};

static bool array_begin(struct array *array, struct arena *arena) {
  *array = (struct array){.room = BATCH * (UUID_TEXT_LEN + 1) + 3};
  array->text = arena_alloc(arena, array->room);
  if (array->text != NULL) {
    array->text[array->len++] = '{';
  }
  return array->text != NULL;
}

static void array_add(struct array *array, const char *value) {
  int len = snprintf(array->text + array->len, array->room - array->len, "%s%s", array->len > 1 ? "," : "", value);
  array->len += (size_t)len;
}

static void array_add_number(struct array *array, uint64_t number) {
  char text[24];
  (void)snprintf(text, sizeof text, "%" PRIu64, number);
  array_add(array, text);
}

static void array_add_uuid(struct array *array, const struct uuid *uuid) {
  char text[UUID_TEXT_LEN + 1];
  uuid_format(uuid, text);
  array_add(array, text);
}

#define ARRAYS_MAX 5

static enum lumin_status arrays_ask(struct comparison *comparison, const char *sql, struct array *arrays, int count,
                                    PGresult **ret_rows) {
  const char *values[ARRAYS_MAX];
  for (int i = 0; i < count; i++) {
    arrays[i].text[arrays[i].len] = '}'; // zeros behind it
    values[i] = arrays[i].text;
  }
  struct database_query query = {.sql = sql, .values = values, .count = count};
  enum lumin_status status = database_ask(comparison->database, &query, ret_rows);
  return status == LUMIN_OK ? status : database_failed(comparison, status);
}

// Which messages the table does not know.
static enum lumin_status known_find(struct comparison *comparison) {
  struct array arrays[ARRAYS_MAX];
  PGresult *rows = NULL;
  for (int i = 0; i < ARRAYS_MAX; i++) {
    if (!array_begin(&arrays[i], comparison->arena)) {
      return LUMIN_NO_MEMORY;
    }
  }
  for (size_t i = 0; i < comparison->count; i++) {
    const struct stream_event *event = &comparison->batch[i];
    array_add_number(&arrays[0], event->partition);
    array_add_number(&arrays[1], event->position);
    array_add_uuid(&arrays[2], &event->user_id);
    array_add_number(&arrays[3], event->version);
    array_add_number(&arrays[4], (uint64_t)event->type);
    comparison->known[i] = true;
  }
  enum lumin_status status = arrays_ask(
      comparison,
      "SELECT b.i FROM unnest($1::int4[], $2::int8[], $3::uuid[], $4::int8[], $5::int2[]) WITH ORDINALITY "
      "AS b(partition, position, user_id, version, type, i) LEFT JOIN lumin.events e ON e.partition = b.partition AND "
      "e.position = b.position AND e.user_id = b.user_id AND e.version = b.version AND e.type = b.type "
      "WHERE e.position IS NULL ORDER BY b.i",
      arrays, ARRAYS_MAX, &rows);
  for (int i = 0; status == LUMIN_OK && i < PQntuples(rows); i++) {
    size_t index = strtoul(PQgetvalue(rows, i, 0), NULL, 10) - 1;
    const struct stream_event *event = &comparison->batch[index];
    char user[UUID_TEXT_LEN + 1];
    uuid_format(&event->user_id, user);
    comparison->known[index] = false;
    verdict_differ(&comparison->stream,
                   "message %" PRIu64 ": user %s, version %" PRIu64 ", partition %" PRIu32 ", position %" PRIu64
                   ": the table has no such event",
                   event->seq, user, event->version, event->partition, event->position);
  }
  PQclear(rows);
  return status;
}

// ---- their order

// The messages that lie below a position seen before, as indexes.
static size_t late_find(const struct comparison *comparison, size_t ret_late[BATCH], uint64_t ret_highest[BATCH]) {
  size_t late = 0;
  for (size_t i = 0; i < comparison->count; i++) {
    const struct stream_event *event = &comparison->batch[i];
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
  struct array arrays[3];
  size_t late[BATCH];
  uint64_t highest[BATCH];
  PGresult *rows = NULL;
  size_t count = late_find(comparison, late, highest);
  if (count == 0) {
    return LUMIN_OK;
  }
  for (int i = 0; i < 3; i++) {
    if (!array_begin(&arrays[i], comparison->arena)) {
      return LUMIN_NO_MEMORY;
    }
  }
  for (size_t i = 0; i < count; i++) {
    array_add_uuid(&arrays[0], &comparison->batch[late[i]].user_id);
    array_add_number(&arrays[1], comparison->batch[late[i]].version);
    array_add_number(&arrays[2], highest[i]);
  }
  enum lumin_status status =
      arrays_ask(comparison,
                 "SELECT b.i, e.position, e.version FROM unnest($1::uuid[], $2::int8[], $3::int8[]) WITH ORDINALITY "
                 "AS b(user_id, version, highest, i) JOIN lumin.events e ON e.user_id = b.user_id AND "
                 "e.version > b.version AND e.position <= b.highest ORDER BY b.i, e.version",
                 arrays, 3, &rows);
  size_t said = SIZE_MAX;
  for (int i = 0; status == LUMIN_OK && i < PQntuples(rows); i++) {
    size_t index = late[strtoul(PQgetvalue(rows, i, 0), NULL, 10) - 1];
    const struct stream_event *event = &comparison->batch[index];
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
    const struct stream_event *event = &comparison->batch[i];
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
  uint64_t sure = positions->count > 0 ? positions->items[0].first + ahead : INT64_MAX;
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
  uint64_t next = 1; // position that is not accounted for yet
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
