// SPDX-License-Identifier: MIT
// The middle of the story, from messages to a committed transaction: decode, load, decide, record. It owns no thread,
// socket or clock; the lane calls it and does the taking and the publishing. Keeps guarantees 2 (one outcome a command
// id), 3 (dense versions), 7 (identifiers), 10 (bad input harms nobody else).
#pragma once

#include "lumin/application/memory.h"
#include "lumin/application/ports.h"

// A partition as the lane that owns it knows it: the committed truth.
struct partition_truth {
  uint64_t epoch;
  uint64_t input_seq;
  int64_t input_ts_ns;
  uint64_t event_position;
  uint64_t dead_position;
  // what the relay has reached; the pipeline only carries it into the next transaction
  uint64_t relayed_position;
  uint64_t event_stream_seq;
  int64_t event_stream_ts_ns;
  uint64_t dead_relayed;
};

// Everything a pipeline works with; the first block is filled by its lane.
struct pipeline {
  struct codec_port codec;
  struct store_port store;
  struct memory *memory;
  struct partition_truth *truths; // by partition number
  uint32_t partitions;
  struct span prefix; // of all subjects: "lumin.user.v1"

  struct uuid_map *working;  // a batch's users
  struct uuid_map *decided;  // a batch's commands by id
  struct uuid_map *outcomes; // earlier outcomes, loaded
};

// Makes the pipeline's own tables.
LUMIN_MUST_USE enum lumin_status pipeline_init(struct pipeline *pipeline);
void pipeline_finish(struct pipeline *pipeline);

struct batch; // one arena's worth of commands

// A batch over messages that are in stream order for each partition. Everything in it lives in the arena. NULL where
// memory is short.
struct batch *batch_create(struct pipeline *pipeline, struct arena *arena, const struct inbound *messages,
                           size_t count);

// Bytes to typed commands. What cannot be decoded becomes dead, with its reason; never fails for bad input.
LUMIN_MUST_USE enum lumin_status batch_decode(struct batch *batch);

// Loads what the decisions need and memory does not hold: one round trip, or none.
LUMIN_MUST_USE enum lumin_status batch_load(struct batch *batch);

// In stream order, each on the state its predecessor left. Starts afresh when called again.
LUMIN_MUST_USE enum lumin_status batch_decide(struct batch *batch);

// Writes it all in one transaction. OK: committed, and the truths moved.
LUMIN_MUST_USE enum lumin_status batch_record(struct batch *batch);

// After a CONFLICT or DEADLOCK: forget what was assumed, so that the next load reads every row the batch touches.
void batch_doubt(struct batch *batch);

// After BAD_DATA: cuts the batch to its first half; the messages after it are a batch of their own. With one message
// left, that one is made dead instead. Returns how many messages remain in this batch.
size_t batch_halve(struct batch *batch);

// After a commit in doubt that turned out to have happened, or a plain one: puts the new states into memory and moves
// the truths' input, event and dead positions. batch_record has done it where it returned OK.
void batch_settle(struct batch *batch);

// What was decided, for publishing after the commit.
const struct command *batch_commands(const struct batch *batch, size_t *ret_count);
const struct new_event *batch_events(const struct batch *batch, size_t *ret_count);
const struct partition_mark *batch_marks(const struct batch *batch, size_t *ret_count);
size_t batch_dead_count(const struct batch *batch);

// Whether a partition that stands at `now` shows that the transaction with this mark was committed. A mark that moves
// nothing shows nothing: after a stream was read again a batch may end where its partition stands already.
bool mark_shows_commit(const struct partition_mark *mark, const struct partition_truth *now);

// The id of a message's command: the one its headers name, or one that follows from its place and content.
LUMIN_MUST_USE enum lumin_status inbound_command_id(const struct inbound *inbound, struct uuid *ret_command_id);

// The partition of a user: FNV-1a 32 of the id's text modulo N, as nats-server's partition() computes it.
uint32_t partition_of(struct span user_token, uint32_t partitions);
