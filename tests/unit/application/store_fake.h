// SPDX-License-Identifier: MIT
// A store in memory with the rules of the real one: the fence, primary keys, counts that must match, and all of a
// record or nothing. Texts are copied, so that what the pipeline frees too early is seen by a sanitizer. Answers can be
// scripted.
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/application/pipeline.h"

#define FAKE_PARTITIONS 4
#ifndef FAKE_ROWS
#define FAKE_ROWS 4096
#endif

struct fake_event {
  struct uuid user_id, command_id;
  uint64_t version, position;
  uint16_t partition;
  enum event_type type;
  int64_t time_ns;
  struct span actor, body;
};

struct fake_dead {
  uint16_t partition;
  uint64_t position, stream_seq;
  struct uuid command_id;
  enum lumin_status reason;
};

struct fake_tables {
  struct partition_mark partitions[FAKE_PARTITIONS]; // new_* and the counters hold
  struct user users[FAKE_ROWS];
  struct identifier identifiers[FAKE_ROWS];
  struct outcome outcomes[FAKE_ROWS];
  struct fake_event events[FAKE_ROWS];
  struct fake_dead dead[FAKE_ROWS];
  struct profile_view views[FAKE_ROWS];
  size_t view_count;
  size_t user_count, identifier_count, outcome_count, event_count, dead_count;
};

struct fake_store {
  struct fake_tables tables, before; // `before`: to go back to where a record fails
  struct arena *texts;               // of the rows
  const char *poison;                // a first name that the database does not take: BAD_DATA
  // One answer a call of record, in order, before the tables are looked at; OK: none.
  const enum lumin_status *script;
  size_t script_count;
  bool lost_commits; // a scripted CONNECTION_LOST happens after the commit
  // ... and of load.
  enum lumin_status load_says;
  size_t loads, records; // calls
  size_t keys_written;   // rows of identifiers, released and claimed
  struct load_request last_load;
  struct void_range voids[64];
  size_t void_count;
};

static inline struct span fake_text(struct fake_store *fake, struct span text) {
  return text.len == 0 ? SPAN_EMPTY : arena_copy(fake->texts, text);
}

static inline struct user *fake_user_find(struct fake_store *fake, const struct uuid *id) {
  for (size_t i = 0; i < fake->tables.user_count; i++)
    if (uuid_equal(&fake->tables.users[i].id, id))
      return &fake->tables.users[i];
  return NULL;
}

static inline struct identifier *fake_key_find(struct fake_store *fake, enum identifier_kind kind, struct span key) {
  for (size_t i = 0; i < fake->tables.identifier_count; i++)
    if (fake->tables.identifiers[i].kind == kind && span_equal(fake->tables.identifiers[i].key, key))
      return &fake->tables.identifiers[i];
  return NULL;
}

static inline struct outcome *fake_outcome_find(struct fake_store *fake, const struct uuid *id) {
  for (size_t i = 0; i < fake->tables.outcome_count; i++)
    if (uuid_equal(&fake->tables.outcomes[i].command_id, id))
      return &fake->tables.outcomes[i];
  return NULL;
}

static inline struct user fake_user_copy(struct user user, struct arena *arena) {
  struct span *texts[] = {&user.first_name,
                          &user.last_name,
                          &user.email.text,
                          &user.email.key,
                          &user.phone,
                          &user.profile.language_code,
                          &user.profile.bio,
                          &user.profile.birth_date,
                          &user.profile.avatar_url,
                          &user.block_reason};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    *texts[i] = arena_copy(arena, *texts[i]);
  return user;
}

