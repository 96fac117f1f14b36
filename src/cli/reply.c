// SPDX-License-Identifier: MIT
// What a reply says goes to standard output, and a refusal to standard error, with what its sender can do about it.
#include "reply.h"

#include "fields.h"
#include "lumin/application/tokens.h"
#include "rows.h"
#include "table.h"

typedef Lumin__User__V1__Error error_message;
typedef Lumin__User__V1__Outcome outcome_message;

static const void *message_read(const struct reply_reader *reader, const ProtobufCMessageDescriptor *type,
                                struct span body);
static enum exit_code refusal_write(const struct reply_reader *reader, struct span code, struct span text,
                                    struct span body);
static enum exit_code outcome_write_refused(const struct reply_reader *reader, const outcome_message *outcome,
                                            struct span code, struct span text);
static enum exit_code refusal_write_json(const struct reply_reader *reader, const ProtobufCMessage *message);
static void error_write(const error_message *error, struct span code, struct span text);
static enum exit_code exit_code_of(const error_message *error, struct span code);

enum exit_code reply_write(const struct reply_reader *reader, const struct method *method, struct span code,
                           struct span text, struct span body) {
  if (code.len > 0 || text.len > 0) {
    return refusal_write(reader, code, text, body);
  }
  const ProtobufCMessage *reply = message_read(reader, method->reply, body);
  if (reply == NULL) {
    report("error", "the answer is no %s of this version of luminctl (%zu bytes)", method->reply->short_name, body.len);
    return EXIT_NO_ANSWER;
  }
  if (method->kind == METHOD_COMMAND) {
    const outcome_message *outcome = (const void *)reply;
    bool done = outcome->status == LUMIN__USER__V1__OUTCOME_STATUS__OUTCOME_STATUS_APPLIED ||
                outcome->status == LUMIN__USER__V1__OUTCOME_STATUS__OUTCOME_STATUS_UNCHANGED;
    if (!done) {
      return outcome_write_refused(reader, outcome, code, text);
    }
  }
  return message_write(reader, reply);
}

static enum lumin_status json_line_write(const struct reply_reader *reader, const ProtobufCMessage *message) {
  struct span json = SPAN_EMPTY;
  enum lumin_status status = codec_encode_json(message, reader->arena, &json);
  if (status == LUMIN_OK) {
    fwrite(json.data, 1, json.len, stdout);
    fputc('\n', stdout);
  }
  return status;
}

// A person sees a list as a table, and what stands beside it as rows; other programs get rows alone.
static enum lumin_status rows_or_table_write(const struct reply_reader *reader, const ProtobufCMessage *message) {
  const ProtobufCFieldDescriptor *list = reader->terminal ? table_field(message) : NULL;
  struct rows rows = {.arena = reader->arena, .passed_over = list};
  enum lumin_status status = rows_add_message(&rows, message);
  if (status == LUMIN_OK && list != NULL) {
    status = table_write(stdout, message, list, terminal_width(), reader->arena);
  }
  if (status == LUMIN_OK) {
    rows_write(stdout, &rows);
  }
  return status;
}

enum exit_code message_write(const struct reply_reader *reader, const ProtobufCMessage *message) {
  enum lumin_status status = reader->json ? json_line_write(reader, message) : rows_or_table_write(reader, message);
  if (status != LUMIN_OK) {
    report("error", "the answer cannot be written down (%s)", status_name(status));
    return EXIT_NO_ANSWER;
  }
  return EXIT_FINE;
}

// A refusal is for a person, on standard error; with --json it is a document too.
static enum exit_code refusal_write_json(const struct reply_reader *reader, const ProtobufCMessage *message) {
  return reader->json ? message_write(reader, message) : EXIT_FINE;
}

// NULL where the bytes are no such message; bounded, and text that is no UTF-8 is refused.
static const void *message_read(const struct reply_reader *reader, const ProtobufCMessageDescriptor *type,
                                struct span body) {
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  bool json = payload_is_json(body, SPAN_EMPTY);
  enum lumin_status status =
      json ? codec_decode(reader->codec, &(struct encoded){type, body, true}, reader->arena, &message, &refusal)
           : codec_decode_answer(reader->codec, type, body, reader->arena, &message);
  return status == LUMIN_OK ? message : NULL;
}

