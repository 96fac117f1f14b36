// SPDX-License-Identifier: MIT
// Taking back: the commands since the restored point are decided again, in the order of the command stream, up to the
// last one whose events the event stream holds, each on the state that it met the first time. What it led to then it
// leads to now; what was refused or changed nothing does so again, and keeps its answer. Events whose commands have
// expired stand for themselves, in the place that their positions give them. Then come the rest of the commands, since
// some of them may have been answered though nothing was published: nobody knows in which order the lanes had decided
// them, but that of the stream is nearest to it, so that an e-mail goes to who had it. All partitions are owned
// meanwhile, since they meet at e-mails and phones. Keeps guarantees 2, 3, 4, 7, 8 and 9 through a restore.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "inbound.h"
#include "lumin/base/clock.h"
#include "repair_internal.h"

#define ORPHANS_CHUNK 256
#define PROGRESS_INTERVAL (5 * NS_PER_SECOND)
#define BATCH_BYTES ((size_t)8 << 20)

struct adoption {
  struct repair *repair;
  struct replay *replay;
  uint64_t *anchors; // by partition: the command behind which events stand whose commands are gone; 0: none
  uint64_t last_seq; // of the commands to decide: those that have led to events, then all
  uint64_t wanted;   // events
  struct inbound messages[REPAIR_BATCH];
  size_t count, bytes;
  uint64_t reached; // sequence of the last message taken
  int64_t progress_at_ns;
};

// ---- events whose commands are gone

static struct span token_copy(struct arena *arena, const struct uuid *uuid) {
  char text[UUID_TEXT_LEN + 1];
  uuid_format(uuid, text);
  return arena_printf(arena, "%s", text);
}

// A message in place of the one that is gone. It is read by nobody but for the user, the id and who asked.
static bool orphan_make(struct adoption *adoption, const struct staged_event *event, struct inbound *ret_inbound) {
  struct repair *repair = adoption->repair;
  struct arena *arena = repair->scratch;
  const struct partition_truth *truth = replay_truth(adoption->replay, event->partition);
  char user[UUID_TEXT_LEN + 1];
  uuid_format(&event->user_id, user);
  *ret_inbound = (struct inbound){
      .partition = event->partition,
      .seq = truth->input_seq, // stays where it is
      .ts_ns = truth->input_ts_ns,
      .subject =
          arena_printf(arena, "%s.command.%u.%s.%s", repair->program->config->service_prefix,
                       (unsigned)event->partition, event->type == EVENT_USER_CREATED ? "create" : "update", user),
      .headers = {.command_id = token_copy(arena, &event->command_id),
                  .actor = event->actor,
                  .traceparent = event->traceparent,
                  .tracestate = event->tracestate},
      .payload = SPAN_LITERAL(""),
      .expired = true,
  };
  return ret_inbound->subject.data != NULL && ret_inbound->headers.command_id.data != NULL;
}

// One message for each command; where there may be more events, the last command waits until all of its are here.
static enum lumin_status orphans_group(struct adoption *adoption, const struct staged_events *events,
                                       size_t *ret_count) {
  size_t count = 0;
  for (size_t i = 0; i < events->count; i++) {
    bool same = i > 0 && uuid_equal(&events->rows[i].command_id, &events->rows[i - 1].command_id);
    if (!same && !orphan_make(adoption, &events->rows[i], &adoption->messages[count++])) {
      return LUMIN_NO_MEMORY;
    }
  }
  *ret_count = count > 1 && events->count == ORPHANS_CHUNK ? count - 1 : count;
  return LUMIN_OK;
}

static enum lumin_status orphans_adopt(struct adoption *adoption, uint16_t partition) {
  struct repair *repair = adoption->repair;
  for (;;) {
    struct staged_events events = {0};
    size_t count = 0;
    arena_reset(repair->scratch);
    enum lumin_status status = staging_orphans(repair->database, partition, ORPHANS_CHUNK, repair->scratch, &events);
    if (status != LUMIN_OK) {
      return repair_database_failed(repair, status);
    }
    if (events.count == 0 || replay_is_stuck(adoption->replay, partition)) {
      return LUMIN_OK;
    }
    status = orphans_group(adoption, &events, &count);
    if (status == LUMIN_OK) {
      status = replay_commit(adoption->replay, adoption->messages, count);
    }
    if (status != LUMIN_OK) {
      return status;
    }
  }
}

// Partition by partition, so that e-mails pass between users in any order: then the identifiers are settled, for the
// commands that come.
static enum lumin_status orphans_adopt_all(struct adoption *adoption) {
  struct repair *repair = adoption->repair;
  enum lumin_status status = LUMIN_OK;
  bool any = false;
  for (size_t i = 0; status == LUMIN_OK && i < repair->ahead_count; i++) {
    if (repair->ahead[i].orphans > 0) {
      status = orphans_adopt(adoption, repair->ahead[i].partition);
      any = true;
    }
  }
  return status == LUMIN_OK && (any || repair->unfinished) ? repair_settle(repair) : status;
}

