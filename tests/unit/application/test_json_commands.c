// SPDX-License-Identifier: MIT
// A command in JSON is the command in protobuf: the same outcome, the same content hash, the same event bytes. And what
// says which of the two a message is in.
#include <criterion/criterion.h>

#include "../codec/random_message.h"
#include "lumin/application/tokens.h"
#include "rig.h"

static const struct step steps[] = {
    {METHOD_create, .user = 1, .first_name = "Ada", .email = "Ada@example.com", .phone = "+15550100123", .id = 1},
    {METHOD_create, .user = 2, .first_name = "Zo\xc3\xab \"Z\" \\", .email = "zoe@example.com", .payload_user = "yes"},
    {METHOD_create, .user = 3, .first_name = "Eve", .email = "ada@example.com", .id = 3},
    {METHOD_create, .user = 4, .first_name = "", .email = "eve@example.com", .id = 4},
    {METHOD_change_username, .user = 1, .first_name = "Augusta", .id = 5, .expected = "1"},
    {METHOD_change_username, .user = 1, .first_name = "Augusta", .id = 6},
    {METHOD_change_email, .user = 1, .email = "countess@example.com", .id = 7},
    {METHOD_change_email, .user = 2, .email = "nonsense", .id = 8},
    {METHOD_delete, .user = 1, .id = 9},
    {METHOD_probe, .user = 1, .id = 10},
    {METHOD_change_username, .user = 9, .first_name = "Nobody", .id = 11},
};

static void apply(struct rig *rig, size_t step, bool json, struct result *ret_result) {
  struct step wanted = steps[step];
  char user[UUID_TEXT_LEN + 1];
  struct uuid id = user_numbered(wanted.user);
  uuid_format(&id, user);
  wanted.payload_user = wanted.payload_user ? user : NULL;
  struct inbound message = message_make(rig, &wanted);
  if (json) {
    cr_assert_eq(codec_convert_json(methods[wanted.method].request, message.payload, message.handle, &message.payload),
                 LUMIN_OK);
    cr_assert_eq(message.payload.data[0], '{');
  }
  rig_apply(rig, &message, 1, ret_result);
  arena_destroy(message.handle);
}

Test(json_commands, same_outcomes_hashes_and_events) {
  struct rig *binary = rig_plain(), *json = rig_plain();
  for (size_t i = 0; i < COUNT(steps); i++) {
    struct result one, other;
    apply(binary, i, false, &one);
    apply(json, i, true, &other);
    cr_expect_eq(one.outcome.status, other.outcome.status, "step %zu", i);
    cr_expect_eq(one.outcome.refusal.reason, other.outcome.refusal.reason, "step %zu", i);
    cr_expect_eq(one.outcome.version, other.outcome.version, "step %zu", i);
    cr_expect_arr_eq(one.outcome.content_hash, other.outcome.content_hash, CONTENT_HASH_LEN, "step %zu", i);
  }
  cr_assert_eq(binary->fake->tables.event_count, 5);
  cr_assert_eq(json->fake->tables.event_count, 5);
  for (size_t i = 0; i < 5; i++) {
    const struct fake_event *one = &binary->fake->tables.events[i], *other = &json->fake->tables.events[i];
    cr_expect_eq(one->type, other->type);
    cr_expect(span_equal(one->body, other->body), "event %zu", i);
  }
  rig_destroy(binary);
  rig_destroy(json);
}

// The same id first in one format, then in the other: the first outcome again, and not COMMAND_ID_REUSED.
Test(json_commands, retried_in_the_other_format) {
  struct rig *rig = rig_plain();
  struct result first, again;
  apply(rig, 0, true, &first);
  apply(rig, 0, false, &again);
  cr_expect_eq(first.outcome.status, OUTCOME_APPLIED);
  cr_expect_eq(again.outcome.status, OUTCOME_APPLIED);
  cr_expect(again.unrecorded);
  cr_expect_eq(rig->fake->tables.event_count, 1);
  rig_destroy(rig);
}

static void hash_of(struct codec *codec, const struct method *method, struct span payload, bool json,
                    struct arena *arena, uint8_t ret_hash[CONTENT_HASH_LEN]) {
  struct codec_port port = codec_port(codec);
  struct inbound inbound = {.payload = payload};
  struct command command = {
      .inbound = &inbound, .method = method, .method_token = span_from_text(method->name), .user_id = user_numbered(1)};
  struct refusal refusal = {0};
  struct encoded encoded = {method->request, payload, json};
  cr_assert_eq(port.decode(port.self, &encoded, arena, &command.message, &refusal), LUMIN_OK, "%s: %.*s (%.*s)",
               method->name, SPAN_ARGS(payload), SPAN_ARGS(refusal.field));
  cr_assert_eq(port.hash_content(port.self, &command, arena, ret_hash), LUMIN_OK);
}

