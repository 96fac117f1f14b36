// SPDX-License-Identifier: MIT
// A table that was restored to an earlier point, and the events that were published since: the commands decided again
// under precedents give the very events, users, identifiers and outcomes that were lost (guarantees 2, 3, 6, 7, 8),
// whether all events were published, some of them, or only some commands are left.
#include "dice.h"
#include "rig.h"

#include "lumin/application/precedent.h"

#define SEEDS 400
#define STEPS_MAX 90
#define ITEMS_MAX 512

// ---- the event stream of a test

struct published {
  struct precedent items[ITEMS_MAX];
  size_t count;
  struct arena *arena;
  struct uuid_map *waiting; // beside it: the commands that were left
  bool expired;             // and that some are gone
  bool claimed[FAKE_PARTITIONS];
  struct inbound stopped; // the last command that had to wait
};

static int item_compare(const void *a, const void *b) {
  const struct precedent *x = a, *y = b;
  if (x->partition != y->partition)
    return (int)x->partition - (int)y->partition;
  return x->position < y->position ? -1 : x->position > y->position;
}

static void publish(struct published *stream, const struct fake_event *row) {
  struct precedent *item = &stream->items[stream->count++];
  cr_assert_lt(stream->count, ITEMS_MAX);
  *item = (struct precedent){row->command_id, row->user_id, row->partition, row->position, {0}, row->body};
  item->body = arena_copy(stream->arena, row->body);
  cr_assert_eq(codec_decode_event(row->type, item->body, stream->arena, &item->event), LUMIN_OK);
  item->event.version = row->version;
  item->event.time_ns = row->time_ns;
}

// ---- replay

static bool id_is_of(const struct batch *batch, const struct uuid *id) {
  size_t count = 0;
  const struct command *commands = batch_commands(batch, &count);
  for (size_t i = 0; i < count; i++)
    if (uuid_equal(&commands[i].command_id, id))
      return true;
  return false;
}

struct reading {
  struct precedent items[ITEMS_MAX];
  uint64_t next[FAKE_PARTITIONS];
  struct precedent_run runs[ITEMS_MAX];
  struct precedents all;
};

// What the stream holds beyond the table, as a repair reads it.
static void read_stream(const struct rig *rig, const struct published *stream, const struct batch *batch,
                        struct reading *reading) {
  memset(reading, 0, sizeof *reading);
  for (size_t i = 0; i < stream->count; i++) {
    const struct precedent *item = &stream->items[i];
    uint64_t *next = &reading->next[item->partition];
    if (item->position <= rig->truths[item->partition].event_position)
      continue;
    reading->runs[reading->all.run_count++] =
        (struct precedent_run){item->user_id, item->event.version, item->event.version};
    if (id_is_of(batch, &item->command_id))
      reading->items[reading->all.count++] = *item;
    else if (*next == 0 || *next > item->position)
      *next = item->position;
  }
  qsort(reading->items, reading->all.count, sizeof reading->items[0], item_compare);
  reading->all.items = reading->items;
  reading->all.next = reading->next;
  reading->all.runs = reading->runs;
  reading->all.waiting = stream->waiting;
  reading->all.expired = stream->expired;
  reading->all.claimed = stream->claimed;
}

static enum lumin_status replay_batch(struct rig *rig, struct published *stream, const struct inbound *messages,
                                      size_t count, struct result *ret_results) {
  static struct reading reading;
  struct batch *batch = batch_create(&rig->pipeline, rig->arena, messages, count);
  cr_assert(batch);
  enum lumin_status status = batch_decode(batch);
  cr_assert_eq(status, LUMIN_OK);
  read_stream(rig, stream, batch, &reading);
  cr_assert_eq(batch_follow(batch, &reading.all), LUMIN_OK);
  for (unsigned attempts = 0; attempts < 20; attempts++) {
    status = batch_load(batch);
    if (status == LUMIN_OK)
      status = batch_decide(batch);
    if (status == LUMIN_OK)
      status = batch_record(batch);
    if (status != LUMIN_CONFLICT)
      break;
    rig->conflicts++;
    batch_doubt(batch);
  }
  if (status == LUMIN_OK && ret_results)
    rig_collect(batch, ret_results);
  if (status == LUMIN_STOPPED)
    stream->stopped = *batch_stopped(batch)->inbound;
  arena_reset(rig->arena);
  return status;
}

// ---- two worlds: before the restore, and after it

struct worlds {
  struct rig *lost, *repaired;
  struct inbound messages[STEPS_MAX];
  struct result first[STEPS_MAX], second[STEPS_MAX];
  size_t count, restored; // messages, and how many of them the restored table knows
  struct published stream;
};

static struct worlds *worlds_create(void) {
  struct worlds *worlds = calloc(1, sizeof *worlds);
  cr_assert(worlds);
  worlds->lost = rig_plain();
  worlds->repaired = rig_plain();
  worlds->stream.arena = arena_create(SIZE_MAX);
  worlds->stream.waiting = uuid_map_create();
  cr_assert(worlds->stream.arena && worlds->stream.waiting);
  return worlds;
}

static void worlds_destroy(struct worlds *worlds) {
  for (size_t i = 0; i < worlds->count; i++)
    arena_destroy(worlds->messages[i].handle);
  arena_destroy(worlds->stream.arena);
  uuid_map_destroy(worlds->stream.waiting);
  rig_destroy(worlds->repaired);
  rig_destroy(worlds->lost);
  free(worlds);
}

// The restored table is what the first world has now.
static void worlds_keep(struct worlds *worlds) {
  worlds->restored = worlds->count;
  fake_tables_copy(&worlds->repaired->fake->tables, &worlds->lost->fake->tables);
  for (size_t i = 0; i < FAKE_PARTITIONS; i++) {
    worlds->repaired->truths[i] = worlds->lost->truths[i];
    worlds->repaired->fake->tables.partitions[i] = worlds->lost->fake->tables.partitions[i];
  }
}

