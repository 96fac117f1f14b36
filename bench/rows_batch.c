// SPDX-License-Identifier: MIT
// Batches as the service sends them: fence, events, users, identifiers, outcomes, each sorted as there.
#include <stdio.h>
#include <stdlib.h>

#include "rows.h"

#define TIME_BASE INT64_C(1700000000000000000)

// One command and what it writes.
struct row {
  struct act act;
  struct uuid user_id, command_id;
  uint16_t partition;
  uint64_t position, seq;
  struct rows_user before, after;
};

struct build {
  struct rows *rows;
  struct arena *arena;
  struct row all[ROWS_BATCH];
  size_t count;
  struct rows_partition old[ROWS_PARTITIONS];
};

static bool row_add(struct build *build, const struct act *act, uint16_t partition);
static bool batch_encode(struct build *build, struct rows_batch *ret_batch);

bool rows_plan_make(struct rows *rows, uint64_t count, struct arena *arena, struct rows_plan *ret_plan) {
  struct build *builds = calloc(ROWS_LANES, sizeof *builds);
  struct rows_plan plan = {0};
  bool fine = builds != NULL;
  for (size_t lane = 0; fine && lane < ROWS_LANES; lane++) {
    builds[lane].rows = rows;
    builds[lane].arena = arena;
    memcpy(builds[lane].old, rows->partitions, sizeof rows->partitions);
    plan.batches[lane] = ARENA_ARRAY(arena, count / ROWS_BATCH + 1, struct rows_batch);
    fine = plan.batches[lane] != NULL;
  }
  for (uint64_t i = 0; fine && i < count; i++) {
    struct act act = work_next(&rows->work);
    struct uuid id = work_user_id(act.user);
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&id, text);
    uint16_t partition = (uint16_t)partition_of(span_of(text, UUID_TEXT_LEN), ROWS_PARTITIONS);
    size_t lane = partition % ROWS_LANES;
    fine = row_add(&builds[lane], &act, partition);
    if (fine && builds[lane].count == ROWS_BATCH) {
      fine = batch_encode(&builds[lane], &plan.batches[lane][plan.counts[lane]++]);
    }
  }
  for (size_t lane = 0; fine && lane < ROWS_LANES; lane++) {
    if (builds[lane].count > 0) {
      fine = batch_encode(&builds[lane], &plan.batches[lane][plan.counts[lane]++]);
    }
  }
  free(builds);
  *ret_plan = plan;
  return fine;
}

static bool row_add(struct build *build, const struct act *act, uint16_t partition) {
  struct rows *rows = build->rows;
  if (act->user >= rows->user_room) {
    (void)fprintf(stderr, "bench: more users than planned\n");
    return false;
  }
  struct rows_user *user = &rows->users[act->user];
  uint64_t batch = rows->batches_made + 1 + (uint64_t)(partition % ROWS_LANES) * UINT32_MAX;
  if (user->batch == batch || (act->kind == ACT_CREATE) != (user->version == 0)) {
    (void)fprintf(stderr, "bench: a user twice in a batch, or not there: use more active users, and a prime\n");
    return false;
  }
  struct row *row = &build->all[build->count++];
  *row = (struct row){.act = *act,
                      .user_id = work_user_id(act->user),
                      .command_id = work_command_id(act->op),
                      .partition = partition,
                      .position = ++rows->partitions[partition].position,
                      .seq = ++rows->seq,
                      .before = *user};
  rows->partitions[partition].seq = row->seq;
  user->version++;
  user->batch = batch;
  user->name_op = act->kind == ACT_CHANGE_EMAIL ? user->name_op : act->op;
  user->email_op = act->kind == ACT_CHANGE_USERNAME ? user->email_op : act->op;
  row->after = *user;
  return true;
}

// ---- statements

#define TYPES(...)                                                                                                     \
  (const enum column_type[]){__VA_ARGS__}, sizeof((const enum column_type[]){__VA_ARGS__}) / sizeof(enum column_type)

static bool statement_add(struct rows_batch *batch, enum session_statement statement, const struct columns *columns) {
  batch->statements[batch->count] = statement;
  return params_columns(&batch->params[batch->count++], columns) == LUMIN_OK;
}

