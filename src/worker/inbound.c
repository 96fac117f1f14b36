// SPDX-License-Identifier: MIT
// Headers and place of a command.
#include "inbound.h"

#include "lumin/infrastructure/nats/link.h"

struct inbound inbound_read(natsMsg *message, struct inbound_place place) {
  struct inbound inbound = {
      .partition = place.partition,
      .seq = place.seq,
      .ts_ns = place.ts_ns,
      .subject = span_from_text(natsMsg_GetSubject(message)),
      .payload = span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)),
      .handle = message,
      .headers = {.unreadable = true},
  };
  if (link_headers_are_readable(message)) {
    inbound.headers = (struct metadata){.command_id = link_header_get(message, "Lumin-Command-Id"),
                                        .msg_id = link_header_get(message, "Nats-Msg-Id"),
                                        .expected_version = link_header_get(message, "Lumin-Expected-Version"),
                                        .actor = link_header_get(message, "Lumin-Actor"),
                                        .reply_to = link_header_get(message, "Lumin-Reply-To"),
                                        .content_type = link_header_get(message, "Content-Type"),
                                        .accept = link_header_get(message, "Accept"),
                                        .traceparent = link_header_get(message, "traceparent"),
                                        .tracestate = link_header_get(message, "tracestate")};
  }
  return inbound;
}

uint16_t inbound_partition(struct span subject, struct span prefix, uint32_t partitions) {
  struct span rest = span_skip(subject, prefix.len + sizeof ".command." - 1);
  uint64_t number = 0;
  return span_to_u64(span_cut(&rest, '.'), &number) && number < partitions ? (uint16_t)number : 0;
}
