// SPDX-License-Identifier: MIT
// Reading a subscription to its end. nats.c swallows a message that looks like the server's "no responders" (no
// payload, status 503) and reports it instead, without its subject; and since any caller can send such a message, it
// must not pass for the end either.
#pragma once

#include <nats/nats.h>

// The next message that is here, or NULL; *ret_refused grows by what was swallowed on the way.
static inline natsMsg *arrival_next(natsSubscription *subscription, uint64_t *ret_refused) {
  natsMsg *message = NULL;
  natsStatus status = NATS_OK;
  while ((status = natsSubscription_NextMsg(&message, subscription, 0)) == NATS_NO_RESPONDERS) {
    ++*ret_refused;
  }
  return status == NATS_OK ? message : NULL;
}
