// SPDX-License-Identifier: MIT
// A nats-server with JetStream of a test's own, on a free port of the loopback, and plain requests to it. It dies with
// the test, whatever becomes of that; the folder of one that failed is left for a look.
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lumin/base/clock.h"
#include "lumin/infrastructure/nats/js.h"

struct live {
  pid_t pid;
  char folder[64];
  natsConnection *connection;
  natsSubscription *inbox; // of "live.>", where pulls are answered
  struct arena *arena;
};

enum { LIVE_NO_PROGRAM = 127, LIVE_TIMEOUT_MS = 10000 };

// LUMIN_TEST_NATS_SERVER names another program than nats-server.
static inline void live_exec(const char *folder) {
  const char *program = getenv("LUMIN_TEST_NATS_SERVER");
  char store[96], log[96];
  snprintf(store, sizeof store, "%s/store", folder);
  snprintf(log, sizeof log, "%s/log", folder);
  char *argv[] = {"nats-server",  "-js", "-a",  "127.0.0.1", "-p", "-1", "--ports_file_dir",
                  (char *)folder, "-sd", store, "-l",        log,  NULL};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execvp(program ? program : "nats-server", argv);
  if (!program && errno == ENOENT)
    execv("/usr/sbin/nats-server", argv);
  _exit(!program && errno == ENOENT ? LIVE_NO_PROGRAM : 1);
}

// The address that the server writes into <folder>/nats-server_<pid>.ports once it listens.
static inline bool live_address(const struct live *live, char ret_url[128]) {
  char path[128];
  snprintf(path, sizeof path, "%s/nats-server_%d.ports", live->folder, (int)live->pid);
  json_auto_t *root = json_load_file(path, 0, NULL);
  const char *url = json_string_value(json_array_get(json_object_get(root, "nats"), 0));
  return url && snprintf(ret_url, 128, "%s", url) < 128;
}

static inline void live_await(struct live *live, char ret_url[128]) {
  int64_t end_ns = clock_monotonic_ns() + LIVE_TIMEOUT_MS * NS_PER_MS;
  while (!live_address(live, ret_url)) {
    int how;
    if (waitpid(live->pid, &how, WNOHANG) == live->pid) {
      rmdir(live->folder);
      if (WIFEXITED(how) && WEXITSTATUS(how) == LIVE_NO_PROGRAM) {
        static const char why[] = "nats-server is not installed: nothing was tried on a real server";
        fprintf(stderr, "SKIPPED: %s\n", why); // Criterion says it only where it is asked to be verbose
        cr_skip_test("%s", why);
      }
      cr_assert_fail("nats-server ended at once: %d", how);
    }
    cr_assert_lt(clock_monotonic_ns(), end_ns, "nats-server does not listen");
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  }
}

static inline struct live live_start(void) {
  struct live live = {.arena = arena_create(64 << 20)};
  char url[128];
  const char *base = getenv("TMPDIR");
  cr_assert_lt(snprintf(live.folder, sizeof live.folder, "%s/lumin-js-XXXXXX", base ? base : "/tmp"),
               (int)sizeof live.folder);
  cr_assert_not_null(mkdtemp(live.folder));
  live.pid = fork();
  if (live.pid == 0)
    live_exec(live.folder);
  cr_assert_gt(live.pid, 0);
  live_await(&live, url);
  natsOptions *options = NULL;
  cr_assert_eq(natsOptions_Create(&options), NATS_OK);
  cr_assert_eq(natsOptions_SetURL(options, url), NATS_OK);
  cr_assert_eq(natsOptions_SetTimeout(options, LIVE_TIMEOUT_MS), NATS_OK);
  cr_assert_eq(natsConnection_Connect(&live.connection, options), NATS_OK, "%s", url);
  natsOptions_Destroy(options);
  cr_assert_eq(natsConnection_SubscribeSync(&live.inbox, live.connection, "live.>"), NATS_OK);
  return live;
}

