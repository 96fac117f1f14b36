// SPDX-License-Identifier: MIT
// Guarantee 6: every users row beside the fold of its events, both read in the order of user ids; and by the way, that
// a user's events lie in its own partition in the order of their versions (guarantee 4).
#include <inttypes.h>

#include "lumin/application/pipeline.h"
#include "lumin/infrastructure/codec/codec.h"
#include "verify_internal.h"

#define FOLD_MEMORY ((size_t)16 << 20)
#define FOLD_FULL ((size_t)1 << 20)

struct fold {
  uint32_t partitions;
  struct arena *arenas[2]; // the state's, and the one it moves to when that is full
  int used;
  struct page events, users;
  bool more_events, more_users;
  struct verdict rows, order;

  // of the user at hand
  struct uuid id;
  char id_text[UUID_TEXT_LEN + 1];
  struct user state;
  uint64_t position; // of its last event
  bool unreadable;
};

static enum lumin_status folds_compare(struct fold *fold, struct database *database);

enum lumin_status verify_folds(struct program *program, bool *ret_fine) {
  struct fold fold = {
      .partitions = (uint32_t)program->config->partitions,
      .arenas = {arena_create(FOLD_MEMORY), arena_create(FOLD_MEMORY)},
      .rows = {.name = "6 users", .unit = "users"},
      .order = {.name = "4 order", .unit = "events"},
  };
  enum lumin_status status = LUMIN_NO_MEMORY;
  if (fold.arenas[0] != NULL && fold.arenas[1] != NULL) {
    status = folds_compare(&fold, program->database);
  }
  PQclear(fold.events.rows);
  PQclear(fold.users.rows);
  arena_destroy(fold.arenas[0]);
  arena_destroy(fold.arenas[1]);
  if (status == LUMIN_OK) {
    bool rows_fine = verdict_print(&fold.rows), order_fine = verdict_print(&fold.order);
    *ret_fine = *ret_fine && rows_fine && order_fine;
  }
  return status;
}

// ---- reading both

static enum lumin_status page_step(struct page *page, bool *ret_more) {
  enum lumin_status status = page_next(page);
  *ret_more = status == LUMIN_OK;
  return status == LUMIN_NOT_FOUND ? LUMIN_OK : status;
}

static enum lumin_status pages_open(struct fold *fold, struct database *database) {
  enum lumin_status status =
      page_open(&fold->events, database, "all_events",
                "SELECT user_id, version, partition, position, type, time_ns, body FROM lumin.events "
                "ORDER BY user_id, version");
  if (status == LUMIN_OK) {
    status = page_open(&fold->users, database, "all_users",
                       "SELECT user_id, version, status, first_name, last_name, email, email_key, phone, "
                       "email_verified, phone_verified, language_code, bio, birth_date, avatar_url, privacy, "
                       "profile_views, status_before_block, block_reason, blocked_until_ns, created_ns, updated_ns "
                       "FROM lumin.users ORDER BY user_id");
  }
  if (status == LUMIN_OK) {
    status = page_step(&fold->events, &fold->more_events);
  }
  return status == LUMIN_OK ? page_step(&fold->users, &fold->more_users) : status;
}

static void user_begin(struct fold *fold);
static enum lumin_status events_apply(struct fold *fold);
static void row_compare(struct fold *fold);

static enum lumin_status folds_compare(struct fold *fold, struct database *database) {
  enum lumin_status status = pages_open(fold, database);
  while (status == LUMIN_OK && (fold->more_events || fold->more_users)) {
    user_begin(fold);
    status = events_apply(fold);
    if (status == LUMIN_OK) {
      row_compare(fold);
      struct uuid row = fold->more_users ? page_uuid(&fold->users, 0) : (struct uuid){{0}};
      if (fold->more_users && uuid_equal(&row, &fold->id)) {
        status = page_step(&fold->users, &fold->more_users);
      }
    }
  }
  if (status == LUMIN_OK) {
    status = page_close(&fold->events);
  }
  return status == LUMIN_OK ? page_close(&fold->users) : status;
}

// The lower of the two ids is next.
static void user_begin(struct fold *fold) {
  struct uuid of_event = fold->more_events ? page_uuid(&fold->events, 0) : (struct uuid){{0}};
  struct uuid of_row = fold->more_users ? page_uuid(&fold->users, 0) : (struct uuid){{0}};
  bool from_event = fold->more_events && (!fold->more_users || uuid_compare(&of_event, &of_row) <= 0);
  fold->id = from_event ? of_event : of_row;
  uuid_format(&fold->id, fold->id_text);
  fold->state = (struct user){.id = fold->id};
  fold->position = 0;
  fold->unreadable = false;
  fold->rows.looked_at++;
  arena_reset(fold->arenas[0]);
  arena_reset(fold->arenas[1]);
}

// ---- the fold

// A state's texts lie where its events were read. A user may have any number of events, so it moves now and then.
static bool state_move(struct fold *fold) {
  struct arena *old = fold->arenas[fold->used], *new = fold->arenas[1 - fold->used];
  struct user *state = &fold->state;
  char *room = arena_alloc(new, user_texts_len(state));
  if (room == NULL) {
    return false;
  }
  user_texts_move(state, room);
  arena_reset(old);
  fold->used = 1 - fold->used;
  return true;
}