static void worlds_send(struct worlds *worlds, const struct step *steps, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t at = worlds->count++;
    worlds->messages[at] = message_make(worlds->lost, &steps[i]);
    rig_apply(worlds->lost, &worlds->messages[at], 1, &worlds->first[at]);
  }
}

// By the order of commits the first of them comes last: another lane was slow.
static void worlds_send_overtaken(struct worlds *worlds, const struct step *steps, size_t count) {
  size_t first = worlds->count;
  for (size_t i = 0; i < count; i++)
    worlds->messages[worlds->count++] = message_make(worlds->lost, &steps[i]);
  for (size_t i = first + 1; i < worlds->count; i++)
    rig_apply(worlds->lost, &worlds->messages[i], 1, &worlds->first[i]);
  rig_apply(worlds->lost, &worlds->messages[first], 1, &worlds->first[first]);
}

static void publish_all(struct worlds *worlds) {
  for (size_t i = 0; i < worlds->lost->fake->tables.event_count; i++)
    publish(&worlds->stream, &worlds->lost->fake->tables.events[i]);
}

static void outcome_expect_same(size_t index, const struct outcome *first, const struct outcome *second) {
  cr_expect_eq(second->status, first->status, "%zu: status %d, was %d (%s, was %s)", index, second->status,
               first->status, status_name(second->refusal.reason), status_name(first->refusal.reason));
  cr_expect_eq(second->refusal.reason, first->refusal.reason, "%zu: %s, was %s", index,
               status_name(second->refusal.reason), status_name(first->refusal.reason));
  cr_expect_eq(second->version, first->version, "%zu: version", index);
  cr_expect_eq(second->stream_seq, first->stream_seq, "%zu: sequence", index);
  cr_expect_eq(second->refusal.current_status, first->refusal.current_status, "%zu: current status", index);
  cr_expect_eq(second->refusal.current_version, first->refusal.current_version, "%zu: current version", index);
}

static const struct fake_event *event_at(const struct rig *rig, uint16_t partition, uint64_t position) {
  for (size_t i = 0; i < rig->fake->tables.event_count; i++) {
    const struct fake_event *event = &rig->fake->tables.events[i];
    if (event->partition == partition && event->position == position)
      return event;
  }
  return NULL;
}

static void tables_expect_same(const struct worlds *worlds) {
  const struct fake_tables *first = &worlds->lost->fake->tables, *second = &worlds->repaired->fake->tables;
  cr_expect_eq(second->event_count, first->event_count);
  for (size_t i = 0; i < first->event_count; i++) {
    const struct fake_event *was = &first->events[i];
    const struct fake_event *is = event_at(worlds->repaired, was->partition, was->position);
    cr_expect(is && uuid_equal(&is->user_id, &was->user_id) && is->version == was->version && is->type == was->type &&
                  is->time_ns == was->time_ns && uuid_equal(&is->command_id, &was->command_id) &&
                  span_equal(is->body, was->body),
              "partition %u, position %llu", was->partition, (unsigned long long)was->position);
  }
  cr_expect_eq(second->user_count, first->user_count);
  cr_expect_eq(second->outcome_count, first->outcome_count);
  cr_expect_eq(second->dead_count, first->dead_count);
  rig_check_tables(worlds->repaired);
}

// What a repair does at its end: the identifiers as the users have them. Nobody shares one.
static void identifiers_settle(struct rig *rig) {
  struct fake_tables *tables = &rig->fake->tables;
  tables->identifier_count = 0;
  for (size_t i = 0; i < tables->user_count; i++) {
    const struct user *user = &tables->users[i];
    const struct identifier keys[] = {{IDENTIFIER_EMAIL, user_email_key(user), user->id},
                                      {IDENTIFIER_PHONE, user_phone_key(user), user->id}};
    for (size_t j = 0; j < 2; j++) {
      if (keys[j].key.len == 0)
        continue;
      cr_expect_null(fake_key_find(rig->fake, keys[j].kind, keys[j].key), "%.*s is two users'", SPAN_ARGS(keys[j].key));
      tables->identifiers[tables->identifier_count++] = keys[j];
    }
  }
}

struct replay {
  struct worlds *worlds;
  uint64_t stopped[FAKE_PARTITIONS]; // from that sequence on; 0: not at all
  size_t left[STEPS_MAX];            // indexes of what is for the worker
  size_t left_count;
};

static void replay_leave(struct replay *replay, size_t index) {
  const struct inbound *message = &replay->worlds->messages[index];
  struct uuid_map *waiting = replay->worlds->stream.waiting;
  struct uuid id;
  replay->left[replay->left_count++] = index;
  if (inbound_command_id(message, &id) == LUMIN_OK && uuid_map_get(waiting, &id) == NULL)
    cr_assert_eq(uuid_map_put(waiting, &id, (void *)(uintptr_t)message->seq, NULL), LUMIN_OK);
}

// As many of some commands as are not behind one that was stopped; the others are left.
static size_t replay_pick(struct replay *replay, const size_t *indexes, size_t count, struct inbound *messages,
                          size_t *picked) {
  size_t some = 0;
  for (size_t i = 0; i < count; i++) {
    const struct inbound *message = &replay->worlds->messages[indexes[i]];
    uint64_t stopped = replay->stopped[message->partition];
    if (stopped != 0 && message->seq >= stopped) {
      replay_leave(replay, indexes[i]);
    } else {
      picked[some] = indexes[i];
      messages[some++] = *message;
    }
  }
  return some;
}

// In batches of some size.
static void replay_some(struct replay *replay, const size_t *indexes, size_t count, size_t size) {
  static struct inbound messages[STEPS_MAX];
  static struct result results[STEPS_MAX];
  size_t picked[STEPS_MAX];
  for (size_t done = 0; done < count;) {
    size_t limit = count - done < size ? count - done : size;
    size_t left = replay->left_count, some = replay_pick(replay, indexes + done, limit, messages, picked);
    struct worlds *worlds = replay->worlds;
    enum lumin_status status =
        some > 0 ? replay_batch(worlds->repaired, &worlds->stream, messages, some, results) : LUMIN_OK;
    if (status == LUMIN_STOPPED) {
      uint64_t *stopped = &replay->stopped[worlds->stream.stopped.partition];
      cr_assert(*stopped == 0 || worlds->stream.stopped.seq < *stopped, "it would go on for ever");
      *stopped = worlds->stream.stopped.seq;
      replay->left_count = left; // and the same again, without it
      continue;
    }
    cr_assert_eq(status, LUMIN_OK, "%s", status_name(status));
    for (size_t i = 0; i < some; i++)
      worlds->second[picked[i]] = results[i];
    done += limit;
  }
}