static inline enum lumin_status fake_load(void *self, const struct load_request *request, struct arena *arena,
                                          struct load_result *ret_result) {
  struct fake_store *fake = self;
  fake->loads++;
  fake->last_load = *request;
  if (fake->load_says != LUMIN_OK) {
    enum lumin_status status = fake->load_says;
    fake->load_says = LUMIN_OK;
    return status;
  }
  struct load_result result = {.users = ARENA_ARRAY(arena, request->user_count, struct user),
                               .identifiers = ARENA_ARRAY(arena, request->key_count, struct identifier),
                               .outcomes = ARENA_ARRAY(arena, request->command_count, struct outcome)};
  if (!result.users || !result.identifiers || !result.outcomes)
    return LUMIN_NO_MEMORY;
  for (size_t i = 0; i < request->user_count; i++) {
    const struct user *row = fake_user_find(fake, &request->users[i]);
    if (row)
      result.users[result.user_count++] = fake_user_copy(*row, arena);
  }
  for (size_t i = 0; i < request->key_count; i++) {
    const struct identifier *row = fake_key_find(fake, request->keys[i].kind, request->keys[i].key);
    if (row)
      result.identifiers[result.identifier_count++] =
          (struct identifier){row->kind, arena_copy(arena, row->key), row->user_id};
  }
  for (size_t i = 0; i < request->command_count; i++) {
    const struct outcome *row = fake_outcome_find(fake, &request->commands[i]);
    if (row)
      result.outcomes[result.outcome_count++] = *row;
  }
  *ret_result = result;
  return LUMIN_OK;
}

// ---- record: the statements in the order of the real store, on a copy of the tables

static inline enum lumin_status fake_fence(struct fake_store *fake, const struct record *record) {
  for (size_t i = 0; i < record->mark_count; i++) {
    const struct partition_mark *mark = &record->marks[i];
    struct partition_mark *row = &fake->tables.partitions[mark->partition];
    if (row->epoch != mark->epoch)
      return LUMIN_NOT_OWNER;
    if (row->new_seq != mark->old_seq || row->new_ts_ns != mark->old_ts_ns)
      return LUMIN_POSITION_MOVED;
    *row = *mark;
  }
  return LUMIN_OK;
}

static inline bool fake_is_poison(const struct fake_store *fake, const struct event *event) {
  struct span name = event->type == EVENT_USER_CREATED       ? event->user_created.first_name
                     : event->type == EVENT_USERNAME_CHANGED ? event->username_changed.first_name
                                                             : SPAN_EMPTY;
  return fake->poison && span_equal(name, span_from_text(fake->poison));
}

static inline enum lumin_status fake_events(struct fake_store *fake, const struct record *record) {
  struct fake_tables *tables = &fake->tables;
  for (size_t i = 0; i < record->event_count; i++) {
    const struct new_event *new = &record->events[i];
    if (fake_is_poison(fake, &new->event))
      return LUMIN_BAD_DATA;
    for (size_t j = 0; j < tables->event_count; j++) {
      const struct fake_event *row = &tables->events[j];
      if ((uuid_equal(&row->user_id, &new->user_id) && row->version == new->event.version) ||
          (row->partition == new->partition && row->position == new->position))
        return LUMIN_VERSION_TAKEN;
    }
    cr_assert_lt(tables->event_count, FAKE_ROWS);
    tables->events[tables->event_count++] = (struct fake_event){.user_id = new->user_id,
                                                                .command_id = new->command->command_id,
                                                                .version = new->event.version,
                                                                .position = new->position,
                                                                .partition = new->partition,
                                                                .type = new->event.type,
                                                                .time_ns = new->event.time_ns,
                                                                .actor = fake_text(fake, new->command->actor),
                                                                .body = fake_text(fake, new->body)};
  }
  return LUMIN_OK;
}

static inline enum lumin_status fake_users(struct fake_store *fake, const struct record *record) {
  for (size_t i = 0; i < record->user_count; i++) {
    const struct changed_user *changed = &record->users[i];
    cr_assert(i == 0 || uuid_compare(&record->users[i - 1].user->id, &changed->user->id) < 0, "users are sorted");
    struct user *row = fake_user_find(fake, &changed->user->id);
    if (changed->old_version == 0 ? row != NULL : row == NULL || row->version != changed->old_version)
      return LUMIN_VERSION_TAKEN;
    cr_assert_lt(fake->tables.user_count, FAKE_ROWS);
    if (!row)
      row = &fake->tables.users[fake->tables.user_count++];
    *row = fake_user_copy(*changed->user, fake->texts);
  }
  return LUMIN_OK;
}

static inline int fake_key_order(const struct identifier *a, const struct identifier *b) {
  return a->kind != b->kind ? (int)a->kind - (int)b->kind : span_compare(a->key, b->key);
}

