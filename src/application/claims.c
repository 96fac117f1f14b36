// SPDX-License-Identifier: MIT
// Who holds which e-mail and phone while a batch is decided. Keeps guarantee 7 together with the primary key of the
// identifiers table: a key that nobody in the batch knows about is assumed to be free, and the insert decides. A
// refusal, though, needs a row that was read for this batch: another lane may have freed the key since.
#include "batch.h"

static const struct uuid nobody = {{0}};

static uint32_t claim_hash(enum identifier_kind kind, struct span key) {
  uint32_t hash = 2166136261U ^ (uint32_t)kind;
  for (size_t i = 0; i < key.len; i++) {
    hash = (hash ^ (uint8_t)key.data[i]) * 16777619U;
  }
  return hash ^ (hash >> 15);
}

static struct claim *claim_get(struct batch *batch, enum identifier_kind kind, struct span key) {
  struct claims *claims = &batch->claims;
  struct claim **slot = &claims->slots[claim_hash(kind, key) & (claims->slot_count - 1)];
  for (struct claim *claim = *slot; claim != NULL; claim = claim->next) {
    if (claim->kind == kind && span_equal(claim->key, key)) {
      return claim;
    }
  }
  struct claim *claim = claims->count < claims->limit ? ARENA_NEW(batch->arena, struct claim) : NULL;
  if (claim != NULL) {
    *claim = (struct claim){.kind = kind, .key = key, .next = *slot};
    *slot = claim;
    claims->all[claims->count++] = claim;
  }
  return claim;
}

// What was read for this batch: keys that were asked about and have no row are free.
static enum lumin_status claims_seed(struct batch *batch) {
  for (size_t i = 0; i < batch->keys_asked_count; i++) {
    struct claim *claim = claim_get(batch, batch->keys_asked[i].kind, batch->keys_asked[i].key);
    if (claim == NULL) {
      return LUMIN_NO_MEMORY;
    }
    claim->known = true;
  }
  for (size_t i = 0; i < batch->loaded.identifier_count; i++) {
    const struct identifier *row = &batch->loaded.identifiers[i];
    struct claim *claim = claim_get(batch, row->kind, row->key);
    if (claim == NULL) {
      return LUMIN_NO_MEMORY;
    }
    claim->known = true;
    claim->before = claim->now = row->user_id;
  }
  return LUMIN_OK;
}

enum lumin_status claims_init(struct batch *batch) {
  // Each command moves at most two keys in and two out.
  size_t limit = 4 * batch->count + batch->keys_asked_count + batch->loaded.identifier_count;
  struct claims claims = {.slot_count = 64, .limit = limit};
  while (claims.slot_count < limit) {
    claims.slot_count *= 2;
  }
  claims.slots = ARENA_ARRAY(batch->arena, claims.slot_count, struct claim *);
  claims.all = ARENA_ARRAY(batch->arena, limit, struct claim *);
  if (claims.slots == NULL || claims.all == NULL) {
    return LUMIN_NO_MEMORY;
  }
  batch->claims = claims;
  return claims_seed(batch);
}

static enum lumin_status claim_take(struct batch *batch, enum identifier_kind kind, struct span key,
                                    const struct uuid *user_id) {
  struct claim *claim = claim_get(batch, kind, key);
  if (claim == NULL) {
    return LUMIN_NO_MEMORY;
  }
  if (!uuid_is_nil(&claim->now) && !uuid_equal(&claim->now, user_id)) {
    return kind == IDENTIFIER_EMAIL ? LUMIN_EMAIL_TAKEN : LUMIN_PHONE_TAKEN;
  }
  claim->assumed = claim->assumed || !claim->known;
  claim->now = *user_id;
  return LUMIN_OK;
}

// The holder's own state says that it holds the key; so does the table, since both are written together. After a guess
// that the key was free this proves the guess wrong, and claims_need_look must see it. In a repair, where commands come
// in another order than they were committed in, another user may hold it already: only the row tells.
static enum lumin_status claim_give(struct batch *batch, enum identifier_kind kind, struct span key,
                                    const struct uuid *user_id) {
  struct claim *claim = claim_get(batch, kind, key);
  if (claim == NULL) {
    return LUMIN_NO_MEMORY;
  }
  if (claim->known && !uuid_is_nil(&claim->now) && !uuid_equal(&claim->now, user_id)) {
    return LUMIN_OK;
  }
  if (!claim->known && !claim->assumed && batch->precedents == NULL) {
    claim->known = true;
    claim->before = *user_id;
  }
  claim->now = nobody;
  return LUMIN_OK;
}

static enum lumin_status claim_refuse(struct refusal *ret_refusal, enum lumin_status reason) {
  if (reason == LUMIN_EMAIL_TAKEN) {
    (void)refuse(ret_refusal, reason, "another user has this e-mail address");
    ret_refusal->field = SPAN_LITERAL("email");
    ret_refusal->allowed = SPAN_LITERAL("an address that no other user has");
  } else if (reason == LUMIN_PHONE_TAKEN) {
    (void)refuse(ret_refusal, reason, "another user has this phone number");
    ret_refusal->field = SPAN_LITERAL("phone");
    ret_refusal->allowed = SPAN_LITERAL("a number that no other user has");
  }
  return reason;
}