static bool fence_encode(struct build *build, struct rows_batch *batch) {
  size_t count = 0;
  uint16_t moved[ROWS_PARTITIONS];
  for (uint16_t i = 0; i < ROWS_PARTITIONS; i++) {
    bool mine = false;
    for (size_t j = 0; j < build->count && !mine; j++) {
      mine = build->all[j].partition == i;
    }
    if (mine) {
      moved[count++] = i;
    }
  }
  struct columns columns =
      columns_begin(build->arena,
                    TYPES(COLUMN_INT4, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8,
                          COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8),
                    count);
  for (size_t i = 0; i < count; i++) {
    const struct rows_partition *old = &build->old[moved[i]], *new = &build->rows->partitions[moved[i]];
    int64_t old_seq = (int64_t)old->seq, new_seq = (int64_t) new->seq;
    const int64_t values[] = {1,
                              old_seq,
                              old_seq == 0 ? 0 : TIME_BASE + old_seq,
                              new_seq,
                              TIME_BASE + new_seq,
                              (int64_t) new->position,
                              (int64_t)old->position,
                              old_seq,
                              old_seq,
                              0,
                              0};
    column_int4(&columns.items[0], moved[i]);
    for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
      column_int8(&columns.items[1 + j], values[j]);
    }
    build->old[moved[i]] = *new;
  }
  struct params *params = &batch->params[batch->count];
  return params_uuid(params, build->arena, &build->rows->owner) == LUMIN_OK &&
         statement_add(batch, STATEMENT_FENCE, &columns);
}

static bool events_encode(struct build *build, struct rows_batch *batch) {
  static const enum event_type types[] = {EVENT_USER_CREATED, EVENT_USERNAME_CHANGED, EVENT_EMAIL_CHANGED};
  struct columns columns =
      columns_begin(build->arena,
                    TYPES(COLUMN_UUID, COLUMN_INT8, COLUMN_INT4, COLUMN_INT8, COLUMN_INT2, COLUMN_INT8, COLUMN_UUID,
                          COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_BYTEA),
                    build->count);
  for (size_t i = 0; i < build->count; i++) {
    const struct row *row = &build->all[i];
    char body[ACT_PAYLOAD_MAX];
    column_uuid(&columns.items[0], &row->user_id);
    column_int8(&columns.items[1], (int64_t)row->after.version);
    column_int4(&columns.items[2], row->partition);
    column_int8(&columns.items[3], (int64_t)row->position);
    column_int2(&columns.items[4], (int16_t)types[row->act.kind]);
    column_int8(&columns.items[5], TIME_BASE + (int64_t)row->seq);
    column_uuid(&columns.items[6], &row->command_id);
    for (size_t j = 7; j < 10; j++) {
      column_null(&columns.items[j]);
    }
    column_bytes(&columns.items[10], span_of(body, act_event_body(&row->act, body)));
  }
  return statement_add(batch, STATEMENT_EVENTS_INSERT, &columns);
}

static void user_encode(struct columns *columns, const struct row *row) {
  char name[WORK_NAME_MAX], email[WORK_EMAIL_MAX];
  struct span address = span_of(email, work_email(row->act.user, row->after.email_op, email));
  bool fresh = row->before.version == 0;
  column_uuid(&columns->items[0], &row->user_id);
  column_int8(&columns->items[1], (int64_t)row->after.version);
  column_int2(&columns->items[2], USER_PENDING);
  column_bytes(&columns->items[3], span_of(name, work_first_name(row->after.name_op, name)));
  column_bytes(&columns->items[4], SPAN_LITERAL(WORK_LAST_NAME));
  column_bytes(&columns->items[5], address);
  column_bytes(&columns->items[6], address);
  column_bytes(&columns->items[7], SPAN_EMPTY);
  column_bool(&columns->items[8], false);
  column_bool(&columns->items[9], false);
  column_int8(&columns->items[10], TIME_BASE + (int64_t)row->seq);
  column_int8(&columns->items[11], fresh ? TIME_BASE + (int64_t)row->seq : (int64_t)row->before.version);
}

