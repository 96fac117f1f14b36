// SPDX-License-Identifier: MIT
// A message of the command stream as the pipeline decodes it: whatever it is, its companions in the batch come to the
// same (guarantee 10), what is derived from it is derived alike again (2), and what goes out again is fit to. The input
// is the subject on a line of its own, a block of NATS headers, and the payload.
#include "types.h"

#include "lumin/application/pipeline.h"
#include "lumin/application/tokens.h"
#include "lumin/infrastructure/nats/js.h"

#define PARTITIONS 32
#define COMPANION "aa010203-0405-4607-8809-0a0b0c0d0001"

static struct span header(struct span block, const char *name) {
  struct span value = SPAN_EMPTY;
  return js_header_find(block, span_from_text(name), &value) ? value : SPAN_EMPTY;
}

static struct metadata headers_read(struct span block) {
  return (struct metadata){.command_id = header(block, "Lumin-Command-Id"),
                           .msg_id = header(block, "Nats-Msg-Id"),
                           .expected_version = header(block, "Lumin-Expected-Version"),
                           .actor = header(block, "Lumin-Actor"),
                           .reply_to = header(block, "Lumin-Reply-To"),
                           .content_type = header(block, "Content-Type"),
                           .accept = header(block, "Accept"),
                           .traceparent = header(block, "traceparent"),
                           .tracestate = header(block, "tracestate")};
}

static struct inbound message_read(struct span input) {
  struct bytes feed = {input};
  struct inbound message = {.seq = 7, .ts_ns = 1700000000000000000};
  message.subject = bytes_line(&feed);
  const char *end = feed.rest.len >= 4 ? memmem(feed.rest.data, feed.rest.len, "\r\n\r\n", 4) : NULL;
  size_t headers_len = end != NULL ? (size_t)(end - feed.rest.data) + 4 : 0;
  message.headers = headers_read(span_of(feed.rest.data, headers_len));
  message.payload = span_skip(feed.rest, headers_len);
  struct span rest = span_skip(message.subject, sizeof "lumin.user.v1.command." - 1);
  uint64_t partition = 0;
  if (span_to_u64(span_cut(&rest, '.'), &partition) && partition < PARTITIONS) {
    message.partition = (uint16_t)partition;
  }
  return message;
}

static struct inbound companion_make(void) {
  static char subject[128];
  uint32_t partition = partition_of(SPAN_LITERAL(COMPANION), PARTITIONS);
  int len = snprintf(subject, sizeof subject, "lumin.user.v1.command.%u.delete." COMPANION, partition);
  return (struct inbound){.partition = (uint16_t)partition,
                          .seq = 8,
                          .ts_ns = 1700000000000000001,
                          .subject = span_of(subject, (size_t)len)};
}

static const struct command *decode(const struct inbound *messages, size_t count, struct arena *arena) {
  static struct pipeline pipeline = {.partitions = PARTITIONS, .prefix = {"lumin.user.v1", 13}};
  if (pipeline.decided == NULL) {
    pipeline.codec = codec_port(fuzz_codec());
    FUZZ_CHECK(pipeline_init(&pipeline) == LUMIN_OK);
  }
  struct batch *batch = batch_create(&pipeline, arena, messages, count);
  FUZZ_CHECK(batch != NULL && batch_decode(batch) == LUMIN_OK);
  return batch_commands(batch, &count);
}

static void check_printable(struct span text, size_t most) {
  FUZZ_CHECK(text.len <= most);
  for (size_t i = 0; i < text.len; i++) {
    FUZZ_CHECK(text.data[i] >= ' ' && text.data[i] <= '~');
  }
}

