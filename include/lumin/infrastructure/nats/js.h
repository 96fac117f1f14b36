// SPDX-License-Identifier: MIT
// The JetStream API as bytes: requests are written, answers are read; no socket here. Answers come from outside and are
// parsed with care: bounded, and never trusted to hold a field. Formats: ADR-8, ADR-9, ADR-13, ADR-15, ADR-17 and
// nats-server 2.9 to 2.15.
#pragma once

#include "lumin/base/arena.h"

// ---- subjects and bodies of requests; all in the arena, NUL-terminated. data is NULL where memory is short, and where
// a name or subject is not plain: printable ASCII without spaces, quotes and backslashes, names of one token.

// "$JS.API.STREAM.INFO.<stream>"
struct span js_stream_info_subject(struct arena *arena, const char *stream);
// "$JS.API.STREAM.MSG.GET.<stream>", {"seq":N} or {"last_by_subj":"..."}
struct span js_message_get_subject(struct arena *arena, const char *stream);
struct span js_message_get_by_seq(struct arena *arena, uint64_t seq);
struct span js_message_get_last(struct arena *arena, struct span subject);
// "$JS.API.STREAM.PURGE.<stream>", {"seq":N}: everything before N goes
struct span js_stream_purge_subject(struct arena *arena, const char *stream);
struct span js_stream_purge_body(struct arena *arena, uint64_t before_seq);
// "$JS.API.STREAM.MSG.DELETE.<stream>", with js_message_get_by_seq; its bytes are overwritten
struct span js_message_delete_subject(struct arena *arena, const char *stream);
// "$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>", batch, expires, idle heartbeat, max bytes
struct span js_pull_subject(struct arena *arena, const char *stream, struct span consumer);
struct js_pull {
  uint32_t batch;
  int64_t expires_ns;
  int64_t heartbeat_ns;
  uint64_t max_bytes; // 0: none
};
struct span js_pull_body(struct arena *arena, const struct js_pull *pull);
// An ephemeral, named, ack-none pull consumer in memory (2.9: "$JS.API.CONSUMER.CREATE.<stream>.<name>[.<filter>]").
struct js_consumer {
  const char *stream;
  struct span name;
  struct span filter; // empty: the whole stream
  uint64_t start_seq; // by_start_sequence
  int64_t start_ns;   // by_start_time, where start_seq is 0: what the stream has taken from then on
  bool only_new;      // in place of both: what is stored from now on
  int64_t inactive_threshold_ns;
  bool headers_only;
};
struct span js_consumer_create_subject(struct arena *arena, const struct js_consumer *consumer);
struct span js_consumer_create_body(struct arena *arena, const struct js_consumer *consumer);
struct span js_consumer_delete_subject(struct arena *arena, const char *stream, struct span consumer);
struct span js_consumer_info_subject(struct arena *arena, const char *stream, struct span consumer);

// ---- answers

// {"error":{"code":404,"err_code":10037,"description":"no message found"}}
struct js_error {
  int code;     // 0: no error
  int err_code; // 0: not named (servers before 2.4)
  struct span description;
};

#define JS_ERR_NO_MESSAGE 10037
#define JS_ERR_STREAM_NOT_FOUND 10059
#define JS_ERR_SEQUENCE_NOT_FOUND 10043
#define JS_ERR_CONSUMER_NOT_FOUND 10014
#define JS_ERR_WRONG_LAST_SEQUENCE 10071
#define JS_ERR_WRONG_LAST_SEQUENCE_CLUSTER 10164
#define JS_ERR_STREAM_FULL_MESSAGES 10077 // "maximum messages exceeded" and its kin come under this number

// Each returns OK and fills *ret_answer, with ret_error->code 0; or OK with ret_error->code set where the server
// answered with an error; or INTERNAL where the bytes are no such answer or more than 2 MiB (a message of 1 MiB, which
// a default server takes, comes in base64). NO_MEMORY: the arena is full. Spans are in the arena.
struct js_stream_info {
  uint64_t first_seq, last_seq, messages;
  int64_t first_ts_ns, last_ts_ns; // 0 where the server gives the zero time ("0001-01-01T00:00:00Z")
  int64_t created_ns;
  int64_t max_age_ns;
  int64_t max_messages; // -1: none
  int64_t duplicate_window_ns;
};
LUMIN_MUST_USE enum lumin_status js_stream_info_parse(struct span bytes, struct arena *arena,
                                                      struct js_stream_info *ret_answer, struct js_error *ret_error);

// {"success":true,"purged":7}
LUMIN_MUST_USE enum lumin_status js_purged_parse(struct span bytes, struct arena *arena, uint64_t *ret_messages,
                                                 struct js_error *ret_error);
struct js_message {
  struct span subject;
  uint64_t seq;
  int64_t ts_ns;
  struct span headers; // raw block, decoded from base64; empty where there is none. Servers store any bytes as headers
};
LUMIN_MUST_USE enum lumin_status js_message_parse(struct span bytes, struct arena *arena, struct js_message *ret_answer,
                                                  struct js_error *ret_error);
// {"success":true}: whether what was asked is done.
LUMIN_MUST_USE enum lumin_status js_success_parse(struct span bytes, struct arena *arena, bool *ret_done,
                                                  struct js_error *ret_error);
// A header's value in a raw block ("NATS/1.0\r\n..."), without spaces around it: the first one of exactly this name.
// False where it is not there or the block is none. The span is in `headers`.
bool js_header_find(struct span headers, struct span name, struct span *ret_value);

struct js_consumer_info {
  struct span name;
  uint64_t delivered_consumer_seq, delivered_stream_seq;
  uint64_t pending;
};
LUMIN_MUST_USE enum lumin_status js_consumer_info_parse(struct span bytes, struct arena *arena,
                                                        struct js_consumer_info *ret_answer,
                                                        struct js_error *ret_error);

// {"stream":"S","seq":7} with optional domain and duplicate. A hand-written scan for what the server writes today, and
// the JSON parser for everything else: one arrives for each event.
struct js_pub_ack {
  uint64_t seq;
  bool duplicate;
};
LUMIN_MUST_USE enum lumin_status js_pub_ack_parse(struct span bytes, struct arena *arena, struct js_pub_ack *ret_answer,
                                                  struct js_error *ret_error);

// The reply subject of a delivered message, "$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.
// <timestamp ns>.<pending>", or its 11 and 12 token form with domain and account hash after "$JS.ACK" (2.8+).
struct js_delivery {
  struct span stream;
  struct span consumer;
  uint64_t stream_seq, consumer_seq;
  int64_t ts_ns;
  uint64_t pending;
};
LUMIN_MUST_USE enum lumin_status js_delivery_parse(struct span reply, struct js_delivery *ret_delivery);

// Whether a status message in answer to a pull request, with its "Description", ends that request alone; any other but
// a heartbeat (100) ends the consumer.
bool js_status_ends_pull(int status, struct span description);