static void order_check(struct fold *fold) {
  int64_t version = page_int(&fold->events, 1), partition = page_int(&fold->events, 2);
  uint64_t position = (uint64_t)page_int(&fold->events, 3);
  uint32_t own = partition_of(span_of(fold->id_text, UUID_TEXT_LEN), fold->partitions);
  fold->order.looked_at++;
  if (partition != own) {
    verdict_differ(&fold->order, "user %s, version %" PRId64 ": in partition %" PRId64 ", its own is %" PRIu32,
                   fold->id_text, version, partition, own);
  } else if (position <= fold->position) {
    verdict_differ(&fold->order, "user %s, version %" PRId64 ": at position %" PRIu64 ", its predecessor at %" PRIu64,
                   fold->id_text, version, position, fold->position);
  }
  fold->position = position;
}

static enum lumin_status event_apply(struct fold *fold) {
  struct event event = {0};
  struct arena *arena = fold->arenas[fold->used];
  struct span body = arena_copy(arena, page_bytes(&fold->events, 6));
  if (body.data == NULL) {
    return LUMIN_NO_MEMORY;
  }
  enum lumin_status status = codec_decode_event((enum event_type)page_int(&fold->events, 4), body, arena, &event);
  if (status != LUMIN_OK) {
    verdict_differ(&fold->rows, "user %s: the event of version %" PRId64 " cannot be read", fold->id_text,
                   page_int(&fold->events, 1));
    fold->unreadable = true;
    return status == LUMIN_NO_MEMORY ? status : LUMIN_OK;
  }
  event.version = (uint64_t)page_int(&fold->events, 1);
  event.time_ns = page_int(&fold->events, 5);
  user_apply(&fold->state, &event);
  return arena_used(arena) < FOLD_FULL || state_move(fold) ? LUMIN_OK : LUMIN_NO_MEMORY;
}

static enum lumin_status events_apply(struct fold *fold) {
  enum lumin_status status = LUMIN_OK;
  while (status == LUMIN_OK && fold->more_events) {
    struct uuid id = page_uuid(&fold->events, 0);
    if (!uuid_equal(&id, &fold->id)) {
      break;
    }
    order_check(fold);
    if (!fold->unreadable) {
      status = event_apply(fold);
    }
    if (status == LUMIN_OK) {
      status = page_step(&fold->events, &fold->more_events);
    }
  }
  return status;
}

// ---- the row

static const char *row_difference(const struct fold *fold) {
  const struct page *row = &fold->users;
  const struct user *state = &fold->state;
  const struct {
    const char *name;
    bool same;
  } fields[] = {
      {"version", (uint64_t)page_int(row, 1) == state->version},
      {"status", page_int(row, 2) == (int64_t)state->status},
      {"first_name", span_equal(page_bytes(row, 3), state->first_name)},
      {"last_name", span_equal(page_bytes(row, 4), state->last_name)},
      {"email", span_equal(page_bytes(row, 5), state->email.text)},
      {"email_key", span_equal(page_bytes(row, 6), state->email.key)},
      {"phone", span_equal(page_bytes(row, 7), state->phone)},
      {"email_verified", page_bool(row, 8) == state->email_verified},
      {"phone_verified", page_bool(row, 9) == state->phone_verified},
      {"language_code", span_equal(page_bytes(row, 10), state->profile.language_code)},
      {"bio", span_equal(page_bytes(row, 11), state->profile.bio)},
      {"birth_date", span_equal(page_bytes(row, 12), state->profile.birth_date)},
      {"avatar_url", span_equal(page_bytes(row, 13), state->profile.avatar_url)},
      {"privacy", page_int(row, 14) == (int64_t)privacy_pack(state->profile.privacy)},
      {"profile_views", (uint64_t)page_int(row, 15) == state->profile_views},
      {"status_before_block", page_int(row, 16) == (int64_t)state->status_before_block},
      {"block_reason", span_equal(page_bytes(row, 17), state->block_reason)},
      {"blocked_until_ns", page_int(row, 18) == state->blocked_until_ns},
      {"created_ns", page_int(row, 19) == state->created_ns},
      {"updated_ns", page_int(row, 20) == state->updated_ns},
  };
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    if (!fields[i].same) {
      return fields[i].name;
    }
  }
  return NULL;
}

static void row_compare(struct fold *fold) {
  struct uuid id = fold->more_users ? page_uuid(&fold->users, 0) : (struct uuid){{0}};
  if (fold->unreadable) {
    return; // said already
  }
  if (!fold->more_users || !uuid_equal(&id, &fold->id)) {
    verdict_differ(&fold->rows, "user %s: has events, and no row", fold->id_text);
    return;
  }
  if (fold->state.version == 0) {
    verdict_differ(&fold->rows, "user %s: has a row, and no events", fold->id_text);
    return;
  }
  const char *field = row_difference(fold);
  if (field != NULL) {
    verdict_differ(&fold->rows, "user %s: %s of its row at version %" PRId64 " is not that of its events at %" PRIu64,
                   fold->id_text, field, page_int(&fold->users, 1), fold->state.version);
  }
}
