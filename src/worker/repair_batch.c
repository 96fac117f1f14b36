// SPDX-License-Identifier: MIT
// Batches of a repair: the worker's own pipeline, behind the same fence, under the precedents of the event stream.
// Every batch moves the input position with all that it writes, so that a repair that was interrupted goes on where it
// was.
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "lumin/application/precedent.h"
#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"
#include "lumin/infrastructure/codec/codec.h"
#include "repair_internal.h"

#define ATTEMPTS 40 // of one batch
#define DOUBTS 8    // conflicts before a batch is cut
#define ATTEMPT_PAUSE_US 50000

struct replay {
  struct repair *repair;
  struct codec *codec;
  struct memory *memory;
  struct arena *arena; // of a batch
  struct pipeline pipeline;
  struct partition_truth *truths;
  bool *stuck;             // by partition: nothing more is committed there
  uint64_t *waits;         // ... from this sequence on, until all that was published is in the table; 0: it does not
  bool free;               // it is
  struct uuid_map *passed; // by command id: the first sequence at which one was passed over
  bool commands_gone;      // some expired before they could be decided again
  bool *claimed;           // by partition: precedent.h
  struct inbound *messages;
  uint64_t *next;
  struct replay_counters counters;
};

// ---- birth and end

static void truths_fill(struct replay *replay) {
  for (uint32_t i = 0; i < replay->repair->partitions; i++) {
    replay->truths[i] = partition_row_truth(&replay->repair->rows[i]);
  }
}

// As far as the repair can know: of one that was begun, an earlier run has decided the first commands that are left.
static bool commands_are_gone(const struct repair *repair) {
  bool gone = repair->unfinished && repair->commands.first_seq > 1;
  for (uint32_t i = 0; !gone && i < repair->partitions; i++) {
    gone = repair->command_starts[i] > repair->rows[i].input_seq + 1;
  }
  return gone;
}

struct replay *replay_create(struct repair *repair) {
  const struct config *config = repair->program->config;
  struct replay *replay = calloc(1, sizeof *replay);
  if (replay == NULL) {
    return NULL;
  }
  replay->repair = repair;
  replay->codec = codec_create(config->rpc_max_payload);
  replay->memory = memory_create(config->lane_memory);
  replay->arena = arena_create(config->lane_batch_memory);
  replay->truths = calloc(repair->partitions, sizeof *replay->truths);
  replay->stuck = calloc(repair->partitions, sizeof *replay->stuck);
  replay->waits = calloc(repair->partitions, sizeof *replay->waits);
  replay->claimed = calloc(repair->partitions, sizeof *replay->claimed);
  replay->passed = uuid_map_create();
  replay->next = calloc(repair->partitions, sizeof *replay->next);
  replay->messages = calloc(REPAIR_BATCH, sizeof *replay->messages);
  bool whole = replay->codec != NULL && replay->memory != NULL && replay->arena != NULL && replay->truths != NULL &&
               replay->stuck != NULL && replay->waits != NULL && replay->claimed != NULL && replay->passed != NULL &&
               replay->next != NULL && replay->messages != NULL;
  if (!whole || pipeline_init(&replay->pipeline) != LUMIN_OK) {
    replay_destroy(replay);
    return NULL;
  }
  truths_fill(replay);
  replay->commands_gone = commands_are_gone(repair);
  memset(replay->claimed, repair->unfinished, repair->partitions); // an earlier run has not left that
  replay->pipeline.codec = codec_port(replay->codec);
  replay->pipeline.store = store_port(&repair->tenure.store);
  replay->pipeline.memory = replay->memory;
  replay->pipeline.truths = replay->truths;
  replay->pipeline.partitions = repair->partitions;
  replay->pipeline.prefix = worker_prefix(&repair->tenure.worker);
  return replay;
}

void replay_destroy(struct replay *replay) {
  if (replay == NULL) {
    return;
  }
  pipeline_finish(&replay->pipeline);
  memory_destroy(replay->memory);
  codec_destroy(replay->codec);
  arena_destroy(replay->arena);
  free(replay->truths);
  free(replay->stuck);
  free(replay->waits);
  free(replay->claimed);
  uuid_map_destroy(replay->passed);
  free(replay->next);
  free(replay->messages);
  free(replay);
}

static bool message_is_stuck(const struct replay *replay, const struct inbound *message) {
  uint64_t waits = replay->free ? 0 : replay->waits[message->partition];
  return replay->stuck[message->partition] || (waits != 0 && message->seq >= waits);
}

