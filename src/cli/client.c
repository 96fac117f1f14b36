// SPDX-License-Identifier: MIT
// nats.c, without the parts of it that harm in 3.4.1: no reconnecting, no unsubscribing before the connection is
// closed.
#include "client.h"

#include <stdlib.h>

#include "lumin/base/clock.h"
#include "lumin/base/random.h"

enum { SUBJECT_MAX = 256 };

struct client {
  natsConnection *connection;
  natsSubscription *sources[2]; // by enum client_source
  char inbox[SUBJECT_MAX];
  char reply[SUBJECT_MAX]; // of the last request
  unsigned requests;
};

static natsStatus options_fill(natsOptions *options, const struct settings *settings);
static enum answer subscribe(struct client *client, enum client_source source, const char *subject);
static enum answer answer_of(struct client *client, natsStatus status);

natsStatus client_open(const struct settings *settings, struct client **ret_client) {
  struct client *client = calloc(1, sizeof *client);
  natsOptions *options = NULL;
  char token[RANDOM_TOKEN_LEN + 1];
  if (client == NULL || random_token(token) != LUMIN_OK) {
    free(client);
    return NATS_NO_MEMORY;
  }
  (void)snprintf(client->inbox, sizeof client->inbox, "%s.%s", settings->inbox_prefix, token);
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) {
    status = options_fill(options, settings);
  }
  if (status == NATS_OK) {
    status = natsConnection_Connect(&client->connection, options);
  }
  natsOptions_Destroy(options);
  if (status != NATS_OK) {
    client_close(client);
    return status;
  }
  *ret_client = client;
  return NATS_OK;
}

void client_close(struct client *client) {
  if (client == NULL) {
    return;
  }
  if (client->connection != NULL) {
    natsConnection_Close(client->connection);
  }
  for (size_t i = 0; i < sizeof client->sources / sizeof client->sources[0]; i++) {
    natsSubscription_Destroy(client->sources[i]);
  }
  natsConnection_Destroy(client->connection);
  free(client);
}

enum answer client_publish(struct client *client, const struct client_message *message) {
  if (client->sources[CLIENT_INBOX] == NULL) {
    char all[SUBJECT_MAX + 2];
    (void)snprintf(all, sizeof all, "%s.*", client->inbox);
    enum answer answer = subscribe(client, CLIENT_INBOX, all);
    if (answer != ANSWER_HERE) {
      return answer;
    }
  }
  (void)snprintf(client->reply, sizeof client->reply, "%.*s.%u", SUBJECT_MAX - 16, client->inbox, ++client->requests);
  natsMsg *published = NULL;
  natsStatus status =
      natsMsg_Create(&published, message->subject, client->reply, message->payload.data, (int)message->payload.len);
  for (size_t i = 0; i < message->header_count && status == NATS_OK; i++) {
    status = natsMsgHeader_Set(published, message->headers[i].name, message->headers[i].value);
  }
  if (status == NATS_OK) {
    status = natsConnection_PublishMsg(client->connection, published);
  }
  natsMsg_Destroy(published);
  return answer_of(client, status);
}

enum answer client_request(struct client *client, const struct client_message *message, int64_t until_ns,
                           natsMsg **ret_message) {
  natsMsg *answered = NULL;
  enum answer answer = client_publish(client, message);
  while (answer == ANSWER_HERE) {
    answer = client_next(client, CLIENT_INBOX, until_ns, &answered);
    if (answer != ANSWER_HERE || strcmp(natsMsg_GetSubject(answered), client->reply) == 0) {
      break;
    }
    natsMsg_Destroy(answered); // the late answer to an earlier question
  }
  if (answer == ANSWER_HERE) {
    *ret_message = answered;
  }
  return answer;
}

enum answer client_subscribe(struct client *client, const char *subject) {
  return subscribe(client, CLIENT_SUBJECT, subject);
}

enum { SLICE_MS = 100 }; // how soon a refusal by the server is noticed

enum answer client_next(struct client *client, enum client_source source, int64_t until_ns, natsMsg **ret_message) {
  for (;;) {
    int64_t left_ms = (until_ns - clock_monotonic_ns() + NS_PER_MS - 1) / NS_PER_MS;
    int64_t wait_ms = left_ms < 0 ? 0 : left_ms < SLICE_MS ? left_ms : SLICE_MS;
    natsStatus status = natsSubscription_NextMsg(ret_message, client->sources[source], wait_ms);
    enum answer answer = status == NATS_OK ? ANSWER_HERE : answer_of(client, status);
    if (answer != ANSWER_LATE || left_ms <= SLICE_MS) {
      return answer;
    }
  }
}

static natsStatus options_secure(natsOptions *options, const struct settings *settings) {
  natsStatus status = NATS_OK;
  if (settings->ca != NULL || settings->cert != NULL || link_url_wants_tls(settings->url)) {
    status = natsOptions_SetSecure(options, true);
  }
  if (status == NATS_OK && settings->ca != NULL) {
    status = natsOptions_LoadCATrustedCertificates(options, settings->ca);
  }
  if (status == NATS_OK && settings->cert != NULL) {
    status = natsOptions_LoadCertificatesChain(options, settings->cert, settings->key);
  }
  if (status == NATS_OK && settings->creds != NULL) {
    status = natsOptions_SetUserCredentialsFromFiles(options, settings->creds, NULL);
  }
  if (status == NATS_OK && settings->user != NULL) {
    status = natsOptions_SetUserInfo(options, settings->user, settings->password != NULL ? settings->password : "");
  }
  return status;
}