static enum lumin_status anchors_find(struct adoption *adoption) {
  struct repair *repair = adoption->repair;
  enum lumin_status status = staging_anchors(repair->database, adoption->anchors, repair->partitions);
  return status == LUMIN_OK ? status : repair_database_failed(repair, status);
}

// ---- the commands

static void progress_print(struct adoption *adoption, bool now) {
  int64_t time = clock_monotonic_ns();
  if (!now && time < adoption->progress_at_ns) {
    return;
  }
  adoption->progress_at_ns = time + PROGRESS_INTERVAL;
  (void)printf("adopted %" PRIu64 " of %" PRIu64 " events, commands read to %" PRIu64 " of %" PRIu64 "\n",
               replay_counters(adoption->replay)->adopted, adoption->wanted, adoption->reached, adoption->last_seq);
  (void)fflush(stdout);
}

static void messages_free(struct adoption *adoption) {
  for (size_t i = 0; i < adoption->count; i++) {
    natsMsg_Destroy(adoption->messages[i].handle);
  }
  adoption->count = adoption->bytes = 0;
}

static enum lumin_status messages_commit(struct adoption *adoption) {
  enum lumin_status status =
      adoption->count > 0 ? replay_commit(adoption->replay, adoption->messages, adoption->count) : LUMIN_OK;
  messages_free(adoption);
  progress_print(adoption, false);
  return status;
}

// Behind this message stand events whose commands are gone.
static enum lumin_status anchor_settle(struct adoption *adoption, uint16_t partition) {
  enum lumin_status status = messages_commit(adoption);
  if (status == LUMIN_OK) {
    status = orphans_adopt(adoption, partition);
  }
  return status == LUMIN_OK ? anchors_find(adoption) : status;
}

static enum lumin_status message_take(struct adoption *adoption, const struct stream_message *message) {
  struct repair *repair = adoption->repair;
  struct span prefix = span_from_text(repair->program->config->service_prefix);
  uint16_t partition =
      inbound_partition(span_from_text(natsMsg_GetSubject(message->message)), prefix, repair->partitions);
  struct inbound inbound =
      inbound_read(message->message, (struct inbound_place){partition, message->seq, message->ts_ns});
  bool is_new = message->seq >= repair->command_starts[partition];
  adoption->reached = message->seq;
  if (!is_new || replay_is_stuck(adoption->replay, partition)) {
    enum lumin_status status = is_new ? replay_pass(adoption->replay, &inbound) : LUMIN_OK;
    natsMsg_Destroy(message->message);
    return status;
  }
  adoption->messages[adoption->count++] = inbound;
  adoption->bytes += (size_t)natsMsg_GetDataLength(message->message);
  if (adoption->anchors[partition] == message->seq) {
    return anchor_settle(adoption, partition);
  }
  bool full = adoption->count == REPAIR_BATCH || adoption->bytes > BATCH_BYTES;
  return full ? messages_commit(adoption) : LUMIN_OK;
}

static uint64_t first_start(const struct repair *repair) {
  uint64_t start = UINT64_MAX;
  for (uint32_t i = 0; i < repair->partitions; i++) {
    start = repair->command_starts[i] < start ? repair->command_starts[i] : start;
  }
  return start;
}

static enum lumin_status commands_replay(struct adoption *adoption) {
  struct repair *repair = adoption->repair;
  struct stream_message message;
  struct stream_reading reading = {
      .stream = STREAM_COMMANDS, .first_seq = first_start(repair), .last_seq = adoption->last_seq};
  if (adoption->last_seq == 0 || reading.first_seq > reading.last_seq) {
    return LUMIN_OK;
  }
  struct stream_reader *reader = stream_reader_create(repair->program, &reading);
  enum lumin_status status = reader != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  while (status == LUMIN_OK && (status = stream_reader_next(reader, &message)) == LUMIN_OK) {
    if (message.seq > adoption->last_seq) { // the last one is gone since
      natsMsg_Destroy(message.message);
      break;
    }
    status = message_take(adoption, &message);
  }
  bool ended = status == LUMIN_OK || status == LUMIN_NOT_FOUND;
  if (ended) {
    status = messages_commit(adoption);
  } else if (status != LUMIN_IO && status != LUMIN_NO_MEMORY) {
    status = stream_unreadable(repair->program, STREAM_COMMANDS, status);
  }
  messages_free(adoption);
  stream_reader_destroy(reader);
  return status;
}

