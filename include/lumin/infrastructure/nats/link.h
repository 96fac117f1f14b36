// SPDX-License-Identifier: MIT
// A connection to NATS that lives on its owner's loop: one thread reads, handles and writes; what is published in a
// turn leaves together at its end. It never reconnects: nats.c's reconnect buffer would send stale messages, so a lost
// link is closed and a new one opened.
#pragma once

#include <nats/nats.h>

#include "lumin/infrastructure/loop/loop.h"

struct link;

struct link_options {
  const char *url; // servers, separated by commas or blanks
  const char *name;
  const char *user, *password, *creds, *ca, *cert, *key; // NULL or "": not used; ca or cert: never without TLS
  const char *inbox_prefix;
  int64_t timeout_ns;
};

// Whether one of the servers is a tls://, which nats.c takes for any other: then none may be talked to without TLS.
bool link_url_wants_tls(const char *urls);

// Connects, within the timeout. RETRY where no server could be reached or refused us; `ret_error` (may be NULL) then
// says why, in nats.c's words, until the thread uses nats.c again.
LUMIN_MUST_USE enum lumin_status link_open(struct loop *loop, const struct link_options *options,
                                           struct link **ret_link, const char **ret_error);
void link_close(struct link *link); // NULL is fine; its subscriptions die with it

bool link_is_alive(const struct link *link);
natsConnection *link_connection(struct link *link);

// What the server has complained of since the last call ("Permissions Violation for Publish to
// "$JS.API.STREAM.INFO.>""): a subject that the link may not use, mostly. Others choose tokens of subjects, so that
// only a beginning which is known is shown. At most one a second; false where there is none.
#define LINK_COMPLAINT_MAX 160
bool link_complaint(struct link *link, char ret_text[LINK_COMPLAINT_MAX]);

// "<inbox prefix>.<token>": unguessable, this link's own.
struct span link_inbox(const struct link *link);
// The server's payload limit in bytes, and its version ("2.9.10").
int64_t link_max_payload(struct link *link);

// A subscription that is read by link_next; `queue` NULL: none. It dies with the link.
LUMIN_MUST_USE enum lumin_status link_subscribe(struct link *link, const char *subject, const char *queue,
                                                natsSubscription **ret_subscription);
void link_unsubscribe(natsSubscription *subscription);
// The next message that is here, or NULL. Freed by link_discard, or by natsMsg_Destroy. nats.c swallows what looks like
// the server's "no responders" (no payload, status 503) and reports it instead, without its subject; *ret_refused
// (NULL: not wanted) grows by that. It is not the end: any caller can send such a message.
natsMsg *link_next(natsSubscription *subscription, uint64_t *ret_refused);
// Frees the message, sooner or later. nats.c hands each message that is destroyed over to a thread of its own and wakes
// it; a few dozen at once cost little more than one.
void link_discard(struct link *link, natsMsg *message);
// Bytes of the messages that link_next would still give, headers and payloads.
size_t link_waiting_bytes(natsSubscription *subscription);

// CONNECTION_LOST where the link is dead; nothing is buffered then. `reply` may be empty. Subject and reply must be
// NUL-terminated behind their length (arena_copy, arena_printf and literals are).
LUMIN_MUST_USE enum lumin_status link_publish(struct link *link, struct span subject, struct span reply,
                                              struct span payload);

struct link_header {
  const char *name;
  struct span value; // NUL-terminated behind its length
};
struct link_message {
  struct span subject, reply; // as for link_publish
  struct span payload;
  const struct link_header *headers;
  size_t header_count;
};
LUMIN_MUST_USE enum lumin_status link_publish_message(struct link *link, const struct link_message *message);

// False where the headers are no NATS headers. To be asked first: parts of such headers may be found afterwards.
bool link_headers_are_readable(natsMsg *message);
// A header's value, or empty. Valid as long as the message.
struct span link_header_get(natsMsg *message, const char *name);
// The message's status ("100", "404", "503" ...) as a number, 0 where it carries none.
int link_status_get(natsMsg *message);