static natsStatus options_servers(natsOptions *options, const char *urls) {
  enum { SERVERS_MAX = 16 };
  const char *servers[SERVERS_MAX];
  int count = 0;
  char *copy = strdup(urls), *state = NULL;
  for (char *url = copy != NULL ? strtok_r(copy, ", ", &state) : NULL; url != NULL && count < SERVERS_MAX;
       url = strtok_r(NULL, ", ", &state)) {
    servers[count++] = url;
  }
  natsStatus status = count > 0 ? natsOptions_SetServers(options, servers, count) : NATS_ADDRESS_MISSING;
  free(copy);
  return status;
}

// nats.c would print it.
static void ignore_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *closure) {
  (void)connection;
  (void)subscription;
  (void)status;
  (void)closure;
}

static natsStatus options_fill(natsOptions *options, const struct settings *settings) {
  natsStatus status = options_servers(options, settings->url);
  if (status == NATS_OK) {
    status = options_secure(options, settings);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetName(options, "luminctl");
  }
  if (status == NATS_OK) {
    status = natsOptions_SetTimeout(options, settings->timeout_ns / NS_PER_MS);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetAllowReconnect(options, false);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetErrorHandler(options, ignore_error, NULL);
  }
  return status;
}

// Waits until the server has taken it, or refused: nothing is sent whose answer could not be heard.
static enum answer subscribe(struct client *client, enum client_source source, const char *subject) {
  natsStatus status = natsConnection_SubscribeSync(&client->sources[source], client->connection, subject);
  if (status == NATS_OK) {
    status = natsConnection_FlushTimeout(client->connection, 5000);
  }
  return answer_of(client, status);
}

static enum answer answer_of(struct client *client, natsStatus status) {
  const char *refused = NULL;
  if (natsConnection_GetLastError(client->connection, &refused) == NATS_NOT_PERMITTED) {
    return ANSWER_NOT_ALLOWED;
  }
  static const struct {
    natsStatus status;
    enum answer answer;
  } answers[] = {{NATS_OK, ANSWER_HERE}, {NATS_TIMEOUT, ANSWER_LATE}, {NATS_NO_RESPONDERS, ANSWER_NOBODY}};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    if (answers[i].status == status) {
      return answers[i].answer;
    }
  }
  return ANSWER_LOST;
}

static const struct open_failure {
  natsStatus status;
  const char *text, *check;
} open_failures[] = {
    {NATS_NO_SERVER, "no NATS server answers", "is nats-server running, and --server or NATS_URL right?"},
    {NATS_TIMEOUT, "no NATS server answers in time",
     "is it a nats-server, and the network fine? --timeout waits longer"},
    {NATS_CONNECTION_AUTH_FAILED, "the NATS server refuses this user",
     "--user and --password, or NATS_USER and NATS_PASSWORD, or --creds; events and --async have variables of their "
     "own, see luminctl --help"},
    {NATS_SECURE_CONNECTION_REQUIRED, "the NATS server wants TLS", "--ca or NATS_CA, or a tls:// URL"},
    {NATS_SECURE_CONNECTION_WANTED, "the NATS server offers no TLS", "leave out --ca, --cert and tls://"},
    {NATS_SSL_ERROR, "TLS failed", "--ca, --cert and --key, and whether the server's certificate names its host"},
};

static const struct open_failure *open_failure_of(natsStatus status) {
  for (size_t i = 0; i < sizeof open_failures / sizeof open_failures[0]; i++) {
    if (open_failures[i].status == status) {
      return &open_failures[i];
    }
  }
  return NULL;
}

const char *client_status_text(natsStatus status) {
  const struct open_failure *failure = open_failure_of(status);
  return failure != NULL ? failure->text : natsStatus_GetText(status);
}

void client_report_open(natsStatus status, const struct settings *settings, struct arena *arena) {
  const struct open_failure *failure = open_failure_of(status);
  report("error", "cannot connect: %s", client_status_text(status));
  report("server", "%.*s", SPAN_ARGS(settings_url_shown(settings, arena)));
  if (settings->creds != NULL || settings->user != NULL) {
    report("user", "%s", settings->creds != NULL ? settings->creds : settings->user);
  }
  report("check", "%s", failure != NULL ? failure->check : "--server, --creds, --ca, --cert and --key");
}

void client_report(struct client *client, enum answer answer, const char *subject, const struct settings *settings) {
  const char *refused = "";
  switch (answer) {
  case ANSWER_LATE:
    report("error", "no answer on %s within %lld ms", subject, (long long)(settings->timeout_ns / NS_PER_MS));
    report("check", "is the service under load or without its database? --timeout waits longer");
    break;
  case ANSWER_NOBODY:
    report("error", "nobody listens to %s", subject);
    report("check",
           "is `lumin-user worker` running, with the same account and prefix, and has `lumin-user setup` run?");
    break;
  case ANSWER_NOT_ALLOWED:
    (void)natsConnection_GetLastError(client->connection, &refused);
    report("error", "the NATS server does not allow this: %s", refused);
    report("check", "the user's role, and that --inbox-prefix (%s now) is the one its role may listen to",
           settings->inbox_prefix);
    break;
  default:
    report("error", "the connection to the NATS server was lost");
    report("check", "is the server up, and the message no larger than it takes?");
  }
}

enum exit_code client_exit_code(enum answer answer) {
  return answer == ANSWER_HERE                            ? EXIT_FINE
         : answer == ANSWER_LATE || answer == ANSWER_LOST ? EXIT_NO_ANSWER
                                                          : EXIT_NOT_DONE;
}

struct span client_payload(natsMsg *message) {
  return span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
}
