// SPDX-License-Identifier: MIT
// nats.c on a loop: natsOptions_SetEventLoop with SendAsap gives low latency and few writes at once; either alone costs
// a millisecond or a system call for each message.
#include "lumin/infrastructure/nats/link.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>

#include "lumin/base/arena.h"
#include "lumin/base/clock.h"
#include "lumin/base/random.h"

#define DISCARDS 128              // messages that wait to be destroyed together,
#define DISCARD_BYTES (256 << 10) // and of how much payload, at the most

struct link {
  struct loop *loop;
  struct loop_watch watch;
  bool watched;
  natsConnection *connection;
  natsSubscription **subscriptions;
  size_t subscription_count;
  char inbox[128];
  size_t inbox_len;
  char complaint[256]; // the last one told
  int64_t complaint_ns;
  natsMsg *discarded[DISCARDS];
  size_t discarded_count;
  int64_t discarded_bytes;
};

static void link_ready(void *self, uint32_t events) {
  struct link *link = self;
  if (events & EPOLLOUT) {
    natsConnection_ProcessWriteEvent(link->connection);
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    natsConnection_ProcessReadEvent(link->connection);
  }
}

static natsStatus loop_attach(void **ret_self, void *link_pointer, natsConnection *connection, natsSock fd) {
  struct link *link = link_pointer;
  *ret_self = link;
  link->connection = connection;
  link->watch = (struct loop_watch){.fd = fd, .events = EPOLLIN, .ready = link_ready, .self = link};
  link->watched = loop_add(link->loop, &link->watch) == LUMIN_OK;
  return link->watched ? NATS_OK : NATS_ERR;
}

static natsStatus loop_event(void *self, uint32_t bit, bool add) {
  struct link *link = self;
  if (link->watched) {
    loop_want(link->loop, &link->watch, add ? link->watch.events | bit : link->watch.events & ~bit);
  }
  return NATS_OK;
}

static natsStatus loop_read(void *self, bool add) { return loop_event(self, EPOLLIN, add); }
static natsStatus loop_write(void *self, bool add) { return loop_event(self, EPOLLOUT, add); }

static natsStatus loop_detach(void *self) {
  struct link *link = self;
  if (link->watched) {
    loop_remove(link->loop, &link->watch);
    link->watched = false;
  }
  return NATS_OK;
}

static bool is_set(const char *text) { return text != NULL && text[0] != '\0'; }

bool link_url_wants_tls(const char *urls) {
  static const char tls[] = "tls://";
  for (const char *url = urls; *url != '\0'; url += strcspn(url, ", ")) {
    url += strspn(url, ", ");
    if (strncasecmp(url, tls, sizeof tls - 1) == 0) {
      return true;
    }
  }
  return false;
}

static natsStatus options_secure(natsOptions *options, const struct link_options *wanted) {
  natsStatus status = NATS_OK;
  if (is_set(wanted->creds)) {
    status = natsOptions_SetUserCredentialsFromFiles(options, wanted->creds, NULL);
  }
  if (status == NATS_OK && is_set(wanted->user)) {
    status = natsOptions_SetUserInfo(options, wanted->user, wanted->password != NULL ? wanted->password : "");
  }
  bool tls = is_set(wanted->ca) || is_set(wanted->cert) || link_url_wants_tls(wanted->url);
  if (status == NATS_OK && tls) {
    status = natsOptions_SetSecure(options, true);
  }
  if (status == NATS_OK && is_set(wanted->ca)) {
    status = natsOptions_LoadCATrustedCertificates(options, wanted->ca);
  }
  if (status == NATS_OK && is_set(wanted->cert)) {
    status = natsOptions_LoadCertificatesChain(options, wanted->cert, wanted->key);
  }
  return status;
}

static natsStatus options_servers(natsOptions *options, const char *urls) {
  char *copy = strdup(urls);
  const char *servers[16];
  int count = 0;
  char *state = NULL;
  for (char *url = copy ? strtok_r(copy, ", ", &state) : NULL; url != NULL && count < 16;
       url = strtok_r(NULL, ", ", &state)) {
    servers[count++] = url;
  }
  natsStatus status = count > 0 ? natsOptions_SetServers(options, servers, count) : NATS_INVALID_ARG;
  free(copy);
  return status;
}

// nats.c would print it, on a thread of its own; link_complaint tells it instead.
static void ignore_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *closure) {
  (void)connection;
  (void)subscription;
  (void)status;
  (void)closure;
}

