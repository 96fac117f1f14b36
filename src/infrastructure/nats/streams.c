// SPDX-License-Identifier: MIT
// Making streams and asking how they stand. nats-server 2.12 and later refuse fields that they do not know: what is
// sent here is known since 2.9.
#include "lumin/infrastructure/nats/streams.h"

#include <inttypes.h>

#include "js_json.h"
#include "lumin/base/clock.h"

#define ANSWER_TIMEOUT (5 * NS_PER_SECOND) // making a replicated stream takes its time

static enum lumin_status ask(struct client *client, struct span subject, struct span body, struct arena *arena,
                             struct span *ret_answer);

enum lumin_status stream_look(struct client *client, const struct stream_plan *plan, struct arena *arena,
                              struct stream_finding *ret_finding) {
  struct span answer;
  enum lumin_status status = ask(client, js_stream_info_subject(arena, plan->name), SPAN_EMPTY, arena, &answer);
  return status == LUMIN_OK ? stream_compare(plan, answer, arena, ret_finding) : status;
}

// `order`: CREATE or UPDATE.
static enum lumin_status stream_order(struct client *client, const struct stream_plan *plan, const char *order,
                                      struct arena *arena, struct span *ret_refusal) {
  struct span answer;
  json_auto_t *root = NULL;
  struct js_error error;
  struct span subject = arena_printf(arena, "$JS.API.STREAM.%s.%s", order, plan->name);
  enum lumin_status status = ask(client, subject, stream_create_body(arena, plan), arena, &answer);
  if (status == LUMIN_OK) {
    status = js_json_open(answer, arena, &root, &error);
  }
  if (status == LUMIN_OK && error.code != 0) {
    *ret_refusal = error.description;
    status = LUMIN_INVALID_STATE;
  }
  return status;
}

// nats-server does not sync a stream's configuration. Where a power cut has left files of it that cannot be read, it
// knows no such stream, and (2.9) leaves them as they are when that is made anew: at its next start the stream would be
// gone again. An update writes them.
enum lumin_status stream_create(struct client *client, const struct stream_plan *plan, struct arena *arena,
                                struct span *ret_refusal) {
  enum lumin_status status = stream_order(client, plan, "CREATE", arena, ret_refusal);
  return status == LUMIN_OK ? stream_order(client, plan, "UPDATE", arena, ret_refusal) : status;
}

static enum lumin_status ask(struct client *client, struct span subject, struct span body, struct arena *arena,
                             struct span *ret_answer) {
  struct client_question question = {.subject = subject, .payload = body, .timeout_ns = ANSWER_TIMEOUT};
  struct client_answer answer;
  enum lumin_status status = client_ask(client, &question, arena, &answer);
  if (status == LUMIN_OK) {
    *ret_answer = answer.payload;
  }
  return status;
}

struct span stream_create_body(struct arena *arena, const struct stream_plan *plan) {
  struct span window = SPAN_LITERAL("");
  if (plan->duplicate_window_ns > 0) {
    window = arena_printf(arena, ",\"duplicate_window\":%" PRId64, plan->duplicate_window_ns);
  }
  return arena_printf(
      arena,
      "{\"name\":\"%s\",\"subjects\":[\"%.*s\"],\"retention\":\"limits\",\"storage\":\"%s\",\"discard\":\"%s\""
      ",\"num_replicas\":%" PRIu64 ",\"max_msgs\":%" PRId64 ",\"max_bytes\":-1,\"max_age\":%" PRId64
      ",\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,\"max_consumers\":-1,\"allow_direct\":%s%.*s}",
      plan->name, SPAN_ARGS(plan->subject), plan->memory ? "memory" : "file", plan->discard_new ? "new" : "old",
      plan->replicas, plan->max_messages, plan->max_age_ns, plan->allow_direct ? "true" : "false", SPAN_ARGS(window));
}
