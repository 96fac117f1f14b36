// SPDX-License-Identifier: MIT
// The outcome is published once, so it is listened to before the command leaves.
#include "order.h"

#include "lumin/base/clock.h"

void report_doubt(const char *command_id) {
  report("in doubt",
         "the command may have been applied: ask `luminctl command-outcome --command-id %s`, or run this again with "
         "--command-id %s, which applies it once at most",
         command_id, command_id);
}

// The stream's answer: the command is on it, or was refused and is not.
static enum exit_code ack_read(const struct order *order, struct span body, struct js_pub_ack *ret_ack) {
  struct js_error error = {0};
  if (js_pub_ack_parse(body, order->reader->arena, ret_ack, &error) != LUMIN_OK) {
    report("error", "the answer of the command stream cannot be read (%zu bytes)", body.len);
    report_doubt(order->command_id);
    return EXIT_NO_ANSWER;
  }
  if (error.code != 0) {
    report("error", "the command stream did not take it (%d): %.*s", error.code, SPAN_ARGS(error.description));
    return EXIT_NOT_DONE;
  }
  return EXIT_FINE;
}

static enum exit_code outcome_await(const struct order *order, const char *subject) {
  natsMsg *outcome = NULL;
  int64_t until_ns = clock_monotonic_ns() + order->settings->timeout_ns;
  enum answer answer = client_next(order->client, CLIENT_SUBJECT, until_ns, &outcome);
  if (answer != ANSWER_HERE) {
    client_report(order->client, answer, subject, order->settings);
    report("in doubt",
           "the command is on the stream and will be decided: ask `luminctl command-outcome --command-id %s`",
           order->command_id);
    return EXIT_NO_ANSWER;
  }
  enum exit_code code =
      reply_write(order->reader, &methods[METHOD_probe], link_header_get(outcome, "Nats-Service-Error-Code"),
                  link_header_get(outcome, "Nats-Service-Error"), client_payload(outcome));
  natsMsg_Destroy(outcome);
  return code;
}

enum exit_code order_publish(const struct order *order, struct js_pub_ack *ret_ack) {
  natsMsg *answered = NULL;
  struct span outcome = arena_printf(order->reader->arena, "%s.outcome.%s", order->settings->prefix, order->command_id);
  if (outcome.data == NULL) {
    report("error", "out of memory");
    return EXIT_NOT_DONE;
  }
  enum answer answer = order->wait ? client_subscribe(order->client, outcome.data) : ANSWER_HERE;
  if (answer == ANSWER_HERE) {
    int64_t until_ns = clock_monotonic_ns() + order->settings->timeout_ns;
    answer = client_request(order->client, &order->message, until_ns, &answered);
  }
  if (answer != ANSWER_HERE) {
    client_report(order->client, answer, order->message.subject, order->settings);
    if (client_exit_code(answer) == EXIT_NO_ANSWER) {
      report_doubt(order->command_id);
    }
    return client_exit_code(answer);
  }
  enum exit_code code = ack_read(order, client_payload(answered), ret_ack);
  natsMsg_Destroy(answered);
  return code == EXIT_FINE && order->wait ? outcome_await(order, outcome.data) : code;
}
