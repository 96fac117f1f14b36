// SPDX-License-Identifier: MIT
// Whether everything is decided and published (guarantees 8 and 9): every command of the stream lies at or below its
// partition's input position, and every event and dead command is acknowledged; and the places that the table believes
// in are those of these very streams, by the time of the message that stands there.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "inbound.h"
#include "repartition_internal.h"

struct place {
  uint64_t seq;
  int64_t ts_ns;
};

struct standing {
  struct place input, events;
  uint64_t unrelayed;
};

struct look {
  struct repartition *repartition;
  struct standing *rows; // by partition
  struct drain *drain;
};

// ---- the tables

static uint64_t number_of(const PGresult *rows, int row, int column) {
  return strtoull(PQgetvalue(rows, row, column), NULL, 10);
}

static void row_take(struct look *look, const PGresult *rows, int row) {
  struct drain *drain = look->drain;
  uint64_t number = number_of(rows, row, 0);
  if (number >= look->repartition->before) {
    return;
  }
  look->rows[number] = (struct standing){.input = {number_of(rows, row, 1), (int64_t)number_of(rows, row, 2)},
                                         .events = {number_of(rows, row, 3), (int64_t)number_of(rows, row, 4)},
                                         .unrelayed = number_of(rows, row, 5)};
  drain->unrelayed += number_of(rows, row, 5);
  drain->progress += number_of(rows, row, 1) + number_of(rows, row, 6);
  if (PQgetisnull(rows, row, 7) == 0) {
    (void)snprintf(drain->alarm, sizeof drain->alarm, "%s", PQgetvalue(rows, row, 7));
    drain->alarmed = (uint32_t)number;
  }
}

static enum lumin_status rows_load(struct look *look) {
  PGresult *rows = NULL;
  struct database_query query = {
      .sql = "SELECT p.partition, p.input_seq, p.input_ts, p.event_stream_seq, p.event_stream_ts, p.event_position - "
             "p.relayed_position + p.dead_position - p.dead_relayed, p.relayed_position + p.dead_relayed, "
             "CASE WHEN EXISTS (SELECT FROM lumin.workers w WHERE w.worker_id = p.owner AND w.lease_until > "
             "clock_timestamp()) THEN p.alarm END FROM lumin.partitions p ORDER BY p.partition"};
  enum lumin_status status = database_ask(look->repartition->database, &query, &rows);
  if (status != LUMIN_OK) {
    return repartition_failed(look->repartition, status);
  }
  for (int i = 0; i < PQntuples(rows); i++) {
    row_take(look, rows, i);
  }
  PQclear(rows);
  return LUMIN_OK;
}

// ---- places

static enum lumin_status place_holds(struct look *look, const char *stream, const struct js_stream_info *info,
                                     struct place place, bool *ret_holds) {
  int64_t ts_ns = 0;
  bool last = place.seq == info->last_seq && place.ts_ns == info->last_ts_ns; // the message itself may be gone
  if (place.seq == 0 || last) {
    *ret_holds = true;
    return LUMIN_OK;
  }
  if (place.seq > info->last_seq) {
    *ret_holds = false;
    return LUMIN_OK;
  }
  if (place.seq < info->first_seq) {
    *ret_holds = info->messages == 0 || info->first_ts_ns >= place.ts_ns;
    return LUMIN_OK;
  }
  enum lumin_status status = stream_ask_time(look->repartition->program, stream, place.seq, &ts_ns);
  *ret_holds = status == LUMIN_OK && ts_ns == place.ts_ns;
  return status == LUMIN_NOT_FOUND ? LUMIN_OK : status;
}

// Each pair is asked about once, as far as neighbours have the same.
static enum lumin_status places_look(struct look *look, const char *stream, const struct js_stream_info *info,
                                     bool input) {
  struct place asked = {UINT64_MAX, 0};
  bool holds = true;
  for (uint32_t i = 0; i < look->repartition->before; i++) {
    struct place place = input ? look->rows[i].input : look->rows[i].events;
    if (place.seq == asked.seq && place.ts_ns == asked.ts_ns) {
      continue;
    }
    enum lumin_status status = place_holds(look, stream, info, place, &holds);
    if (status != LUMIN_OK) {
      return status;
    }
    if (!holds) {
      look->drain->misplaced = i;
      return LUMIN_OK;
    }
    asked = place;
  }
  return LUMIN_OK;
}