// The repair, and then the worker with what it was left.
static void replay_all(struct worlds *worlds, const size_t *indexes, size_t count, size_t size) {
  struct replay replay = {.worlds = worlds};
  replay_some(&replay, indexes, count, size);
  identifiers_settle(worlds->repaired);
  for (size_t i = 0; i < replay.left_count; i++)
    rig_apply(worlds->repaired, &worlds->messages[replay.left[i]], 1, &worlds->second[replay.left[i]]);
}

// What the restored table does not know, in the order of the stream, up to some sequence.
static void worlds_replay_to(struct worlds *worlds, size_t size, uint64_t last_seq) {
  size_t indexes[STEPS_MAX], count = 0;
  for (size_t i = 0; i < worlds->count; i++) {
    const struct inbound *message = &worlds->messages[i];
    if (message->seq <= last_seq && message->seq > worlds->repaired->truths[message->partition].input_seq)
      indexes[count++] = i;
  }
  replay_all(worlds, indexes, count, size);
}

static void worlds_replay(struct worlds *worlds, size_t size) { worlds_replay_to(worlds, size, UINT64_MAX); }

static void outcomes_expect_same(const struct worlds *worlds) {
  for (size_t i = worlds->restored; i < worlds->count; i++)
    outcome_expect_same(i, &worlds->first[i].outcome, &worlds->second[i].outcome);
}

// ---- one thing at a time

#define CREATE(number, mail) METHOD_create, (number), "Ada", .email = (mail)
#define RENAME(number, name) METHOD_change_username, (number), (name)
#define MAIL(number, mail) METHOD_change_email, (number), .email = (mail)

