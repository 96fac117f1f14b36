// SPDX-License-Identifier: MIT
// What a command comes to must not depend on how the stream was cut into batches, on what was remembered, or on the
// database's surprises: random commands in random batches give the outcomes and tables of one at a time with no memory
// (guarantees 2, 3, 4, 6, 7, 10).
#include "dice.h"
#include "rig.h"

#include "lumin/user/v1/commands.pb-c.h"

#define SEEDS 2000
#define STEPS_MAX 120
#define SURPRISES 512

// ---- commands: few users, few addresses and few ids, so that they meet

#define POISON "Bane" // as a first name, the database does not take it
static const char *const first_names[] = {"Ada", "Bob", "Eve", "Ada ", "", "\t", "x\x7f", "Ada", "Bob", POISON};
static const char *const emails[] = {
    "a@example.com", "A@example.com", "b@example.com", "c@example.com", "d@example.com", "", "no address"};
static const char *const phones[] = {"", "", "+4930123456", "+49 30 123456", "+4930654321", "12"};
static const char *const versions[] = {"0", "1", "2", "3", "x"};
static const enum method_id method_mix[] = {METHOD_create,          METHOD_create,       METHOD_change_username,
                                            METHOD_change_email,    METHOD_change_email, METHOD_change_email,
                                            METHOD_change_username, METHOD_delete,       METHOD_probe};
static const struct span payloads[] = {SPAN_LITERAL("\xff"), SPAN_LITERAL("{}"), SPAN_LITERAL("\x12\x01\xff"),
                                       SPAN_LITERAL("\x0a\x01?"), SPAN_LITERAL("")};
static const char *const subjects[] = {
    "lumin.user.v1.command.0.create.aa010203-0405-4607-8809-0a0b0c0d0001",
    "lumin.user.v1.command.1.delete.aa010203-0405-4607-8809-0a0b0c0d0001",
    "lumin.user.v1.command.2.delete.aa010203-0405-4607-8809-0a0b0c0d0002",
    "lumin.user.v1.command.0.dance.aa010203-0405-4607-8809-0a0b0c0d0001",
    "lumin.user.v1.command.0.create.nobody",
};
static const struct span msg_ids[] = {SPAN_LITERAL("one"), SPAN_LITERAL("two")};

static void step_spoil(struct dice *dice, struct step *step) {
  if (dice_chance(dice, 4))
    step->payload = PICK(dice, payloads);
  if (dice_chance(dice, 2))
    step->subject = PICK(dice, subjects);
  if (dice_chance(dice, 2))
    step->headers.actor = SPAN_LITERAL("\n");
  if (dice_chance(dice, 2))
    step->payload_user = "somebody else";
}

static struct step step_random(struct dice *dice, unsigned users, unsigned ids) {
  struct step step = {.method = PICK(dice, method_mix),
                      .user = 1 + (unsigned)dice_throw(dice, users),
                      .first_name = PICK(dice, first_names),
                      .email = PICK(dice, emails),
                      .phone = PICK(dice, phones)};
  if (dice_chance(dice, 70))
    step.id = 1 + (unsigned)dice_throw(dice, ids);
  else if (dice_chance(dice, 20))
    step.headers.msg_id = PICK(dice, msg_ids);
  if (dice_chance(dice, 15))
    step.expected = PICK(dice, versions);
  step_spoil(dice, &step);
  return step;
}

struct stream {
  struct inbound messages[STEPS_MAX];
  size_t count;
};

static void stream_make(struct rig *rig, struct dice *dice, struct stream *stream) {
  struct step steps[STEPS_MAX];
  unsigned users = 1 + (unsigned)dice_throw(dice, 8), ids = 5 + (unsigned)dice_throw(dice, 200);
  stream->count = 1 + dice_throw(dice, STEPS_MAX);
  for (size_t i = 0; i < stream->count; i++) {
    steps[i] = i > 0 && dice_chance(dice, 15) ? steps[dice_throw(dice, i)] : step_random(dice, users, ids);
    steps[i].ts_ns = dice_chance(dice, 10) ? rig->ts_ns - (int64_t)dice_throw(dice, 9000) : 0;
    stream->messages[i] = message_make(rig, &steps[i]);
  }
}

// ---- the world of the batches

static const enum lumin_status surprises[] = {LUMIN_CONFLICT, LUMIN_DEADLOCK, LUMIN_RETRY, LUMIN_CONNECTION_LOST};

