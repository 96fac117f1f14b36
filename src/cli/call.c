// SPDX-License-Identifier: MIT
// A command always has an id before it is sent, and the id is told whatever comes of it: an answer that is lost leaves
// the caller with a question that can be asked (guarantee 2).
#include "call.h"

#include <inttypes.h>

#include "data.h"
#include "fields.h"
#include "lumin/application/tokens.h"
#include "lumin/base/clock.h"
#include "order.h"
#include "rows.h"

enum { HEADERS_MAX = 8, ANSWER_LIMIT = 8 << 20, ACTOR_LIMIT = 256 };

struct call {
  const struct invocation *invocation;
  const struct method *method;
  ProtobufCMessage *request;
  struct arena *arena;
  struct settings settings;
  struct client *client;
  struct reply_reader reader;
  const char *command_id; // NULL for a query
  const char *user_id;    // with --async
  struct client_header headers[HEADERS_MAX];
  size_t header_count;
};

static enum exit_code call_prepare(struct call *call);
static enum exit_code call_open(struct call *call);
static enum exit_code call_connected(struct call *call);
static enum exit_code call_request(struct call *call, const struct client_message *message);
static enum exit_code call_publish(struct call *call, const struct client_message *message);

static bool is_async(const struct call *call) { return call->invocation->flags[OPTION_async] != NULL; }
static bool is_waited_for(const struct call *call) { return call->invocation->flags[OPTION_wait] != NULL; }

static enum exit_code short_of_memory(void) {
  report("error", "out of memory");
  return EXIT_NO_ANSWER;
}

enum exit_code call_run(const struct invocation *invocation, struct arena *arena) {
  struct call call = {
      .invocation = invocation,
      .method = invocation->method,
      .request = invocation->request,
      .arena = arena,
      .reader = {codec_create(ANSWER_LIMIT), arena, invocation->flags[OPTION_json] != NULL, output_is_terminal()}};
  enum exit_code code = call.reader.codec == NULL ? short_of_memory() : call_prepare(&call);
  if (code == EXIT_FINE) {
    code = call_open(&call);
  }
  codec_destroy(call.reader.codec);
  return code;
}

static enum exit_code call_open(struct call *call) {
  natsStatus status = client_open(&call->settings, &call->client);
  if (status != NATS_OK) {
    client_report_open(status, &call->settings, call->arena);
    return EXIT_NOT_DONE;
  }
  enum exit_code code = call_connected(call);
  if (code != EXIT_FINE && call->command_id != NULL) {
    report("command id", "%s", call->command_id);
  }
  client_close(call->client);
  return code;
}

static void header_add(struct call *call, const char *name, const char *value) {
  if (value != NULL) {
    call->headers[call->header_count++] = (struct client_header){name, value};
  }
}

static enum exit_code flag_refuse(enum option_id id, const char *value, const char *allowed) {
  char name[NAME_MAX_LEN + 1];
  report("error", "--%s cannot be \"%s\"", name_dashed(option_table[id].name, name), value);
  report("allowed", "%s", allowed);
  return EXIT_USAGE;
}

static enum exit_code number_add(struct call *call, enum option_id id, const char *header) {
  const char *value = option_get(call->invocation, id);
  uint64_t number = 0;
  if (value != NULL && !span_to_u64(span_from_text(value), &number)) {
    return flag_refuse(id, value, "a whole number, 0 or more");
  }
  header_add(call, header, value);
  return EXIT_FINE;
}

static bool is_printable(const char *text) {
  size_t len = 0;
  while (text[len] >= 0x20 && text[len] <= 0x7e) {
    len++;
  }
  return text[len] == '\0' && len <= ACTOR_LIMIT;
}

// Headers are lines of the protocol, and nats.c writes them as they are.
static enum exit_code headers_prepare(struct call *call) {
  const char *actor = option_get(call->invocation, OPTION_actor);
  const char *trace = option_get(call->invocation, OPTION_traceparent);
  if (actor != NULL && !is_printable(actor)) {
    return flag_refuse(OPTION_actor, actor, "up to 256 printable ASCII characters");
  }
  if (trace != NULL && !trace_parent_is_valid(span_from_text(trace))) {
    return flag_refuse(OPTION_traceparent, trace, "00-<32 hexadecimal digits>-<16>-<2>, in lower case");
  }
  header_add(call, "Content-Type", "application/protobuf");
  header_add(call, "Lumin-Command-Id", call->command_id);
  header_add(call, "Lumin-Actor", actor);
  header_add(call, "traceparent", trace);
  enum exit_code code = number_add(call, OPTION_expected_version, "Lumin-Expected-Version");
  return code == EXIT_FINE ? number_add(call, OPTION_min_version, "Lumin-Min-Version") : code;
}

