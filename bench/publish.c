// SPDX-License-Identifier: MIT
// Asynchronous commands: JetStream publishes to the unmapped subject, so many without their PubAck.
#include <stdio.h>

#include "load.h"
#include "lumin/base/clock.h"

#define PATIENCE (10 * NS_PER_SECOND) // without any PubAck

struct publish {
  struct load *load;
  uint64_t sent, acknowledged;
};

static void ack_take(void *self, const struct wire_message *message) {
  struct publish *publish = self;
  publish->acknowledged++;
  if (!span_starts_with(message->payload, SPAN_LITERAL("{\"stream\":"))) {
    load_refused(publish->load, message);
  }
}

static void command_send(struct publish *publish) {
  struct load *load = publish->load;
  struct act act = work_next(&load->work);
  char user[UUID_TEXT_LEN + 1], command[UUID_TEXT_LEN + 1], subject[160], headers[96], payload[ACT_PAYLOAD_MAX];
  struct uuid user_id = work_user_id(act.user), command_id = work_command_id(act.op);
  uuid_format(&user_id, user);
  uuid_format(&command_id, command);
  int subject_len =
      snprintf(subject, sizeof subject, "%.*s.command.%s.%s", SPAN_ARGS(load->prefix), act_method(act.kind), user);
  int headers_len = snprintf(headers, sizeof headers, "NATS/1.0\r\nLumin-Command-Id: %s\r\n\r\n", command);
  load->inbox[load->inbox_len] = 'a';
  wire_publish(load->wire, span_of(subject, (size_t)subject_len), span_of(load->inbox, load->inbox_len + 1),
               span_of(headers, (size_t)headers_len), span_of(payload, act_payload(&act, payload)));
  publish->sent++;
}

bool publish_run(struct load *load, const struct publish_plan *plan) {
  struct publish publish = {.load = load};
  int64_t began = clock_monotonic_ns(), heard = began;
  while (publish.acknowledged < plan->count) {
    while (publish.sent < plan->count && publish.sent - publish.acknowledged < plan->window) {
      command_send(&publish);
    }
    uint64_t before = publish.acknowledged;
    if (!wire_turn(load->wire, 1000, ack_take, &publish)) {
      return false;
    }
    int64_t now = clock_monotonic_ns();
    heard = publish.acknowledged > before ? now : heard;
    if (now - heard > PATIENCE) {
      (void)fprintf(stderr, "bench: no PubAck for 10 s\n");
      return false;
    }
  }
  double seconds = (double)(clock_monotonic_ns() - began) / (double)NS_PER_SECOND;
  const struct report_line lines[] = {
      {"count", (double)plan->count},          {"seconds", seconds},
      {"rate", (double)plan->count / seconds}, {"errors", (double)load->errors},
      {"cpu_seconds", report_cpu_seconds()},   {"next_user", (double)load->work.next_user},
      {"next_op", (double)load->work.next_op},
  };
  report_print(lines, sizeof lines / sizeof lines[0]);
  return load->errors == 0;
}