static inline enum lumin_status fake_identifiers(struct fake_store *fake, const struct record *record) {
  struct fake_tables *tables = &fake->tables;
  fake->keys_written += record->released_count + record->claimed_count;
  for (size_t i = 0; i < record->released_count; i++) {
    const struct identifier *released = &record->released[i];
    cr_assert(i == 0 || fake_key_order(&record->released[i - 1], released) < 0, "released keys are sorted");
    struct identifier *row = fake_key_find(fake, released->kind, released->key);
    if (!row || !uuid_equal(&row->user_id, &released->user_id))
      return LUMIN_CONFLICT;
    *row = tables->identifiers[--tables->identifier_count];
  }
  for (size_t i = 0; i < record->claimed_count; i++) {
    const struct identifier *claimed = &record->claimed[i];
    cr_assert(i == 0 || fake_key_order(&record->claimed[i - 1], claimed) < 0, "claimed keys are sorted");
    if (fake_key_find(fake, claimed->kind, claimed->key))
      return LUMIN_CONFLICT;
    cr_assert_lt(tables->identifier_count, FAKE_ROWS);
    tables->identifiers[tables->identifier_count++] =
        (struct identifier){claimed->kind, fake_text(fake, claimed->key), claimed->user_id};
  }
  return LUMIN_OK;
}

static inline enum lumin_status fake_outcomes(struct fake_store *fake, const struct record *record) {
  struct fake_tables *tables = &fake->tables;
  for (size_t i = 0; i < record->outcome_count; i++) {
    struct outcome *row = fake_outcome_find(fake, &record->outcomes[i]->command_id);
    if (record->outcomes[i]->replaces && row && row->status == OUTCOME_DEAD)
      *row = tables->outcomes[--tables->outcome_count];
  }
  for (size_t i = 0; i < record->outcome_count; i++) {
    const struct command *command = record->outcomes[i];
    cr_assert(i == 0 || uuid_compare(&record->outcomes[i - 1]->command_id, &command->command_id) <= 0,
              "outcomes are sorted");
    cr_assert(uuid_equal(&command->outcome.command_id, &command->command_id));
    if (fake_outcome_find(fake, &command->command_id))
      return LUMIN_CONFLICT;
    cr_assert_lt(tables->outcome_count, FAKE_ROWS);
    struct outcome *row = &tables->outcomes[tables->outcome_count++];
    *row = command->outcome;
    row->refusal.message = fake_text(fake, row->refusal.message);
    row->refusal.field = fake_text(fake, row->refusal.field);
    row->refusal.allowed = fake_text(fake, row->refusal.allowed);
  }
  return LUMIN_OK;
}

static inline enum lumin_status fake_dead(struct fake_store *fake, const struct record *record) {
  struct fake_tables *tables = &fake->tables;
  for (size_t i = 0; i < record->dead_count; i++) {
    const struct dead_command *dead = &record->dead[i];
    for (size_t j = 0; j < tables->dead_count; j++)
      if (tables->dead[j].partition == dead->command->inbound->partition &&
          tables->dead[j].position == dead->dead_position)
        return LUMIN_BAD_DATA;
    cr_assert_lt(tables->dead_count, FAKE_ROWS);
    tables->dead[tables->dead_count++] =
        (struct fake_dead){dead->command->inbound->partition, dead->dead_position, dead->command->inbound->seq,
                           dead->command->command_id, dead->command->outcome.refusal.reason};
  }
  return LUMIN_OK;
}

// Only the rows in use: tests that record often copy little.
static inline void fake_tables_copy(struct fake_tables *target, const struct fake_tables *source) {
  memcpy(target->partitions, source->partitions, sizeof target->partitions);
  memcpy(target->users, source->users, source->user_count * sizeof source->users[0]);
  memcpy(target->identifiers, source->identifiers, source->identifier_count * sizeof source->identifiers[0]);
  memcpy(target->outcomes, source->outcomes, source->outcome_count * sizeof source->outcomes[0]);
  memcpy(target->events, source->events, source->event_count * sizeof source->events[0]);
  memcpy(target->dead, source->dead, source->dead_count * sizeof source->dead[0]);
  target->user_count = source->user_count;
  target->identifier_count = source->identifier_count;
  target->outcome_count = source->outcome_count;
  target->event_count = source->event_count;
  target->dead_count = source->dead_count;
}

