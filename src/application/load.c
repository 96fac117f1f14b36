// SPDX-License-Identifier: MIT
// What the decisions need and memory does not hold, in one round trip, or none. In the plain case only users that are
// neither remembered nor new are read; command ids and identifiers are left to the primary keys. A doubtful batch, one
// whose transaction met a conflict, reads every row it touches.
#include "batch.h"

struct working *batch_working(struct batch *batch, const struct uuid *user_id) {
  return uuid_map_get(batch->pipeline->working, user_id);
}

// What is remembered is copied: while a batch waits for the database the memory may be cleared (a lost connection), and
// the batch settled or decided again after that.
static bool working_recall(struct batch *batch, struct working *working, const struct user *remembered) {
  char *room = arena_alloc(batch->arena, user_texts_len(remembered));
  if (room == NULL) {
    return false;
  }
  working->before = *remembered;
  user_texts_move(&working->before, room);
  return working->known = true;
}

static struct working *working_add(struct batch *batch, const struct command *command) {
  struct working *working = ARENA_NEW(batch->arena, struct working);
  if (working == NULL) {
    return NULL;
  }
  working->partition = command->inbound->partition;
  const struct user *remembered = memory_get(batch->pipeline->memory, &command->user_id);
  if (remembered != NULL) {
    if (!working_recall(batch, working, remembered)) {
      return NULL;
    }
  } else {
    working->before.id = command->user_id;
    working->assumed = command->method->user == USER_NEW && !batch->doubtful && batch->precedents == NULL;
    working->known = working->assumed;
  }
  return uuid_map_put(batch->pipeline->working, &command->user_id, working, NULL) == LUMIN_OK ? working : NULL;
}

static bool command_has_user(const struct command *command) {
  return command->fault.reason == LUMIN_OK && command->method != NULL && command->method->user != USER_UNUSED;
}

struct working *command_working(struct batch *batch, const struct command *command) {
  return command_has_user(command) ? batch_working(batch, &command->user_id) : NULL;
}

// The users of the batch; `ret_request` gets those to be read.
static enum lumin_status users_collect(struct batch *batch, struct load_request *ret_request) {
  struct uuid *users = ARENA_ARRAY(batch->arena, batch->count, struct uuid);
  if (users == NULL) {
    return LUMIN_NO_MEMORY;
  }
  ret_request->users = users;
  for (size_t i = 0; i < batch->count; i++) {
    const struct command *command = &batch->commands[i];
    bool has_user = command_has_user(command) || command->precedent_count > 0;
    if (!has_user || batch_working(batch, &command->user_id) != NULL) {
      continue;
    }
    const struct working *working = working_add(batch, command);
    if (working == NULL) {
      return LUMIN_NO_MEMORY;
    }
    if (!working->known) {
      users[ret_request->user_count++] = command->user_id;
    }
  }
  return LUMIN_OK;
}

// All command ids, and all keys that the last decision touched.
static enum lumin_status doubts_collect(struct batch *batch, struct load_request *ret_request) {
  struct uuid *commands = ARENA_ARRAY(batch->arena, batch->count, struct uuid);
  struct identifier *keys = ARENA_ARRAY(batch->arena, batch->claims.count, struct identifier);
  if (commands == NULL || keys == NULL) {
    return LUMIN_NO_MEMORY;
  }
  for (size_t i = 0; i < batch->count; i++) {
    commands[i] = batch->commands[i].command_id;
  }
  for (size_t i = 0; i < batch->claims.count; i++) {
    keys[i] = (struct identifier){.kind = batch->claims.all[i]->kind, .key = batch->claims.all[i]->key};
  }
  ret_request->commands = commands;
  ret_request->command_count = batch->count;
  ret_request->keys = batch->keys_asked = keys;
  ret_request->key_count = batch->keys_asked_count = batch->claims.count;
  return LUMIN_OK;
}

static enum lumin_status loaded_merge(struct batch *batch, const struct load_request *request) {
  for (size_t i = 0; i < request->user_count; i++) {
    batch_working(batch, &request->users[i])->known = true; // without a row: there is no such user
  }
  for (size_t i = 0; i < batch->loaded.user_count; i++) {
    struct working *working = batch_working(batch, &batch->loaded.users[i].id);
    if (working != NULL) {
      working->before = batch->loaded.users[i];
    }
  }
  for (size_t i = 0; i < batch->loaded.outcome_count; i++) {
    struct outcome *outcome = &batch->loaded.outcomes[i];
    if (uuid_map_put(batch->pipeline->outcomes, &outcome->command_id, outcome, NULL) != LUMIN_OK) {
      return LUMIN_NO_MEMORY;
    }
  }
  return LUMIN_OK;
}

enum lumin_status batch_load(struct batch *batch) {
  uuid_map_clear(batch->pipeline->working);
  uuid_map_clear(batch->pipeline->outcomes);
  struct load_request request = {0};
  enum lumin_status status = users_collect(batch, &request);
  if (status == LUMIN_OK && batch->doubtful) {
    status = doubts_collect(batch, &request);
  }
  batch->loaded = (struct load_result){0};
  if (status == LUMIN_OK && request.user_count + request.key_count + request.command_count > 0) {
    const struct store_port *store = &batch->pipeline->store;
    status = store->load(store->self, &request, batch->arena, &batch->loaded);
  }
  return status == LUMIN_OK ? loaded_merge(batch, &request) : status;
}

void batch_doubt(struct batch *batch) { batch->doubtful = true; }
