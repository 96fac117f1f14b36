// SPDX-License-Identifier: MIT
// The other side of the relay's scripted tests: a port that records what it is told, while the test plays the server.
// Times are small plain numbers.
#pragma once

#include "lumin/worker/relay.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { ACK_TIMEOUT = 100, CAREFUL_AFTER = 1000, BACKOFF = 10, CALLS = 4096 };

struct call {
  bool ask;
  uint8_t user;
  uint64_t version, token;
  int64_t expected;
};

struct server {
  struct relay *relay;
  struct call calls[CALLS];
  size_t count;
  size_t seen; // by the test
  uint32_t messages;
  enum lumin_status status; // what the port answers
  bool answers_at_once;
};

static inline void call_record(struct server *server, struct call call) {
  cr_assert(server->count < CALLS);
  server->calls[server->count++] = call;
}

static inline enum lumin_status port_publish(void *self, const struct relay_entry *entry, uint64_t token,
                                             int64_t expected) {
  struct server *server = self;
  call_record(server, (struct call){false, entry->user_id.bytes[0], entry->version, token, expected});
  if (server->answers_at_once)
    cr_expect(relay_acknowledged(server->relay, token, server->count, false, 0));
  return server->status;
}

static inline enum lumin_status port_ask_last(void *self, const struct relay_entry *entry, uint64_t token) {
  struct server *server = self;
  call_record(server, (struct call){true, entry->user_id.bytes[0], entry->version, token, -2});
  return server->status;
}

static inline void port_release(void *self, struct relay_entry *entry) {
  struct server *server = self;
  cr_assert_not_null(entry->message);
  free(entry->message);
  entry->message = NULL;
  server->messages--;
}

static inline struct relay_limits limits_default(void) {
  return (struct relay_limits){.partitions = 4,
                               .window = 8,
                               .entries = 64,
                               .bytes = 1000,
                               .ack_timeout_ns = ACK_TIMEOUT,
                               .careful_after_ns = CAREFUL_AFTER,
                               .backoff_ns = BACKOFF};
}

static inline void server_start(struct server *server, const struct relay_limits *limits) {
  *server = (struct server){.status = LUMIN_OK};
  const struct relay_port port = {server, port_publish, port_ask_last, port_release};
  server->relay = relay_create(limits, &port);
  cr_assert_not_null(server->relay);
  relay_open(server->relay, 0, 0);
}

static inline void server_stop(struct server *server) {
  relay_destroy(server->relay);
  cr_assert_eq(server->messages, 0, "every message is released once");
}

static inline struct relay_entry entry_of(uint8_t user, uint64_t version, uint64_t position) {
  struct relay_entry entry = {.version = version, .position = position, .bytes = 10};
  entry.user_id.bytes[0] = user;
  return entry;
}

static inline enum lumin_status push_entry(struct server *server, struct relay_entry entry) {
  entry.message = malloc(1);
  enum lumin_status status = relay_push(server->relay, &entry);
  if (status == LUMIN_OK)
    server->messages++;
  else
    free(entry.message);
  return status;
}

// The next position of partition 0, fresh.
static inline void push(struct server *server, uint8_t user, uint64_t version) {
  struct relay_entry entry = entry_of(user, version, relay_pushed(server->relay, 0) + 1);
  cr_assert_eq(push_entry(server, entry), LUMIN_OK);
}

static inline void push_careful(struct server *server, uint8_t user, uint64_t version) {
  struct relay_entry entry = entry_of(user, version, relay_pushed(server->relay, 0) + 1);
  entry.careful = true;
  cr_assert_eq(push_entry(server, entry), LUMIN_OK);
}

static inline struct call take_call(struct server *server) {
  cr_assert(server->seen < server->count, "the port was called");
  return server->calls[server->seen++];
}

static inline uint64_t take_publish(struct server *server, uint8_t user, uint64_t version, int64_t expected) {
  struct call call = take_call(server);
  cr_assert(!call.ask);
  cr_assert_eq(call.user, user);
  cr_assert_eq(call.version, version);
  cr_assert_eq(call.expected, expected, "expected %d, not %d", (int)expected, (int)call.expected);
  return call.token;
}

static inline uint64_t take_question(struct server *server, uint8_t user, uint64_t version) {
  struct call call = take_call(server);
  cr_assert(call.ask);
  cr_assert_eq(call.user, user);
  cr_assert_eq(call.version, version);
  return call.token;
}

static inline void expect_silence(const struct server *server) { cr_assert_eq(server->seen, server->count); }

static inline void acknowledge(struct server *server, uint64_t token, uint64_t seq) {
  cr_assert(relay_acknowledged(server->relay, token, seq, false, 0));
}