static inline struct profile_view *fake_view_find(struct fake_store *fake, const struct uuid *user,
                                                  const struct uuid *viewer) {
  for (size_t i = 0; i < fake->tables.view_count; i++)
    if (uuid_equal(&fake->tables.views[i].user_id, user) && uuid_equal(&fake->tables.views[i].viewer_id, viewer))
      return &fake->tables.views[i];
  return NULL;
}

static inline int fake_view_order(const struct profile_view *a, const struct profile_view *b) {
  int users = uuid_compare(&a->user_id, &b->user_id);
  return users ? users : uuid_compare(&a->viewer_id, &b->viewer_id);
}

static inline enum lumin_status fake_views(struct fake_store *fake, const struct record *record) {
  struct fake_tables *tables = &fake->tables;
  for (size_t i = 0; i < record->view_count; i++) {
    const struct profile_view *view = &record->views[i];
    cr_assert(i == 0 || fake_view_order(&record->views[i - 1], view) < 0, "views are sorted, each pair once");
    struct profile_view *row = fake_view_find(fake, &view->user_id, &view->viewer_id);
    cr_assert_lt(tables->view_count, FAKE_ROWS);
    if (row)
      *row = (struct profile_view){row->user_id, row->viewer_id, view->last_ns, row->count + view->count};
    else
      tables->views[tables->view_count++] = *view;
  }
  for (size_t i = 0; i < record->unviewed_count; i++)
    for (size_t j = 0; j < tables->view_count;)
      if (uuid_equal(&tables->views[j].user_id, &record->unviewed[i]))
        tables->views[j] = tables->views[--tables->view_count];
      else
        j++;
  return LUMIN_OK;
}

// Not undone by what fails behind it: it is the last.
static inline enum lumin_status fake_voids(struct fake_store *fake, const struct record *record) {
  for (size_t i = 0; i < record->void_count; i++) {
    cr_assert_lt(fake->void_count, sizeof fake->voids / sizeof fake->voids[0]);
    fake->voids[fake->void_count++] = record->voids[i];
  }
  return LUMIN_OK;
}

static inline enum lumin_status fake_write(struct fake_store *fake, const struct record *record) {
  static enum lumin_status (*const statements[])(struct fake_store *, const struct record *) = {
      fake_fence, fake_events, fake_users, fake_identifiers, fake_outcomes, fake_dead, fake_views, fake_voids};
  fake_tables_copy(&fake->before, &fake->tables);
  enum lumin_status status = LUMIN_OK;
  for (size_t i = 0; i < sizeof statements / sizeof statements[0] && status == LUMIN_OK; i++)
    status = statements[i](fake, record);
  if (status != LUMIN_OK)
    fake_tables_copy(&fake->tables, &fake->before);
  return status;
}

static inline enum lumin_status fake_record(void *self, const struct record *record, struct arena *arena) {
  struct fake_store *fake = self;
  (void)arena;
  size_t call = fake->records++;
  enum lumin_status scripted = call < fake->script_count ? fake->script[call] : LUMIN_OK;
  if (scripted != LUMIN_OK && !(scripted == LUMIN_CONNECTION_LOST && fake->lost_commits))
    return scripted;
  enum lumin_status status = fake_write(fake, record);
  return status == LUMIN_OK ? scripted : status;
}

static inline struct fake_store *fake_create(void) {
  struct fake_store *fake = calloc(1, sizeof *fake);
  cr_assert(fake);
  fake->texts = arena_create(SIZE_MAX);
  cr_assert(fake->texts);
  for (uint16_t i = 0; i < FAKE_PARTITIONS; i++)
    fake->tables.partitions[i] = (struct partition_mark){.partition = i, .epoch = 7};
  return fake;
}

static inline void fake_destroy(struct fake_store *fake) {
  arena_destroy(fake->texts);
  free(fake);
}
