// SPDX-License-Identifier: MIT
// Making a batch, cutting it, and looking at what it holds; its steps are in decode.c, load.c, decide.c and record.c.
#include "batch.h"

enum lumin_status pipeline_init(struct pipeline *pipeline) {
  pipeline->working = uuid_map_create();
  pipeline->decided = uuid_map_create();
  pipeline->outcomes = uuid_map_create();
  if (pipeline->working == NULL || pipeline->decided == NULL || pipeline->outcomes == NULL) {
    pipeline_finish(pipeline);
    return LUMIN_NO_MEMORY;
  }
  return LUMIN_OK;
}

void pipeline_finish(struct pipeline *pipeline) {
  uuid_map_destroy(pipeline->working);
  uuid_map_destroy(pipeline->decided);
  uuid_map_destroy(pipeline->outcomes);
  pipeline->working = pipeline->decided = pipeline->outcomes = NULL;
}

struct batch *batch_create(struct pipeline *pipeline, struct arena *arena, const struct inbound *messages,
                           size_t count) {
  struct batch *batch = ARENA_NEW(arena, struct batch);
  if (batch == NULL) {
    return NULL;
  }
  *batch = (struct batch){
      .pipeline = pipeline,
      .arena = arena,
      .messages = messages,
      .count = count,
      .commands = ARENA_ARRAY(arena, count, struct command),
      .event_limit = count,
      .marks = ARENA_ARRAY(arena, pipeline->partitions, struct partition_mark),
      .mark_by_partition = ARENA_ARRAY(arena, pipeline->partitions, struct partition_mark *),
      .dead = ARENA_ARRAY(arena, count, struct dead_command),
      .voids = ARENA_ARRAY(arena, count, struct void_range),
  };
  batch->events = ARENA_ARRAY(arena, batch->event_limit, struct new_event);
  bool whole = batch->commands != NULL && batch->marks != NULL && batch->mark_by_partition != NULL &&
               batch->dead != NULL && batch->events != NULL && batch->voids != NULL;
  return whole ? batch : NULL;
}

size_t batch_halve(struct batch *batch) {
  if (batch->count > 1) {
    batch->count /= 2;
  } else {
    batch->commands[0].poisoned = true;
  }
  return batch->count;
}

const struct command *batch_commands(const struct batch *batch, size_t *ret_count) {
  *ret_count = batch->count;
  return batch->commands;
}

const struct new_event *batch_events(const struct batch *batch, size_t *ret_count) {
  *ret_count = batch->event_count;
  return batch->events;
}

const struct partition_mark *batch_marks(const struct batch *batch, size_t *ret_count) {
  *ret_count = batch->mark_count;
  return batch->marks;
}

size_t batch_dead_count(const struct batch *batch) { return batch->dead_count; }
