// SPDX-License-Identifier: MIT
// Guarantee 9: every command that the command stream holds up to its partition's input position has an outcome. Read
// message by message, asked about in batches; what an operator has given up (an acknowledged range) is left out.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "inbound.h"
#include "lumin/application/pipeline.h"
#include "verify_internal.h"

#define BATCH 512
#define BATCH_MEMORY ((size_t)1 << 20)

struct asked {
  uint16_t partition;
  uint64_t seq;
  struct uuid command_id;
};

struct audit {
  struct program *program;
  struct arena *arena; // of a batch
  uint32_t partitions;
  uint64_t *inputs; // by partition: the sequence up to which everything is committed
  struct asked batch[BATCH];
  size_t count;
  struct verdict verdict;
};

static enum lumin_status audit_failed(struct audit *audit, enum lumin_status status) {
  program_complain(audit->program, "PostgreSQL: %s", database_error(audit->program->database));
  return status;
}

static enum lumin_status inputs_load(struct audit *audit) {
  PGresult *rows = NULL;
  struct database_query query = {.sql = "SELECT partition, input_seq FROM lumin.partitions"};
  enum lumin_status status = database_ask(audit->program->database, &query, &rows);
  if (status != LUMIN_OK) {
    return audit_failed(audit, status);
  }
  for (int i = 0; i < PQntuples(rows); i++) {
    unsigned long partition = strtoul(PQgetvalue(rows, i, 0), NULL, 10);
    if (partition < audit->partitions) {
      audit->inputs[partition] = strtoull(PQgetvalue(rows, i, 1), NULL, 10);
    }
  }
  PQclear(rows);
  return LUMIN_OK;
}

static const char missing_sql[] =
    "SELECT b.partition, b.seq, b.id FROM unnest($1::int4[], $2::int8[], $3::uuid[]) AS b(partition, seq, id) "
    "LEFT JOIN lumin.outcomes o ON o.command_id = b.id WHERE o.command_id IS NULL AND NOT EXISTS (SELECT FROM "
    "lumin.lost_ranges l WHERE l.partition = b.partition AND b.seq BETWEEN l.first_seq AND l.last_seq "
    "AND l.acknowledged_at IS NOT NULL) ORDER BY b.seq";

static enum lumin_status batch_ask(struct audit *audit) {
  struct sql_array arrays[3];
  PGresult *rows = NULL;
  arena_reset(audit->arena);
  for (int i = 0; i < 3; i++) {
    if (!sql_array_begin(&arrays[i], audit->arena, BATCH, UUID_TEXT_LEN)) {
      return LUMIN_NO_MEMORY;
    }
  }
  for (size_t i = 0; i < audit->count; i++) {
    sql_array_number(&arrays[0], audit->batch[i].partition);
    sql_array_number(&arrays[1], (int64_t)audit->batch[i].seq);
    sql_array_uuid(&arrays[2], &audit->batch[i].command_id);
  }
  audit->count = 0;
  const char *values[] = {sql_array_text(&arrays[0]), sql_array_text(&arrays[1]), sql_array_text(&arrays[2])};
  struct database_query query = {.sql = missing_sql, .values = values, .count = 3};
  enum lumin_status status = database_ask(audit->program->database, &query, &rows);
  if (status != LUMIN_OK) {
    return audit_failed(audit, status);
  }
  for (int i = 0; i < PQntuples(rows); i++) {
    verdict_differ(&audit->verdict, "partition %s, message %s: command %s has no outcome", PQgetvalue(rows, i, 0),
                   PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2));
  }
  PQclear(rows);
  return LUMIN_OK;
}

static enum lumin_status message_take(struct audit *audit, const struct stream_message *message) {
  struct span prefix = span_from_text(audit->program->config->service_prefix);
  struct span subject = span_from_text(natsMsg_GetSubject(message->message));
  uint16_t partition = inbound_partition(subject, prefix, audit->partitions);
  if (message->seq > audit->inputs[partition]) {
    return LUMIN_OK; // still to be read
  }
  struct inbound inbound =
      inbound_read(message->message, (struct inbound_place){partition, message->seq, message->ts_ns});
  struct asked *asked = &audit->batch[audit->count++];
  *asked = (struct asked){.partition = partition, .seq = message->seq};
  audit->verdict.looked_at++;
  enum lumin_status status = inbound_command_id(&inbound, &asked->command_id);
  return status == LUMIN_OK && audit->count == BATCH ? batch_ask(audit) : status;
}

static enum lumin_status messages_read(struct audit *audit) {
  struct js_stream_info info = {0};
  struct stream_message message;
  enum lumin_status status = stream_ask(audit->program, STREAM_COMMANDS, &info);
  if (status != LUMIN_OK || info.messages == 0) {
    return status;
  }
  struct stream_reading reading = {.stream = STREAM_COMMANDS, .first_seq = info.first_seq, .last_seq = info.last_seq};
  struct stream_reader *reader = stream_reader_create(audit->program, &reading);
  status = reader != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  while (status == LUMIN_OK && (status = stream_reader_next(reader, &message)) == LUMIN_OK) {
    status = message_take(audit, &message);
    natsMsg_Destroy(message.message);
  }
  if (status == LUMIN_NOT_FOUND) {
    status = audit->count > 0 ? batch_ask(audit) : LUMIN_OK;
  } else if (status == LUMIN_UNAVAILABLE || status == LUMIN_DEADLINE_EXCEEDED) {
    status = stream_unreadable(audit->program, STREAM_COMMANDS, status);
  }
  stream_reader_destroy(reader);
  return status;
}

enum lumin_status verify_commands(struct program *program, bool *ret_fine) {
  struct audit *audit = calloc(1, sizeof *audit);
  if (audit == NULL) {
    return LUMIN_NO_MEMORY;
  }
  audit->program = program;
  audit->partitions = (uint32_t)program->config->partitions;
  audit->arena = arena_create(BATCH_MEMORY);
  audit->inputs = calloc(audit->partitions, sizeof *audit->inputs);
  audit->verdict = (struct verdict){.name = "9 commands", .unit = "commands"};
  enum lumin_status status = audit->arena != NULL && audit->inputs != NULL ? inputs_load(audit) : LUMIN_NO_MEMORY;
  if (status == LUMIN_OK) {
    status = messages_read(audit);
  }
  if (status == LUMIN_OK && !verdict_print(&audit->verdict)) {
    *ret_fine = false;
  }
  free(audit->inputs);
  arena_destroy(audit->arena);
  free(audit);
  return status;
}
