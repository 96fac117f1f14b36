// SPDX-License-Identifier: MIT
// The dead stream, by sequence. A replay is the same command: its payload, its headers and its id, by the unmapped
// subject, so that the server finds the partition and the later decision takes the place of DEAD (guarantee 2). Nothing
// is dropped whose command has come to nothing, unless it is wanted.
#include "dead.h"

#include <inttypes.h>

#include "dead_item.h"
#include "lumin/application/tokens.h"
#include "lumin/base/clock.h"
#include "order.h"

#include "lumin/user/v1/queries.pb-c.h"

enum { PAYLOAD_LIMIT = 1 << 20, ITEM_MEMORY = 64 << 20, HEADERS_MAX = 8 };

typedef Lumin__User__V1__Outcome outcome_message;

struct desk {
  const struct invocation *invocation;
  struct settings settings;
  struct reply_reader lines; // its arena is of one message
  struct client *client;     // for what is asked beside the stream
};

static enum exit_code list_run(struct desk *desk, struct arena *arena);
static enum exit_code each_run(struct desk *desk);

enum exit_code dead_run(const struct invocation *invocation, struct arena *arena) {
  struct desk desk = {.invocation = invocation,
                      .lines = {.codec = codec_create(PAYLOAD_LIMIT),
                                .arena = arena_create(ITEM_MEMORY),
                                .json = invocation->flags[OPTION_json] != NULL,
                                .terminal = output_is_terminal()}};
  enum exit_code code = EXIT_NO_ANSWER;
  if (desk.lines.codec == NULL || desk.lines.arena == NULL) {
    report("error", "out of memory");
  } else {
    code = settings_resolve(invocation, PURPOSE_DEAD, arena, &desk.settings);
    if (code == EXIT_FINE) {
      code = invocation->dead == DEAD_LIST ? list_run(&desk, arena) : each_run(&desk);
    }
  }
  client_close(desk.client);
  codec_destroy(desk.lines.codec);
  arena_destroy(desk.lines.arena);
  return code;
}

// ---- list

static enum lumin_status list_take(void *self, const struct stream_item *item) {
  struct desk *desk = self;
  struct dead_item dead = dead_item_of(item);
  return dead_line_write(&desk->lines, &dead);
}

static enum exit_code list_run(struct desk *desk, struct arena *arena) {
  struct stream_reading reading = {.stream = DEAD_STREAM, .arena = desk->lines.arena, .self = desk, .take = list_take};
  const char *user = NULL, *method = desk->invocation->flags[OPTION_method];
  enum exit_code code = stream_reading_parse(desk->invocation, &reading);
  if (code == EXIT_FINE) {
    code = user_token_prepare(desk->invocation, arena, &user);
  }
  if (code != EXIT_FINE) {
    return code;
  }
  char *token = (char *)(uintptr_t)arena_printf(arena, "%s", method != NULL ? method : "*").data;
  for (char *c = token; c != NULL && *c != '\0'; c++) {
    *c = (char)(*c == '-' ? '_' : *c);
  }
  if (token == NULL || (method != NULL && !token_is_safe(span_from_text(token)))) {
    report("error", "--method cannot be \"%s\"", method);
    report("allowed", "a method's name, such as change-email; \"unknown\" for one that could not be read");
    return EXIT_USAGE;
  }
  reading.filter = arena_printf(arena, "%s.dead.%s.%s", desk->settings.prefix, token, user);
  if (desk->lines.terminal && !desk->lines.json) {
    dead_heading_write();
  }
  return reading.filter.data == NULL ? EXIT_NO_ANSWER : stream_read(&reading, &desk->settings);
}

// ---- what the service says of a command now

static enum exit_code desk_connect(struct desk *desk) {
  natsStatus status = desk->client != NULL ? NATS_OK : client_open(&desk->settings, &desk->client);
  if (status != NATS_OK) {
    client_report_open(status, &desk->settings, desk->lines.arena);
    return EXIT_NOT_DONE;
  }
  return EXIT_FINE;
}

// NULL where it is not to be had.
static const outcome_message *outcome_read(const struct desk *desk, natsMsg *answered) {
  const ProtobufCMessage *outcome = NULL;
  struct refusal refusal = {0};
  const struct encoded encoded = {.type = &lumin__user__v1__outcome__descriptor, .bytes = client_payload(answered)};
  bool refused = link_header_get(answered, "Nats-Service-Error-Code").len > 0;
  if (refused || codec_decode(desk->lines.codec, &encoded, desk->lines.arena, &outcome, &refusal) != LUMIN_OK) {
    return NULL;
  }
  return (const void *)outcome;
}

