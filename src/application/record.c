// SPDX-License-Identifier: MIT
// What a decided batch writes, gathered into one transaction: net changes only, sorted, so that two lanes that touch
// the same keys wait for one another in the same order. Keeps guarantees 1 (the caller publishes only after OK) and 3.
#include <stdlib.h>

#include "batch.h"

struct partition_mark *batch_mark(struct batch *batch, uint16_t partition) {
  struct partition_mark *mark = batch->mark_by_partition[partition];
  if (mark == NULL && batch->mark_count < batch->pipeline->partitions) {
    const struct partition_truth *truth = &batch->pipeline->truths[partition];
    mark = batch->mark_by_partition[partition] = &batch->marks[batch->mark_count++];
    *mark = (struct partition_mark){
        .partition = partition,
        .epoch = truth->epoch,
        .old_seq = truth->input_seq,
        .old_ts_ns = truth->input_ts_ns,
        .new_seq = truth->input_seq,
        .new_ts_ns = truth->input_ts_ns,
        .event_position = truth->event_position,
        .relayed_position = truth->relayed_position,
        .event_stream_seq = truth->event_stream_seq,
        .event_stream_ts_ns = truth->event_stream_ts_ns,
        .dead_position = truth->dead_position,
        .dead_relayed = truth->dead_relayed,
    };
  }
  return mark;
}

bool mark_shows_commit(const struct partition_mark *mark, const struct partition_truth *now) {
  bool moves = mark->new_seq != mark->old_seq || mark->new_ts_ns != mark->old_ts_ns;
  return moves && now->input_seq == mark->new_seq && now->input_ts_ns == mark->new_ts_ns &&
         now->event_position == mark->event_position && now->dead_position == mark->dead_position;
}

static int changed_compare(const void *a, const void *b) {
  return uuid_compare(&((const struct changed_user *)a)->user->id, &((const struct changed_user *)b)->user->id);
}

static enum lumin_status users_gather(struct batch *batch, struct record *record) {
  struct changed_user *users = ARENA_ARRAY(batch->arena, batch->event_count, struct changed_user);
  struct uuid_map *seen = batch->pipeline->decided; // done with: every command is decided
  if (users == NULL) {
    return LUMIN_NO_MEMORY;
  }
  uuid_map_clear(seen);
  for (size_t i = 0; i < batch->event_count; i++) {
    const struct uuid *id = &batch->events[i].user_id;
    struct working *working = batch_working(batch, id);
    if (uuid_map_get(seen, id) != NULL) {
      continue;
    }
    if (uuid_map_put(seen, id, working, NULL) != LUMIN_OK) {
      return LUMIN_NO_MEMORY;
    }
    users[record->user_count++] = (struct changed_user){working->before.version, &working->now};
  }
  qsort(users, record->user_count, sizeof *users, changed_compare);
  record->users = users;
  return LUMIN_OK;
}

static int identifier_compare(const void *a, const void *b) {
  const struct identifier *x = a, *y = b;
  return x->kind != y->kind ? (int)x->kind - (int)y->kind : span_compare(x->key, y->key);
}

static enum lumin_status claims_gather(struct batch *batch, struct record *record) {
  size_t most = batch->claims.count;
  struct identifier *released = ARENA_ARRAY(batch->arena, most, struct identifier);
  struct identifier *claimed = ARENA_ARRAY(batch->arena, most, struct identifier);
  if (released == NULL || claimed == NULL) {
    return LUMIN_NO_MEMORY;
  }
  for (size_t i = 0; i < most; i++) {
    const struct claim *claim = batch->claims.all[i];
    if (uuid_equal(&claim->before, &claim->now)) {
      continue;
    }
    if (!uuid_is_nil(&claim->before)) {
      released[record->released_count++] = (struct identifier){claim->kind, claim->key, claim->before};
    }
    if (!uuid_is_nil(&claim->now)) {
      claimed[record->claimed_count++] = (struct identifier){claim->kind, claim->key, claim->now};
    }
  }
  qsort(released, record->released_count, sizeof *released, identifier_compare);
  qsort(claimed, record->claimed_count, sizeof *claimed, identifier_compare);
  record->released = released;
  record->claimed = claimed;
  return LUMIN_OK;
}

static int command_compare(const void *a, const void *b) {
  return uuid_compare(&(*(const struct command *const *)a)->command_id,
                      &(*(const struct command *const *)b)->command_id);
}

static enum lumin_status outcomes_gather(struct batch *batch, struct record *record) {
  const struct command **outcomes = ARENA_ARRAY(batch->arena, batch->count, const struct command *);
  if (outcomes == NULL) {
    return LUMIN_NO_MEMORY;
  }
  for (size_t i = 0; i < batch->count; i++) {
    if (!batch->commands[i].unrecorded) {
      outcomes[record->outcome_count++] = &batch->commands[i];
    }
  }
  qsort(outcomes, record->outcome_count, sizeof(const struct command *), command_compare);
  record->outcomes = outcomes;
  return LUMIN_OK;
}

enum lumin_status batch_record(struct batch *batch) {
  struct record record = {
      .marks = batch->marks,
      .mark_count = batch->mark_count,
      .events = batch->events,
      .event_count = batch->event_count,
      .dead = batch->dead,
      .dead_count = batch->dead_count,
      .voids = batch->voids,
      .void_count = batch->void_count,
  };
  enum lumin_status status = users_gather(batch, &record);
  if (status == LUMIN_OK) {
    status = claims_gather(batch, &record);
  }
  if (status == LUMIN_OK) {
    status = outcomes_gather(batch, &record);
  }
  if (status == LUMIN_OK) {
    status = views_gather(batch, &record);
  }
  if (status == LUMIN_OK) {
    const struct store_port *store = &batch->pipeline->store;
    status = store->record(store->self, &record, batch->arena);
  }
  if (status == LUMIN_OK) {
    batch_settle(batch);
  }
  // A new user was assumed not to exist, and its first version is taken: most likely the guess was wrong.
  return status == LUMIN_VERSION_TAKEN && !batch->doubtful ? LUMIN_CONFLICT : status;
}

void batch_settle(struct batch *batch) {
  for (size_t i = 0; i < batch->mark_count; i++) {
    const struct partition_mark *mark = &batch->marks[i];
    struct partition_truth *truth = &batch->pipeline->truths[mark->partition];
    truth->input_seq = mark->new_seq;
    truth->input_ts_ns = mark->new_ts_ns;
    truth->event_position = mark->event_position;
    truth->dead_position = mark->dead_position;
  }
  for (size_t i = 0; i < batch->event_count; i++) {
    const struct working *working = batch_working(batch, &batch->events[i].user_id);
    if (batch->events[i].event.version == working->now.version) { // once a user, at its last event
      memory_put(batch->pipeline->memory, working->partition, &working->now);
    }
  }
  memory_trim(batch->pipeline->memory);
}
