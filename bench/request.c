// SPDX-License-Identifier: MIT
// Request/reply: a fixed number outstanding, each answer followed by the next request. Rate and latencies are of the
// answers that come within the run, after a warm-up.
#include <stdio.h>
#include <stdlib.h>

#include "load.h"
#include "lumin/base/clock.h"

#define PATIENCE (10 * NS_PER_SECOND) // for the last answers
#define OUTSTANDING_MAX 65536

struct requests {
  struct load *load;
  const struct request_plan *plan;
  int64_t *sent_ns; // by slot
  uint64_t waiting;
  int64_t from_ns, until_ns, now_ns;
  uint64_t counted, bytes, headed_bytes;
  struct samples samples;
};

static void message_send(struct requests *requests, uint64_t slot, struct span method, struct span payload) {
  struct load *load = requests->load;
  char subject[64];
  int subject_len = snprintf(subject, sizeof subject, "%.*s.rpc.%.*s", SPAN_ARGS(load->prefix), SPAN_ARGS(method));
  int number_len =
      snprintf(load->inbox + load->inbox_len, sizeof load->inbox - load->inbox_len, "%llu", (unsigned long long)slot);
  wire_publish(load->wire, span_of(subject, (size_t)subject_len),
               span_of(load->inbox, load->inbox_len + (size_t)number_len), SPAN_EMPTY, payload);
  requests->sent_ns[slot] = requests->now_ns;
  requests->waiting++;
}

static void request_send(struct requests *requests, uint64_t slot) {
  if (requests->plan->script != NULL) {
    const struct script_request *request = script_next(requests->plan->script);
    message_send(requests, slot, request->method, request->payload);
    return;
  }
  struct act act = work_next(&requests->load->work);
  char payload[1024] = {0};
  size_t len = act.kind == ACT_ECHO ? requests->plan->payload : act_payload(&act, payload);
  message_send(requests, slot, span_from_text(act_method(act.kind)), span_of(payload, len));
}

static bool is_refusal(const struct wire_message *message) {
  static const char mark[] = "Nats-Service-Error-Code:";
  return message->payload.len == 0 || (message->headers.len > 0 && memmem(message->headers.data, message->headers.len,
                                                                          mark, sizeof mark - 1) != NULL);
}

static void answer_take(void *self, const struct wire_message *message) {
  struct requests *requests = self;
  uint64_t slot = UINT64_MAX;
  if (!span_to_u64(span_skip(message->subject, requests->load->inbox_len), &slot) ||
      slot >= requests->plan->outstanding) {
    return;
  }
  requests->waiting--;
  if (is_refusal(message)) {
    load_refused(requests->load, message);
  }
  requests->now_ns = clock_monotonic_ns();
  if (requests->now_ns >= requests->from_ns && requests->now_ns < requests->until_ns) {
    samples_add(&requests->samples, requests->now_ns - requests->sent_ns[slot]);
    requests->counted++;
    requests->bytes += message->payload.len;
    requests->headed_bytes += message->payload.len + message->headers.len;
  }
  if (requests->now_ns < requests->until_ns) {
    request_send(requests, slot);
  }
}

static void requests_report(struct requests *requests, double cpu_seconds) {
  struct load *load = requests->load;
  double seconds = (double)requests->plan->run_ns / (double)NS_PER_SECOND;
  double counted = requests->counted > 0 ? (double)requests->counted : 1;
  const struct report_line lines[] = {
      {"count", (double)requests->counted},
      {"seconds", seconds},
      {"rate", (double)requests->counted / seconds},
      {"p50_us", samples_percentile(&requests->samples, 50)},
      {"p99_us", samples_percentile(&requests->samples, 99)},
      {"reply_bytes", (double)requests->bytes / counted},
      {"reply_bytes_headed", (double)requests->headed_bytes / counted},
      {"errors", (double)load->errors},
      {"cpu_seconds", cpu_seconds},
      {"next_user", (double)load->work.next_user},
      {"next_op", (double)load->work.next_op},
  };
  report_print(lines, sizeof lines / sizeof lines[0]);
}

bool request_run(struct load *load, const struct request_plan *plan) {
  struct requests requests = {.load = load, .plan = plan, .now_ns = clock_monotonic_ns()};
  if (plan->outstanding == 0 || plan->outstanding > OUTSTANDING_MAX || plan->payload > 1024) {
    (void)fprintf(stderr, "bench: --outstanding is 1 to %d, --payload up to 1024\n", OUTSTANDING_MAX);
    return false;
  }
  requests.sent_ns = calloc(plan->outstanding, sizeof *requests.sent_ns);
  if (requests.sent_ns == NULL) {
    return false;
  }
  requests.from_ns = requests.now_ns + plan->warm_ns;
  requests.until_ns = requests.from_ns + plan->run_ns;
  for (uint64_t slot = 0; slot < plan->outstanding; slot++) {
    request_send(&requests, slot);
  }
  bool fine = true;
  while (fine && requests.waiting > 0) {
    fine = wire_turn(load->wire, 100, answer_take, &requests);
    if (clock_monotonic_ns() > requests.until_ns + PATIENCE) {
      (void)fprintf(stderr, "bench: %llu requests had no answer\n", (unsigned long long)requests.waiting);
      fine = false;
    }
  }
  requests_report(&requests, report_cpu_seconds());
  free(requests.sent_ns);
  free(requests.samples.us);
  return fine && load->errors == 0 && requests.counted > 0;
}