static const outcome_message *outcome_ask(struct desk *desk, struct span command_id) {
  struct arena *arena = desk->lines.arena;
  Lumin__User__V1__CommandOutcome question = LUMIN__USER__V1__COMMAND_OUTCOME__INIT;
  struct span payload = SPAN_EMPTY;
  struct span id = arena_copy(arena, command_id);
  struct span subject = arena_printf(arena, "%s.rpc.command_outcome", desk->settings.prefix);
  question.command_id = (char *)(uintptr_t)id.data;
  if (id.data == NULL || subject.data == NULL || codec_pack(&question.base, arena, &payload) != LUMIN_OK ||
      desk_connect(desk) != EXIT_FINE) {
    return NULL;
  }
  natsMsg *answered = NULL;
  struct client_message message = {.subject = subject.data, .payload = payload};
  enum answer answer =
      client_request(desk->client, &message, clock_monotonic_ns() + desk->settings.timeout_ns, &answered);
  const outcome_message *outcome = answer == ANSWER_HERE ? outcome_read(desk, answered) : NULL;
  if (answer != ANSWER_HERE) {
    client_report(desk->client, answer, message.subject, &desk->settings);
  }
  natsMsg_Destroy(answered);
  return outcome;
}

static bool outcome_is_better(const outcome_message *outcome) {
  return outcome != NULL && outcome->status != LUMIN__USER__V1__OUTCOME_STATUS__OUTCOME_STATUS_UNSPECIFIED &&
         outcome->status != LUMIN__USER__V1__OUTCOME_STATUS__OUTCOME_STATUS_DEAD;
}

// ---- show

static enum exit_code item_show(struct desk *desk, const struct stream_item *item) {
  struct dead_item dead = dead_item_of(item);
  const outcome_message *outcome = outcome_ask(desk, dead.command_id);
  if (outcome == NULL) {
    report("note", "the service was not heard on what has become of the command since");
  }
  enum lumin_status status = dead_item_write(&desk->lines, item, outcome != NULL ? &outcome->base : NULL);
  if (status != LUMIN_OK) {
    report("error", "the command cannot be written down (%s)", status_name(status));
    return EXIT_NO_ANSWER;
  }
  return EXIT_FINE;
}

// ---- replay

// Why it cannot be sent as it was; NULL where it can.
static const char *replay_obstacle(const struct dead_item *dead) {
  struct uuid id = {0};
  if (dead->payload_omitted) {
    return "its payload was too large for the stream";
  }
  if (dead->headers_incomplete) {
    return "some of its headers could not be carried";
  }
  if (!token_is_safe(dead->method) || !token_is_safe(dead->user_token) ||
      uuid_parse_any_case(dead->command_id, &id) != LUMIN_OK) {
    return "its subject or its command id is none";
  }
  return NULL;
}

static size_t headers_fill(const struct desk *desk, const struct stream_item *item,
                           struct client_header headers[HEADERS_MAX]) {
  static const char *const carried[] = {
      "Lumin-Command-Id", "Lumin-Expected-Version", "Lumin-Actor", "Content-Type", "traceparent", "tracestate"};
  size_t count = 0;
  for (size_t i = 0; i < sizeof carried / sizeof carried[0]; i++) {
    struct span value = arena_copy(desk->lines.arena, link_header_get(item->message, carried[i]));
    if (value.len > 0) {
      headers[count++] = (struct client_header){carried[i], value.data};
    }
  }
  return count;
}

static enum exit_code item_replay(struct desk *desk, const struct stream_item *item) {
  struct dead_item dead = dead_item_of(item);
  const char *obstacle = replay_obstacle(&dead);
  if (obstacle != NULL) {
    report("error", "%" PRIu64 " cannot be replayed: %s", item->seq, obstacle);
    report("check", "its row in lumin.dead_commands, partition %.*s, dead_position %.*s", SPAN_ARGS(dead.partition),
           SPAN_ARGS(dead.position));
    return EXIT_REFUSED;
  }
  enum exit_code code = desk_connect(desk);
  struct client_header headers[HEADERS_MAX];
  size_t count = headers_fill(desk, item, headers);
  struct span subject = arena_printf(desk->lines.arena, "%s.command.%.*s.%.*s", desk->settings.prefix,
                                     SPAN_ARGS(dead.method), SPAN_ARGS(dead.user_token));
  struct span id = arena_copy(desk->lines.arena, dead.command_id);
  if (code != EXIT_FINE || subject.data == NULL || id.data == NULL) {
    return EXIT_NOT_DONE;
  }
  struct js_pub_ack ack = {0};
  const struct order order = {.client = desk->client,
                              .settings = &desk->settings,
                              .reader = &desk->lines,
                              .command_id = id.data,
                              .message = {subject.data, dead.payload, headers, count},
                              .wait = true};
  code = order_publish(&order, &ack);
  client_close(desk->client); // it listens to this one's outcome
  desk->client = NULL;
  if (code != EXIT_FINE) {
    report("command id", "%s", id.data);
  }
  return code;
}