struct key_change {
  enum identifier_kind kind;
  struct span old, new;
};

// Whether the change takes a key.
static bool change_takes(const struct key_change *change) {
  return change->new.len > 0 && !span_equal(change->old, change->new);
}

static bool change_gives(const struct key_change *change) {
  return change->old.len > 0 && !span_equal(change->old, change->new);
}

static void changes_find(const struct user *before, const struct user *after, struct key_change ret_changes[2]) {
  ret_changes[0] = (struct key_change){IDENTIFIER_EMAIL, user_email_key(before), user_email_key(after)};
  ret_changes[1] = (struct key_change){IDENTIFIER_PHONE, user_phone_key(before), user_phone_key(after)};
}

enum lumin_status claims_move(struct batch *batch, const struct user *before, const struct user *after,
                              struct refusal *ret_refusal) {
  struct key_change changes[2];
  size_t taken = 0;
  enum lumin_status status = LUMIN_OK;
  changes_find(before, after, changes);
  for (; taken < 2 && status == LUMIN_OK; taken++) {
    if (change_takes(&changes[taken])) {
      status = claim_take(batch, changes[taken].kind, changes[taken].new, &after->id);
    }
  }
  if (status != LUMIN_OK) { // give back what this command had taken before the one that failed
    for (size_t i = 0; i + 1 < taken; i++) {
      if (change_takes(&changes[i])) {
        claim_get(batch, changes[i].kind, changes[i].new)->now = nobody;
      }
    }
    return claim_refuse(ret_refusal, status);
  }
  for (size_t i = 0; i < 2 && status == LUMIN_OK; i++) {
    if (change_gives(&changes[i])) {
      status = claim_give(batch, changes[i].kind, changes[i].old, &before->id);
    }
  }
  return status;
}

enum lumin_status claims_force(struct batch *batch, const struct user *before, const struct user *after) {
  struct key_change changes[2];
  enum lumin_status status = LUMIN_OK;
  changes_find(before, after, changes);
  for (size_t i = 0; i < 2 && status == LUMIN_OK; i++) {
    struct claim *claim = change_takes(&changes[i]) ? claim_get(batch, changes[i].kind, changes[i].new) : NULL;
    if (claim == NULL && change_takes(&changes[i])) {
      return LUMIN_NO_MEMORY;
    }
    if (claim != NULL) {
      claim->assumed = claim->assumed || !claim->known;
      claim->now = after->id;
    }
    if (change_gives(&changes[i])) {
      status = claim_give(batch, changes[i].kind, changes[i].old, &before->id);
    }
  }
  return status;
}

enum command_claim change_claim(struct batch *batch, const struct user *before, const struct user *after) {
  struct key_change changes[2];
  enum command_claim found = CLAIM_NONE;
  changes_find(before, after, changes);
  for (size_t i = 0; i < 2; i++) {
    const struct claim *claim = change_takes(&changes[i]) ? claim_get(batch, changes[i].kind, changes[i].new) : NULL;
    bool disputed = claim != NULL && !uuid_is_nil(&claim->before) && !uuid_equal(&claim->before, &after->id);
    found = disputed ? CLAIM_DISPUTED : claim != NULL && found == CLAIM_NONE ? CLAIM_MADE : found;
  }
  return found;
}

bool claims_are_known(struct batch *batch, const struct user *before, const struct user *after) {
  struct key_change changes[2];
  bool known = true;
  changes_find(before, after, changes);
  for (size_t i = 0; i < 2; i++) {
    const struct claim *claim = change_takes(&changes[i]) ? claim_get(batch, changes[i].kind, changes[i].new) : NULL;
    known = known && (claim == NULL || claim->known);
  }
  return known; // else the batch is decided again, on rows
}

enum lumin_status claims_disprove(struct batch *batch, const struct user *before, const struct user *after,
                                  struct refusal *ret_refusal) {
  static const enum lumin_status reasons[] = {LUMIN_EMAIL_TAKEN, LUMIN_PHONE_TAKEN};
  struct key_change changes[2];
  enum lumin_status held = LUMIN_OK, wanted = LUMIN_OK; // the first key of each
  changes_find(before, after, changes);
  for (size_t i = 0; i < 2; i++) {
    if (!change_takes(&changes[i])) {
      continue;
    }
    const struct claim *claim = claim_get(batch, changes[i].kind, changes[i].new);
    if (claim == NULL) {
      return LUMIN_NO_MEMORY;
    }
    bool is_held = !uuid_is_nil(&claim->now) && !uuid_equal(&claim->now, &after->id);
    held = held == LUMIN_OK && is_held ? reasons[i] : held;
    wanted = wanted == LUMIN_OK ? reasons[i] : wanted;
  }
  if (wanted == LUMIN_OK) {
    return LUMIN_INTERNAL;
  }
  // Where nobody holds one at this place, whoever did gave it up later, or took it earlier, than in this order.
  return claim_refuse(ret_refusal, held != LUMIN_OK ? held : wanted);
}

bool claims_need_look(const struct batch *batch) {
  for (size_t i = 0; i < batch->claims.count; i++) {
    const struct claim *claim = batch->claims.all[i];
    if (!claim->known && (batch->precedents != NULL || uuid_is_nil(&claim->now))) {
      return true;
    }
  }
  return false;
}
