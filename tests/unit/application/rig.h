// SPDX-License-Identifier: MIT
// A lane without its sockets: messages into the real pipeline, codec and memory, over a store in memory, with the same
// answers to surprises as the lane's. Messages live in blocks of their own and go after their batch.
#pragma once

#include "../domain/event_equal.h"
#include "lumin/infrastructure/codec/codec.h"
#include "lumin/user/v1/commands.pb-c.h"
#include "store_fake.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define PAYLOAD_LIMIT (256U * 1024)
#define BATCH_MEMORY (64U << 20)

// How a step is to end.
#define APPLIED(v) .status = OUTCOME_APPLIED, .version = (v)
#define UNCHANGED(v) .status = OUTCOME_UNCHANGED, .version = (v)
#define REFUSED(why, v) .status = OUTCOME_REJECTED, .reason = LUMIN_##why, .version = (v)
#define DEAD(why) .status = OUTCOME_DEAD, .reason = LUMIN_##why

// What a test says of a command; numbers name users and command ids. What is not named is left out.
struct step {
  enum method_id method;
  unsigned user;
  const char *first_name, *email, *phone;
  unsigned id;          // of the command; 0: none
  const char *expected; // Lumin-Expected-Version
  const char *payload_user;
  int64_t ts_ns; // 0: later than the last
  // Beside the ordinary:
  const char *subject;             // instead of the right one
  struct span payload;             // instead of the right one
  const ProtobufCMessage *message; // the same, of methods that the fields above are too few for
  struct metadata headers;
  // What is to become of it.
  enum outcome_status status;
  enum lumin_status reason;
  uint64_t version;
};

struct result {
  struct outcome outcome;
  bool unrecorded;
};

struct rig {
  struct fake_store *fake;
  struct codec *codec;
  struct arena *arena;
  struct pipeline pipeline;
  struct partition_truth truths[FAKE_PARTITIONS];
  uint64_t seq;
  int64_t ts_ns;
  unsigned conflicts, halvings;
  bool forgets; // memory goes with a lost connection, as the lane's does
};

static inline struct uuid numbered(unsigned kind, unsigned number) {
  return (struct uuid){
      {(uint8_t)kind, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, (uint8_t)(number >> 8), (uint8_t)number}};
}
static inline struct uuid user_numbered(unsigned number) { return numbered(0xaa, number); }
static inline struct uuid command_numbered(unsigned number) { return numbered(0xcc, number); }

// A lane over tables that are there already; they must outlive it.
static inline struct rig *rig_create_on(struct fake_store *fake, size_t memory_limit, size_t batch_memory) {
  struct rig *rig = calloc(1, sizeof *rig);
  cr_assert(rig);
  rig->fake = fake;
  rig->codec = codec_create(PAYLOAD_LIMIT);
  rig->arena = arena_create(batch_memory);
  rig->pipeline = (struct pipeline){.codec = codec_port(rig->codec),
                                    .store = {rig->fake, fake_load, fake_record},
                                    .memory = memory_create(memory_limit),
                                    .truths = rig->truths,
                                    .partitions = FAKE_PARTITIONS,
                                    .prefix = SPAN_LITERAL("lumin.user.v1")};
  cr_assert(rig->codec && rig->arena && rig->pipeline.memory);
  cr_assert_eq(pipeline_init(&rig->pipeline), LUMIN_OK);
  for (size_t i = 0; i < FAKE_PARTITIONS; i++)
    rig->truths[i].epoch = 7;
  rig->ts_ns = 1700000000000000000;
  rig->forgets = true;
  return rig;
}

static inline struct rig *rig_create(size_t memory_limit, size_t batch_memory) {
  return rig_create_on(fake_create(), memory_limit, batch_memory);
}

static inline struct rig *rig_plain(void) { return rig_create(1U << 20, BATCH_MEMORY); }