// Every method's message, whatever it holds.
Test(json_commands, same_hash_of_any_message) {
  struct arena *arena = arena_create(16U << 20);
  struct codec *codec = codec_create(PAYLOAD_LIMIT);
  struct chance chance = {.state = 1815, .arena = arena};
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    for (size_t round = 0; round < 200; round++) {
      uint8_t one[CONTENT_HASH_LEN], other[CONTENT_HASH_LEN];
      struct span bytes = SPAN_EMPTY, text = SPAN_EMPTY;
      arena_reset(arena);
      ProtobufCMessage *message = random_message(&chance, methods[i].request, 0);
      cr_assert_eq(codec_pack(message, arena, &bytes), LUMIN_OK);
      cr_assert_eq(codec_encode_json(message, arena, &text), LUMIN_OK);
      hash_of(codec, &methods[i], bytes, false, arena, one);
      hash_of(codec, &methods[i], text, true, arena, other);
      cr_assert_arr_eq(one, other, CONTENT_HASH_LEN, "%s: %.*s", methods[i].name, SPAN_ARGS(text));
    }
  }
  codec_destroy(codec);
  arena_destroy(arena);
}

// ---- which format

static const struct {
  const char *accept;
  bool known, json, json_of_json;
} accepts[] = {
    {"", true, false, true},
    {"application/json", true, true, true},
    {"Application/JSON", true, true, true},
    {" application/json ; charset=utf-8", true, true, true},
    {"application/protobuf", true, false, false},
    {"application/x-protobuf", true, false, false},
    {"application/octet-stream", true, false, false},
    {"*/*", true, false, true},
    {"application/*;q=0.5", true, false, true},
    {"text/html, application/json", true, true, true},
    {"application/protobuf,application/json", true, false, false},
    {"application/json,application/protobuf", true, true, true},
    {"text/html", false, false, false},
    {"application/jsonl", false, false, false},
    {"application/jso", false, false, false},
    {",", false, false, false},
};

Test(json_commands, accepted) {
  for (size_t i = 0; i < COUNT(accepts); i++) {
    struct span accept = span_from_text(accepts[i].accept);
    bool json = false, json_of_json = false;
    cr_expect_eq(media_choose(accept, false, &json), accepts[i].known, "%s", accepts[i].accept);
    cr_expect_eq(media_choose(accept, true, &json_of_json), accepts[i].known, "%s", accepts[i].accept);
    cr_expect_eq(json, accepts[i].json, "%s", accepts[i].accept);
    cr_expect_eq(json_of_json, accepts[i].json_of_json, "%s", accepts[i].accept);
  }
}

static const struct {
  struct span payload, content_type;
  bool json;
} payloads[] = {
    {SPAN_LITERAL(""), SPAN_EMPTY, false},
    {SPAN_LITERAL("{"), SPAN_EMPTY, true},
    {SPAN_LITERAL("{"), SPAN_LITERAL("application/protobuf"), true},
    {SPAN_LITERAL(" {"), SPAN_EMPTY, false},
    {SPAN_LITERAL(" {"), SPAN_LITERAL("application/json"), true},
    {SPAN_LITERAL(""), SPAN_LITERAL("application/json;charset=utf-8"), true},
    {SPAN_LITERAL("[]"), SPAN_LITERAL("text/json"), false},
};

Test(json_commands, format_of_a_payload) {
  for (size_t i = 0; i < COUNT(payloads); i++)
    cr_expect_eq(payload_is_json(payloads[i].payload, payloads[i].content_type), payloads[i].json, "case %zu", i);
}

// Where the outcome of an asynchronous command is to be read as JSON.
Test(json_commands, format_of_an_outcome) {
  static const struct {
    struct span accept;
    bool json, json_outcome;
  } cases[] = {{SPAN_LITERAL(""), false, false},
               {SPAN_LITERAL(""), true, true},
               {SPAN_LITERAL("application/json"), false, true},
               {SPAN_LITERAL("application/protobuf"), true, false},
               {SPAN_LITERAL("text/html"), true, true}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct rig *rig = rig_plain();
    struct step step = {METHOD_probe, .user = 1, .id = 1, .headers = {.accept = cases[i].accept}};
    step.payload = cases[i].json ? SPAN_LITERAL("{}") : SPAN_LITERAL("");
    struct inbound message = message_make(rig, &step);
    struct batch *batch = batch_create(&rig->pipeline, rig->arena, &message, 1);
    size_t count = 0;
    cr_assert_eq(batch_decode(batch), LUMIN_OK);
    const struct command *command = batch_commands(batch, &count);
    cr_expect_eq(command->json, cases[i].json, "case %zu", i);
    cr_expect_eq(command->json_outcome, cases[i].json_outcome, "case %zu", i);
    arena_destroy(message.handle);
    rig_destroy(rig);
  }
}