static void surprises_make(struct fake_store *fake, struct dice *dice, enum lumin_status script[SURPRISES]) {
  unsigned percent = PICK(dice, ((const unsigned[]){0, 5, 40}));
  for (size_t i = 0; i < SURPRISES; i++)
    script[i] = dice_chance(dice, percent) ? PICK(dice, surprises) : LUMIN_OK;
  fake->script = script;
  fake->script_count = SURPRISES;
  fake->lost_commits = dice_chance(dice, 50);
}

struct totals {
  size_t commands, conflicts, halvings, loads, statuses[OUTCOME_DEAD + 1], reasons[LUMIN_INTERNAL + 1];
};

static void batches_apply(struct rig *rig, struct dice *dice, const struct stream *stream, struct result *results) {
  enum lumin_status script[SURPRISES];
  size_t longest = 1 + dice_throw(dice, 64);
  surprises_make(rig->fake, dice, script);
  for (size_t done = 0; done < stream->count;) {
    size_t left = stream->count - done, size = 1 + dice_throw(dice, longest);
    size = size < left ? size : left;
    rig->fake->load_says =
        dice_chance(dice, 3)
            ? PICK(dice, ((const enum lumin_status[]){LUMIN_RETRY, LUMIN_CONNECTION_LOST, LUMIN_NO_MEMORY}))
            : LUMIN_OK;
    if (rig->fake->load_says == LUMIN_NO_MEMORY && size == 1)
      rig->fake->load_says = LUMIN_OK; // alone, the command is to blame
    rig_apply(rig, stream->messages + done, size, results + done);
    done += size;
  }
}

// ---- comparing

static bool outcome_is(const struct outcome *a, const struct outcome *b) {
  const struct refusal *x = &a->refusal, *y = &b->refusal;
  return uuid_equal(&a->command_id, &b->command_id) && uuid_equal(&a->user_id, &b->user_id) && a->status == b->status &&
         a->version == b->version && a->stream_seq == b->stream_seq && a->stream_ts_ns == b->stream_ts_ns &&
         memcmp(a->content_hash, b->content_hash, CONTENT_HASH_LEN) == 0 && x->reason == y->reason &&
         span_equal(x->message, y->message) && span_equal(x->field, y->field) && span_equal(x->allowed, y->allowed) &&
         x->current_status == y->current_status && x->current_version == y->current_version;
}

static bool user_is(const struct user *a, const struct user *b) {
  return a->version == b->version && a->status == b->status && span_equal(a->first_name, b->first_name) &&
         span_equal(a->last_name, b->last_name) && span_equal(a->email.text, b->email.text) &&
         span_equal(a->email.key, b->email.key) && span_equal(a->phone, b->phone) &&
         a->email_verified == b->email_verified && a->phone_verified == b->phone_verified &&
         a->created_ns == b->created_ns && a->updated_ns == b->updated_ns;
}

static bool event_is(const struct fake_event *a, const struct fake_event *b) {
  return uuid_equal(&a->user_id, &b->user_id) && uuid_equal(&a->command_id, &b->command_id) &&
         a->version == b->version && a->position == b->position && a->partition == b->partition && a->type == b->type &&
         a->time_ns == b->time_ns && span_equal(a->actor, b->actor) && span_equal(a->body, b->body);
}

static bool dead_is(const struct fake_dead *a, const struct fake_dead *b) {
  return a->partition == b->partition && a->position == b->position && a->stream_seq == b->stream_seq &&
         uuid_equal(&a->command_id, &b->command_id) && a->reason == b->reason;
}

// Users, identifiers and outcomes stand in any order, events and dead commands in that of the stream.
static void tables_compare(struct rig *rig, struct rig *plain, uint64_t seed) {
  const struct fake_tables *a = &rig->fake->tables, *b = &plain->fake->tables;
  cr_assert(a->user_count == b->user_count && a->identifier_count == b->identifier_count &&
                a->outcome_count == b->outcome_count && a->event_count == b->event_count &&
                a->dead_count == b->dead_count,
            "seed %llu: other numbers of rows", (unsigned long long)seed);
  for (size_t i = 0; i < a->user_count; i++) {
    const struct user *other = fake_user_find(plain->fake, &a->users[i].id);
    cr_assert(other && user_is(&a->users[i], other), "seed %llu: another user", (unsigned long long)seed);
  }
  for (size_t i = 0; i < a->identifier_count; i++) {
    const struct identifier *row = &a->identifiers[i], *other = fake_key_find(plain->fake, row->kind, row->key);
    cr_assert(other && uuid_equal(&row->user_id, &other->user_id), "seed %llu: another holder",
              (unsigned long long)seed);
  }
  for (size_t i = 0; i < a->outcome_count; i++) {
    const struct outcome *other = fake_outcome_find(plain->fake, &a->outcomes[i].command_id);
    cr_assert(other && outcome_is(&a->outcomes[i], other), "seed %llu: another outcome row", (unsigned long long)seed);
  }
  for (size_t i = 0; i < a->event_count; i++)
    cr_assert(event_is(&a->events[i], &b->events[i]), "seed %llu: another event %zu", (unsigned long long)seed, i);
  for (size_t i = 0; i < a->dead_count; i++)
    cr_assert(dead_is(&a->dead[i], &b->dead[i]), "seed %llu: another dead %zu", (unsigned long long)seed, i);
}