static natsStatus options_fill(natsOptions *options, const struct link_options *wanted, struct link *link) {
  natsStatus status = options_servers(options, wanted->url);
  if (status == NATS_OK) {
    status = options_secure(options, wanted);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetName(options, wanted->name);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetTimeout(options, wanted->timeout_ns / NS_PER_MS);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetAllowReconnect(options, false);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetPingInterval(options, 5000);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetMaxPingsOut(options, 2);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetSendAsap(options, true);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetErrorHandler(options, ignore_error, NULL);
  }
  if (status == NATS_OK) {
    status = natsOptions_SetEventLoop(options, link, loop_attach, loop_read, loop_write, loop_detach);
  }
  return status;
}

// Of TLS the status alone does not say what is wrong. The detail begins with its place in nats.c: "(conn.c:733): ".
static const char *refusal_text(natsStatus status) {
  const char *detail = status == NATS_SSL_ERROR ? nats_GetLastError(NULL) : NULL;
  const char *end = is_set(detail) && detail[0] == '(' ? strstr(detail, "): ") : NULL;
  return end != NULL ? end + 3 : is_set(detail) ? detail : natsStatus_GetText(status);
}

static enum lumin_status inbox_make(struct link *link, const char *prefix) {
  char token[RANDOM_TOKEN_LEN + 1];
  enum lumin_status status = random_token(token);
  if (status == LUMIN_OK) {
    int len = snprintf(link->inbox, sizeof link->inbox, "%s.%s", prefix, token);
    link->inbox_len = (size_t)len;
    status = len > 0 && link->inbox_len < sizeof link->inbox ? LUMIN_OK : LUMIN_INVALID_ARGUMENT;
  }
  return status;
}

enum lumin_status link_open(struct loop *loop, const struct link_options *options, struct link **ret_link,
                            const char **ret_error) {
  struct link *link = calloc(1, sizeof *link);
  natsOptions *nats_options = NULL;
  if (link == NULL) {
    return LUMIN_NO_MEMORY;
  }
  link->loop = loop;
  natsConnection *connection = NULL;
  enum lumin_status ready = inbox_make(link, options->inbox_prefix);
  natsStatus status = ready == LUMIN_OK ? natsOptions_Create(&nats_options) : NATS_ERR;
  if (status == NATS_OK) {
    status = options_fill(nats_options, options, link);
  }
  if (status == NATS_OK) {
    status = natsConnection_Connect(&connection, nats_options);
  }
  natsOptions_Destroy(nats_options);
  if (status != NATS_OK) {
    if (ret_error != NULL) {
      *ret_error = refusal_text(status);
    }
    link->connection = NULL;
    link_close(link);
    return LUMIN_RETRY;
  }
  link->connection = connection;
  *ret_link = link;
  return LUMIN_OK;
}

static void discarded_destroy(struct link *link) {
  for (size_t i = 0; i < link->discarded_count; i++) {
    natsMsg_Destroy(link->discarded[i]);
  }
  link->discarded_count = 0;
  link->discarded_bytes = 0;
}

void link_discard(struct link *link, natsMsg *message) {
  link->discarded[link->discarded_count++] = message;
  link->discarded_bytes += natsMsg_GetDataLength(message);
  if (link->discarded_count == DISCARDS || link->discarded_bytes >= DISCARD_BYTES) {
    discarded_destroy(link);
  }
}

void link_close(struct link *link) {
  if (link == NULL) {
    return;
  }
  if (link->connection != NULL) {
    natsConnection_Close(link->connection);
  }
  for (size_t i = 0; i < link->subscription_count; i++) { // after the close: a message for one that is gone crashes 3.4
    natsSubscription_Destroy(link->subscriptions[i]);
  }
  if (link->watched) {
    loop_remove(link->loop, &link->watch);
  }
  natsConnection_Destroy(link->connection);
  discarded_destroy(link);
  free(link->subscriptions);
  free(link);
}

// How much of a complaint others have no say in: up to the subject in quotes, and of that JetStream's and NATS' own
// words ("$JS.API.STREAM.INFO"), or the first token, which names a role's inboxes or this service.
static size_t complaint_shown(struct span text) {
  const char *quote = memchr(text.data, '"', text.len);
  size_t len = quote != NULL ? (size_t)(quote - text.data) + 1 : text.len;
  bool own = len < text.len && text.data[len] == '$';
  for (int tokens = own ? 4 : 1; quote != NULL && len < text.len && tokens > 0; len++) {
    tokens -= text.data[len] == '.';
  }
  return len;
}