// ---- commands

static bool command_is_decided(const struct look *look, const struct stream_message *message, uint16_t *ret_partition) {
  *ret_partition = inbound_partition(span_from_text(natsMsg_GetSubject(message->message)),
                                     span_from_text(look->repartition->prefix), look->repartition->before);
  return message->seq <= look->rows[*ret_partition].input.seq;
}

// The first one above its partition's position; read from the least of these.
static enum lumin_status commands_read(struct look *look, const struct stream_reading *reading) {
  struct stream_message message;
  uint16_t partition = 0;
  struct stream_reader *reader = stream_reader_create(look->repartition->program, reading);
  enum lumin_status status = reader != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  while (status == LUMIN_OK && (status = stream_reader_next(reader, &message)) == LUMIN_OK) {
    bool decided = command_is_decided(look, &message, &partition);
    natsMsg_Destroy(message.message);
    if (!decided) {
      look->drain->undecided = message.seq;
      look->drain->undecided_partition = partition;
      break;
    }
  }
  stream_reader_destroy(reader);
  if (status == LUMIN_OK || status == LUMIN_NOT_FOUND || status == LUMIN_NO_MEMORY) {
    return status == LUMIN_NO_MEMORY ? status : LUMIN_OK;
  }
  return stream_unreadable(look->repartition->program, STREAM_COMMANDS, status);
}

static enum lumin_status commands_look(struct look *look) {
  const struct js_stream_info *info = &look->drain->commands;
  struct stream_reading reading = {.stream = STREAM_COMMANDS, .last_seq = info->last_seq, .headers_only = true};
  reading.first_seq = UINT64_MAX;
  for (uint32_t i = 0; i < look->repartition->before; i++) {
    uint64_t next = look->rows[i].input.seq + 1;
    reading.first_seq = next < reading.first_seq ? next : reading.first_seq;
  }
  reading.first_seq = reading.first_seq < info->first_seq ? info->first_seq : reading.first_seq;
  return info->messages > 0 && reading.first_seq <= reading.last_seq ? commands_read(look, &reading) : LUMIN_OK;
}

// ---- all of it

static enum lumin_status look_make(struct look *look) {
  struct drain *drain = look->drain;
  struct program *program = look->repartition->program;
  enum lumin_status status = stream_ask(program, STREAM_COMMANDS, &drain->commands);
  if (status == LUMIN_OK) {
    status = stream_ask(program, STREAM_EVENTS, &drain->events);
  }
  if (status == LUMIN_OK) {
    status = rows_load(look);
  }
  if (status == LUMIN_OK) {
    status = places_look(look, STREAM_COMMANDS, &drain->commands, true);
  }
  if (status == LUMIN_OK && drain->misplaced < 0) {
    status = places_look(look, STREAM_EVENTS, &drain->events, false);
  }
  return status == LUMIN_OK && drain->misplaced < 0 ? commands_look(look) : status;
}

enum lumin_status drain_look(struct repartition *repartition, struct drain *ret_drain) {
  struct drain drain = {.misplaced = -1};
  struct look look = {repartition, calloc(repartition->before, sizeof *look.rows), &drain};
  arena_reset(repartition->program->arena);
  enum lumin_status status = look.rows != NULL ? look_make(&look) : LUMIN_NO_MEMORY;
  free(look.rows);
  if (status == LUMIN_OK) {
    *ret_drain = drain;
  }
  return status;
}

void drain_say(const struct drain *drain) {
  if (drain->misplaced >= 0) {
    (void)printf("partition %" PRId64 " has yet to find its place in a stream that was lost, shortened or made anew\n",
                 drain->misplaced);
  }
  if (drain->undecided != 0) {
    (void)printf("command %" PRIu64 " of %" PRIu64 " is to be decided, of partition %u\n", drain->undecided,
                 drain->commands.last_seq, drain->undecided_partition);
  }
  if (drain->unrelayed != 0) {
    (void)printf("%" PRIu64 " events or dead commands are to be published\n", drain->unrelayed);
  }
  if (drain_is_done(drain)) {
    (void)printf("drained: all commands are decided, all events published\n");
  }
}