// From where the commands are that the first reading has left: behind what it has decided, or where they began.
static void rest_find(struct adoption *adoption) {
  struct repair *repair = adoption->repair;
  for (uint32_t i = 0; i < repair->partitions; i++) {
    const struct partition_truth *truth = replay_truth(adoption->replay, (uint16_t)i);
    const struct partition_row *row = &repair->rows[i];
    if (truth->input_seq != row->input_seq || truth->input_ts_ns != row->input_ts_ns) {
      repair->command_starts[i] = truth->input_seq + 1;
    }
  }
  adoption->last_seq = repair->commands.messages > 0 ? repair->commands.last_seq : 0;
}

static enum lumin_status rest_decide(struct adoption *adoption) {
  enum lumin_status status = repair_settle(adoption->repair);
  if (status != LUMIN_OK) {
    return status;
  }
  rest_find(adoption);
  replay_set_free(adoption->replay);
  return commands_replay(adoption);
}

// ---- commands that expired

// Where a later command of the partition has led to events, every earlier one was read and answered. Elsewhere nobody
// can tell, and the position is about to move over the gap: an operator has to know.
static enum lumin_status lost_ranges_note(struct adoption *adoption) {
  struct repair *repair = adoption->repair;
  enum lumin_status status = LUMIN_OK;
  bool *proven = ARENA_ARRAY(repair->scratch, repair->partitions, bool);
  for (size_t i = 0; proven != NULL && i < repair->ahead_count; i++) {
    proven[repair->ahead[i].partition] = repair->ahead[i].last_seq > 0;
  }
  for (uint32_t i = 0; proven != NULL && status == LUMIN_OK && i < repair->partitions; i++) {
    const struct partition_row *row = &repair->rows[i];
    uint64_t first = row->input_seq + 1, last = repair->command_starts[i] - 1;
    if (first > last || proven[i] || repair->command_starts[i] > repair->commands.last_seq + 1) {
      continue;
    }
    (void)printf("partition %u: commands %" PRIu64 " to %" PRIu64
                 " of the stream have expired, perhaps unread: verify fails until they are acknowledged\n",
                 (unsigned)i, first, last);
    status = store_lost_range(&repair->tenure.store, (uint16_t)i, first, last, repair->scratch);
  }
  if (status != LUMIN_OK) {
    tenure_complain(repair->program, &repair->tenure, status);
    return LUMIN_IO;
  }
  return proven != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
}

// ---- all of it

static enum lumin_status adoption_make(struct adoption *adoption) {
  struct repair *repair = adoption->repair;
  for (size_t i = 0; i < repair->ahead_count; i++) {
    uint64_t last = repair->ahead[i].last_seq;
    adoption->last_seq = last > adoption->last_seq ? last : adoption->last_seq;
    adoption->wanted += repair->ahead[i].events;
  }
  arena_reset(repair->scratch);
  enum lumin_status status = lost_ranges_note(adoption);
  if (status == LUMIN_OK) {
    status = orphans_adopt_all(adoption);
  }
  if (status == LUMIN_OK) {
    status = anchors_find(adoption);
  }
  if (status == LUMIN_OK) {
    status = commands_replay(adoption);
  }
  if (status == LUMIN_OK) {
    status = rest_decide(adoption);
  }
  return status == LUMIN_OK ? repair_count(repair) : status;
}

static void summary_print(const struct adoption *adoption) {
  const struct replay_counters *counters = replay_counters(adoption->replay);
  (void)printf("decided again: %" PRIu64 " applied, %" PRIu64 " unchanged, %" PRIu64 " refused, %" PRIu64
               " dead; %" PRIu64 " had their outcome; %" PRIu64 " events more that had not been published\n",
               counters->statuses[OUTCOME_APPLIED], counters->statuses[OUTCOME_UNCHANGED],
               counters->statuses[OUTCOME_REJECTED], counters->statuses[OUTCOME_DEAD], counters->again, counters->made);
}

enum lumin_status repair_adopt(struct repair *repair, bool *ret_whole) {
  struct adoption *adoption = calloc(1, sizeof *adoption);
  if (adoption == NULL) {
    return LUMIN_NO_MEMORY;
  }
  adoption->repair = repair;
  adoption->replay = replay_create(repair);
  adoption->anchors = calloc(repair->partitions, sizeof *adoption->anchors);
  bool room = adoption->replay != NULL && adoption->anchors != NULL;
  enum lumin_status status = room ? adoption_make(adoption) : LUMIN_NO_MEMORY;
  if (room) {
    progress_print(adoption, true);
    summary_print(adoption);
  }
  *ret_whole = repair->ahead_events == 0;
  repair->adopted = room ? replay_counters(adoption->replay)->adopted : 0;
  replay_destroy(adoption->replay);
  free(adoption->anchors);
  free(adoption);
  return status;
}
