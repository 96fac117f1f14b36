// SPDX-License-Identifier: MIT
// Blocks that end by the commands' own time, a time that never goes back, and profile views at rate, through the whole
// pipeline.
#include "rig.h"

#define T0 INT64_C(1700000000000000000)
#define S INT64_C(1000000000)

static const struct user *row_of(const struct rig *rig, unsigned number) {
  const struct uuid id = user_numbered(number);
  return fake_user_find(rig->fake, &id);
}

struct order {
  Google__Protobuf__Timestamp until;
  Lumin__User__V1__Block message;
};
static void order_fill(struct order *order, int64_t until_s) {
  lumin__user__v1__block__init(&order->message);
  google__protobuf__timestamp__init(&order->until);
  order->until.seconds = until_s;
  order->message.reason = (char *)(uintptr_t) "spam";
  order->message.until = until_s ? &order->until : NULL;
}

static const Lumin__User__V1__Activate activate = LUMIN__USER__V1__ACTIVATE__INIT;
static const Lumin__User__V1__Deactivate deactivate = LUMIN__USER__V1__DEACTIVATE__INIT;
#define ACTIVATE(at, ...)                                                                                              \
  { METHOD_activate, 1, .message = &activate.base, .ts_ns = (at), __VA_ARGS__ }
#define DEACTIVATE(at, ...)                                                                                            \
  { METHOD_deactivate, 1, .message = &deactivate.base, .ts_ns = (at), __VA_ARGS__ }
#define CREATE(at)                                                                                                     \
  { METHOD_create, 1, "Ada", .email = "a@example.com", .ts_ns = (at), APPLIED(1) }

