// SPDX-License-Identifier: MIT
// From bytes to typed commands. Nothing here fails for bad input: a fault is noted on its own command, so that its
// companions get their results (guarantee 10). The partition check is a security boundary: a caller may publish to any
// partition, and one user in two partitions would have two writers (guarantee 4).
#include "batch.h"
#include "lumin/application/command_id.h"

#define ACTOR_MAX 256
#define TRACESTATE_MAX 512

static void command_fault(struct command *command, bool dead, const char *field, const char *allowed,
                          const char *message) {
  if (command->fault.reason == LUMIN_OK) {
    (void)refuse_field(&command->fault, field, allowed, message);
    command->dead = dead;
  }
}

bool token_is_safe(struct span token) {
  if (token.len == 0 || token.len > 64) {
    return false;
  }
  for (size_t i = 0; i < token.len; i++) {
    char c = token.data[i];
    bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!fine) {
      return false;
    }
  }
  return true;
}

static struct span token_or_unknown(struct span token) {
  return token_is_safe(token) ? token : SPAN_LITERAL("unknown");
}

static void subject_decode(const struct pipeline *pipeline, struct command *command) {
  struct span rest = span_skip(command->inbound->subject, pipeline->prefix.len + sizeof ".command." - 1);
  uint64_t partition = UINT64_MAX;
  struct span partition_token = span_cut(&rest, '.');
  bool numbered = span_to_u64(partition_token, &partition);
  struct span method = span_cut(&rest, '.');
  command->method_token = token_or_unknown(method);
  command->user_token = token_or_unknown(rest);
  command->method = method_find(method);
  if (command->method == NULL || command->method->kind != METHOD_COMMAND) {
    command->method = NULL;
    command_fault(command, true, "subject", "a command of docs/methods.md", "there is no such command");
    command->fault.reason = LUMIN_UNIMPLEMENTED;
    return;
  }
  // The nil id stands for "nobody" wherever ids are compared.
  if (uuid_parse(rest, &command->user_id) != LUMIN_OK || uuid_is_nil(&command->user_id)) {
    command_fault(command, true, "subject", "a lower-case UUID as its last token",
                  "the subject does not end in a user id");
  } else if (!numbered || partition != command->inbound->partition ||
             partition_of(rest, pipeline->partitions) != partition) {
    command_fault(command, true, "subject", "the unmapped subject: the server finds the partition",
                  "the command is in a partition that is not its user's");
    command->wrong_partition = true;
  }
}

enum lumin_status inbound_command_id(const struct inbound *in, struct uuid *ret_command_id) {
  if (in->headers.command_id.len > 0) {
    if (uuid_parse_any_case(in->headers.command_id, ret_command_id) == LUMIN_OK) {
      return LUMIN_OK;
    }
  } else if (in->headers.msg_id.len > 0) {
    return command_id_of_msg_id(in->headers.msg_id, ret_command_id);
  }
  return command_id_of_place(in->seq, in->ts_ns, in->subject, in->payload, ret_command_id);
}

static enum lumin_status command_id_decode(struct command *command) {
  struct span named = command->inbound->headers.command_id;
  struct uuid ignored;
  if (named.len > 0 && uuid_parse_any_case(named, &ignored) != LUMIN_OK) {
    command_fault(command, false, "Lumin-Command-Id", "a UUID", "the command id is not a UUID");
  }
  return inbound_command_id(command->inbound, &command->command_id);
}

static bool text_is_printable(struct span text, size_t limit) {
  if (text.len > limit) {
    return false;
  }
  for (size_t i = 0; i < text.len; i++) {
    if (text.data[i] < 0x20 || text.data[i] > 0x7e) {
      return false;
    }
  }
  return true;
}

static bool reply_to_is_allowed(const struct pipeline *pipeline, struct span subject) {
  if (!span_starts_with(subject, pipeline->prefix) || subject.len > 256) {
    return false;
  }
  struct span rest = span_skip(subject, pipeline->prefix.len);
  if (!span_starts_with(rest, SPAN_LITERAL(".reply.")) && !span_starts_with(rest, SPAN_LITERAL(".door."))) {
    return false;
  }
  bool fine = rest.len > 0 && rest.data[rest.len - 1] != '.';
  for (rest = span_skip(rest, 1); fine && rest.len > 0;) {
    fine = token_is_safe(span_cut(&rest, '.'));
  }
  return fine;
}