bool replay_is_stuck(const struct replay *replay, uint16_t partition) {
  return replay->stuck[partition] || (replay->waits[partition] != 0 && !replay->free);
}

void replay_set_free(struct replay *replay) { replay->free = true; }

enum lumin_status replay_pass(struct replay *replay, const struct inbound *message) {
  struct uuid id;
  if (inbound_command_id(message, &id) != LUMIN_OK || uuid_map_get(replay->passed, &id) != NULL) {
    return LUMIN_OK; // one without an id is nobody's rival
  }
  return uuid_map_put(replay->passed, &id, (void *)(uintptr_t)message->seq, NULL);
}

const struct partition_truth *replay_truth(const struct replay *replay, uint16_t partition) {
  return &replay->truths[partition];
}

const struct replay_counters *replay_counters(const struct replay *replay) { return &replay->counters; }

// ---- precedents

static enum lumin_status item_make(struct replay *replay, const struct staged_event *staged,
                                   struct precedent *ret_item) {
  struct precedent item = {.command_id = staged->command_id,
                           .user_id = staged->user_id,
                           .partition = staged->partition,
                           .position = staged->position,
                           .body = staged->body};
  enum lumin_status status = codec_decode_event(staged->type, staged->body, replay->arena, &item.event);
  if (status == LUMIN_NO_MEMORY) {
    return status;
  }
  if (status != LUMIN_OK) {
    program_complain(replay->repair->program, "message %" PRIu64 " of stream %s cannot be read as the event it names",
                     staged->stream_seq, STREAM_EVENTS);
    return LUMIN_IO;
  }
  item.event.version = staged->version;
  item.event.time_ns = staged->time_ns;
  *ret_item = item;
  return LUMIN_OK;
}

