// SPDX-License-Identifier: MIT
// What a repair has to do with. Events beyond the table are found by their positions; the stored place in the event
// stream says from where on they can be, as for a worker that attaches.
#include <inttypes.h>
#include <stdlib.h>

#include "inbound.h"
#include "lumin/application/pipeline.h"
#include "repair_internal.h"

#define LOOK_CHUNK 256
#define LOCATE_CHUNK 1024

enum lumin_status repair_database_failed(struct repair *repair, enum lumin_status status) {
  if (status == LUMIN_NO_MEMORY) {
    return status;
  }
  program_complain(repair->program, "PostgreSQL: %s", database_error(repair->database));
  return LUMIN_IO;
}

static enum lumin_status reading_failed(struct repair *repair, const char *stream, enum lumin_status status) {
  return status == LUMIN_IO || status == LUMIN_NO_MEMORY ? status : stream_unreadable(repair->program, stream, status);
}

// ---- partitions

static uint64_t number_of(const PGresult *rows, int row, int column) {
  return strtoull(PQgetvalue(rows, row, column), NULL, 10);
}

static enum lumin_status rows_load(struct repair *repair) {
  PGresult *rows = NULL;
  struct database_query query = {
      .sql = "SELECT partition, input_seq, input_ts, event_position, event_stream_seq, event_stream_ts "
             "FROM lumin.partitions ORDER BY partition"};
  enum lumin_status status = database_ask(repair->database, &query, &rows);
  if (status != LUMIN_OK) {
    return repair_database_failed(repair, status);
  }
  for (int i = 0; i < PQntuples(rows); i++) {
    uint64_t number = number_of(rows, i, 0);
    if (number < repair->partitions) {
      repair->rows[number] = (struct partition_row){.partition = (uint16_t)number,
                                                    .input_seq = number_of(rows, i, 1),
                                                    .input_ts_ns = (int64_t)number_of(rows, i, 2),
                                                    .event_position = number_of(rows, i, 3),
                                                    .event_stream_seq = number_of(rows, i, 4),
                                                    .event_stream_ts_ns = (int64_t)number_of(rows, i, 5)};
    }
  }
  PQclear(rows);
  return LUMIN_OK;
}

// ---- where a stored position stands in its stream

struct stored {
  uint64_t seq;
  int64_t ts_ns;
};

// The first sequence behind the position, or the stream's first one where the position is not on it.
static enum lumin_status start_find(struct repair *repair, const char *stream, const struct js_stream_info *info,
                                    struct stored stored, uint64_t *ret_start) {
  int64_t ts_ns = 0;
  *ret_start = info->first_seq > 0 ? info->first_seq : 1;
  if (stored.seq < info->first_seq || stored.seq > info->last_seq) {
    return LUMIN_OK;
  }
  bool last = stored.seq == info->last_seq && stored.ts_ns == info->last_ts_ns; // it may be deleted
  enum lumin_status status = last ? LUMIN_OK : stream_ask_time(repair->program, stream, stored.seq, &ts_ns);
  if (status == LUMIN_OK && (last || ts_ns == stored.ts_ns)) {
    *ret_start = stored.seq + 1;
  }
  return status == LUMIN_NOT_FOUND ? LUMIN_OK : status;
}

// ---- the event stream

struct look {
  struct repair *repair;
  struct staged_event events[LOOK_CHUNK];
  natsMsg *messages[LOOK_CHUNK]; // whose texts the events' are
  size_t count;
};

static enum lumin_status chunk_stage(struct look *look) {
  struct repair *repair = look->repair;
  uint64_t seq = 0;
  arena_reset(repair->scratch);
  struct staged_events events = {look->events, look->count};
  enum lumin_status status = look->count > 0 ? staging_add(repair->database, &events, repair->scratch, &seq) : LUMIN_OK;
  for (size_t i = 0; i < look->count; i++) {
    natsMsg_Destroy(look->messages[i]);
  }
  look->count = 0;
  if (status == LUMIN_CONFLICT) {
    program_complain(repair->program,
                     "message %" PRIu64 " of stream %s contradicts an earlier one: two systems have published to it, "
                     "or a restored one without a repair",
                     seq, STREAM_EVENTS);
    return LUMIN_IO;
  }
  return status == LUMIN_OK ? status : repair_database_failed(repair, status);
}

