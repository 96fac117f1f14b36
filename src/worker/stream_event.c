// SPDX-License-Identifier: MIT
// Headers of the event stream's messages, trusted for nothing.
#include "stream_event.h"

#include "lumin/base/clock.h"
#include "lumin/infrastructure/nats/link.h"

// "<user id>:<version>"
static bool id_parse(struct span id, struct stream_event *event) {
  struct span user = span_cut(&id, ':');
  return uuid_parse(user, &event->user_id) == LUMIN_OK && span_to_u64(id, &event->version) && event->version > 0 &&
         event->version < INT64_MAX;
}

enum event_type stream_event_type(struct span ce_type, struct span prefix) {
  if (!span_starts_with(ce_type, prefix) || ce_type.len <= prefix.len || ce_type.data[prefix.len] != '.') {
    return EVENT_NONE;
  }
  struct span name = span_skip(ce_type, prefix.len + 1);
#define EVENT(symbol, number, text)                                                                                    \
  if (span_equal(name, SPAN_LITERAL(#text)))                                                                           \
    return EVENT_##symbol;
#include "lumin/domain/events.def"
#undef EVENT
  return EVENT_NONE;
}

static bool place_parse(natsMsg *message, struct stream_event *event) {
  uint64_t partition = 0, sequence = 0;
  bool fine = span_to_u64(link_header_get(message, "ce-partition"), &partition) && partition < UINT32_MAX &&
              span_to_u64(link_header_get(message, "ce-position"), &event->position) && event->position > 0 &&
              event->position < INT64_MAX && span_to_u64(link_header_get(message, "ce-sequence"), &sequence) &&
              sequence == event->version;
  event->partition = (uint32_t)partition;
  return fine;
}

struct stream_event stream_event_read(natsMsg *message, uint64_t seq, struct span prefix) {
  struct stream_event event = {.seq = seq};
  event.type = stream_event_type(link_header_get(message, "ce-type"), prefix);
  event.readable =
      event.type != EVENT_NONE && id_parse(link_header_get(message, "ce-id"), &event) && place_parse(message, &event);
  event.whole = event.readable &&
                clock_parse_rfc3339(link_header_get(message, "ce-time"), &event.time_ns) == LUMIN_OK &&
                uuid_parse(link_header_get(message, "Lumin-Command-Id"), &event.command_id) == LUMIN_OK;
  event.actor = link_header_get(message, "Lumin-Actor");
  event.traceparent = link_header_get(message, "traceparent");
  event.tracestate = link_header_get(message, "tracestate");
  event.body = span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
  return event;
}