static enum lumin_status items_read(struct replay *replay, struct staged_ids commands, struct precedents *precedents) {
  struct repair *repair = replay->repair;
  struct staged_events events = {0};
  enum lumin_status status = staging_of_commands(repair->database, commands, replay->arena, &events);
  if (status == LUMIN_OK) {
    status = staging_next(repair->database, commands, replay->arena, replay->next, repair->partitions);
  }
  if (status != LUMIN_OK) {
    return repair_database_failed(repair, status);
  }
  struct precedent *items = ARENA_ARRAY(replay->arena, events.count, struct precedent);
  for (size_t i = 0; items != NULL && i < events.count; i++) {
    status = item_make(replay, &events.rows[i], &items[i]);
    if (status != LUMIN_OK) {
      return status;
    }
  }
  precedents->items = items;
  precedents->count = events.count;
  precedents->next = replay->next;
  precedents->waiting = replay->passed;
  return items != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

// Whether the stream leaves out a position of the batch's partitions: then versions have to tell too.
static bool holes_are_there(const struct replay *replay, const struct command *commands, size_t count,
                            const struct precedents *precedents) {
  const struct precedent *item = precedents->items, *end = item + precedents->count;
  for (uint32_t partition = 0; partition < replay->repair->partitions; partition++) {
    uint64_t expected = replay->truths[partition].event_position + 1;
    for (; item < end && item->partition == partition; item++) {
      if (item->position != expected++) {
        return true;
      }
    }
    bool of_batch = false;
    for (size_t i = 0; i < count && !of_batch; i++) {
      of_batch = commands[i].inbound->partition == partition;
    }
    if (of_batch && precedents->next[partition] != 0 && precedents->next[partition] != expected) {
      return true;
    }
  }
  return false;
}

static enum lumin_status runs_read(struct replay *replay, const struct command *commands, size_t count,
                                   struct precedents *precedents) {
  struct staged_run *runs = NULL;
  struct uuid *users = ARENA_ARRAY(replay->arena, count, struct uuid);
  for (size_t i = 0; users != NULL && i < count; i++) {
    users[i] = commands[i].user_id;
  }
  if (users == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = staging_runs(replay->repair->database, (struct staged_ids){users, count}, replay->arena,
                                          &runs, &precedents->run_count);
  if (status != LUMIN_OK) {
    return repair_database_failed(replay->repair, status);
  }
  struct precedent_run *copies = ARENA_ARRAY(replay->arena, precedents->run_count, struct precedent_run);
  for (size_t i = 0; copies != NULL && i < precedents->run_count; i++) {
    copies[i] = (struct precedent_run){runs[i].user_id, runs[i].first, runs[i].last};
  }
  precedents->runs = copies;
  return copies != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

static enum lumin_status precedents_read(struct replay *replay, const struct batch *batch,
                                         struct precedents *precedents) {
  size_t count = 0;
  const struct command *commands = batch_commands(batch, &count);
  struct uuid *ids = ARENA_ARRAY(replay->arena, count, struct uuid);
  for (size_t i = 0; ids != NULL && i < count; i++) {
    ids[i] = commands[i].command_id;
  }
  precedents->expired = replay->commands_gone;
  precedents->claimed = replay->claimed;
  enum lumin_status status =
      ids != NULL ? items_read(replay, (struct staged_ids){ids, count}, precedents) : LUMIN_NO_MEMORY;
  if (status == LUMIN_OK && holes_are_there(replay, commands, count, precedents)) {
    status = runs_read(replay, commands, count, precedents);
  }
  return status;
}

// ---- one batch

static enum lumin_status batch_attempt(struct batch *batch) {
  enum lumin_status status = batch_load(batch);
  if (status == LUMIN_OK) {
    status = batch_decide(batch);
  }
  return status == LUMIN_OK ? batch_record(batch) : status;
}

// As the lane's attempts; what is in doubt or lost ends the repair, which is run again.
static enum lumin_status batch_commit(struct batch *batch) {
  enum lumin_status status = LUMIN_RETRY;
  unsigned doubts = 0;
  for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
    status = batch_attempt(batch);
    if (status == LUMIN_CONFLICT || status == LUMIN_DEADLOCK) {
      batch_doubt(batch);
      if (++doubts > DOUBTS) {
        return LUMIN_CONFLICT;
      }
    } else if (status == LUMIN_RETRY) {
      (void)usleep(ATTEMPT_PAUSE_US);
    } else {
      return status;
    }
  }
  return status;
}

static void batch_count(struct replay *replay, const struct batch *batch) {
  size_t count = 0, events = 0;
  const struct command *commands = batch_commands(batch, &count);
  (void)batch_events(batch, &events);
  replay->counters.made += events;
  for (size_t i = 0; i < count; i++) {
    if (commands[i].outcome.status == OUTCOME_APPLIED && !commands[i].unrecorded) {
      replay->counters.adopted += commands[i].precedent_count;
      replay->counters.made -= commands[i].precedent_count;
    }
    if (commands[i].unrecorded) {
      replay->counters.again++;
    } else {
      replay->counters.statuses[commands[i].outcome.status]++;
    }
  }
}

// Behind the last published event of each partition.
static void claims_note(struct replay *replay, const struct batch *batch) {
  size_t count = 0;
  const struct command *commands = batch_commands(batch, &count);
  for (size_t i = 0; i < count; i++) {
    bool *claimed = &replay->claimed[commands[i].inbound->partition];
    if (commands[i].outcome.status == OUTCOME_APPLIED && !commands[i].unrecorded) {
      *claimed = commands[i].precedent_count == 0 && (*claimed || commands[i].claim != CLAIM_NONE);
    }
  }
}

// What is in the table now is no precedent any more.
static enum lumin_status batch_forget(struct replay *replay, const struct batch *batch) {
  struct staged_position positions[REPAIR_BATCH];
  size_t count = 0, events = 0;
  const struct partition_mark *marks = batch_marks(batch, &count);
  (void)batch_events(batch, &events);
  for (size_t i = 0; i < count; i++) {
    positions[i] = (struct staged_position){marks[i].partition, marks[i].event_position};
  }
  if (events == 0) {
    return LUMIN_OK;
  }
  enum lumin_status status = staging_forget(replay->repair->database, positions, count, replay->arena);
  return status == LUMIN_OK ? status : repair_database_failed(replay->repair, status);
}

static enum lumin_status batch_try(struct replay *replay, const struct inbound *messages, size_t count, bool poisoned) {
  struct precedents precedents = {0};
  arena_reset(replay->arena);
  struct batch *batch = batch_create(&replay->pipeline, replay->arena, messages, count);
  if (batch == NULL) {
    return LUMIN_NO_MEMORY;
  }
  if (poisoned) {
    (void)batch_halve(batch); // of one: it is made dead
  }
  enum lumin_status status = batch_decode(batch);
  if (status == LUMIN_OK && !replay->free) {
    status = precedents_read(replay, batch, &precedents);
    status = status == LUMIN_OK ? batch_follow(batch, &precedents) : status;
  }
  FAILPOINT("repair.commit");
  if (status == LUMIN_OK) {
    status = batch_commit(batch);
  }
  if (status == LUMIN_STOPPED) {
    const struct inbound *message = batch_stopped(batch)->inbound;
    replay->waits[message->partition] = message->seq;
  }
  if (status == LUMIN_OK) {
    batch_count(replay, batch);
    claims_note(replay, batch);
    status = batch_forget(replay, batch);
  }
  FAILPOINT("repair.committed");
  return status;
}

// ---- surprises

static enum lumin_status failed(const struct replay *replay, enum lumin_status status) {
  if (status != LUMIN_IO) {
    tenure_complain(replay->repair->program, &replay->repair->tenure, status);
  }
  return LUMIN_IO;
}

static void stuck_note(struct replay *replay, const struct inbound *message, const char *why) {
  struct uuid id = {{0}};
  char text[UUID_TEXT_LEN + 1];
  (void)!inbound_command_id(message, &id);
  uuid_format(&id, text);
  replay->stuck[message->partition] = true;
  program_complain(replay->repair->program, "partition %u stays closed behind position %" PRIu64 ": command %s: %s",
                   (unsigned)message->partition, replay->truths[message->partition].event_position, text, why);
}

// A command alone that cannot be committed: what it leads to is dead, or ends the repair of its partition.
static enum lumin_status single_settle(struct replay *replay, const struct inbound *message, enum lumin_status status) {
  if (status == LUMIN_GAP) {
    stuck_note(replay, message,
               "the event stream holds an event of it, and an earlier one of the user is neither there nor in the "
               "table, nor is there a command that leads to it");
    return LUMIN_OK;
  }
  if (status == LUMIN_VERSION_TAKEN) {
    stuck_note(replay, message, "the table holds another event in the place of one on the event stream");
    return LUMIN_OK;
  }
  if (status == LUMIN_BAD_DATA && !message->expired) {
    return batch_try(replay, message, 1, true);
  }
  if (status == LUMIN_BAD_DATA) {
    stuck_note(replay, message, "PostgreSQL does not take what it leads to");
    return LUMIN_OK;
  }
  return failed(replay, status);
}

static bool status_is_of_a_command(enum lumin_status status) {
  return status == LUMIN_GAP || status == LUMIN_VERSION_TAKEN || status == LUMIN_BAD_DATA ||
         status == LUMIN_NO_MEMORY || status == LUMIN_CONFLICT;
}

struct pick {
  size_t limit;  // of `picked`
  size_t picked; // in replay->messages
  size_t passed; // of those to pick from
};

// The first messages that are not of a stuck partition.
static enum lumin_status messages_pick(struct replay *replay, const struct inbound *messages, size_t count,
                                       struct pick *pick) {
  enum lumin_status status = LUMIN_OK;
  pick->picked = pick->passed = 0;
  for (; status == LUMIN_OK && pick->passed < count && pick->picked < pick->limit; pick->passed++) {
    const struct inbound *message = &messages[pick->passed];
    if (message_is_stuck(replay, message)) {
      status = replay_pass(replay, message);
    } else {
      replay->messages[pick->picked++] = *message;
    }
  }
  return status;
}

static enum lumin_status picked_commit(struct replay *replay, const struct pick *pick) {
  enum lumin_status status = pick->picked > 0 ? batch_try(replay, replay->messages, pick->picked, false) : LUMIN_OK;
  bool again = status == LUMIN_STOPPED || (pick->picked > 1 && status_is_of_a_command(status));
  if (status == LUMIN_OK || again) {
    return status;
  }
  return pick->picked == 1 ? single_settle(replay, &replay->messages[0], status) : failed(replay, status);
}

enum lumin_status replay_commit(struct replay *replay, const struct inbound *messages, size_t count) {
  struct pick pick = {.limit = REPAIR_BATCH};
  for (size_t done = 0; done < count;) {
    enum lumin_status status = messages_pick(replay, messages + done, count - done, &pick);
    if (status == LUMIN_OK) {
      status = picked_commit(replay, &pick);
    }
    if (status == LUMIN_STOPPED) {
      continue; // without what waits now
    }
    if (status != LUMIN_OK && pick.picked > 1 && status_is_of_a_command(status)) {
      pick.limit = pick.picked / 2;
      continue;
    }
    if (status != LUMIN_OK) {
      return status;
    }
    done += pick.passed;
    pick.limit = 2 * pick.limit > REPAIR_BATCH ? REPAIR_BATCH : 2 * pick.limit;
  }
  return LUMIN_OK;
}