static const char *uuid_text(struct call *call, const struct uuid *uuid) {
  char text[UUID_TEXT_LEN + 1];
  uuid_format(uuid, text);
  return arena_copy(call->arena, span_of(text, UUID_TEXT_LEN)).data;
}

static enum exit_code command_id_prepare(struct call *call) {
  const char *given = call->invocation->flags[OPTION_command_id];
  struct uuid id = {0};
  if (given != NULL && uuid_parse_any_case(span_from_text(given), &id) != LUMIN_OK) {
    return flag_refuse(OPTION_command_id, given, "a UUID, such as 0192f5c4-8d7e-7c3a-9b1f-2a6d4e8f0c11");
  }
  if (given == NULL && uuid_v7(&id) != LUMIN_OK) {
    return short_of_memory();
  }
  call->command_id = uuid_text(call, &id);
  return call->command_id == NULL ? short_of_memory() : EXIT_FINE;
}

// The command's subject ends in the user id, so a user that is yet to be gets its id here.
static enum exit_code user_id_prepare(struct call *call) {
  const ProtobufCFieldDescriptor *field = field_find(call->method->request, SPAN_LITERAL("user_id"));
  const char *given = field == NULL ? "" : *(char **)(void *)((char *)call->request + field->offset);
  struct uuid id = {0};
  bool fresh = given[0] == '\0' && call->method->user != USER_NAMED;
  if (!fresh && uuid_parse_any_case(span_from_text(given), &id) != LUMIN_OK) {
    report("error", "with --async this needs --user-id, a UUID: the command's subject ends in it");
    return EXIT_USAGE;
  }
  if (fresh && uuid_v7(&id) != LUMIN_OK) {
    return short_of_memory();
  }
  call->user_id = uuid_text(call, &id);
  if (call->user_id == NULL) {
    return short_of_memory();
  }
  const struct assignment user = {SPAN_LITERAL("user_id"), call->user_id};
  if (field != NULL && field_set(call->request, &user, call->arena) != LUMIN_OK) {
    report("error", "this version of luminctl cannot name a user to this method");
    return EXIT_USAGE;
  }
  return EXIT_FINE;
}

static enum exit_code request_prepare(struct call *call) {
  const char *data = call->invocation->flags[OPTION_data];
  if (data == NULL) {
    return EXIT_FINE;
  }
  if (call->invocation->fields_given) {
    report("error", "--data is the whole request, and goes without the flags of its fields");
    return EXIT_USAGE;
  }
  return data_read(&call->reader, call->method->request, data, &call->request);
}

// The service is to give up on a version before this side does, so that it can say how far the user is.
static enum exit_code timeout_prepare(struct call *call) {
  enum { MOST_MS = 30000 };
  if (option_get(call->invocation, OPTION_min_version) == NULL) {
    return EXIT_FINE;
  }
  int64_t ms = call->settings.timeout_ns / NS_PER_MS * 3 / 4;
  struct span text = arena_printf(call->arena, "%" PRId64, ms < MOST_MS ? ms : MOST_MS);
  header_add(call, "Lumin-Timeout-Ms", text.data);
  return text.data != NULL ? EXIT_FINE : short_of_memory();
}

static enum exit_code call_prepare(struct call *call) {
  if (is_waited_for(call) && !is_async(call)) {
    report("error", "--wait goes with --async; without --async every command waits for its outcome");
    return EXIT_USAGE;
  }
  enum exit_code code = request_prepare(call);
  if (code == EXIT_FINE && call->method->kind == METHOD_COMMAND) {
    code = command_id_prepare(call);
  }
  if (code == EXIT_FINE && is_async(call)) {
    code = user_id_prepare(call);
  }
  if (code == EXIT_FINE) {
    code = headers_prepare(call);
  }
  enum purpose purpose = is_async(call) ? PURPOSE_COMMAND_STREAM : PURPOSE_REQUEST;
  if (code == EXIT_FINE) {
    code = settings_resolve(call->invocation, purpose, call->arena, &call->settings);
  }
  return code == EXIT_FINE ? timeout_prepare(call) : code;
}