static inline void rig_destroy_lane(struct rig *rig) {
  pipeline_finish(&rig->pipeline);
  memory_destroy(rig->pipeline.memory);
  arena_destroy(rig->arena);
  codec_destroy(rig->codec);
  free(rig);
}

static inline void rig_destroy(struct rig *rig) {
  fake_destroy(rig->fake);
  rig_destroy_lane(rig);
}

// ---- messages

static inline char *text_or_empty(const char *text) { return (char *)(uintptr_t)(text ? text : ""); }

static inline struct span payload_pack(const struct step *step, struct arena *arena) {
  struct span payload = SPAN_EMPTY;
  if (step->message) {
    cr_assert_eq(step->message->descriptor, methods[step->method].request);
    cr_assert_eq(codec_pack(step->message, arena, &payload), LUMIN_OK);
    return payload;
  }
  Lumin__User__V1__Create create = LUMIN__USER__V1__CREATE__INIT;
  Lumin__User__V1__ChangeUsername username = LUMIN__USER__V1__CHANGE_USERNAME__INIT;
  Lumin__User__V1__ChangeEmail email = LUMIN__USER__V1__CHANGE_EMAIL__INIT;
  Lumin__User__V1__Delete deletion = LUMIN__USER__V1__DELETE__INIT;
  Lumin__User__V1__Probe probe = LUMIN__USER__V1__PROBE__INIT;
  create.user_id = username.user_id = email.user_id = deletion.user_id = probe.user_id =
      text_or_empty(step->payload_user);
  create.first_name = username.first_name = text_or_empty(step->first_name);
  create.email = email.email = text_or_empty(step->email);
  create.phone = text_or_empty(step->phone);
  const ProtobufCMessage *const messages[METHOD_COUNT] = {[METHOD_create] = &create.base,
                                                          [METHOD_change_username] = &username.base,
                                                          [METHOD_change_email] = &email.base,
                                                          [METHOD_delete] = &deletion.base,
                                                          [METHOD_probe] = &probe.base};
  cr_assert(messages[step->method]);
  cr_assert_eq(codec_pack(messages[step->method], arena, &payload), LUMIN_OK);
  return payload;
}

// Puts the message together in an arena of its own, which is its handle.
static inline struct inbound message_make(struct rig *rig, const struct step *step) {
  struct arena *arena = arena_create(SIZE_MAX);
  cr_assert(arena);
  struct uuid user = user_numbered(step->user), id = command_numbered(step->id);
  char user_text[UUID_TEXT_LEN + 1], id_text[UUID_TEXT_LEN + 1];
  uuid_format(&user, user_text);
  uuid_format(&id, id_text);
  uint32_t partition = partition_of(span_of(user_text, UUID_TEXT_LEN), FAKE_PARTITIONS);
  rig->ts_ns = step->ts_ns ? step->ts_ns : rig->ts_ns + 1000;
  struct inbound message = {.partition = (uint16_t)partition,
                            .seq = ++rig->seq,
                            .ts_ns = rig->ts_ns,
                            .headers = step->headers,
                            .handle = arena};
  message.subject = step->subject ? arena_copy(arena, span_from_text(step->subject))
                                  : arena_printf(arena, "lumin.user.v1.command.%u.%s.%s", partition,
                                                 methods[step->method].name, user_text);
  message.payload = step->payload.data ? arena_copy(arena, step->payload) : payload_pack(step, arena);
  if (step->id)
    message.headers.command_id = arena_copy(arena, span_of(id_text, UUID_TEXT_LEN));
  if (step->expected)
    message.headers.expected_version = arena_copy(arena, span_from_text(step->expected));
  if (message.headers.actor.data)
    message.headers.actor = arena_copy(arena, message.headers.actor);
  return message;
}

// ---- batches