static void truths_compare(const struct rig *rig, const struct rig *plain, uint64_t seed) {
  for (size_t i = 0; i < FAKE_PARTITIONS; i++) {
    const struct partition_truth *a = &rig->truths[i], *b = &plain->truths[i];
    cr_assert(a->input_seq == b->input_seq && a->input_ts_ns == b->input_ts_ns &&
                  a->event_position == b->event_position && a->dead_position == b->dead_position,
              "seed %llu: partition %zu stands elsewhere", (unsigned long long)seed, i);
  }
}

static void seed_run(uint64_t seed, struct totals *totals) {
  static const size_t limits[] = {0, 600, 1500, 1U << 20};
  struct dice dice = {seed * 0x9e3779b97f4a7c15U};
  static struct stream stream;
  static struct result results[STEPS_MAX], plain_results[STEPS_MAX];
  struct rig *plain = rig_create(0, BATCH_MEMORY), *rig = rig_create(PICK(&dice, limits), BATCH_MEMORY);
  rig->forgets = dice_chance(&dice, 80);
  plain->fake->poison = rig->fake->poison = dice_chance(&dice, 50) ? POISON : NULL;
  stream_make(plain, &dice, &stream);
  for (size_t i = 0; i < stream.count; i++)
    rig_apply(plain, &stream.messages[i], 1, &plain_results[i]);
  batches_apply(rig, &dice, &stream, results);
  for (size_t i = 0; i < stream.count; i++) {
    const struct outcome *a = &results[i].outcome, *b = &plain_results[i].outcome;
    cr_assert(outcome_is(a, b), "seed %llu: command %zu ends in %d %s at %llu, alone in %d %s at %llu",
              (unsigned long long)seed, i, a->status, status_name(a->refusal.reason), (unsigned long long)a->version,
              b->status, status_name(b->refusal.reason), (unsigned long long)b->version);
    totals->statuses[b->status]++;
    totals->reasons[b->refusal.reason]++;
    arena_destroy(stream.messages[i].handle);
  }
  tables_compare(rig, plain, seed);
  truths_compare(rig, plain, seed);
  rig_check_tables(rig);
  totals->commands += stream.count;
  totals->conflicts += rig->conflicts;
  totals->halvings += rig->halvings;
  totals->loads += rig->fake->loads;
  rig_destroy(plain);
  rig_destroy(rig);
}

Test(batches_random, cuts_and_surprises_change_nothing, .timeout = 600) {
  static const enum lumin_status met[] = {
      LUMIN_INVALID_ARGUMENT, LUMIN_NOT_FOUND,        LUMIN_ALREADY_EXISTS,    LUMIN_EMAIL_TAKEN,   LUMIN_PHONE_TAKEN,
      LUMIN_DELETED,          LUMIN_VERSION_MISMATCH, LUMIN_COMMAND_ID_REUSED, LUMIN_UNIMPLEMENTED, LUMIN_INTERNAL};
  struct totals totals = {0};
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
    seed_run(seed, &totals);
  // The run proves something only where all of it was met.
  cr_expect_gt(totals.commands, 50 * SEEDS);
  cr_expect_gt(totals.conflicts, SEEDS);
  cr_expect_gt(totals.halvings, 10);
  cr_expect_gt(totals.loads, SEEDS);
  for (int status = OUTCOME_APPLIED; status <= OUTCOME_DEAD; status++)
    cr_expect_gt(totals.statuses[status], SEEDS, "status %d", status);
  for (size_t i = 0; i < COUNT(met); i++)
    cr_expect_gt(totals.reasons[met[i]], SEEDS / 10, "%s", status_name(met[i]));
}
