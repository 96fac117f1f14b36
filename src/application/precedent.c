// SPDX-License-Identifier: MIT
// Decisions that precedents bind. Positions of a partition are dense and follow the order of its commands, so those of
// the event stream tell of each command whether it can have led to an event: one without events on the stream was
// applied only where the positions leave a hole for it (its events were committed and not yet published). Keeps
// guarantees 2, 3 and 8 through a restore.
#include "lumin/application/precedent.h"

#include "batch.h"

// ---- what a command has led to

static void command_bind(struct command *command, const struct precedent *first, size_t count) {
  command->precedents = first;
  command->precedent_count = count;
  if (command->method == NULL) { // a program that does not know it any more: one about a user, at least
    command->method = &methods[METHOD_update];
  }
  if (command->inbound->expired) {
    memset(command->content_hash, 0, CONTENT_HASH_LEN); // unknown
  }
}

static size_t precedents_count(const struct precedents *all, const struct precedent *first) {
  size_t count = 1;
  for (const struct precedent *next = first + 1; next < all->items + all->count; next++, count++) {
    if (next->partition != first->partition || !uuid_equal(&next->command_id, &first->command_id)) {
      break;
    }
  }
  return count;
}

enum lumin_status batch_follow(struct batch *batch, const struct precedents *precedents) {
  struct uuid_map *firsts = batch->pipeline->decided; // not in use yet
  uuid_map_clear(firsts);
  for (size_t i = precedents->count; i-- > 0;) {
    const struct precedent *item = &precedents->items[i];
    if (uuid_map_put(firsts, &item->command_id, (void *)(uintptr_t)item, NULL) != LUMIN_OK) {
      return LUMIN_NO_MEMORY;
    }
  }
  for (size_t i = 0; i < batch->count; i++) {
    struct command *command = &batch->commands[i];
    const struct precedent *first = uuid_map_get(firsts, &command->command_id);
    bool is_own = first != NULL && first->partition == command->inbound->partition &&
                  uuid_equal(&first->user_id, &command->user_id);
    command->id_is_others = first != NULL && !is_own;
    if (is_own) {
      command_bind(command, first, precedents_count(precedents, first));
    }
  }
  batch->precedents = precedents;
  return LUMIN_OK;
}

static const struct precedent *precedent_find(const struct command *command, uint64_t version) {
  for (size_t i = 0; i < command->precedent_count; i++) {
    if (command->precedents[i].event.version == version) {
      return &command->precedents[i];
    }
  }
  return NULL;
}

struct span precedent_body(const struct command *command, uint64_t version) {
  const struct precedent *precedent = precedent_find(command, version);
  return precedent != NULL ? precedent->body : SPAN_EMPTY;
}

// ---- places among the positions

