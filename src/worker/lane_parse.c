// SPDX-License-Identifier: MIT
// Statuses and names from the server. Part of guarantee 9: what is not understood is never taken for the quiet end of a
// request.
#include "lane_parse.h"

#include "lumin/infrastructure/nats/js.h"

// As all numbers of the server: of 63 bits.
static bool number_parse(struct span text, uint64_t *ret_number) {
  return span_to_u64(text, ret_number) && *ret_number <= INT64_MAX;
}

static const struct {
  int code;
  const char *description; // what it begins with
  const char *text;
} endings[] = {
    {503, "", "nobody answers for the consumer"},
    {409, "Consumer Deleted", "the consumer was deleted"},
    {409, "Leadership Change", "the consumer has another leader"},
    {409, "Server Shutdown", "the consumer's server shuts down"},
};

static const char *ending_text(const struct pull_status *status) {
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    if (status->code == endings[i].code &&
        span_starts_with(status->description, span_from_text(endings[i].description))) {
      return endings[i].text;
    }
  }
  return "the consumer is gone";
}

bool pull_status_parse(const struct pull_status *status, struct cursor_input *ret_input) {
  uint64_t consumer_seq = 0, seq = 0;
  if (status->code == 0) {
    return false;
  }
  if (status->code != 100) {
    bool ends = js_status_ends_pull(status->code, status->description);
    ret_input->kind = ends ? CURSOR_IN_PULL_ENDED : CURSOR_IN_CONSUMER_GONE;
    ret_input->text = ends ? NULL : ending_text(status);
    return true;
  }
  if (!number_parse(status->last_consumer, &consumer_seq) || !number_parse(status->last_stream, &seq)) {
    return false;
  }
  ret_input->kind = CURSOR_IN_HEARTBEAT;
  ret_input->consumer_seq = consumer_seq;
  ret_input->seq = seq;
  return true;
}

bool consumer_name_parse(struct span prefix, struct span name, struct consumer_name *ret_name) {
  struct span rest = span_skip(name, prefix.len);
  uint64_t generation = 0;
  if (!span_starts_with(name, prefix) || !span_starts_with(rest, SPAN_LITERAL("_"))) {
    return false;
  }
  rest = span_skip(rest, 1);
  struct span kind = span_cut(&rest, '_');
  if (!span_to_u64(rest, &generation)) {
    return false;
  }
  *ret_name = (struct consumer_name){kind, generation};
  return true;
}