// Above the base every event lies in its user's partition, or the table counts partitions otherwise than whoever
// published it: nothing here can be told from its place.
static bool layout_is_same(const struct repair *repair, const struct stream_event *event) {
  char text[UUID_TEXT_LEN + 1];
  uuid_format(&event->user_id, text);
  if (event->partition == partition_of(span_of(text, UUID_TEXT_LEN), repair->partitions)) {
    return true;
  }
  program_complain(repair->program,
                   "message %" PRIu64
                   " of stream %s was published under another number of partitions: the database was "
                   "restored to before a repartition, from where no repair leads on; restore it to a point after that",
                   event->seq, STREAM_EVENTS);
  return false;
}

// The message is kept until its chunk is staged, or destroyed. What is of an earlier layout was in the table before the
// table had this one.
static enum lumin_status message_look(struct look *look, const struct stream_message *message) {
  struct repair *repair = look->repair;
  struct span prefix = span_from_text(repair->program->config->service_prefix);
  struct stream_event event = stream_event_read(message->message, message->seq, prefix);
  bool earlier = event.readable && event.position <= repair->program->layout.position_base;
  if (event.readable && !earlier && !layout_is_same(repair, &event)) {
    natsMsg_Destroy(message->message);
    return LUMIN_IO;
  }
  if (!event.readable || earlier || event.position <= repair->rows[event.partition].event_position) {
    natsMsg_Destroy(message->message);
    return LUMIN_OK;
  }
  if (!event.whole) {
    program_complain(repair->program, "message %" PRIu64 " of stream %s names no time or no command", message->seq,
                     STREAM_EVENTS);
    natsMsg_Destroy(message->message);
    return LUMIN_IO;
  }
  look->messages[look->count] = message->message;
  look->events[look->count++] = (struct staged_event){.stream_seq = event.seq,
                                                      .user_id = event.user_id,
                                                      .version = event.version,
                                                      .partition = (uint16_t)event.partition,
                                                      .position = event.position,
                                                      .type = event.type,
                                                      .time_ns = event.time_ns,
                                                      .command_id = event.command_id,
                                                      .actor = event.actor,
                                                      .traceparent = event.traceparent,
                                                      .tracestate = event.tracestate,
                                                      .body = event.body};
  return look->count == LOOK_CHUNK ? chunk_stage(look) : LUMIN_OK;
}

static enum lumin_status events_stage(struct repair *repair, uint64_t start, uint64_t last) {
  struct look *look = calloc(1, sizeof *look);
  struct stream_reading reading = {.stream = STREAM_EVENTS, .first_seq = start, .last_seq = last};
  struct stream_reader *reader = look != NULL ? stream_reader_create(repair->program, &reading) : NULL;
  struct stream_message message;
  enum lumin_status status = reader != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  if (look != NULL) {
    look->repair = repair;
  }
  while (status == LUMIN_OK && (status = stream_reader_next(reader, &message)) == LUMIN_OK) {
    status = message_look(look, &message);
  }
  if (status == LUMIN_NOT_FOUND) {
    status = chunk_stage(look);
  } else if (look != NULL) {
    enum lumin_status reason = status;
    for (size_t i = 0; i < look->count; i++) {
      natsMsg_Destroy(look->messages[i]);
    }
    status = reading_failed(repair, STREAM_EVENTS, reason);
  }
  stream_reader_destroy(reader);
  free(look);
  return status;
}

// The least of all partitions' places; asked for each pair once, as far as neighbours have the same.
static enum lumin_status events_start(struct repair *repair, const struct js_stream_info *info, uint64_t *ret_start) {
  uint64_t least = UINT64_MAX;
  struct stored asked = {0};
  uint64_t start = 0;
  for (uint32_t i = 0; i < repair->partitions; i++) {
    struct stored stored = {repair->rows[i].event_stream_seq, repair->rows[i].event_stream_ts_ns};
    if (start == 0 || stored.seq != asked.seq || stored.ts_ns != asked.ts_ns) {
      enum lumin_status status = start_find(repair, STREAM_EVENTS, info, stored, &start);
      if (status != LUMIN_OK) {
        return status;
      }
      asked = stored;
    }
    least = start < least ? start : least;
  }
  *ret_start = least;
  return LUMIN_OK;
}

enum lumin_status repair_count(struct repair *repair) {
  arena_reset(repair->arena);
  enum lumin_status status = staging_partitions(repair->database, repair->arena, &repair->ahead, &repair->ahead_count);
  repair->ahead_events = 0;
  for (size_t i = 0; status == LUMIN_OK && i < repair->ahead_count; i++) {
    repair->ahead_events += repair->ahead[i].events;
  }
  return status == LUMIN_OK ? status : repair_database_failed(repair, status);
}