Test(precedents, answers_stay_true_though_the_state_has_moved_on) {
  struct worlds *worlds = worlds_create();
  worlds_send(worlds, (struct step[]){{CREATE(1, "a@example.com"), .id = 1}}, 1);
  worlds_keep(worlds);
  const struct step steps[] = {
      {RENAME(1, "Ada"), .id = 2},           // unchanged; with the last name it would be a change
      {CREATE(2, "a@example.com"), .id = 3}, // taken; later it is free
      {RENAME(1, "Eve"), .id = 4},
      {MAIL(1, "b@example.com"), .id = 5},
      {RENAME(1, "Bob"), .id = 6, .expected = "1"}, // another version
      {RENAME(1, "Bob"), .id = 7},
  };
  worlds_send(worlds, steps, COUNT(steps));
  cr_expect_eq(worlds->first[1].outcome.status, OUTCOME_UNCHANGED);
  cr_expect_eq(worlds->first[2].outcome.refusal.reason, LUMIN_EMAIL_TAKEN);
  publish_all(worlds);
  worlds_replay(worlds, 8);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

Test(precedents, an_id_belongs_to_the_command_that_waits) {
  struct worlds *worlds = worlds_create();
  worlds_send(worlds, (struct step[]){{CREATE(1, "a@example.com"), .id = 1}, {CREATE(2, "b@example.com"), .id = 2}}, 2);
  worlds_keep(worlds);
  const struct step steps[] = {
      {MAIL(1, "c@example.com"), .id = 3}, // not published: it waits, and what comes behind it
      {RENAME(1, "Ada"), .id = 4},         // unchanged
      {RENAME(2, "Zoe"), .id = 4},         // refused: the id is used
      {RENAME(2, "Eve"), .id = 5},
  };
  worlds_send(worlds, steps, COUNT(steps));
  cr_assert_neq(worlds->messages[3].partition, worlds->messages[4].partition);
  cr_assert_eq(worlds->first[4].outcome.refusal.reason, LUMIN_COMMAND_ID_REUSED);
  publish(&worlds->stream, &worlds->lost->fake->tables.events[worlds->lost->fake->tables.event_count - 1]);
  worlds_replay(worlds, 8);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

Test(precedents, what_was_published_counts_whatever_the_command_would_come_to) {
  struct worlds *worlds = worlds_create();
  worlds_keep(worlds);
  worlds_send(worlds, (struct step[]){{CREATE(1, "a@example.com"), .id = 1}, {RENAME(1, "Eve"), .id = 2}}, 2);
  publish_all(worlds);
  // Another program: the same commands cannot be decoded any more, or mean something else.
  worlds->messages[0].payload = SPAN_LITERAL("\xff");
  worlds->messages[1].headers.actor = SPAN_LITERAL("\n");
  worlds_replay(worlds, 2);
  cr_expect_eq(worlds->second[0].outcome.status, OUTCOME_APPLIED);
  cr_expect_eq(worlds->second[1].outcome.version, 2);
  worlds_destroy(worlds);
}

// A command whose place is taken by later events led to none, though nothing here says why.
Test(precedents, no_place_among_the_positions_means_that_it_was_refused) {
  struct worlds *worlds = worlds_create();
  worlds_keep(worlds);
  worlds_send(worlds, (struct step[]){{CREATE(1, "a@example.com"), .id = 1}, {RENAME(1, "Eve"), .id = 2}}, 2);
  publish_all(worlds);
  // In between somebody wanted an address that another lane's user had at that moment.
  const struct step wanted[] = {{CREATE(1, "a@example.com"), .id = 1},
                                {MAIL(1, "free@example.com"), .id = 9},
                                {RENAME(1, "Zoe"), .id = 10},
                                {RENAME(1, "Eve"), .id = 2}};
  struct rig *rig = worlds->repaired;
  struct inbound messages[COUNT(wanted)];
  struct result results[COUNT(wanted)];
  for (size_t i = 0; i < COUNT(wanted); i++)
    messages[i] = message_make(rig, &wanted[i]);
  cr_assert_eq(replay_batch(rig, &worlds->stream, messages, COUNT(wanted), results), LUMIN_OK);
  cr_expect_eq(results[1].outcome.refusal.reason, LUMIN_EMAIL_TAKEN);
  cr_expect_eq(results[2].outcome.status, OUTCOME_DEAD, "nothing can have refused it: an operator may send it again");
  cr_expect_eq(results[3].outcome.version, 2);
  rig_check_tables(rig);
  for (size_t i = 0; i < COUNT(wanted); i++)
    arena_destroy(messages[i].handle);
  worlds_destroy(worlds);
}

static bool is_unpublished(const struct fake_event *row, const unsigned *positions, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (row->position == positions[i])
      return true;
  return false;
}

static void publish_without(struct worlds *worlds, const unsigned *positions, size_t count) {
  for (size_t i = 0; i < worlds->lost->fake->tables.event_count; i++) {
    const struct fake_event *row = &worlds->lost->fake->tables.events[i];
    if (!is_unpublished(row, positions, count))
      publish(&worlds->stream, row);
  }
}

// Users of one partition, so that positions count their events together.
static unsigned neighbour_of(unsigned user, unsigned after) {
  char text[UUID_TEXT_LEN + 1];
  for (uint32_t wanted = 0;; after++) {
    struct uuid id = user_numbered(after == 0 ? user : after);
    uuid_format(&id, text);
    uint32_t partition = partition_of(span_of(text, UUID_TEXT_LEN), FAKE_PARTITIONS);
    if (after == 0)
      wanted = partition;
    struct uuid own = user_numbered(user);
    uuid_format(&own, text);
    wanted = partition_of(span_of(text, UUID_TEXT_LEN), FAKE_PARTITIONS);
    if (after > user && partition == wanted)
      return after;
  }
}

Test(precedents, a_hole_is_filled_by_the_command_that_had_made_it) {
  struct worlds *worlds = worlds_create();
  unsigned other = neighbour_of(1, 2);
  worlds_keep(worlds);
  const struct step steps[] = {{CREATE(1, "a@example.com"), .id = 1},
                               {CREATE(other, "o@example.com"), .id = 2},
                               {RENAME(1, "Eve"), .id = 3},
                               {RENAME(1, "Eve"), .id = 4}, // unchanged
                               {RENAME(other, "Bob"), .id = 5}};
  worlds_send(worlds, steps, COUNT(steps));
  publish_without(worlds, (const unsigned[]){3}, 1); // "Eve" had not got to the stream
  worlds_replay(worlds, 5);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

// User 2 had the address by the order of commits, and had given it up by that of the stream: user 1, who was refused
// it, does not fill the place of the one who came then.
Test(precedents, a_hole_is_not_filled_by_who_was_refused_an_address) {
  struct worlds *worlds = worlds_create();
  unsigned near = neighbour_of(1, 3), next = neighbour_of(1, near + 1);
  const struct step before[] = {{CREATE(1, "a@example.com"), .id = 1},
                                {CREATE(2, "b@example.com"), .id = 2},
                                {CREATE(near, "n@example.com"), .id = 3},
                                {CREATE(next, "x@example.com"), .id = 4}};
  worlds_send(worlds, before, COUNT(before));
  worlds_keep(worlds);
  const struct step steps[] = {{MAIL(2, "c@example.com"), .id = 5},
                               {MAIL(1, "b@example.com"), .id = 6},
                               {RENAME(near, "Eve"), .id = 7},
                               {RENAME(1, "Bob"), .id = 8},
                               {RENAME(next, "Zoe"), .id = 9}};
  worlds_send_overtaken(worlds, steps, COUNT(steps));
  cr_assert_eq(worlds->first[5].outcome.refusal.reason, LUMIN_EMAIL_TAKEN);
  publish_without(worlds, (const unsigned[]){4, 5}, 2); // of users 1, `near` and `next`: two names
  worlds_replay(worlds, 8);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  cr_expect_eq(worlds->repaired->fake->void_count, 0);
  worlds_destroy(worlds);
}

// Two wanted an address in the hole, and one of them was refused: the one whose address another user had.
Test(precedents, of_two_that_took_an_address_the_disputed_one_was_refused) {
  struct worlds *worlds = worlds_create();
  unsigned near = neighbour_of(1, 3), next = neighbour_of(1, near + 1), last = neighbour_of(1, next + 1);
  const struct step before[] = {{CREATE(1, "a@example.com"), .id = 1},
                                {CREATE(2, "b@example.com"), .id = 2},
                                {CREATE(near, "n@example.com"), .id = 3},
                                {CREATE(next, "x@example.com"), .id = 4},
                                {CREATE(last, "l@example.com"), .id = 5}};
  worlds_send(worlds, before, COUNT(before));
  worlds_keep(worlds);
  const struct step steps[] = {{MAIL(2, "c@example.com"), .id = 6},
                               {MAIL(1, "b@example.com"), .id = 7},
                               {MAIL(near, "free@example.com"), .id = 8},
                               {RENAME(next, "Bob"), .id = 9},
                               {RENAME(last, "Zoe"), .id = 10}};
  worlds_send_overtaken(worlds, steps, COUNT(steps));
  cr_assert_eq(worlds->first[6].outcome.refusal.reason, LUMIN_EMAIL_TAKEN);
  publish_without(worlds, (const unsigned[]){5, 6}, 2); // the address of `near`, the name of `next`
  worlds_replay(worlds, 8);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

// The stream has lost a message in the middle of a user's: its command makes it again, at its own position.
Test(precedents, a_version_in_the_middle_is_made_again) {
  struct worlds *worlds = worlds_create();
  worlds_keep(worlds);
  const struct step steps[] = {
      {CREATE(1, "a@example.com"), .id = 1}, {RENAME(1, "Eve"), .id = 2}, {RENAME(1, "Bob"), .id = 3}};
  worlds_send(worlds, steps, COUNT(steps));
  publish_without(worlds, (const unsigned[]){2}, 1);
  worlds_replay(worlds, 1);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

Test(precedents, a_version_that_is_nowhere_ends_the_repair) {
  struct worlds *worlds = worlds_create();
  worlds_keep(worlds);
  const struct step steps[] = {
      {CREATE(1, "a@example.com"), .id = 1}, {RENAME(1, "Eve"), .id = 2}, {RENAME(1, "Bob"), .id = 3}};
  worlds_send(worlds, steps, COUNT(steps));
  publish_without(worlds, (const unsigned[]){2}, 1);
  cr_assert_eq(replay_batch(worlds->repaired, &worlds->stream, &worlds->messages[0], 1, NULL), LUMIN_OK);
  cr_expect_eq(replay_batch(worlds->repaired, &worlds->stream, &worlds->messages[2], 1, NULL), LUMIN_GAP);
  cr_expect_eq(worlds->repaired->fake->tables.event_count, 1);
  worlds_destroy(worlds);
}

static struct inbound message_expired(struct rig *rig, const struct inbound *original) {
  struct inbound message = *original;
  struct span id = original->headers.command_id;
  message.payload = SPAN_EMPTY;
  message.headers = (struct metadata){.command_id = id};
  message.seq = rig->truths[original->partition].input_seq;
  message.ts_ns = rig->truths[original->partition].input_ts_ns;
  message.expired = true;
  return message;
}

Test(precedents, commands_that_are_gone_leave_their_events_and_outcomes) {
  struct worlds *worlds = worlds_create();
  worlds_keep(worlds);
  const struct step steps[] = {{CREATE(1, "a@example.com"), .id = 1},
                               {RENAME(1, "Eve"), .id = 2},
                               {MAIL(1, "b@example.com"), .id = 3},
                               {RENAME(1, "Bob"), .id = 4}};
  worlds_send(worlds, steps, COUNT(steps));
  publish_all(worlds);
  struct rig *rig = worlds->repaired;
  struct inbound gone[3];
  for (size_t i = 0; i < 3; i++)
    gone[i] = message_expired(rig, &worlds->messages[i]);
  uint16_t partition = gone[0].partition;
  cr_assert_eq(replay_batch(rig, &worlds->stream, gone, 3, worlds->second), LUMIN_OK);
  cr_expect_eq(rig->truths[partition].input_seq, 0, "the position stays where the stream is still to be read");
  cr_expect_eq(rig->truths[partition].event_position, 3);
  cr_assert_eq(replay_batch(rig, &worlds->stream, &worlds->messages[3], 1, &worlds->second[3]), LUMIN_OK);
  tables_expect_same(worlds);
  // The caller's retry gets the outcome, whatever it holds: nobody knows any more what the first one held.
  struct result again[3];
  rig_apply(rig, worlds->messages, 3, again);
  for (size_t i = 0; i < 3; i++) {
    cr_expect_eq(again[i].outcome.status, OUTCOME_APPLIED);
    cr_expect_eq(again[i].outcome.version, worlds->first[i].outcome.version);
    cr_expect_eq(again[i].outcome.stream_seq, 0);
    cr_expect(again[i].unrecorded);
  }
  worlds_destroy(worlds);
}

// A command was dead, and was applied when it was sent again; today it would not be dead. Its events are the second's,
// whatever is gone beside it.
Test(precedents, what_was_dead_and_sent_again_does_not_take_its_own_id) {
  struct worlds *worlds = worlds_create();
  worlds_keep(worlds);
  const struct step steps[] = {{CREATE(1, "a@example.com"), .id = 1},
                               {RENAME(1, "Eve"), .id = 2, .payload = SPAN_LITERAL("\xff")},
                               {RENAME(1, "Bob"), .id = 3},
                               {RENAME(1, "Eve"), .id = 2},
                               {RENAME(1, "Zoe"), .id = 4}};
  worlds_send(worlds, steps, COUNT(steps));
  cr_assert_eq(worlds->first[3].outcome.version, 3);
  publish_all(worlds);
  worlds->stream.expired = true;
  worlds->messages[1].payload = worlds->messages[3].payload;
  worlds_replay(worlds, 1);
  cr_expect_eq(worlds->second[1].outcome.status, OUTCOME_DEAD);
  worlds->second[1].outcome = worlds->first[1].outcome; // for another reason than the first time
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

// Where commands are gone, one that finds no place had a used id, unless an earlier batch has given its place away.
Test(precedents, who_is_crowded_out_by_an_earlier_batch_is_dead) {
  for (int claimed = 0; claimed <= 1; claimed++) {
    struct worlds *worlds = worlds_create();
    worlds_keep(worlds);
    const struct step steps[] = {{CREATE(1, "a@example.com"), .id = 1}, {RENAME(1, "Eve"), .id = 2}};
    worlds_send(worlds, steps, COUNT(steps));
    publish_all(worlds);
    struct rig *rig = worlds->repaired;
    const struct step crowded = {RENAME(1, "Zoe"), .id = 4};
    struct inbound messages[] = {worlds->messages[0], message_make(rig, &crowded), worlds->messages[1]};
    struct result results[3];
    worlds->stream.expired = true;
    worlds->stream.claimed[messages[0].partition] = claimed;
    cr_assert_eq(replay_batch(rig, &worlds->stream, &messages[0], 1, &results[0]), LUMIN_OK);
    cr_assert_eq(replay_batch(rig, &worlds->stream, &messages[1], 2, &results[1]), LUMIN_OK);
    cr_expect_eq(results[1].outcome.status, claimed ? OUTCOME_DEAD : OUTCOME_REJECTED);
    cr_expect_eq(results[2].outcome.version, 2);
    arena_destroy(messages[1].handle);
    worlds_destroy(worlds);
  }
}

// An address whose user has later events on the stream was taken: another had to be refused.
Test(precedents, who_has_later_events_was_not_refused) {
  struct worlds *worlds = worlds_create();
  unsigned near = neighbour_of(1, 3);
  const struct step before[] = {{CREATE(1, "a@example.com"), .id = 1}, {CREATE(near, "n@example.com"), .id = 2}};
  worlds_send(worlds, before, COUNT(before));
  worlds_keep(worlds);
  const struct step steps[] = {{RENAME(9, "Ada"), .id = 3}, // not found, and gone
                               {MAIL(near, "free@example.com"), .id = 4},
                               {RENAME(1, "Bob"), .id = 3},
                               {RENAME(near, "Zoe"), .id = 5}};
  worlds_send(worlds, steps, COUNT(steps));
  cr_assert_eq(worlds->first[4].outcome.refusal.reason, LUMIN_COMMAND_ID_REUSED);
  publish_without(worlds, (const unsigned[]){3}, 1);
  worlds->stream.expired = true;
  cr_assert_eq(replay_batch(worlds->repaired, &worlds->stream, &worlds->messages[3], 3, &worlds->second[3]), LUMIN_OK);
  for (size_t i = 3; i < 6; i++)
    outcome_expect_same(i, &worlds->first[i].outcome, &worlds->second[i].outcome);
  worlds_destroy(worlds);
}

// By the stream the refused one of two commands with an id comes first.
Test(precedents, an_id_belongs_to_the_command_whose_events_are_published) {
  struct worlds *worlds = worlds_create();
  worlds_send(worlds, (struct step[]){{CREATE(1, "a@example.com"), .id = 1}, {CREATE(2, "b@example.com"), .id = 2}}, 2);
  worlds_keep(worlds);
  const struct step steps[] = {{RENAME(1, "Eve"), .id = 3}, {RENAME(2, "Zoe"), .id = 3}, {RENAME(1, "Bob"), .id = 4}};
  for (size_t i = 0; i < COUNT(steps); i++)
    worlds->messages[worlds->count++] = message_make(worlds->lost, &steps[i]);
  rig_apply(worlds->lost, &worlds->messages[3], 1, &worlds->first[3]);
  rig_apply(worlds->lost, &worlds->messages[2], 1, &worlds->first[2]);
  rig_apply(worlds->lost, &worlds->messages[4], 1, &worlds->first[4]);
  cr_assert_neq(worlds->messages[2].partition, worlds->messages[3].partition);
  cr_assert_eq(worlds->first[2].outcome.refusal.reason, LUMIN_COMMAND_ID_REUSED);
  publish_all(worlds);
  worlds->stream.expired = true;
  worlds_replay(worlds, 1);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

// The first command with the id was refused, and is gone; the second one was refused for its id.
Test(precedents, an_id_whose_command_is_gone_stays_refused) {
  struct worlds *worlds = worlds_create();
  const struct step steps[] = {{CREATE(1, "a@example.com"), .id = 1},
                               {RENAME(7, "Ada"), .id = 2}, // not found
                               {RENAME(1, "Eve"), .id = 2},
                               {RENAME(1, "Bob"), .id = 3}};
  worlds_send(worlds, steps, 1);
  worlds_keep(worlds);
  worlds_send(worlds, steps + 1, 3);
  cr_assert_eq(worlds->first[2].outcome.refusal.reason, LUMIN_COMMAND_ID_REUSED);
  publish_all(worlds);
  worlds->stream.expired = true;
  struct rig *rig = worlds->repaired;
  cr_assert_eq(replay_batch(rig, &worlds->stream, &worlds->messages[2], 2, &worlds->second[2]), LUMIN_OK);
  outcome_expect_same(2, &worlds->first[2].outcome, &worlds->second[2].outcome);
  outcome_expect_same(3, &worlds->first[3].outcome, &worlds->second[3].outcome);
  // Read once more, as of a stream that was shortened.
  rig_apply(rig, &worlds->messages[2], 1, &worlds->second[2]);
  outcome_expect_same(2, &worlds->first[2].outcome, &worlds->second[2].outcome);
  rig_check_tables(rig);
  worlds_destroy(worlds);
}

Test(precedents, a_position_that_nothing_fills_is_void) {
  struct worlds *worlds = worlds_create();
  unsigned other = neighbour_of(1, 2);
  worlds_keep(worlds);
  const struct step steps[] = {
      {CREATE(1, "a@example.com"), .id = 1}, {CREATE(other, "o@example.com"), .id = 2}, {RENAME(1, "Eve"), .id = 3}};
  worlds_send(worlds, steps, COUNT(steps));
  publish_without(worlds, (const unsigned[]){2}, 1);
  struct rig *rig = worlds->repaired;
  cr_assert_eq(replay_batch(rig, &worlds->stream, &worlds->messages[0], 1, NULL), LUMIN_OK);
  cr_assert_eq(replay_batch(rig, &worlds->stream, &worlds->messages[2], 1, NULL), LUMIN_OK);
  cr_assert_eq(rig->fake->void_count, 1);
  cr_expect_eq(rig->fake->voids[0].first, 2);
  cr_expect_eq(rig->fake->voids[0].last, 2);
  cr_expect_eq(rig->fake->voids[0].partition, worlds->messages[0].partition);
  cr_expect_eq(rig->truths[worlds->messages[0].partition].event_position, 3);
  worlds_destroy(worlds);
}

// An update's events, of which the last ones, the first one or one in the middle had not been published.
static void update_is_completed(unsigned missing) {
  struct worlds *worlds = worlds_create();
  Lumin__User__V1__Update update = LUMIN__USER__V1__UPDATE__INIT;
  Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
  char *paths[] = {text_or_empty("first_name"), text_or_empty("email"), text_or_empty("bio")};
  mask.n_paths = COUNT(paths);
  mask.paths = paths;
  update.update_mask = &mask;
  update.first_name = text_or_empty("Eve");
  update.email = text_or_empty("e@example.com");
  update.bio = text_or_empty("Sings.");
  const struct step steps[] = {{CREATE(1, "a@example.com"), .id = 1},
                               {METHOD_update, 1, .id = 2, .message = &update.base},
                               {CREATE(neighbour_of(1, 2), "o@example.com"), .id = 3}};
  worlds_send(worlds, steps, 1);
  worlds_keep(worlds);
  worlds_send(worlds, steps + 1, 2);
  cr_assert_eq(worlds->lost->fake->tables.event_count, 5);
  publish_without(worlds, (const unsigned[]){missing}, 1);
  worlds_replay(worlds, 2);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  cr_expect_eq(worlds->repaired->fake->void_count, 0);
  worlds_destroy(worlds);
}

Test(precedents, what_is_missing_of_an_update_is_made_again) {
  for (unsigned missing = 2; missing <= 4; missing++)
    update_is_completed(missing);
}

// Partitions meet at identifiers in the order of commits, which need not be that of the stream.
Test(precedents, lanes_that_had_overtaken_each_other) {
  struct worlds *worlds = worlds_create();
  const struct step before[] = {{CREATE(1, "a@example.com"), .id = 1}, {CREATE(2, "b@example.com"), .id = 2}};
  struct rig *lost = worlds->lost;
  cr_assert_neq(message_make(lost, &before[0]).partition, message_make(lost, &before[1]).partition);
  lost->seq = 0;
  worlds_send(worlds, before, 2);
  worlds_keep(worlds);
  // By the stream user 2 wants the address first; user 1 had given it up before, by commit.
  const struct step steps[] = {{MAIL(2, "a@example.com"), .id = 3}, {MAIL(1, "c@example.com"), .id = 4}};
  worlds_send_overtaken(worlds, steps, COUNT(steps));
  cr_assert_eq(worlds->first[2].outcome.status, OUTCOME_APPLIED);
  publish_all(worlds);
  worlds_replay(worlds, 1);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

// The same id came twice, and the first one was dead: the events are the second one's.
Test(precedents, the_dead_stay_dead_until_they_are_sent_again) {
  struct worlds *worlds = worlds_create();
  worlds_keep(worlds);
  const struct step steps[] = {{CREATE(1, "a@example.com"), .id = 1},
                               {RENAME(1, "Eve"), .id = 2, .payload = SPAN_LITERAL("\xff")},
                               {RENAME(1, "Bob"), .id = 3},
                               {RENAME(1, "Eve"), .id = 2}};
  worlds_send(worlds, steps, COUNT(steps));
  cr_assert_eq(worlds->first[3].outcome.version, 3);
  publish_all(worlds);
  worlds_replay(worlds, 1);
  outcomes_expect_same(worlds);
  tables_expect_same(worlds);
  worlds_destroy(worlds);
}

// ---- at random

static const char *const names[] = {"Ada", "Bob", "Eve", "Ada", ""};
static const char *const emails[] = {"a@example.com", "A@example.com", "b@example.com", "c@example.com",
                                     "d@example.com"};
static const char *const phones[] = {"", "", "+4930123456", "+4930654321"};
static const enum method_id mix[] = {METHOD_create,       METHOD_create,       METHOD_change_username,
                                     METHOD_change_email, METHOD_change_email, METHOD_change_username,
                                     METHOD_delete};

static struct step step_random(struct dice *dice) {
  struct step step = {.method = PICK(dice, mix),
                      .user = 1 + (unsigned)dice_throw(dice, 10),
                      .first_name = PICK(dice, names),
                      .email = PICK(dice, emails),
                      .phone = PICK(dice, phones),
                      .id = 1 + (unsigned)dice_throw(dice, 150)};
  if (dice_chance(dice, 10))
    step.expected = dice_chance(dice, 50) ? "1" : "2";
  if (dice_chance(dice, 4))
    step.payload = SPAN_LITERAL("\xff");
  return step;
}

// A user's published events are the first ones: at most one of a user's is on its way.
static void publish_prefixes(struct worlds *worlds, struct dice *dice, unsigned cut_percent) {
  const struct fake_tables *tables = &worlds->lost->fake->tables;
  uint64_t cuts[16];
  for (size_t i = 0; i < COUNT(cuts); i++)
    cuts[i] = dice_chance(dice, cut_percent) ? 1 + dice_throw(dice, 3) : UINT64_MAX;
  for (size_t i = 0; i < tables->event_count; i++) {
    const struct fake_event *row = &tables->events[i];
    if (row->version <= cuts[row->user_id.bytes[15] % COUNT(cuts)])
      publish(&worlds->stream, row);
  }
}

// With `cuts` some events had not been published; then nobody wants an address twice, since behind the last published
// event nothing tells who had it.
static void histories_come_back(bool cuts, size_t totals[OUTCOME_DEAD + 1], size_t *holes) {
  for (unsigned seed = 1; seed <= SEEDS; seed++) {
    struct dice dice = {seed * 7919};
    struct worlds *worlds = worlds_create();
    size_t keep = dice_throw(&dice, 30), count = keep + 1 + dice_throw(&dice, STEPS_MAX - 31);
    for (size_t i = 0; i < count; i++) {
      if (i == keep)
        worlds_keep(worlds);
      char email[48];
      (void)snprintf(email, sizeof email, "u%zu@example.com", i);
      struct step step = step_random(&dice);
      step.email = cuts ? email : step.email;
      step.phone = cuts ? "" : step.phone;
      step.id = cuts ? (unsigned)i + 1 : step.id; // partitions share ids as they share addresses
      worlds_send(worlds, &step, 1);
    }
    publish_prefixes(worlds, &dice, cuts ? 60 : 0);
    *holes += worlds->lost->fake->tables.event_count - worlds->stream.count;
    worlds_replay(worlds, 1 + dice_throw(&dice, 24));
    outcomes_expect_same(worlds);
    tables_expect_same(worlds);
    cr_assert_eq(worlds->repaired->fake->void_count, 0, "seed %u", seed);
    for (size_t i = worlds->restored; i < worlds->count; i++)
      totals[worlds->first[i].outcome.status]++;
    worlds_destroy(worlds);
  }
}

Test(precedents, any_history_comes_back) {
  size_t totals[OUTCOME_DEAD + 1] = {0}, holes = 0;
  histories_come_back(false, totals, &holes);
  cr_expect_eq(holes, 0);
  histories_come_back(true, totals, &holes);
  for (enum outcome_status status = OUTCOME_APPLIED; status <= OUTCOME_DEAD; status++)
    cr_expect_gt(totals[status], 100, "status %d was hardly met", status);
  cr_expect_gt(holes, 100, "only %zu holes were met", holes);
}

// ---- at random, by two lanes

// The partition's last command that led to an event: what comes behind it nobody can tell from the stream.
static uint64_t last_applied(const struct worlds *worlds, uint16_t partition) {
  uint64_t last = 0;
  for (size_t i = 0; i < worlds->count; i++)
    if (worlds->messages[i].partition == partition && worlds->first[i].outcome.status == OUTCOME_APPLIED &&
        !worlds->first[i].unrecorded)
      last = worlds->messages[i].seq;
  return last;
}

static enum lumin_status taken_as_one(enum lumin_status reason) {
  return reason == LUMIN_PHONE_TAKEN ? LUMIN_EMAIL_TAKEN : reason;
}

static void histories_expect_same(const struct worlds *worlds, unsigned seed) {
  const struct fake_tables *lost = &worlds->lost->fake->tables;
  for (size_t i = 0; i < lost->event_count; i++) {
    const struct fake_event *was = &lost->events[i], *is = event_at(worlds->repaired, was->partition, was->position);
    cr_expect(is && uuid_equal(&is->user_id, &was->user_id) && is->version == was->version &&
                  uuid_equal(&is->command_id, &was->command_id) && span_equal(is->body, was->body),
              "seed %u", seed);
  }
  for (size_t i = 0; i < worlds->count; i++) {
    const struct outcome *was = &worlds->first[i].outcome, *is = &worlds->second[i].outcome;
    if (is->status == OUTCOME_NONE || worlds->messages[i].seq > last_applied(worlds, worlds->messages[i].partition))
      continue;
    cr_expect_eq(is->status, was->status, "seed %u, %zu: status %d, was %d", seed, i, is->status, was->status);
    cr_expect_eq(is->version, was->version, "seed %u, %zu", seed, i);
    cr_expect_eq(taken_as_one(is->refusal.reason), taken_as_one(was->refusal.reason), "seed %u, %zu: %s, was %s", seed,
                 i, status_name(is->refusal.reason), status_name(was->refusal.reason));
  }
}

// Each lane takes its own partitions' messages in order; which lane is next is chance. Somewhere in between the table
// is kept.
static size_t lanes_apply(struct worlds *worlds, struct dice *dice, size_t slow_end) {
  size_t next[2] = {0, 0}, steps = 0, keep_at = dice_throw(dice, worlds->count), overtaken = 0;
  uint64_t highest = 0;
  while (next[0] < slow_end || next[1] < worlds->count) {
    size_t lane = next[0] == slow_end ? 1 : next[1] == worlds->count ? 0 : dice_throw(dice, 2);
    size_t at = next[lane]++;
    if (worlds->messages[at].partition % 2 != lane)
      continue;
    if (steps++ == keep_at)
      worlds_keep(worlds);
    rig_apply(worlds->lost, &worlds->messages[at], 1, &worlds->first[at]);
    overtaken += worlds->messages[at].seq < highest;
    highest = worlds->messages[at].seq > highest ? worlds->messages[at].seq : highest;
  }
  return overtaken;
}

Test(precedents, histories_of_two_lanes_come_back) {
  size_t overtaken = 0, taken = 0;
  for (unsigned seed = 1; seed <= SEEDS; seed++) {
    struct dice dice = {seed * 104729};
    struct worlds *worlds = worlds_create();
    for (size_t count = 20 + dice_throw(&dice, STEPS_MAX - 20); worlds->count < count;) {
      struct step step = step_random(&dice);
      step.id = (unsigned)worlds->count + 1;
      worlds->messages[worlds->count++] = message_make(worlds->lost, &step);
    }
    overtaken += lanes_apply(worlds, &dice, worlds->count);
    publish_all(worlds);
    worlds_replay(worlds, 1 + dice_throw(&dice, 24));
    for (size_t i = 0; i < worlds->count; i++)
      taken += worlds->second[i].outcome.refusal.reason == LUMIN_EMAIL_TAKEN;
    histories_expect_same(worlds, seed);
    rig_check_tables(worlds->repaired);
    worlds_destroy(worlds);
  }
  cr_expect_gt(overtaken, 1000);
  cr_expect_gt(taken, 1000);
}

// A lane that was behind had not decided commands that stand before published ones of the other. Whatever they come to
// now, it takes nothing that is another's.
Test(precedents, what_was_not_decided_yet_takes_nothing_from_what_was) {
  size_t refused = 0;
  for (unsigned seed = 1; seed <= SEEDS; seed++) {
    struct dice dice = {seed * 15485863};
    struct worlds *worlds = worlds_create();
    for (size_t count = 20 + dice_throw(&dice, STEPS_MAX - 20); worlds->count < count;) {
      struct step step = step_random(&dice);
      step.id = (unsigned)worlds->count + 1;
      worlds->messages[worlds->count++] = message_make(worlds->lost, &step);
    }
    (void)lanes_apply(worlds, &dice, worlds->count / 2);
    publish_all(worlds);
    uint64_t last = 0;
    for (uint16_t partition = 0; partition < FAKE_PARTITIONS; partition++)
      last = last_applied(worlds, partition) > last ? last_applied(worlds, partition) : last;
    worlds_replay_to(worlds, 1 + dice_throw(&dice, 24), last);
    rig_check_tables(worlds->repaired);
    for (size_t i = 0; i < worlds->count; i++)
      refused += worlds->first[i].outcome.status == OUTCOME_NONE &&
                 worlds->second[i].outcome.refusal.reason == LUMIN_EMAIL_TAKEN;
    worlds_destroy(worlds);
  }
  cr_expect_gt(refused, 200, "only %zu were refused", refused);
}