// ---- drop

static enum exit_code message_delete(struct desk *desk, uint64_t seq) {
  struct arena *arena = desk->lines.arena;
  struct span subject = js_message_delete_subject(arena, DEAD_STREAM), body = js_message_get_by_seq(arena, seq);
  enum exit_code code = desk_connect(desk);
  if (code != EXIT_FINE || subject.data == NULL || body.data == NULL) {
    return EXIT_NOT_DONE;
  }
  natsMsg *answered = NULL;
  bool done = false;
  struct js_error error = {0};
  struct client_message message = {.subject = subject.data, .payload = body};
  enum answer answer =
      client_request(desk->client, &message, clock_monotonic_ns() + desk->settings.timeout_ns, &answered);
  if (answer != ANSWER_HERE) {
    client_report(desk->client, answer, subject.data, &desk->settings);
    return client_exit_code(answer);
  }
  enum lumin_status status = js_success_parse(client_payload(answered), arena, &done, &error);
  natsMsg_Destroy(answered);
  if (status != LUMIN_OK || !done) {
    report("error", "JetStream did not drop %" PRIu64 " (%d): %.*s", seq, error.code, SPAN_ARGS(error.description));
    return EXIT_NOT_DONE;
  }
  printf("dropped %" PRIu64 "\n", seq);
  return EXIT_FINE;
}

static enum exit_code item_drop(struct desk *desk, const struct stream_item *item) {
  struct dead_item dead = dead_item_of(item);
  if (desk->invocation->flags[OPTION_yes] == NULL && !outcome_is_better(outcome_ask(desk, dead.command_id))) {
    report("error", "%" PRIu64 " is not dropped: nothing has come of its command but DEAD, as far as is known",
           item->seq);
    report("advice", "replay it first (luminctl dead replay %" PRIu64 "), or give --yes to drop it all the same",
           item->seq);
    return EXIT_REFUSED;
  }
  return message_delete(desk, item->seq);
}

// ---- each of the sequences

struct one {
  struct desk *desk;
  uint64_t seq;
  bool found;
  enum exit_code code;
};

static enum lumin_status one_take(void *self, const struct stream_item *item) {
  static enum exit_code (*const actions[])(struct desk * desk, const struct stream_item *item) = {
      [DEAD_SHOW] = item_show, [DEAD_REPLAY] = item_replay, [DEAD_DROP] = item_drop};
  struct one *one = self;
  one->found = item->seq == one->seq; // where it is gone, the next one comes
  if (one->found) {
    one->code = actions[one->desk->invocation->dead](one->desk, item);
  }
  return LUMIN_OK;
}

static enum exit_code one_run(struct desk *desk, uint64_t seq) {
  struct one one = {.desk = desk, .seq = seq};
  const struct stream_reading reading = {
      .stream = DEAD_STREAM, .from_seq = seq, .limit = 1, .arena = desk->lines.arena, .self = &one, .take = one_take};
  enum exit_code code = stream_read(&reading, &desk->settings);
  if (code != EXIT_FINE) {
    return code;
  }
  if (!one.found) {
    report("error", "there is no %" PRIu64 " on " DEAD_STREAM, seq);
    report("check", "luminctl dead list");
    return EXIT_REFUSED;
  }
  return one.code;
}

// All of them, whatever becomes of one; the first that did not go well says how the program ends.
static enum exit_code each_run(struct desk *desk) {
  const struct invocation *invocation = desk->invocation;
  enum exit_code code = EXIT_FINE;
  if (invocation->sequence_count == 0) {
    report("error", "which? give the sequence, the first column of `luminctl dead list`");
    return EXIT_USAGE;
  }
  for (size_t i = 0; i < invocation->sequence_count; i++) {
    enum exit_code ended = one_run(desk, invocation->sequences[i]);
    code = code == EXIT_FINE ? ended : code;
  }
  return code;
}