// The first item of the batch that stands in the partition behind a position; `count` where there is none.
static size_t item_behind(const struct precedents *all, uint16_t partition, uint64_t position) {
  size_t low = 0, high = all->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const struct precedent *item = &all->items[middle];
    bool behind = item->partition > partition || (item->partition == partition && item->position > position);
    if (behind) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// The lowest position behind that one which is taken by an event of the stream; UINT64_MAX: none.
static uint64_t position_taken(const struct precedents *all, uint16_t partition, uint64_t position) {
  size_t index = item_behind(all, partition, position);
  bool in_batch = index < all->count && all->items[index].partition == partition;
  uint64_t later = all->next[partition] != 0 ? all->next[partition] : UINT64_MAX;
  return in_batch && all->items[index].position < later ? all->items[index].position : later;
}

// Whether the stream holds one of these versions of the user.
static bool versions_are_taken(const struct precedents *all, const struct uuid *user_id, uint64_t first,
                               uint64_t last) {
  for (size_t i = 0; i < all->run_count; i++) {
    const struct precedent_run *run = &all->runs[i];
    if (uuid_equal(&run->user_id, user_id) && run->first <= last && run->last >= first) {
      return true;
    }
  }
  return false;
}

static bool there_is_room(struct batch *batch, const struct command *command, const struct decision *decision) {
  uint16_t partition = command->inbound->partition;
  uint64_t position = batch_mark(batch, partition)->event_position;
  return position + decision->event_count < position_taken(batch->precedents, partition, position);
}

static bool versions_are_free(const struct batch *batch, const struct command *command,
                              const struct decision *decision) {
  return !versions_are_taken(batch->precedents, &command->user_id, decision->events[0].version, decision->user.version);
}

// A hole in front of a published event tells that something has filled it. Behind the last one of a partition nothing
// tells whether a command was decided, and a lane that was behind had not decided those that others' published events
// have long passed by.
static bool there_is_an_end(struct batch *batch, const struct command *command) {
  uint16_t partition = command->inbound->partition;
  return position_taken(batch->precedents, partition, batch_mark(batch, partition)->event_position) == UINT64_MAX;
}

// The command's own events are the next ones of its partition on the stream. An earlier command of the same id, one
// that was dead, comes before its turn.
static bool turn_is(struct batch *batch, const struct command *command) {
  uint16_t partition = command->inbound->partition;
  return command->precedent_count > 0 &&
         position_taken(batch->precedents, partition, batch_mark(batch, partition)->event_position) ==
             command->precedents[0].position;
}

bool command_is_preceded(const struct batch *batch, const struct command *command) {
  if (command->id_is_others && !command->dead) { // which was applied, so this one can only have been dead
    return true;
  }
  const struct uuid_map *waiting = batch->precedents->waiting;
  uintptr_t seq = waiting != NULL ? (uintptr_t)uuid_map_get(waiting, &command->command_id) : 0;
  return seq != 0 && seq < command->inbound->seq && command->precedent_count == 0;
}

void command_acquit(struct batch *batch, struct command *command) {
  if (turn_is(batch, command)) { // what was applied had no fault, whatever it looks like today
    command->fault = (struct refusal){0};
    command->dead = command->wrong_partition = false;
  }
}

// ---- a command that has led to events

// Events of one command stand at consecutive positions, with consecutive versions. Some of them may not have got to the
// stream; those the decision makes again.
struct course {
  uint64_t version;  // of the first
  uint64_t position; // of the first
  size_t count;
};

static bool decision_agrees(const struct command *command, const struct decision *decision, uint64_t version) {
  if (version + decision->event_count <= command->precedents[command->precedent_count - 1].event.version) {
    return false;
  }
  for (size_t i = 0; i < decision->event_count; i++) {
    const struct precedent *precedent = precedent_find(command, version + i);
    if (precedent != NULL && precedent->event.type != decision->events[i].type) {
      return false;
    }
  }
  return true;
}

// Events that were decided behind the last published one, where the stream leaves room for them.
static size_t course_tail(struct batch *batch, const struct command *command, size_t published, size_t decided) {
  const struct precedent *last = &command->precedents[command->precedent_count - 1];
  if (decided <= published) {
    return 0;
  }
  size_t more = decided - published;
  bool free =
      last->position + more < position_taken(batch->precedents, last->partition, last->position) &&
      !versions_are_taken(batch->precedents, &last->user_id, last->event.version + 1, last->event.version + more);
  return free ? more : 0;
}

static bool course_plan(struct batch *batch, const struct command *command, size_t decided, struct course *ret_course) {
  const struct precedent *first = &command->precedents[0], *last = first + command->precedent_count - 1;
  uint64_t version = command_working(batch, command)->now.version + 1;
  uint64_t reached = batch_mark(batch, first->partition)->event_position;
  if (first->event.version < version || first->position < first->event.version - version + 1) {
    return false;
  }
  struct course course = {version, first->position - (first->event.version - version), 0};
  size_t published = (size_t)(last->event.version - version + 1);
  course.count = published + course_tail(batch, command, published, decided);
  for (const struct precedent *each = first; each <= last; each++) {
    if (each->position - course.position != each->event.version - version) {
      return false;
    }
  }
  *ret_course = course;
  return course.position > reached && course.count <= DECISION_EVENTS_MAX;
}

// Puts the published events in place of those decided, and folds them. False where one is missing in both.
static bool course_take(struct batch *batch, const struct command *command, const struct course *course,
                        struct decision *decision) {
  size_t decided = decision->event_count;
  decision->user = command_working(batch, command)->now;
  for (size_t i = 0; i < course->count; i++) {
    const struct precedent *precedent = precedent_find(command, course->version + i);
    if (precedent != NULL) {
      decision->events[i] = precedent->event;
    } else if (i >= decided) {
      return false;
    }
    user_apply(&decision->user, &decision->events[i]);
  }
  decision->event_count = course->count;
  return true;
}

static void positions_void(struct batch *batch, struct partition_mark *mark, uint64_t position) {
  if (position > mark->event_position + 1) {
    batch->voids[batch->void_count++] = (struct void_range){mark->partition, mark->event_position + 1, position - 1};
  }
  mark->event_position = position - 1;
}

static enum lumin_status precedents_take(struct batch *batch, const struct command *command, struct decision *decision,
                                         enum lumin_status status) {
  struct course course;
  const struct working *working = command_working(batch, command);
  if (status != LUMIN_OK || !decision_agrees(command, decision, working->now.version + 1)) {
    decision->event_count = 0; // whatever it would come to today: it was applied
  }
  if (!course_plan(batch, command, decision->event_count, &course) || !course_take(batch, command, &course, decision)) {
    return LUMIN_GAP;
  }
  decision->refusal = (struct refusal){0};
  positions_void(batch, batch_mark(batch, command->inbound->partition), course.position);
  return claims_force(batch, &working->now, &decision->user);
}

// ---- a command of which nothing is published

// Later events of its user are published, so it was applied.
static bool is_followed(const struct batch *batch, const struct command *command) {
  const struct precedents *all = batch->precedents;
  for (size_t i = 0; i < all->run_count; i++) {
    if (uuid_equal(&all->runs[i].user_id, &command->user_id) && all->runs[i].last > command->outcome.version) {
      return true;
    }
  }
  return false;
}

// Of the applied commands of the partition in this batch, the last one before that one; NULL: none.
static struct command *applied_before(struct batch *batch, const struct command *command) {
  for (struct command *each = batch->commands + (command - batch->commands); each-- > batch->commands;) {
    if (each->inbound->partition == command->inbound->partition && each->outcome.status == OUTCOME_APPLIED &&
        !each->unrecorded) {
      return each;
    }
  }
  return NULL;
}

// A command that took a key in the same hole: the last one whose key was another's, else the last one.
static struct command *rival_find(struct batch *batch, const struct command *command) {
  struct command *found = NULL;
  struct command *rival = applied_before(batch, command);
  for (; rival != NULL && rival->precedent_count == 0; rival = applied_before(batch, rival)) {
    if (rival->claim == CLAIM_NONE || is_followed(batch, rival)) {
      continue;
    }
    if (rival->claim == CLAIM_DISPUTED) {
      return rival;
    }
    found = found != NULL ? found : rival;
  }
  return found;
}

// One of an earlier batch may have the place.
static bool hole_is_claimed(struct batch *batch, const struct command *command) {
  const struct command *each = applied_before(batch, command);
  while (each != NULL && each->precedent_count == 0) {
    each = applied_before(batch, each);
  }
  const bool *claimed = batch->precedents->claimed;
  return each == NULL && claimed != NULL && claimed[command->inbound->partition];
}

// What needs no key was applied, as a rule; where no room is left for it, another command has filled its place: one
// that wanted a key, and did not get it from who held it by the order of commits. That is found out on rows only. Where
// no command can have, its id was that of one that is gone.
static enum lumin_status command_crowded(struct batch *batch, const struct command *command,
                                         const struct decision *decision) {
  if (command->precedent_count > 0) { // under an id that comes again, and led to events then: this one was dead
    return LUMIN_INTERNAL;
  }
  struct command *rival = versions_are_free(batch, command, decision) ? rival_find(batch, command) : NULL;
  if (rival == NULL) {
    bool is_reused = batch->precedents->expired && !hole_is_claimed(batch, command);
    return is_reused ? LUMIN_COMMAND_ID_REUSED : LUMIN_INTERNAL;
  }
  rival->disproved = batch->refuted = batch->doubtful;
  return LUMIN_CONFLICT;
}

static enum lumin_status decision_place(struct batch *batch, struct command *command, struct decision *decision) {
  const struct user *before = &command_working(batch, command)->now;
  enum command_claim claim = change_claim(batch, before, &decision->user);
  bool free = there_is_room(batch, command, decision) && versions_are_free(batch, command, decision);
  if (!free || (claim != CLAIM_NONE && command->disproved)) {
    return claim != CLAIM_NONE ? claims_disprove(batch, before, &decision->user, &decision->refusal)
                               : command_crowded(batch, command, decision);
  }
  enum lumin_status status = claims_move(batch, before, &decision->user, &decision->refusal);
  bool claims = claim != CLAIM_NONE && status == LUMIN_OK;
  command->claim = claims ? claim : CLAIM_NONE;
  if (claims && there_is_an_end(batch, command) && claims_are_known(batch, before, &decision->user)) {
    batch->stopped = command;
    return LUMIN_STOPPED;
  }
  return status;
}

// ---- any command

enum lumin_status decision_follow(struct batch *batch, struct command *command, struct decision *decision,
                                  enum lumin_status status) {
  if (status == LUMIN_NO_MEMORY) {
    return status;
  }
  if (turn_is(batch, command)) {
    return precedents_take(batch, command, decision, status);
  }
  if (status != LUMIN_OK || decision->event_count == 0) {
    return status;
  }
  return decision_place(batch, command, decision);
}

const struct command *batch_stopped(const struct batch *batch) { return batch->stopped; }