// The body of a refusal is an Outcome where a command came as far as one, else an Error. No bytes are both: the first
// field of the one is a text, of the other a number.
static enum exit_code refusal_write(const struct reply_reader *reader, struct span code, struct span text,
                                    struct span body) {
  const outcome_message *outcome = message_read(reader, &lumin__user__v1__outcome__descriptor, body);
  if (outcome != NULL) {
    return outcome_write_refused(reader, outcome, code, text);
  }
  const error_message *error = message_read(reader, &lumin__user__v1__error__descriptor, body);
  error_write(error, code, text);
  enum exit_code written = error != NULL ? refusal_write_json(reader, &error->base) : EXIT_FINE;
  return written == EXIT_FINE ? exit_code_of(error, code) : written;
}

static enum exit_code outcome_write_refused(const struct reply_reader *reader, const outcome_message *outcome,
                                            struct span code, struct span text) {
  bool dead = outcome->status == LUMIN__USER__V1__OUTCOME_STATUS__OUTCOME_STATUS_DEAD;
  error_write(outcome->error, code, text);
  if (dead) {
    report("outcome", "DEAD: kept for an operator, and may be decided anew (luminctl dead)");
  }
  if (outcome->user_id[0] != '\0') {
    report("user id", "%s", outcome->user_id);
  }
  enum exit_code written = refusal_write_json(reader, &outcome->base);
  enum exit_code ended = dead ? EXIT_DEAD : exit_code_of(outcome->error, code);
  return written == EXIT_FINE ? ended : written;
}

// DEADLINE_EXCEEDED is the service saying that it has no answer: what it was asked may yet be done. UNAVAILABLE and
// RESOURCE_EXHAUSTED say that it is not.
static enum exit_code exit_code_of(const error_message *error, struct span code) {
  static const struct {
    enum lumin_status reason;
    enum exit_code code;
  } meanings[] = {{LUMIN_DEADLINE_EXCEEDED, EXIT_NO_ANSWER},
                  {LUMIN_UNAVAILABLE, EXIT_NOT_DONE},
                  {LUMIN_RESOURCE_EXHAUSTED, EXIT_NOT_DONE}};
  uint64_t number = 0;
  bool numbered = span_to_u64(code, &number);
  for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
    bool same = error != NULL ? (int)error->reason == (int)meanings[i].reason
                              : numbered && number == (uint64_t)status_service_code(meanings[i].reason);
    if (same) {
      return meanings[i].code;
    }
  }
  return EXIT_REFUSED;
}

static const char *enum_name(const ProtobufCEnumDescriptor *type, int number) {
  const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
  return value == NULL ? "UNKNOWN" : enum_short_name(type, value->name);
}

static void error_write(const error_message *error, struct span code, struct span text) {
  if (error == NULL) {
    report("error", "refused (%.*s): %.*s", SPAN_ARGS(code), SPAN_ARGS(text));
    return;
  }
  const char *reason = enum_name(&lumin__user__v1__reason__descriptor, (int)error->reason);
  int known_code = status_service_code((enum lumin_status)error->reason);
  const char *message = error->message[0] != '\0' ? error->message : "no word on why";
  if (code.len > 0) {
    report("error", "%s (%.*s): %s", reason, SPAN_ARGS(code), message);
  } else {
    report("error", "%s (%d): %s", reason, known_code, message);
  }
  if (error->field[0] != '\0') {
    report("field", "%s", error->field);
  }
  if (error->allowed[0] != '\0') {
    report("allowed", "%s", error->allowed);
  }
  if (error->current_status != LUMIN__USER__V1__USER_STATUS__USER_STATUS_UNSPECIFIED) {
    report("current status", "%s", enum_name(&lumin__user__v1__user_status__descriptor, (int)error->current_status));
  }
  if (error->current_version != 0) {
    report("current version", "%llu", (unsigned long long)error->current_version);
  }
  const char *advice = status_advice((enum lumin_status)error->reason);
  if (advice[0] != '\0') {
    report("advice", "%s", advice);
  }
}