bool link_complaint(struct link *link, char ret_text[LINK_COMPLAINT_MAX]) {
  const char *text = NULL;
  natsStatus status = natsConnection_GetLastError(link->connection, &text);
  int64_t now = clock_monotonic_ns();
  if (status == NATS_OK || text == NULL || now < link->complaint_ns || strcmp(text, link->complaint) == 0) {
    return false;
  }
  (void)snprintf(link->complaint, sizeof link->complaint, "%s", text);
  link->complaint_ns = now + NS_PER_SECOND;
  struct span told = span_from_text(link->complaint);
  size_t shown = complaint_shown(told);
  (void)snprintf(ret_text, LINK_COMPLAINT_MAX, "%.*s%s", (int)shown, told.data, shown < told.len ? ">\"" : "");
  return true;
}

bool link_is_alive(const struct link *link) { return link != NULL && !natsConnection_IsClosed(link->connection); }

natsConnection *link_connection(struct link *link) { return link->connection; }

struct span link_inbox(const struct link *link) {
  return span_of(link->inbox, link->inbox_len);
}

int64_t link_max_payload(struct link *link) { return natsConnection_GetMaxPayload(link->connection); }

enum lumin_status link_subscribe(struct link *link, const char *subject, const char *queue,
                                 natsSubscription **ret_subscription) {
  natsSubscription **grown = realloc(link->subscriptions, (link->subscription_count + 1) * sizeof(natsSubscription *));
  if (grown == NULL) {
    return LUMIN_NO_MEMORY;
  }
  link->subscriptions = grown;
  natsSubscription *subscription = NULL;
  natsStatus status = queue != NULL ? natsConnection_QueueSubscribeSync(&subscription, link->connection, subject, queue)
                                    : natsConnection_SubscribeSync(&subscription, link->connection, subject);
  if (status != NATS_OK) {
    return LUMIN_CONNECTION_LOST;
  }
  link->subscriptions[link->subscription_count++] = subscription;
  // Read in the same turn that fills it, so what waits is bounded by what one read of the socket brings.
  (void)natsSubscription_SetPendingLimits(subscription, -1, -1);
  *ret_subscription = subscription;
  return LUMIN_OK;
}

void link_unsubscribe(natsSubscription *subscription) { (void)natsSubscription_Unsubscribe(subscription); }

natsMsg *link_next(natsSubscription *subscription, uint64_t *ret_refused) {
  natsMsg *message = NULL;
  natsStatus status = NATS_OK;
  while ((status = natsSubscription_NextMsg(&message, subscription, 0)) == NATS_NO_RESPONDERS) {
    if (ret_refused != NULL) {
      ++*ret_refused;
    }
  }
  return status == NATS_OK ? message : NULL;
}

size_t link_waiting_bytes(natsSubscription *subscription) {
  int messages = 0, bytes = 0;
  return natsSubscription_GetPending(subscription, &messages, &bytes) == NATS_OK && bytes > 0 ? (size_t)bytes : 0;
}

enum lumin_status link_publish(struct link *link, struct span subject, struct span reply, struct span payload) {
  natsStatus status =
      reply.len > 0
          ? natsConnection_PublishRequest(link->connection, subject.data, reply.data, payload.data, (int)payload.len)
          : natsConnection_Publish(link->connection, subject.data, payload.data, (int)payload.len);
  return status == NATS_OK ? LUMIN_OK : LUMIN_CONNECTION_LOST;
}

enum lumin_status link_publish_message(struct link *link, const struct link_message *source) {
  natsMsg *message = NULL;
  if (source->header_count == 0) {
    return link_publish(link, source->subject, source->reply, source->payload); // which makes no message
  }
  natsStatus status = natsMsg_Create(&message, source->subject.data, source->reply.len > 0 ? source->reply.data : NULL,
                                     source->payload.data, (int)source->payload.len);
  for (size_t i = 0; i < source->header_count && status == NATS_OK; i++) {
    status = natsMsgHeader_Set(message, source->headers[i].name, source->headers[i].value.data);
  }
  if (status == NATS_OK) {
    status = natsConnection_PublishMsg(link->connection, message);
  }
  if (message != NULL) {
    link_discard(link, message);
  }
  return status == NATS_OK ? LUMIN_OK : LUMIN_CONNECTION_LOST;
}
