// SPDX-License-Identifier: MIT
// Makes room in the command stream. What is applied stays until room is needed: a database restored from a backup reads
// it again. What is not applied stays always (guarantee 9): a position counts only where the message that it names is
// on the stream with its timestamp, or a stream made anew would be purged by the positions of the old one.
#include "janitor_internal.h"
#include "lumin/base/clock.h"

#define SLACK 16 // the stream is brought a sixteenth below the mark, so that not every round has to purge
#define QUESTION_TIMEOUT (5 * NS_PER_SECOND)

static enum lumin_status stream_info(struct round *round);
static enum lumin_status applied_find(struct round *round, uint64_t *ret_seq);
static enum lumin_status purge_send(struct round *round, uint64_t end, uint64_t *ret_purged);

uint64_t purge_end(const struct js_stream_info *stream, uint64_t high_water, uint64_t applied_seq) {
  if (stream->messages <= high_water || applied_seq <= stream->first_seq) {
    return 0;
  }
  uint64_t wanted = stream->first_seq + (stream->messages - high_water) + high_water / SLACK;
  return wanted < applied_seq ? wanted : applied_seq;
}

enum lumin_status commands_purge(struct round *round, struct purge_report *ret_report) {
  struct purge_report report = {0};
  enum lumin_status status = stream_info(round);
  if (status != LUMIN_OK) {
    return status;
  }
  const struct js_stream_info *stream = &round->commands;
  uint64_t limit = stream->max_messages > 0 ? (uint64_t)stream->max_messages : UINT64_MAX;
  uint64_t high_water = limit / 100 * round->config->janitor_high_water;
  if (stream->messages > high_water) {
    uint64_t applied = 0;
    status = applied_find(round, &applied);
    if (status == LUMIN_POSITION_MOVED) {
      status = LUMIN_OK; // nothing is known to be applied
    }
    report.up_to = status == LUMIN_OK ? purge_end(stream, high_water, applied) : 0;
    if (report.up_to > 0) {
      status = purge_send(round, report.up_to, &report.purged);
    }
    report.backed_up = stream->messages - report.purged > high_water;
  }
  if (status == LUMIN_OK) {
    *ret_report = report;
  }
  return status;
}

static enum lumin_status ask(struct round *round, struct span subject, struct span body, struct span *ret_answer) {
  struct client_question question = {.subject = subject, .payload = body, .timeout_ns = QUESTION_TIMEOUT};
  struct client_answer answer;
  enum lumin_status status =
      subject.data != NULL ? client_ask(round->client, &question, round->arena, &answer) : LUMIN_NO_MEMORY;
  if (status == LUMIN_OK) {
    *ret_answer = answer.payload;
  }
  return status;
}

static enum lumin_status stream_info(struct round *round) {
  struct span answer;
  struct js_error error = {0};
  enum lumin_status status = ask(round, js_stream_info_subject(round->arena, STREAM_COMMANDS), SPAN_EMPTY, &answer);
  if (status == LUMIN_OK) {
    status = js_stream_info_parse(answer, round->arena, &round->commands, &error);
  }
  return status == LUMIN_OK && error.code != 0 ? LUMIN_NOT_FOUND : status;
}

// ---- what is applied

// Partitions at one place share its check.
static const char positions_sql[] = "SELECT DISTINCT input_seq, input_ts FROM lumin.partitions ORDER BY input_seq";

static enum lumin_status position_check(struct round *round, const struct input_position *position) {
  struct span answer;
  struct js_message message;
  struct js_error error = {0};
  enum lumin_status status = ask(round, js_message_get_subject(round->arena, STREAM_COMMANDS),
                                 js_message_get_by_seq(round->arena, position->seq), &answer);
  if (status == LUMIN_OK) {
    status = js_message_parse(answer, round->arena, &message, &error);
  }
  if (status == LUMIN_OK && (error.code != 0 || message.ts_ns != position->ts_ns)) {
    status = LUMIN_POSITION_MOVED;
  }
  arena_reset(round->arena); // a message may be large, and there may be a thousand partitions
  return status;
}

static bool field_number(const PGresult *result, int row, int column, uint64_t *ret_number) {
  struct span text = {PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
  return span_to_u64(text, ret_number);
}

static enum lumin_status row_check(struct round *round, const PGresult *result, int row, uint64_t *ret_seq) {
  uint64_t seq = 0, ts = 0;
  if (!field_number(result, row, 0, &seq) || !field_number(result, row, 1, &ts)) {
    return LUMIN_INTERNAL;
  }
  struct input_position position = {seq, (int64_t)ts};
  enum lumin_status status = seq > 0 ? position_check(round, &position) : LUMIN_OK; // 0: nothing was applied
  if (status == LUMIN_OK) {
    *ret_seq = seq;
  }
  return status;
}

static enum lumin_status applied_find(struct round *round, uint64_t *ret_seq) {
  PGresult *result = NULL;
  struct database_query query = {.sql = positions_sql};
  enum lumin_status status = database_ask(round->database, &query, &result);
  if (status != LUMIN_OK) {
    return status;
  }
  uint64_t least = 0;
  for (int row = 0; status == LUMIN_OK && row < PQntuples(result); row++) {
    uint64_t seq = 0;
    status = row_check(round, result, row, &seq);
    least = row == 0 ? seq : least;
  }
  PQclear(result);
  if (status == LUMIN_OK) {
    *ret_seq = least;
  }
  return status;
}

static enum lumin_status purge_send(struct round *round, uint64_t end, uint64_t *ret_purged) {
  struct span answer;
  struct js_error error = {0};
  enum lumin_status status = ask(round, js_stream_purge_subject(round->arena, STREAM_COMMANDS),
                                 js_stream_purge_body(round->arena, end), &answer);
  if (status == LUMIN_OK) {
    status = js_purged_parse(answer, round->arena, ret_purged, &error);
  }
  return status == LUMIN_OK && error.code != 0 ? LUMIN_RETRY : status;
}