static void check_reply_to(struct span subject) {
  static const struct span prefixes[] = {{"lumin.user.v1.reply.", 20}, {"lumin.user.v1.door.", 19}};
  if (subject.len == 0) {
    return;
  }
  FUZZ_CHECK(span_starts_with(subject, prefixes[0]) || span_starts_with(subject, prefixes[1]));
  FUZZ_CHECK(subject.len <= 256 && subject.data[subject.len - 1] != '.');
  while (subject.len > 0) {
    FUZZ_CHECK(token_is_safe(span_cut(&subject, '.')));
  }
}

static void check_outgoing(const struct command *command) {
  FUZZ_CHECK(token_is_safe(command->method_token) && token_is_safe(command->user_token));
  FUZZ_CHECK(!uuid_is_nil(&command->command_id) || command->inbound->headers.command_id.len == UUID_TEXT_LEN);
  check_reply_to(command->reply_to);
  check_printable(command->actor, 256);
  check_printable(command->tracestate, 512);
  FUZZ_CHECK(command->traceparent.len == 0 || command->traceparent.len == 55);
}

static void check_meaning(const struct command *command) {
  if (command->fault.reason != LUMIN_OK) {
    struct refusal fault = command->fault;
    FUZZ_CHECK(fault.reason == LUMIN_INVALID_ARGUMENT || (fault.reason == LUMIN_UNIMPLEMENTED && command->dead));
    fault.reason = LUMIN_INVALID_ARGUMENT;
    fuzz_check_refusal(&fault);
    return;
  }
  char user[UUID_TEXT_LEN + 1];
  uuid_format(&command->user_id, user);
  FUZZ_CHECK(!command->dead && !command->wrong_partition && command->message != NULL);
  FUZZ_CHECK(command->method->kind == METHOD_COMMAND && command->message->descriptor == command->method->request);
  FUZZ_CHECK(span_equal(command->user_token, span_of(user, UUID_TEXT_LEN)));
  FUZZ_CHECK(partition_of(command->user_token, PARTITIONS) == command->inbound->partition);
  FUZZ_CHECK(command->has_expected_version == (command->inbound->headers.expected_version.len > 0));
}

static void check_same(const struct command *one, const struct command *other) {
  FUZZ_CHECK(uuid_equal(&one->command_id, &other->command_id) && uuid_equal(&one->user_id, &other->user_id));
  FUZZ_CHECK(memcmp(one->content_hash, other->content_hash, CONTENT_HASH_LEN) == 0);
  FUZZ_CHECK(one->fault.reason == other->fault.reason && one->dead == other->dead);
}

// The same command in the other format has the same content.
static void check_other_format(const struct inbound *message, const struct command *command, struct arena *arena) {
  struct inbound other = *message;
  if (command->message == NULL || !is_taken_back(command->message)) {
    return;
  }
  enum lumin_status status = LUMIN_OK;
  if (command->json) {
    other.payload = packed(command->message, arena);
    other.headers.content_type = SPAN_LITERAL("application/protobuf");
  } else {
    status = codec_encode_json(command->message, arena, &other.payload);
  }
  if (status == LUMIN_OK) {
    const struct command *again = decode(&other, 1, arena);
    FUZZ_CHECK(again->json != command->json);
    FUZZ_CHECK(memcmp(again->content_hash, command->content_hash, CONTENT_HASH_LEN) == 0);
    FUZZ_CHECK(again->fault.reason == command->fault.reason);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct arena *arena = fuzz_arena();
  const struct inbound message = message_read(span_of(data, size)), companion = companion_make();
  const struct inbound batch[] = {companion, message, companion};
  const struct command *commands = decode(batch, 3, arena);
  const struct command *alone = decode(&message, 1, arena);
  const struct command *companion_alone = decode(&companion, 1, arena);
  FUZZ_CHECK(companion_alone->fault.reason == LUMIN_OK);
  check_outgoing(alone);
  check_meaning(alone);
  check_same(alone, &commands[1]);
  check_same(companion_alone, &commands[0]);
  check_same(companion_alone, &commands[2]);
  check_other_format(&message, alone, arena);
  return 0;
}
