// SPDX-License-Identifier: MIT
// The limit of request/reply: a responder that does nothing, on the service's own connection and loop, in the service's
// role and queue group. Ends at SIGTERM.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lumin/base/clock.h"
#include "lumin/infrastructure/nats/link.h"

#define REPLY_MAX 4096

static bool ended;

static void signal_ready(void *self, uint32_t events) {
  (void)self;
  (void)events;
  ended = true;
}

static void answer_all(struct link *link, natsSubscription *subscription, struct span body) {
  natsMsg *message = NULL;
  while ((message = link_next(subscription, NULL)) != NULL) {
    if (link_publish(link, span_from_text(natsMsg_GetReply(message)), SPAN_EMPTY, body) != LUMIN_OK) {
      ended = true;
    }
    natsMsg_Destroy(message);
  }
}

static int echo_run(struct loop *loop, const struct link_options *options, size_t reply_len) {
  static const char body[REPLY_MAX];
  struct link *link = NULL;
  natsSubscription *subscription = NULL;
  const char *error = "";
  if (link_open(loop, options, &link, &error) != LUMIN_OK ||
      link_subscribe(link, "lumin.user.v1.rpc.echo", "lumin-user", &subscription) != LUMIN_OK) {
    (void)fprintf(stderr, "bench_echo: %s\n", error);
    link_close(link);
    return 1;
  }
  while (!ended && link_is_alive(link)) {
    loop_turn(loop, clock_monotonic_ns() + NS_PER_SECOND);
    answer_all(link, subscription, span_of(body, reply_len));
  }
  bool fine = link_is_alive(link);
  link_close(link);
  return fine ? 0 : 1;
}

int main(int count, char **texts) {
  int reply_len = count > 1 ? atoi(texts[1]) : 0;
  if (reply_len < 1 || reply_len > REPLY_MAX) {
    (void)fprintf(stderr, "bench_echo BYTES: the size of its replies, up to %d\n", REPLY_MAX);
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  (void)sigprocmask(SIG_BLOCK, &signals, NULL);
  struct loop *loop = loop_create();
  struct loop_watch watch = {.fd = signalfd(-1, &signals, SFD_CLOEXEC), .events = EPOLLIN, .ready = signal_ready};
  if (loop == NULL || watch.fd < 0 || loop_add(loop, &watch) != LUMIN_OK) {
    return 1;
  }
  struct link_options options = {.url = getenv("NATS_URL"),
                                 .name = "bench echo",
                                 .user = getenv("NATS_USER"),
                                 .password = getenv("NATS_PASSWORD"),
                                 .inbox_prefix = "_INBOX_lumin_worker",
                                 .timeout_ns = 2 * NS_PER_SECOND};
  bool complete = options.url != NULL;
  int end = complete ? echo_run(loop, &options, (size_t)reply_len) : 2;
  loop_destroy(loop);
  close(watch.fd);
  return end;
}