static void each_way(const struct step *steps, size_t count, void (*check)(const struct rig *rig)) {
  for (int way = 0; way < 3; way++) { // one batch; single ones; single ones that remember nothing
    struct rig *rig = way == 2 ? rig_create(0, BATCH_MEMORY) : rig_plain();
    if (way == 0)
      rig_expect(rig, steps, count);
    for (size_t i = 0; i < count && way > 0; i++)
      rig_expect(rig, &steps[i], 1);
    check(rig);
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

static void is_deactivated(const struct rig *rig) {
  const struct user *row = row_of(rig, 1);
  cr_expect_eq(row->status, USER_DEACTIVATED);
  cr_expect_eq(row->block_reason.len, 0);
  cr_expect_eq(row->blocked_until_ns, 0);
  cr_expect_eq(row->status_before_block, USER_NONE);
}

Test(statuses, a_block_ends_by_itself) {
  struct order order;
  order_fill(&order, T0 / S + 60);
  const struct step steps[] = {
      CREATE(T0),
      ACTIVATE(T0 + 1, APPLIED(2)),
      {METHOD_block, 1, .message = &order.message.base, .ts_ns = T0 + 2, APPLIED(3)},
      DEACTIVATE(T0 + 60 * S - 1, REFUSED(INVALID_STATE, 3)),
      {METHOD_block, 1, .message = &order.message.base, .ts_ns = T0 + 60 * S - 1, REFUSED(INVALID_STATE, 3)},
      ACTIVATE(T0 + 60 * S, REFUSED(INVALID_STATE, 3)), // it is ACTIVE again
      DEACTIVATE(T0 + 60 * S, APPLIED(4)),
  };
  each_way(steps, COUNT(steps), is_deactivated);
}

static void is_still_blocked(const struct rig *rig) {
  const struct user *row = row_of(rig, 1);
  cr_expect_eq(row->status, USER_BLOCKED);
  cr_expect_eq(row->status_before_block, USER_PENDING);
  cr_expect_eq(row->blocked_until_ns, T0 + 60 * S);
  cr_expect_eq(row->updated_ns, T0 + 30 * S);
}

// The clock of the broker steps back; the user's time does not, and what has ended has ended.
Test(statuses, time_never_goes_back) {
  struct order order, past;
  order_fill(&order, T0 / S + 60);
  order_fill(&past, T0 / S + 20);
  const struct step steps[] = {
      CREATE(T0 + 30 * S),
      {METHOD_block, 1, .message = &past.message.base, .ts_ns = T0, REFUSED(INVALID_ARGUMENT, 1)},
      {METHOD_block, 1, .message = &order.message.base, .ts_ns = T0, APPLIED(2)},
  };
  each_way(steps, COUNT(steps), is_still_blocked);
  const struct step more[] = {
      CREATE(T0),
      {METHOD_block, 1, .message = &order.message.base, .ts_ns = T0 + 1, APPLIED(2)},
      {METHOD_change_username, 1, "Eve", .ts_ns = T0 + 61 * S, APPLIED(3)},
      DEACTIVATE(T0 + 2, APPLIED(4)), // its message is from before the block's end
  };
  each_way(more, COUNT(more), is_deactivated);
}

// A refusal tells the status as of the command, too.
Test(statuses, refusals_tell_the_status_of_the_time) {
  struct order order;
  order_fill(&order, T0 / S + 60);
  struct rig *rig = rig_plain();
  const struct step blocked[] = {
      CREATE(T0),
      {METHOD_block, 1, .message = &order.message.base, .ts_ns = T0 + 1, APPLIED(2)},
      {METHOD_create, 1, "Eve", .phone = "+4930123456", .ts_ns = T0 + 2, .id = 1, REFUSED(ALREADY_EXISTS, 2)},
      {METHOD_create, 1, "Eve", .phone = "+4930123456", .ts_ns = T0 + 60 * S, .id = 2, REFUSED(ALREADY_EXISTS, 2)},
  };
  rig_expect(rig, blocked, COUNT(blocked));
  const struct uuid first = command_numbered(1), second = command_numbered(2);
  cr_expect_eq(fake_outcome_find(rig->fake, &first)->refusal.current_status, USER_BLOCKED);
  cr_expect_eq(fake_outcome_find(rig->fake, &second)->refusal.current_status, USER_PENDING);
  rig_destroy(rig);
}

static const char *field_of_last(const struct rig *rig) {
  return rig->fake->tables.outcomes[rig->fake->tables.outcome_count - 1].refusal.field.data;
}

Test(statuses, bad_orders) {
  struct rig *rig = rig_plain();
  struct order order;
  const struct step create = CREATE(T0);
  rig_expect(rig, &create, 1);
  struct step step = {METHOD_block, 1, .message = &order.message.base, .ts_ns = T0 + 60 * S,
                      REFUSED(INVALID_ARGUMENT, 1)};
  order_fill(&order, T0 / S + 60); // no later than the command
  rig_expect(rig, &step, 1);
  cr_expect_str_eq(field_of_last(rig), "until");
  order_fill(&order, 0);
  order.message.reason = (char *)(uintptr_t) " ";
  rig_expect(rig, &step, 1);
  cr_expect_str_eq(field_of_last(rig), "reason");
  rig_destroy(rig);
}

// ---- confirmations

Test(statuses, a_confirmation_is_of_the_address_named) {
  Lumin__User__V1__ConfirmEmail email = LUMIN__USER__V1__CONFIRM_EMAIL__INIT;
  Lumin__User__V1__ConfirmPhone phone = LUMIN__USER__V1__CONFIRM_PHONE__INIT,
                                none = LUMIN__USER__V1__CONFIRM_PHONE__INIT;
  email.email = (char *)(uintptr_t) "A@Example.com";
  phone.phone = (char *)(uintptr_t) "+49 30 123456";
  struct rig *rig = rig_plain();
  const struct step steps[] = {
      {METHOD_create, 1, "Ada", .email = "a@example.com", .phone = "+4930123456", APPLIED(1)},
      {METHOD_confirm_email, 1, .message = &email.base, APPLIED(2)},
      {METHOD_confirm_email, 1, .message = &email.base, .status = OUTCOME_UNCHANGED, .version = 2},
      {METHOD_confirm_phone, 1, .message = &phone.base, APPLIED(3)},
      {METHOD_confirm_phone, 1, .message = &none.base, REFUSED(INVALID_ARGUMENT, 3)},
      {METHOD_change_email, 1, .email = "b@example.com", APPLIED(4)},
      {METHOD_confirm_email, 1, .message = &email.base, REFUSED(INVALID_ARGUMENT, 4)},
  };
  rig_expect(rig, steps, COUNT(steps));
  cr_expect(!row_of(rig, 1)->email_verified && row_of(rig, 1)->phone_verified);
  rig_destroy(rig);
}

// ---- views

enum { VIEWERS = 7 };
static char viewer_ids[VIEWERS][UUID_TEXT_LEN + 1];
static Lumin__User__V1__RecordProfileView views[VIEWERS];

static void views_fill(void) {
  for (unsigned i = 0; i < VIEWERS; i++) {
    struct uuid id = numbered(0xdd, i);
    uuid_format(&id, viewer_ids[i]);
    lumin__user__v1__record_profile_view__init(&views[i]);
    views[i].viewer_id = viewer_ids[i];
  }
}

static struct step view_step(unsigned user, unsigned viewer, uint64_t version) {
  return (struct step){METHOD_record_profile_view, user, .message = &views[viewer].base, APPLIED(version)};
}

// A thousand views in one batch: a thousand events, one users row, one row a viewer; then more, in other batches.
Test(views, one_row_a_viewer_and_batch) {
  enum { VIEWS = 1000 };
  struct rig *rig = rig_plain();
  views_fill();
  struct step first[] = {CREATE(0), ACTIVATE(0, APPLIED(2))};
  rig_expect(rig, first, 2);
  static struct step steps[VIEWS];
  for (unsigned i = 0; i < VIEWS; i++)
    steps[i] = view_step(1, i * i % VIEWERS, 3 + i);
  size_t records = rig->fake->records;
  rig_expect(rig, steps, VIEWS);
  cr_expect_eq(rig->fake->records, records + 1, "one transaction");
  cr_expect_eq(rig->fake->tables.event_count, 2 + VIEWS);
  cr_expect_eq(row_of(rig, 1)->profile_views, VIEWS);
  uint64_t counts[VIEWERS] = {0};
  int64_t lasts[VIEWERS] = {0};
  const int64_t begin = rig->ts_ns - 1000 * (VIEWS - 1);
  for (unsigned i = 0; i < VIEWS; i++) {
    counts[i * i % VIEWERS]++;
    lasts[i * i % VIEWERS] = begin + 1000 * i;
  }
  size_t rows = 0;
  const struct uuid one = user_numbered(1);
  for (unsigned i = 0; i < VIEWERS; i++) {
    const struct uuid viewer = numbered(0xdd, i);
    const struct profile_view *row = fake_view_find(rig->fake, &one, &viewer);
    rows += counts[i] > 0;
    cr_expect_eq(row != NULL, counts[i] > 0);
    if (row) {
      cr_expect_eq(row->count, counts[i]);
      cr_expect_eq(row->last_ns, lasts[i]);
    }
  }
  cr_expect_eq(rig->fake->tables.view_count, rows);
  const struct step later[] = {view_step(1, 1, VIEWS + 3), view_step(1, 3, VIEWS + 4)};
  rig_expect(rig, later, 2);
  const struct uuid viewer = numbered(0xdd, 1);
  const struct profile_view *row = fake_view_find(rig->fake, &one, &viewer);
  cr_expect_eq(row->count, counts[1] + 1);
  cr_expect_eq(row->last_ns, rig->ts_ns - 1000);
  rig_check_tables(rig);
  rig_destroy(rig);
}

// Who is gone has no viewers, whether they came in this batch or before.
Test(views, go_with_the_user) {
  views_fill();
  for (int together = 0; together < 2; together++) {
    struct rig *rig = rig_plain();
    const struct step steps[] = {
        CREATE(0),
        ACTIVATE(0, APPLIED(2)),
        {METHOD_create, 2, "Bob", .email = "b@example.com", APPLIED(1)},
        {METHOD_activate, 2, .message = &activate.base, APPLIED(2)},
        view_step(1, 0, 3),
        view_step(2, 0, 3),
        view_step(1, 1, 4),
        {METHOD_delete, 1, APPLIED(5)},
        {METHOD_record_profile_view, 1, .message = &views[0].base, REFUSED(DELETED, 5)},
    };
    if (together)
      rig_expect(rig, steps, COUNT(steps));
    for (size_t i = 0; i < COUNT(steps) && !together; i++)
      rig_expect(rig, &steps[i], 1);
    cr_expect_eq(rig->fake->tables.view_count, 1);
    rig_check_tables(rig);
    rig_destroy(rig);
  }
}

Test(views, bad_viewers) {
  static const char *const bad[] = {"", "1", "DD010203-0405-4607-8809-0A0B0C0D0001",
                                    "00000000-0000-0000-0000-000000000000"};
  struct rig *rig = rig_plain();
  struct step first[] = {CREATE(0), ACTIVATE(0, APPLIED(2))};
  rig_expect(rig, first, 2);
  for (size_t i = 0; i < COUNT(bad); i++) {
    Lumin__User__V1__RecordProfileView view = LUMIN__USER__V1__RECORD_PROFILE_VIEW__INIT;
    view.viewer_id = (char *)(uintptr_t)bad[i];
    const struct step step = {METHOD_record_profile_view, 1, .message = &view.base, REFUSED(INVALID_ARGUMENT, 2)};
    rig_expect(rig, &step, 1);
    cr_expect_str_eq(field_of_last(rig), "viewer_id");
  }
  rig_destroy(rig);
}