// Where the partitions stand tells whether the batch was committed; all of its marks move together.
static inline bool rig_is_committed(const struct rig *rig, const struct batch *batch) {
  size_t count = 0;
  const struct partition_mark *marks = batch_marks(batch, &count);
  return count > 0 && rig->fake->tables.partitions[marks[0].partition].new_seq == marks[0].new_seq;
}

// A new epoch, and the truth about the batch in doubt.
static inline void rig_lose(struct rig *rig, struct batch *batch, enum lumin_status *status) {
  if (rig->forgets)
    memory_clear(rig->pipeline.memory);
  if (rig_is_committed(rig, batch)) {
    batch_settle(batch);
    memory_clear(rig->pipeline.memory);
    *status = LUMIN_OK;
  }
  for (size_t i = 0; i < FAKE_PARTITIONS; i++)
    rig->truths[i].epoch = ++rig->fake->tables.partitions[i].epoch;
}

// Until it is committed or the surprise is one that ends a batch; BAD_DATA and NO_MEMORY are the caller's. A command
// alone is not to blame for BAD_DATA before it was decided on rows.
static inline enum lumin_status rig_commit(struct rig *rig, struct batch *batch) {
  size_t count = 0;
  (void)batch_commands(batch, &count);
  bool looked = count > 1;
  enum lumin_status status = batch_decode(batch);
  for (unsigned attempts = 0; status == LUMIN_OK; attempts++) {
    cr_assert_lt(attempts, 50, "the batch comes to no end");
    status = batch_load(batch);
    if (status == LUMIN_OK)
      status = batch_decide(batch);
    if (status == LUMIN_OK)
      status = batch_record(batch);
    if (status == LUMIN_OK)
      return status;
    if (status == LUMIN_CONFLICT || status == LUMIN_DEADLOCK) {
      rig->conflicts++;
      batch_doubt(batch);
    } else if (status == LUMIN_BAD_DATA && !looked) {
      looked = true;
      batch_doubt(batch);
    } else if (status == LUMIN_CONNECTION_LOST) {
      rig_lose(rig, batch, &status);
      if (status == LUMIN_OK)
        return status;
    } else if (status != LUMIN_RETRY) {
      return status;
    }
    status = LUMIN_OK;
  }
  return status;
}

static inline void rig_collect(const struct batch *batch, struct result *ret_results) {
  size_t count = 0;
  const struct command *commands = batch_commands(batch, &count);
  for (size_t i = 0; i < count; i++)
    ret_results[i] = (struct result){commands[i].outcome, commands[i].unrecorded};
}

// Commits all messages, in as many batches as the database's moods make it.
static inline void rig_apply(struct rig *rig, const struct inbound *messages, size_t count,
                             struct result *ret_results) {
  size_t limit = count;
  bool poison = false;
  for (size_t done = 0; done < count;) {
    size_t size = count - done < limit ? count - done : limit;
    struct batch *batch = batch_create(&rig->pipeline, rig->arena, messages + done, size);
    cr_assert(batch);
    if (poison)
      cr_assert_eq(batch_halve(batch), 1);
    enum lumin_status status = rig_commit(rig, batch);
    if (status == LUMIN_OK) {
      rig_collect(batch, ret_results + done);
      done += size;
      poison = false;
    } else {
      cr_assert(status == LUMIN_BAD_DATA || status == LUMIN_NO_MEMORY, "unexpected %s", status_name(status));
      rig->halvings++;
      poison = size == 1;
      limit = size > 1 ? size / 2 : 1;
    }
    arena_reset(rig->arena);
  }
}

// One batch of steps.
static inline void rig_steps(struct rig *rig, const struct step *steps, size_t count, struct result *ret_results) {
  struct inbound *messages = calloc(count, sizeof *messages);
  cr_assert(messages);
  for (size_t i = 0; i < count; i++)
    messages[i] = message_make(rig, &steps[i]);
  rig_apply(rig, messages, count, ret_results);
  for (size_t i = 0; i < count; i++)
    arena_destroy(messages[i].handle);
  free(messages);
}