static bool users_encode(struct build *build, struct rows_batch *batch) {
  const enum column_type types[] = {COLUMN_UUID, COLUMN_INT8, COLUMN_INT2, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT,
                                    COLUMN_TEXT, COLUMN_TEXT, COLUMN_BOOL, COLUMN_BOOL, COLUMN_INT8, COLUMN_INT8};
  size_t counts[2] = {0, 0};
  for (size_t i = 0; i < build->count; i++) {
    counts[build->all[i].before.version > 0]++;
  }
  bool fine = true;
  for (size_t changed = 0; changed < 2 && fine; changed++) {
    struct columns columns = columns_begin(build->arena, types, 12, counts[changed]);
    for (size_t i = 0; i < build->count; i++) {
      if ((build->all[i].before.version > 0) == changed) {
        user_encode(&columns, &build->all[i]);
      }
    }
    fine = counts[changed] == 0 ||
           statement_add(batch, changed ? STATEMENT_USERS_UPDATE : STATEMENT_USERS_INSERT, &columns);
  }
  return fine;
}

struct key {
  char text[WORK_EMAIL_MAX];
  size_t len;
  struct uuid user_id;
};

static int key_compare(const void *a, const void *b) {
  const struct key *x = a, *y = b;
  return span_compare(span_of(x->text, x->len), span_of(y->text, y->len));
}

// `released`: the addresses that go; else those that come.
static bool keys_encode(struct build *build, struct rows_batch *batch, bool released) {
  struct key keys[ROWS_BATCH];
  size_t count = 0;
  for (size_t i = 0; i < build->count; i++) {
    const struct row *row = &build->all[i];
    bool moves = released ? row->act.kind == ACT_CHANGE_EMAIL : row->act.kind != ACT_CHANGE_USERNAME;
    if (moves) {
      struct key *key = &keys[count++];
      key->len = work_email(row->act.user, released ? row->before.email_op : row->after.email_op, key->text);
      key->user_id = row->user_id;
    }
  }
  qsort(keys, count, sizeof *keys, key_compare);
  struct columns columns = columns_begin(build->arena, TYPES(COLUMN_INT2, COLUMN_TEXT, COLUMN_UUID), count);
  for (size_t i = 0; i < count; i++) {
    column_int2(&columns.items[0], IDENTIFIER_EMAIL);
    column_bytes(&columns.items[1], span_of(keys[i].text, keys[i].len));
    column_uuid(&columns.items[2], &keys[i].user_id);
  }
  return count == 0 ||
         statement_add(batch, released ? STATEMENT_IDENTIFIERS_DELETE : STATEMENT_IDENTIFIERS_INSERT, &columns);
}

static bool outcomes_encode(struct build *build, struct rows_batch *batch) {
  struct columns columns = columns_begin(
      build->arena,
      TYPES(COLUMN_UUID, COLUMN_UUID, COLUMN_BYTEA, COLUMN_INT2, COLUMN_INT8, COLUMN_INT8, COLUMN_INT8, COLUMN_BYTEA),
      build->count);
  for (size_t i = 0; i < build->count; i++) {
    const struct row *row = &build->all[i];
    struct uuid hash = work_command_id(~row->act.op); // as long as a hash, and as random
    column_uuid(&columns.items[0], &row->command_id);
    column_uuid(&columns.items[1], &row->user_id);
    column_bytes(&columns.items[2], span_of(hash.bytes, CONTENT_HASH_LEN));
    column_int2(&columns.items[3], OUTCOME_APPLIED);
    column_int8(&columns.items[4], (int64_t)row->after.version);
    column_int8(&columns.items[5], (int64_t)row->seq);
    column_int8(&columns.items[6], TIME_BASE + (int64_t)row->seq);
    column_null(&columns.items[7]);
  }
  return statement_add(batch, STATEMENT_OUTCOMES_INSERT, &columns);
}

static int user_compare(const void *a, const void *b) {
  return uuid_compare(&((const struct row *)a)->user_id, &((const struct row *)b)->user_id);
}

static int command_compare(const void *a, const void *b) {
  return uuid_compare(&((const struct row *)a)->command_id, &((const struct row *)b)->command_id);
}

static bool batch_encode(struct build *build, struct rows_batch *ret_batch) {
  bool fine = fence_encode(build, ret_batch) && events_encode(build, ret_batch);
  qsort(build->all, build->count, sizeof *build->all, user_compare);
  fine = fine && users_encode(build, ret_batch) && keys_encode(build, ret_batch, true) &&
         keys_encode(build, ret_batch, false);
  qsort(build->all, build->count, sizeof *build->all, command_compare);
  fine = fine && outcomes_encode(build, ret_batch);
  build->count = 0;
  build->rows->batches_made++;
  return fine;
}
