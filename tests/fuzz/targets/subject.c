// SPDX-License-Identifier: MIT
// Subjects, and what stands in them: requests', replies', deliveries' and consumers', ids. What is read makes the same
// subject again, and where the service may publish is fit to be published to.
#include "fuzz.h"

#include "lumin/application/pipeline.h"
#include "lumin/application/tokens.h"
#include "lumin/infrastructure/nats/js.h"
#include "worker/door_parse.h"
#include "worker/lane_parse.h"

static const struct span prefix = {"lumin.user.v1", 13};
static const struct span inbox = {"_INBOX_lumin_worker", 19};
static const struct span consumer = {"lane_abc", 8};

static void check_rpc(struct span subject, struct arena *arena) {
  struct rpc_subject parsed;
  if (!rpc_subject_parse(prefix, subject, &parsed)) {
    return;
  }
  FUZZ_CHECK(parsed.method.len == 0 || memchr(parsed.method.data, '.', parsed.method.len) == NULL);
  FUZZ_CHECK(parsed.has_suffix || parsed.suffix.len == 0);
  struct span parts[] = {prefix, SPAN_LITERAL(".rpc."), parsed.method,
                         parsed.has_suffix ? SPAN_LITERAL(".") : SPAN_EMPTY, parsed.suffix};
  char *whole = arena_alloc(arena, subject.len + 1);
  size_t len = 0;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    FUZZ_CHECK(len + parts[i].len <= subject.len);
    memcpy(whole + len, parts[i].len > 0 ? parts[i].data : "", parts[i].len);
    len += parts[i].len;
  }
  FUZZ_CHECK(span_equal(span_of(whole, len), subject));
}

// Whatever an answer is sent to: one line of protocol, no wildcard, nobody's rights but the caller's.
static void check_reply(struct span reply) {
  if (!reply_is_allowed(prefix, inbox, reply)) {
    return;
  }
  FUZZ_CHECK(reply.len > 0 && reply.data[0] != '$' && !span_starts_with(reply, SPAN_LITERAL("_INBOX_lumin_worker.")));
  FUZZ_CHECK(!span_starts_with(reply, SPAN_LITERAL("lumin.user.v1.")) ||
             span_starts_with(reply, SPAN_LITERAL("lumin.user.v1.reply.")));
  FUZZ_CHECK(reply.data[reply.len - 1] != '.');
  for (struct span rest = reply; rest.len > 0;) {
    struct span token = span_cut(&rest, '.');
    FUZZ_CHECK(token.len > 0 && !(token.len == 1 && (token.data[0] == '*' || token.data[0] == '>')));
    for (size_t i = 0; i < token.len; i++) {
      FUZZ_CHECK((uint8_t)token.data[i] > ' ' && token.data[i] != 0x7f);
    }
  }
}

static void check_delivery(struct span reply) {
  struct js_delivery delivery = {.pending = 99};
  struct consumer_name name;
  if (js_delivery_parse(reply, &delivery) != LUMIN_OK) {
    FUZZ_CHECK(delivery.pending == 99 && delivery.stream_seq == 0);
    return;
  }
  FUZZ_CHECK(delivery.stream_seq > 0 && delivery.consumer_seq > 0 && delivery.ts_ns >= 0);
  FUZZ_CHECK(delivery.stream.len > 0 && memchr(delivery.stream.data, '.', delivery.stream.len) == NULL);
  FUZZ_CHECK(delivery.consumer.len > 0 && memchr(delivery.consumer.data, '.', delivery.consumer.len) == NULL);
  if (consumer_name_parse(consumer, delivery.consumer, &name)) {
    FUZZ_CHECK(span_starts_with(delivery.consumer, consumer) && delivery.consumer.len > consumer.len + 2);
  }
}

static void check_uuid(struct span text) {
  struct uuid exact, any;
  char again[UUID_TEXT_LEN + 1];
  bool is_exact = uuid_parse(text, &exact) == LUMIN_OK, is_any = uuid_parse_any_case(text, &any) == LUMIN_OK;
  FUZZ_CHECK(!is_exact || (is_any && uuid_equal(&exact, &any)));
  if (!is_any) {
    return;
  }
  uuid_format(&any, again);
  FUZZ_CHECK(is_exact == span_equal(text, span_of(again, UUID_TEXT_LEN)));
  FUZZ_CHECK(uuid_parse(span_of(again, UUID_TEXT_LEN), &exact) == LUMIN_OK && uuid_equal(&exact, &any));
  FUZZ_CHECK(!is_exact || token_is_safe(text));
}

// A request's body takes only what needs no escape in JSON.
static void check_last_by_subject(struct span subject, struct arena *arena) {
  struct span body = js_message_get_last(arena, subject);
  FUZZ_CHECK(body.data == NULL || body.len == subject.len + sizeof "{\"last_by_subj\":\"\"}" - 1);
  for (size_t i = 0; body.data != NULL && i < subject.len; i++) {
    FUZZ_CHECK(subject.data[i] > ' ' && subject.data[i] != '"' && subject.data[i] != '\\');
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span input = span_of(data, size);
  struct arena *arena = fuzz_arena();
  check_rpc(input, arena);
  check_reply(input);
  check_delivery(input);
  check_uuid(input);
  check_last_by_subject(input, arena);
  FUZZ_CHECK(partition_of(input, 32) < 32 && partition_of(input, 1) == 0);
  return 0;
}