static void headers_decode(const struct pipeline *pipeline, struct command *command) {
  const struct metadata *headers = &command->inbound->headers;
  if (headers->unreadable) { // not the same as none: its id or its expected version may be among them
    command_fault(command, true, "headers", "lines of a name, a colon and a value", "the headers cannot be read");
  }
  if (headers->expected_version.len > 0) {
    command->has_expected_version = span_to_u64(headers->expected_version, &command->expected_version);
    if (!command->has_expected_version) {
      command->refused_headers |= REFUSED_EXPECTED_VERSION;
      command_fault(command, false, "Lumin-Expected-Version", "a whole number, 0 or more",
                    "the expected version is not a number");
    }
  }
  if (!actor_is_valid(headers->actor)) {
    command->refused_headers |= REFUSED_ACTOR;
    command_fault(command, false, "Lumin-Actor", "up to 256 printable ASCII characters",
                  "the actor cannot be recorded");
  } else {
    command->actor = headers->actor;
  }
  if (trace_parent_is_valid(headers->traceparent)) { // a malformed trace harms nobody: it is dropped
    command->traceparent = headers->traceparent;
    command->tracestate = trace_state_is_valid(headers->tracestate) ? headers->tracestate : SPAN_EMPTY;
  }
  if (headers->reply_to.len > 0 && !reply_to_is_allowed(pipeline, headers->reply_to)) {
    command->refused_headers |= REFUSED_REPLY_TO;
    command_fault(command, false, "Lumin-Reply-To",
                  "a subject below the prefix and .reply, its tokens of letters, digits, _ and -",
                  "outcomes are not sent there");
  } else {
    command->reply_to = headers->reply_to;
  }
}

// The payload may leave the user id out; where it names one it must be the subject's.
static void payload_user_check(struct command *command) {
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field_by_name(command->method->request, "user_id");
  if (field == NULL) {
    return;
  }
  const char *const *named = (const void *)((const char *)command->message + field->offset);
  char text[UUID_TEXT_LEN + 1];
  uuid_format(&command->user_id, text);
  if ((*named)[0] != '\0' && !span_equal(span_from_text(*named), span_of(text, UUID_TEXT_LEN))) {
    command_fault(command, false, "user_id", "the user id of the subject, or nothing",
                  "the payload names another user than the subject");
  }
}

static enum lumin_status payload_decode(struct batch *batch, struct command *command) {
  struct codec_port *codec = &batch->pipeline->codec;
  if (command->method != NULL && !command->poisoned) { // what dies anyway may be what the memory does not hold
    struct encoded encoded = {command->method->request, command->inbound->payload, command->json};
    struct refusal refusal = {0};
    enum lumin_status status = codec->decode(codec->self, &encoded, batch->arena, &command->message, &refusal);
    if (status == LUMIN_NO_MEMORY) {
      return status;
    }
    if (status != LUMIN_OK) {
      if (command->fault.reason == LUMIN_OK) {
        command->fault = refusal;
        command->dead = true;
      }
    } else {
      payload_user_check(command);
    }
  }
  return codec->hash_content(codec->self, command, batch->arena, command->content_hash);
}

static enum lumin_status command_decode(struct batch *batch, struct command *command) {
  const struct inbound *in = command->inbound;
  command->json = payload_is_json(in->payload, in->headers.content_type);
  if (!media_choose(in->headers.accept, command->json, &command->json_outcome)) {
    command->json_outcome = command->json; // somebody may still read it
  }
  subject_decode(batch->pipeline, command);
  enum lumin_status status = command_id_decode(command);
  headers_decode(batch->pipeline, command);
  return status == LUMIN_OK ? payload_decode(batch, command) : status;
}

enum lumin_status batch_decode(struct batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    batch->commands[i].inbound = &batch->messages[i];
    enum lumin_status status = command_decode(batch, &batch->commands[i]);
    if (status != LUMIN_OK) {
      return status;
    }
  }
  return LUMIN_OK;
}

// An id of nothing but zeros is none (W3C Trace Context, 3.2.2.3 and 3.2.2.4).
static bool is_zero(struct span digits) {
  size_t zeros = 0;
  while (zeros < digits.len && digits.data[zeros] == '0') {
    zeros++;
  }
  return zeros == digits.len;
}

bool trace_parent_is_valid(struct span text) {
  if (text.len != 55 || !span_starts_with(text, SPAN_LITERAL("00-"))) {
    return false;
  }
  for (size_t i = 0; i < text.len; i++) {
    bool dash = i == 2 || i == 35 || i == 52;
    char c = text.data[i];
    bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) {
      return false;
    }
  }
  return !is_zero(span_of(text.data + 3, 32)) && !is_zero(span_of(text.data + 36, 16));
}

bool actor_is_valid(struct span text) { return text_is_printable(text, ACTOR_MAX); }

bool trace_state_is_valid(struct span text) { return text.len > 0 && text_is_printable(text, TRACESTATE_MAX); }
