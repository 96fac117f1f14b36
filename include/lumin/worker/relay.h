// SPDX-License-Identifier: MIT
// The relay of a lane: brings committed events onto the event stream, each exactly once and each user's in version
// order (guarantee 8). A pure state machine over a port: it decides what is published when, and with which care; bytes,
// subjects and sockets are the port's.
//
// At most one event of a user is unacknowledged. A partition's prefix is the highest position up to which every event
// is acknowledged. A first, fresh publish relies on the message id. A repeat, an event read back from the table, and
// one committed longer ago than `careful_after_ns` first asks for the last message of its subject: where that carries
// the user's version or a later one, the event is stored; else it is published with that message's sequence as
// Nats-Expected-Last-Subject-Sequence (0 where there is none), which the server checks.
//
// An event that a look at the whole stream has missed may have later ones of its user on the stream. One that came
// behind what was looked at is somebody else's, who owns the partition by now and has published the missing one too:
// the relay is overtaken, and sends nothing until all of its partitions are closed.
#pragma once

#include "lumin/base/uuid.h"

struct relay_entry {
  struct uuid user_id;
  uint64_t version;  // the user's
  uint64_t position; // in its partition, dense
  uint16_t partition;
  bool careful;         // read back from the table: ask before the first publish
  uint64_t absent_seq;  // up to there it is not on the stream, though later versions are: only its own proves it stored
  int64_t committed_ns; // monotonic
  size_t bytes;         // what `message` holds, for the limit
  void *message;        // the port's: subject, headers and body; given back by release
};

struct relay_port {
  void *self;
  // Publishes the entry; its PubAck comes back as relay_acknowledged or relay_refused with this token.
  // `expected_last` < 0: without expectation. A status other than OK counts as no answer.
  enum lumin_status (*publish)(void *self, const struct relay_entry *entry, uint64_t token, int64_t expected_last);
  // Asks for the last message of the entry's subject; answered by relay_last_found or relay_last_missing.
  enum lumin_status (*ask_last)(void *self, const struct relay_entry *entry, uint64_t token);
  // The entry is done with (acknowledged or dropped): free its message.
  void (*release)(void *self, struct relay_entry *entry);
};

struct relay_limits {
  uint32_t partitions;      // partition numbers are below this
  uint32_t window;          // unanswered publishes and questions at most
  uint32_t entries;         // entries held at most; beyond it relay_push says RESOURCE_EXHAUSTED
  size_t bytes;             // of their messages at most; the same
  int64_t ack_timeout_ns;   // no PubAck by then: care and again
  int64_t careful_after_ns; // half the duplicate window
  int64_t backoff_ns;       // before a refused or unanswered publish is tried again; doubles to 32 times this
};

struct relay;

// Allocates by the limits, not by what arrives. NULL: no memory, or a limit of zero.
struct relay *relay_create(const struct relay_limits *limits, const struct relay_port *port);
void relay_destroy(struct relay *relay); // releases what it holds; NULL is fine

// Opens a partition whose events up to `position` are on the stream.
void relay_open(struct relay *relay, uint16_t partition, uint64_t position);
// Drops every entry of the partition; late answers about them are ignored.
void relay_close(struct relay *relay, uint16_t partition);

// Takes the next event of an open partition; its position must be the last pushed (or opened) plus one.
// RESOURCE_EXHAUSTED where a limit is reached, or where the partition is four times `entries` ahead of its prefix, and
// nothing is taken: the caller reads it back from the table later. INTERNAL: not open, not the next position, or not
// above the version that the user's last held entry has.
LUMIN_MUST_USE enum lumin_status relay_push(struct relay *relay, const struct relay_entry *entry);
// Counts a position as relayed without publishing it: it is known to be on the stream. Same order as relay_push.
LUMIN_MUST_USE enum lumin_status relay_skip(struct relay *relay, uint16_t partition, uint64_t position);

// Publishes what may be published now, in push order: called after pushes and answers, and at the latest at
// relay_deadline_ns. After a failure of the port nothing more is sent for `backoff_ns`.
void relay_run(struct relay *relay, int64_t now_ns);

// Answers, by the token given to the port; a token that is not (or no longer) open is ignored and gives false.
// A duplicate's PubAck proves nothing: the stream is asked.
bool relay_acknowledged(struct relay *relay, uint64_t token, uint64_t stream_seq, bool duplicate, int64_t now_ns);
// `wrong_last`: err_code 10071 or 10164, the expectation failed. Both lead to care, then another try after backoff.
// A question that could not be answered (no responders, an API error) is refused in the same way.
bool relay_refused(struct relay *relay, uint64_t token, bool wrong_last, int64_t now_ns);
bool relay_last_found(struct relay *relay, uint64_t token, uint64_t stream_seq, uint64_t version, int64_t now_ns);
bool relay_last_missing(struct relay *relay, uint64_t token, int64_t now_ns);

// Whether somebody else publishes what this relay holds: what it was opened with is not true any more.
bool relay_is_overtaken(const struct relay *relay);

// The connection is gone: everything unanswered is to be sent again, with care, once relay_run is called.
void relay_disconnected(struct relay *relay);

uint64_t relay_prefix(const struct relay *relay, uint16_t partition); // acknowledged without gap up to there
uint64_t relay_pushed(const struct relay *relay, uint16_t partition); // the highest position taken
// The highest stream sequence seen to be stored: of a PubAck that is not a duplicate's, or of a message found. 0: none.
uint64_t relay_highest_seq(const struct relay *relay);
uint32_t relay_held(const struct relay *relay);                      // entries not yet released, of all partitions
uint64_t relay_sends(const struct relay *relay, uint16_t partition); // counts publishes; for "nothing sent since"
int64_t relay_deadline_ns(const struct relay *relay);                // INT64_MAX: no timer runs; 0: run at once

// An entry ends as one `acknowledged` (by its PubAck) or one `found_stored` (by a question). `refused` is without
// `wrong_last`; `timeouts` are of publishes and questions.
struct relay_counters {
  uint64_t published, acknowledged, duplicates, refused, wrong_last, found_stored, timeouts;
};
struct relay_counters relay_counters(const struct relay *relay);