static enum exit_code call_connected(struct call *call) {
  struct span payload = SPAN_EMPTY;
  struct span subject =
      is_async(call)
          ? arena_printf(call->arena, "%s.command.%s.%s", call->settings.prefix, call->method->name, call->user_id)
          : arena_printf(call->arena, "%s.rpc.%s", call->settings.prefix, call->method->name);
  if (subject.data == NULL || codec_pack(call->request, call->arena, &payload) != LUMIN_OK) {
    return short_of_memory();
  }
  struct client_message message = {subject.data, payload, call->headers, call->header_count};
  return is_async(call) ? call_publish(call, &message) : call_request(call, &message);
}

// What is asked to wait at the service may take so much longer.
static int64_t wait_wanted_ns(const struct call *call) {
  const ProtobufCFieldDescriptor *field = field_find(call->method->request, SPAN_LITERAL("wait_ms"));
  if (field == NULL || field->type != PROTOBUF_C_TYPE_UINT32) {
    return 0;
  }
  return *(uint32_t *)(void *)((char *)call->request + field->offset) * NS_PER_MS;
}

static enum exit_code no_answer(struct call *call, enum answer answer, const char *subject) {
  enum exit_code code = client_exit_code(answer);
  client_report(call->client, answer, subject, &call->settings);
  if (code == EXIT_NO_ANSWER && call->command_id != NULL) {
    report_doubt(call->command_id);
  }
  return code;
}

static enum exit_code answer_write(struct call *call, natsMsg *message) {
  struct span error_code = link_header_get(message, "Nats-Service-Error-Code");
  struct span error_text = link_header_get(message, "Nats-Service-Error");
  enum exit_code code = reply_write(&call->reader, call->method, error_code, error_text, client_payload(message));
  if (code == EXIT_NO_ANSWER && call->command_id != NULL) {
    report_doubt(call->command_id);
  }
  return code;
}

static enum exit_code call_request(struct call *call, const struct client_message *message) {
  natsMsg *answered = NULL;
  int64_t until_ns = clock_monotonic_ns() + call->settings.timeout_ns + wait_wanted_ns(call);
  enum answer answer = client_request(call->client, message, until_ns, &answered);
  if (answer != ANSWER_HERE) {
    return no_answer(call, answer, message->subject);
  }
  enum exit_code code = answer_write(call, answered);
  natsMsg_Destroy(answered);
  return code;
}

// As JSON it is the Outcome as far as it is known: its status is open.
static enum exit_code ack_write_json(const struct call *call, const struct js_pub_ack *ack) {
  Lumin__User__V1__Outcome outcome = LUMIN__USER__V1__OUTCOME__INIT;
  outcome.command_id = (char *)(uintptr_t)call->command_id;
  outcome.user_id = (char *)(uintptr_t)call->user_id;
  outcome.stream_sequence = ack->seq;
  return message_write(&call->reader, &outcome.base);
}

static enum exit_code ack_write(struct call *call, const struct js_pub_ack *ack) {
  if (call->reader.json) {
    return ack_write_json(call, ack);
  }
  struct rows rows = {.arena = call->arena};
  enum lumin_status status = rows_add(&rows, SPAN_LITERAL("command_id"), span_from_text(call->command_id));
  if (status == LUMIN_OK) {
    status = rows_add(&rows, SPAN_LITERAL("user_id"), span_from_text(call->user_id));
  }
  if (status == LUMIN_OK) {
    status = rows_add(&rows, SPAN_LITERAL("stream_sequence"), arena_printf(call->arena, "%" PRIu64, ack->seq));
  }
  if (status != LUMIN_OK) {
    return short_of_memory();
  }
  rows_write(stdout, &rows);
  return EXIT_FINE;
}

static enum exit_code call_publish(struct call *call, const struct client_message *message) {
  struct js_pub_ack ack = {0};
  const struct order order = {.client = call->client,
                              .settings = &call->settings,
                              .reader = &call->reader,
                              .command_id = call->command_id,
                              .message = *message,
                              .wait = is_waited_for(call)};
  enum exit_code code = order_publish(&order, &ack);
  return code == EXIT_FINE && !order.wait ? ack_write(call, &ack) : code;
}