// The stream's end is asked for before the rows: what stands up to there was committed before, and a row that is read
// later knows it.
enum lumin_status repair_look(struct repair *repair) {
  struct js_stream_info info = {0};
  uint64_t start = 0;
  enum lumin_status status = stream_ask(repair->program, STREAM_EVENTS, &info);
  if (status == LUMIN_OK) {
    status = rows_load(repair);
  }
  if (status == LUMIN_OK) {
    status = staging_create(repair->database);
    status = status == LUMIN_OK ? status : repair_database_failed(repair, status);
  }
  if (status == LUMIN_OK && info.messages > 0) {
    status = events_start(repair, &info, &start);
    if (status == LUMIN_OK && start <= info.last_seq) {
      status = events_stage(repair, start, info.last_seq);
    }
  }
  if (status == LUMIN_OK) {
    status = staging_index(repair->database);
    status = status == LUMIN_OK ? status : repair_database_failed(repair, status);
  }
  return status == LUMIN_OK ? repair_count(repair) : status;
}

// ---- the command stream

enum lumin_status repair_find_starts(struct repair *repair) {
  enum lumin_status status = stream_ask(repair->program, STREAM_COMMANDS, &repair->commands);
  for (uint32_t i = 0; status == LUMIN_OK && i < repair->partitions; i++) {
    struct stored stored = {repair->rows[i].input_seq, repair->rows[i].input_ts_ns};
    status = start_find(repair, STREAM_COMMANDS, &repair->commands, stored, &repair->command_starts[i]);
  }
  return status;
}

static enum lumin_status chunk_locate(struct repair *repair, const struct staged_command *commands, size_t count) {
  arena_reset(repair->scratch);
  enum lumin_status status = staging_locate(repair->database, commands, count, repair->scratch);
  return status == LUMIN_OK ? status : repair_database_failed(repair, status);
}

// A command of a partition that is ahead, at or behind its start.
static bool command_is_wanted(const struct repair *repair, uint16_t partition, uint64_t seq) {
  if (seq < repair->command_starts[partition]) {
    return false;
  }
  for (size_t i = 0; i < repair->ahead_count; i++) {
    if (repair->ahead[i].partition == partition) {
      return true;
    }
  }
  return false;
}

static enum lumin_status command_take(struct repair *repair, const struct stream_message *message,
                                      struct staged_command *commands, size_t *count) {
  struct span prefix = span_from_text(repair->program->config->service_prefix);
  struct span subject = span_from_text(natsMsg_GetSubject(message->message));
  uint16_t partition = inbound_partition(subject, prefix, repair->partitions);
  if (!command_is_wanted(repair, partition, message->seq)) {
    return LUMIN_OK;
  }
  struct inbound inbound =
      inbound_read(message->message, (struct inbound_place){partition, message->seq, message->ts_ns});
  struct staged_command *command = &commands[(*count)++];
  command->partition = partition;
  command->seq = message->seq;
  command->ts_ns = message->ts_ns;
  return inbound_command_id(&inbound, &command->command_id);
}

static enum lumin_status commands_read(struct repair *repair, struct stream_reader *reader,
                                       struct staged_command *commands) {
  struct stream_message message;
  size_t count = 0;
  enum lumin_status status = LUMIN_OK;
  while (status == LUMIN_OK && (status = stream_reader_next(reader, &message)) == LUMIN_OK) {
    status = command_take(repair, &message, commands, &count);
    natsMsg_Destroy(message.message);
    if (status == LUMIN_OK && count == LOCATE_CHUNK) {
      status = chunk_locate(repair, commands, count);
      count = 0;
    }
  }
  if (status != LUMIN_NOT_FOUND) {
    return reading_failed(repair, STREAM_COMMANDS, status);
  }
  return count > 0 ? chunk_locate(repair, commands, count) : LUMIN_OK;
}

enum lumin_status repair_locate(struct repair *repair) {
  uint64_t start = UINT64_MAX;
  for (uint32_t i = 0; i < repair->partitions; i++) {
    start = repair->command_starts[i] < start ? repair->command_starts[i] : start;
  }
  if (repair->commands.messages == 0 || start > repair->commands.last_seq) {
    return repair_count(repair);
  }
  struct stream_reading reading = {
      .stream = STREAM_COMMANDS, .first_seq = start, .last_seq = repair->commands.last_seq};
  struct staged_command *commands = calloc(LOCATE_CHUNK, sizeof *commands);
  struct stream_reader *reader = commands != NULL ? stream_reader_create(repair->program, &reading) : NULL;
  enum lumin_status status = reader != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  if (status == LUMIN_OK) {
    status = commands_read(repair, reader, commands);
  }
  stream_reader_destroy(reader);
  free(commands);
  return status == LUMIN_OK ? repair_count(repair) : status;
}
