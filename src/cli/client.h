// SPDX-License-Identifier: MIT
// A connection with an inbox of its own, for one question at a time. It never reconnects: whoever needs that opens
// another. Its requests are its own, since natsConnection_RequestMsg sits its time out where the server has already
// said that a request is not permitted.
#pragma once

#include <nats/nats.h>

#include "lumin/infrastructure/nats/link.h"
#include "settings.h"

struct client;

// How waiting for a message ended.
enum answer {
  ANSWER_HERE,
  ANSWER_LATE,        // nothing in time
  ANSWER_NOBODY,      // no responders: nobody listens, and nothing was done
  ANSWER_NOT_ALLOWED, // the server refuses to publish or to listen
  ANSWER_LOST,        // the connection is gone
};

// Connects within the timeout.
LUMIN_MUST_USE natsStatus client_open(const struct settings *settings, struct client **ret_client);
void client_close(struct client *client); // NULL is fine

struct client_header {
  const char *name;
  const char *value; // printable ASCII: nats.c writes it as it is
};

struct client_message {
  const char *subject;
  struct span payload;
  const struct client_header *headers;
  size_t header_count;
};

// Publishes with a fresh subject of the inbox to answer to. ANSWER_HERE: it is on its way.
LUMIN_MUST_USE enum answer client_publish(struct client *client, const struct client_message *message);

// client_publish, and the answer to it. Freed by natsMsg_Destroy.
LUMIN_MUST_USE enum answer client_request(struct client *client, const struct client_message *message, int64_t until_ns,
                                          natsMsg **ret_message);

// Listens to a subject; ANSWER_HERE once the server knows. Dies with the client.
LUMIN_MUST_USE enum answer client_subscribe(struct client *client, const char *subject);

enum client_source { CLIENT_INBOX, CLIENT_SUBJECT };
// The next message to the inbox, or of client_subscribe, until that monotonic time. Freed by natsMsg_Destroy.
LUMIN_MUST_USE enum answer client_next(struct client *client, enum client_source source, int64_t until_ns,
                                       natsMsg **ret_message);

// Why a connection could not be opened, in a few words.
const char *client_status_text(natsStatus status);

// Say on standard error what failed, and what to check. `subject` is what was asked.
void client_report_open(natsStatus status, const struct settings *settings, struct arena *arena);
void client_report(struct client *client, enum answer answer, const char *subject, const struct settings *settings);

// How the program ends for want of an answer. Without one that was waited for nobody knows what was done.
enum exit_code client_exit_code(enum answer answer);

// Valid as long as the message.
struct span client_payload(natsMsg *message);