// ... that end as they say.
static inline void rig_expect(struct rig *rig, const struct step *steps, size_t count) {
  struct result *results = calloc(count, sizeof *results);
  cr_assert(results);
  rig_steps(rig, steps, count, results);
  for (size_t i = 0; i < count; i++) {
    const struct outcome *outcome = &results[i].outcome;
    cr_expect_eq(outcome->status, steps[i].status, "step %zu: status %d, not %d (%s: %.*s)", i, outcome->status,
                 steps[i].status, status_name(outcome->refusal.reason), SPAN_ARGS(outcome->refusal.message));
    cr_expect_eq(outcome->refusal.reason, steps[i].reason, "step %zu: %s, not %s", i,
                 status_name(outcome->refusal.reason), status_name(steps[i].reason));
    cr_expect_eq(outcome->version, steps[i].version, "step %zu: version %llu, not %llu", i,
                 (unsigned long long)outcome->version, (unsigned long long)steps[i].version);
  }
  free(results);
}

// ---- what must hold of the tables, whatever happened

// The row is the fold of the events' stored bodies (guarantee 6), whose versions are dense (3).
static inline void rig_check_fold(const struct fake_tables *tables, const struct user *row, struct arena *arena) {
  struct user user = {.id = row->id};
  for (size_t i = 0; i < tables->event_count; i++) {
    const struct fake_event *stored = &tables->events[i];
    if (!uuid_equal(&stored->user_id, &row->id))
      continue;
    struct event event = {0};
    cr_assert_eq(codec_decode_event(stored->type, stored->body, arena, &event), LUMIN_OK);
    event.version = stored->version;
    event.time_ns = stored->time_ns;
    cr_expect_eq(stored->version, user.version + 1, "versions are dense");
    cr_expect_geq(stored->time_ns, user.updated_ns, "time does not go back");
    user_apply(&user, &event);
  }
  cr_expect(user_equal(&user, row));
  uint64_t views = 0;
  for (size_t i = 0; i < tables->view_count; i++)
    views += uuid_equal(&tables->views[i].user_id, &row->id) ? tables->views[i].count : 0;
  cr_expect_eq(row->profile_views, views, "views are those of the viewers");
}

// Each user is the fold of its events, each partition's positions are dense, and each living user's e-mail and phone
// are its own in the identifiers, with nothing else there (guarantees 3, 6 and 7).
static inline void rig_check_tables(struct rig *rig) {
  const struct fake_tables *tables = &rig->fake->tables;
  struct arena *arena = arena_create(SIZE_MAX);
  cr_assert(arena);
  size_t keys = 0;
  for (size_t i = 0; i < tables->user_count; i++) {
    const struct user *user = &tables->users[i];
    rig_check_fold(tables, user, arena);
    if (user->status == USER_DELETED)
      continue;
    const struct identifier wanted[] = {{IDENTIFIER_EMAIL, user->email.key, user->id},
                                        {IDENTIFIER_PHONE, user->phone, user->id}};
    for (size_t j = 0; j < 2; j++) {
      if (wanted[j].key.len == 0)
        continue;
      const struct identifier *row = fake_key_find(rig->fake, wanted[j].kind, wanted[j].key);
      cr_expect(row && uuid_equal(&row->user_id, &user->id), "%.*s is not claimed", SPAN_ARGS(wanted[j].key));
      keys++;
    }
  }
  cr_expect_eq(tables->identifier_count, keys);
  for (uint16_t partition = 0; partition < FAKE_PARTITIONS; partition++) {
    uint64_t position = 0;
    for (size_t j = 0; j < tables->event_count; j++)
      if (tables->events[j].partition == partition)
        cr_expect_eq(tables->events[j].position, ++position);
    cr_expect_eq(tables->partitions[partition].event_position, position);
    cr_expect_eq(rig->truths[partition].event_position, position);
  }
  arena_destroy(arena);
}
