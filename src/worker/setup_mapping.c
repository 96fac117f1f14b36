// SPDX-License-Identifier: MIT
// The partition mapping is the server's: only a command that goes through it shows what it does. Two probes are
// published as any caller would, and read back to see where they lie (guarantee 4 rests on it).
#include <inttypes.h>
#include <stdio.h>

#include "lumin/application/pipeline.h"
#include "lumin/base/clock.h"
#include "setup_internal.h"

#define WITNESS_TRIES 100000

static enum program_exit probe_check(struct program *program, const struct uuid *user);
static void mapping_explain(const struct program *program);

enum program_exit setup_check_mapping(struct program *program) {
  struct uuid users[2];
  enum program_exit end = PROGRAM_OK;
  if (mapping_witnesses((uint32_t)program->config->partitions, users) != LUMIN_OK) {
    program_complain(program, "no random numbers");
    return PROGRAM_FAILED;
  }
  for (int i = 0; i < 2 && end == PROGRAM_OK; i++) {
    end = probe_check(program, &users[i]);
  }
  if (end == PROGRAM_OK) {
    (void)printf("commands are mapped to %" PRIu64 " partitions\n", program->config->partitions);
  }
  return end;
}

// ---- one probe

static enum program_exit probe_failed(struct program *program, enum lumin_status status) {
  if (status == LUMIN_UNAVAILABLE) {
    program_complain(program, "no stream takes commands: the server does not map them to partitions");
    mapping_explain(program);
    return PROGRAM_FAILED;
  }
  program_complain(program, "publishing a probe: %s", client_complaint(program->client, status));
  return PROGRAM_UNAVAILABLE;
}

static enum program_exit probe_publish(struct program *program, const char *user, uint64_t *ret_seq) {
  struct client_question question = {
      .subject = arena_printf(program->arena, "%s.command.probe.%s", program->config->service_prefix, user),
      .payload = SPAN_LITERAL(""),
      .timeout_ns = program->config->nats_timeout_ms * NS_PER_MS,
  };
  struct client_answer answer;
  struct js_pub_ack ack = {0};
  struct js_error error = {0};
  enum lumin_status status = client_ask(program->client, &question, program->arena, &answer);
  if (status == LUMIN_OK) {
    status = js_pub_ack_parse(answer.payload, program->arena, &ack, &error);
  }
  if (status != LUMIN_OK) {
    return probe_failed(program, status);
  }
  if (error.code != 0) {
    program_complain(program, "the command stream refuses a probe: %.*s", SPAN_ARGS(error.description));
    return PROGRAM_FAILED;
  }
  *ret_seq = ack.seq;
  return PROGRAM_OK;
}

static enum program_exit probe_read(struct program *program, uint64_t seq, struct span *ret_subject) {
  struct client_question question = {
      .subject = js_message_get_subject(program->arena, STREAM_COMMANDS),
      .payload = js_message_get_by_seq(program->arena, seq),
      .timeout_ns = program->config->nats_timeout_ms * NS_PER_MS,
  };
  struct client_answer answer;
  struct js_message message = {0};
  struct js_error error = {0};
  enum lumin_status status = client_ask(program->client, &question, program->arena, &answer);
  if (status == LUMIN_OK) {
    status = js_message_parse(answer.payload, program->arena, &message, &error);
  }
  if (status != LUMIN_OK || error.code != 0) {
    program_complain(
        program, "the probe cannot be read back: %.*s",
        SPAN_ARGS(status == LUMIN_OK ? error.description : span_from_text(client_complaint(program->client, status))));
    return PROGRAM_FAILED;
  }
  *ret_subject = message.subject;
  return PROGRAM_OK;
}

static enum program_exit probe_check(struct program *program, const struct uuid *user) {
  char text[UUID_TEXT_LEN + 1];
  uint64_t seq = 0;
  struct span subject = SPAN_EMPTY;
  uuid_format(user, text);
  enum program_exit end = probe_publish(program, text, &seq);
  if (end == PROGRAM_OK) {
    end = probe_read(program, seq, &subject);
  }
  if (end != PROGRAM_OK) {
    return end;
  }
  uint32_t partition = partition_of(span_of(text, UUID_TEXT_LEN), (uint32_t)program->config->partitions);
  struct span expected =
      arena_printf(program->arena, "%s.command.%" PRIu32 ".probe.%s", program->config->service_prefix, partition, text);
  if (expected.data == NULL || span_equal(subject, expected)) {
    return expected.data != NULL ? PROGRAM_OK : PROGRAM_FAILED;
  }
  program_complain(program, "a command was mapped to %.*s, expected %.*s: the server counts other partitions",
                   SPAN_ARGS(subject), SPAN_ARGS(expected));
  mapping_explain(program);
  return PROGRAM_FAILED;
}

static void mapping_explain(const struct program *program) {
  const char *prefix = program->config->service_prefix;
  uint64_t partitions = program->config->partitions;
  (void)fprintf(stderr,
                "The account in nats-server's configuration needs this, and a reload:\n"
                "  mappings {\n"
                "    \"%s.command.*.*\": \"%s.command.{{partition(%" PRIu64 ",2)}}.{{wildcard(1)}}.{{wildcard(2)}}\"\n"
                "  }\n"
                "Or, from nats-server 2.10 on, the stream %s maps by itself, made with:\n"
                "  \"subjects\": [\"%s.command.*.*\"],\n"
                "  \"subject_transform\": {\"src\": \"%s.command.*.*\",\n"
                "    \"dest\": \"%s.command.{{partition(%" PRIu64 ",2)}}.{{wildcard(1)}}.{{wildcard(2)}}\"}\n",
                prefix, prefix, partitions, STREAM_COMMANDS, prefix, prefix, prefix, partitions);
}

// ---- which users to probe with

static bool witnesses_tell(uint32_t partitions, const char *first, const char *second) {
  uint32_t here[2] = {partition_of(span_of(first, UUID_TEXT_LEN), partitions),
                      partition_of(span_of(second, UUID_TEXT_LEN), partitions)};
  for (uint32_t other = 1; other <= PARTITIONS_TOLD; other++) {
    if (other != partitions && partition_of(span_of(first, UUID_TEXT_LEN), other) == here[0] &&
        partition_of(span_of(second, UUID_TEXT_LEN), other) == here[1]) {
      return false;
    }
  }
  return true;
}

enum lumin_status mapping_witnesses(uint32_t partitions, struct uuid ret_users[2]) {
  struct uuid users[2];
  char texts[2][UUID_TEXT_LEN + 1];
  for (int tries = 0; tries < WITNESS_TRIES; tries++) {
    for (int i = 0; i < 2; i++) {
      if (uuid_v4(&users[i]) != LUMIN_OK) {
        return LUMIN_IO;
      }
      uuid_format(&users[i], texts[i]);
    }
    if (witnesses_tell(partitions, texts[0], texts[1])) {
      memcpy(ret_users, users, sizeof users);
      return LUMIN_OK;
    }
  }
  return LUMIN_IO;
}