static inline int live_remove(const char *path, const struct stat *stat, int kind, struct FTW *walk) {
  (void)stat, (void)kind, (void)walk;
  return remove(path);
}

static inline void live_stop(struct live *live) {
  natsSubscription_Destroy(live->inbox);
  natsConnection_Destroy(live->connection);
  nats_CloseAndWait(2000);
  kill(live->pid, SIGKILL);
  waitpid(live->pid, NULL, 0);
  nftw(live->folder, live_remove, 16, FTW_DEPTH | FTW_PHYS);
  arena_destroy(live->arena);
}

#define LIVE_SCOPED __attribute__((cleanup(live_stop)))

static inline struct span live_copy(struct live *live, natsMsg *message) {
  struct span bytes =
      arena_copy(live->arena, span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)));
  cr_assert_not_null(bytes.data);
  natsMsg_Destroy(message);
  return bytes;
}

// Sends a request and gives the answer's bytes.
static inline struct span live_ask(struct live *live, struct span subject, struct span body) {
  natsMsg *answer = NULL;
  cr_assert(subject.data && body.data);
  natsStatus status =
      natsConnection_Request(&answer, live->connection, subject.data, body.data, (int)body.len, LIVE_TIMEOUT_MS);
  cr_assert_eq(status, NATS_OK, "%s: %s", subject.data, natsStatus_GetText(status));
  return live_copy(live, answer);
}

static inline struct span live_ask_text(struct live *live, const char *subject, const char *body) {
  return live_ask(live, span_from_text(subject), span_from_text(body));
}

// Publishes with one header (or none, where `name` is NULL) and gives the bytes of the PubAck.
static inline struct span live_publish(struct live *live, const char *subject, struct span body, const char *name,
                                       const char *value) {
  natsMsg *message = NULL;
  natsMsg *answer = NULL;
  cr_assert_eq(natsMsg_Create(&message, subject, NULL, body.data, (int)body.len), NATS_OK);
  if (name)
    cr_assert_eq(natsMsgHeader_Set(message, name, value), NATS_OK);
  cr_assert_eq(natsConnection_RequestMsg(&answer, live->connection, message, LIVE_TIMEOUT_MS), NATS_OK, "%s", subject);
  natsMsg_Destroy(message);
  return live_copy(live, answer);
}

// The sequence of a plain message stored.
static inline uint64_t live_store(struct live *live, const char *subject) {
  struct js_pub_ack ack;
  struct js_error error;
  struct span bytes = live_publish(live, subject, SPAN_LITERAL("body"), NULL, NULL);
  cr_assert_eq(js_pub_ack_parse(bytes, live->arena, &ack, &error), LUMIN_OK, "%.*s", SPAN_ARGS(bytes));
  cr_assert_eq(error.code, 0, "%.*s", SPAN_ARGS(bytes));
  return ack.seq;
}

// Stream "S" of "a.>", discard new; `more` are further members of its configuration.
static inline struct span live_make_stream(struct live *live, const char *more) {
  struct span body =
      arena_printf(live->arena,
                   "{\"name\":\"S\",\"subjects\":[\"a.>\"],\"retention\":\"limits\",\"storage\":\"file\","
                   "\"discard\":\"new\",\"num_replicas\":1%s}",
                   more);
  return live_ask(live, SPAN_LITERAL("$JS.API.STREAM.CREATE.S"), body);
}

static inline struct js_consumer_info live_make_consumer(struct live *live, const struct js_consumer *consumer) {
  struct js_consumer_info info;
  struct js_error error;
  struct span bytes =
      live_ask(live, js_consumer_create_subject(live->arena, consumer), js_consumer_create_body(live->arena, consumer));
  cr_assert_eq(js_consumer_info_parse(bytes, live->arena, &info, &error), LUMIN_OK, "%.*s", SPAN_ARGS(bytes));
  cr_assert_eq(error.code, 0, "%.*s", SPAN_ARGS(bytes));
  cr_assert(span_equal(info.name, consumer->name));
  return info;
}
