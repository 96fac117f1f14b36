// SPDX-License-Identifier: MIT
// The decisions of a batch, in stream order, each on the state its predecessor left. Keeps guarantee 2: a command id
// that has an outcome, in the table or earlier in the batch, gets that outcome again, or is refused where its content
// differs; only DEAD is decided anew.
#include "batch.h"

static enum lumin_status command_decide(struct batch *batch, struct command *command);
static bool users_need_look(struct batch *batch);

static enum lumin_status decisions_reset(struct batch *batch) {
  uuid_map_clear(batch->pipeline->decided);
  batch->event_count = batch->dead_count = batch->mark_count = batch->void_count = 0;
  memset(batch->mark_by_partition, 0, batch->pipeline->partitions * sizeof *batch->mark_by_partition);
  for (size_t i = 0; i < batch->count; i++) {
    struct command *command = &batch->commands[i];
    command->outcome = (struct outcome){0};
    command->unrecorded = command->replaces = false;
    command->claim = CLAIM_NONE;
    struct working *working = batch_working(batch, &command->user_id);
    if (working != NULL) {
      working->now = working->before;
    }
  }
  return claims_init(batch);
}

static enum lumin_status commands_decide(struct batch *batch) {
  enum lumin_status status = decisions_reset(batch);
  for (size_t i = 0; i < batch->count && status == LUMIN_OK; i++) {
    status = command_decide(batch, &batch->commands[i]);
  }
  return status;
}

enum lumin_status batch_decide(struct batch *batch) {
  enum lumin_status status = LUMIN_OK;
  do {
    batch->refuted = false;
    status = commands_decide(batch);
  } while (batch->refuted); // each time one command more
  if (status == LUMIN_OK && (claims_need_look(batch) || users_need_look(batch))) {
    return LUMIN_CONFLICT;
  }
  return status;
}

// True where a new user was assumed not to exist and nothing was made of it: no insert would notice a wrong guess, and
// a refused create would hide the user from the commands behind it.
static bool users_need_look(struct batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    const struct working *working = command_working(batch, &batch->commands[i]);
    if (working != NULL && working->assumed && working->now.version == 0) {
      return true;
    }
  }
  return false;
}

static enum lumin_status command_conclude(struct batch *batch, struct command *command, enum outcome_status status,
                                          const struct refusal *refusal);
static enum lumin_status command_refuse_id(struct command *command);
static enum lumin_status command_give_again(struct command *command, const struct outcome *earlier);
static enum lumin_status command_apply(struct batch *batch, struct command *command);

// An outcome that stands for this command id: of this batch, else of the table.
static const struct outcome *outcome_standing(struct batch *batch, struct command *command) {
  struct command *before = uuid_map_get(batch->pipeline->decided, &command->command_id);
  if (before != NULL && before->outcome.status != OUTCOME_DEAD) {
    return &before->outcome;
  }
  if (before != NULL) {
    before->unrecorded = true; // this command's outcome replaces it
  }
  const struct outcome *loaded = uuid_map_get(batch->pipeline->outcomes, &command->command_id);
  if (loaded != NULL && loaded->status == OUTCOME_DEAD) {
    command->replaces = true;
    return NULL;
  }
  return loaded;
}

static enum lumin_status command_decide(struct batch *batch, struct command *command) {
  struct partition_mark *mark = batch_mark(batch, command->inbound->partition);
  if (mark == NULL) {
    return LUMIN_NO_MEMORY;
  }
  mark->new_seq = command->inbound->seq;
  mark->new_ts_ns = command->inbound->ts_ns;
  const struct outcome *standing = outcome_standing(batch, command);
  if (standing != NULL) {
    return command_give_again(command, standing);
  }
  if (batch->precedents != NULL && command_is_preceded(batch, command)) {
    return command_refuse_id(command);
  }
  enum lumin_status status = uuid_map_put(batch->pipeline->decided, &command->command_id, command, NULL);
  if (status != LUMIN_OK) {
    return status;
  }
  if (command->poisoned) {
    struct refusal refusal = {0};
    (void)refuse(&refusal, LUMIN_INTERNAL,
                 "the service has no room for this command, or its database does not take it");
    return command_conclude(batch, command, OUTCOME_DEAD, &refusal);
  }
  if (batch->precedents != NULL) {
    command_acquit(batch, command);
  }
  if (command->fault.reason != LUMIN_OK) {
    return command_conclude(batch, command, command->dead ? OUTCOME_DEAD : OUTCOME_REJECTED, &command->fault);
  }
  return command_apply(batch, command);
}

// A repair knows of some commands what came of them, and not what they held: any content passes for theirs.
static bool content_is_other(const struct outcome *earlier, const struct command *command) {
  static const uint8_t unknown[CONTENT_HASH_LEN] = {0};
  return memcmp(earlier->content_hash, unknown, CONTENT_HASH_LEN) != 0 &&
         memcmp(earlier->content_hash, command->content_hash, CONTENT_HASH_LEN) != 0;
}

static enum lumin_status command_refuse_id(struct command *command) {
  struct outcome *outcome = &command->outcome;
  *outcome = (struct outcome){.command_id = command->command_id,
                              .user_id = command->user_id,
                              .status = OUTCOME_REJECTED,
                              .stream_seq = command->inbound->seq,
                              .stream_ts_ns = command->inbound->ts_ns};
  (void)refuse(&outcome->refusal, LUMIN_COMMAND_ID_REUSED,
               "this command id was used for another command; send this one with an id of its own");
  outcome->refusal.field = SPAN_LITERAL("Lumin-Command-Id");
  outcome->refusal.allowed = SPAN_LITERAL("a new UUID for each command, the same one for a retry");
  command->unrecorded = true;
  return LUMIN_OK;
}

static enum lumin_status command_give_again(struct command *command, const struct outcome *earlier) {
  if (content_is_other(earlier, command)) {
    return command_refuse_id(command);
  }
  command->unrecorded = true;
  command->outcome = *earlier;
  return LUMIN_OK;
}

static enum lumin_status command_conclude(struct batch *batch, struct command *command, enum outcome_status status,
                                          const struct refusal *refusal) {
  const struct working *working = command_working(batch, command);
  command->outcome = (struct outcome){
      .command_id = command->command_id,
      .user_id = command->user_id,
      .status = status,
      .version = working != NULL ? working->now.version : 0,
      .stream_seq = command->inbound->seq,
      .stream_ts_ns = command->inbound->ts_ns,
  };
  memcpy(command->outcome.content_hash, command->content_hash, CONTENT_HASH_LEN);
  if (command->inbound->expired && command->precedent_count > 0) {
    command->outcome.stream_seq = 0; // unknown; the time is what retention goes by
    command->outcome.stream_ts_ns = command->precedents[0].event.time_ns;
  }
  if (refusal != NULL) {
    command->outcome.refusal = *refusal;
  }
  if (status == OUTCOME_DEAD) {
    struct partition_mark *mark = batch_mark(batch, command->inbound->partition);
    batch->dead[batch->dead_count++] = (struct dead_command){command, ++mark->dead_position};
  }
  return LUMIN_OK;
}

// Most commands make one event; room for those that make more is found when they come.
static bool events_room(struct batch *batch, size_t more) {
  if (batch->event_count + more <= batch->event_limit) {
    return true;
  }
  size_t limit = 2 * batch->event_limit + more;
  struct new_event *events = ARENA_ARRAY(batch->arena, limit, struct new_event);
  if (events == NULL) {
    return false;
  }
  memcpy(events, batch->events, batch->event_count * sizeof *events);
  batch->events = events;
  batch->event_limit = limit;
  return true;
}

static enum lumin_status events_keep(struct batch *batch, const struct command *command,
                                     const struct decision *decision) {
  if (!events_room(batch, decision->event_count)) {
    return LUMIN_NO_MEMORY;
  }
  struct partition_mark *mark = batch_mark(batch, command->inbound->partition);
  const struct codec_port *codec = &batch->pipeline->codec;
  for (size_t i = 0; i < decision->event_count; i++) {
    struct new_event *event = &batch->events[batch->event_count];
    *event = (struct new_event){.command = command,
                                .user_id = command->user_id,
                                .event = decision->events[i],
                                .partition = mark->partition,
                                .position = mark->event_position + 1};
    event->body = precedent_body(command, event->event.version);
    enum lumin_status status = LUMIN_OK;
    if (event->body.data == NULL) {
      status = codec->encode_event(codec->self, &event->event, batch->arena, &event->body);
    }
    if (status != LUMIN_OK) {
      return status;
    }
    mark->event_position++;
    batch->event_count++;
  }
  return LUMIN_OK;
}

static enum lumin_status version_check(const struct command *command, struct decision *decision) {
  if (!command->has_expected_version || command->expected_version == decision->user.version) {
    return LUMIN_OK;
  }
  (void)refuse(&decision->refusal, LUMIN_VERSION_MISMATCH, "the user is not at the expected version; read it again");
  decision->refusal.field = SPAN_LITERAL("Lumin-Expected-Version");
  decision->refusal.allowed = SPAN_LITERAL("the user's current version");
  decision->refusal.current_version = decision->user.version;
  decision->refusal.current_status = (int)decision->user.status;
  return LUMIN_VERSION_MISMATCH;
}

static enum lumin_status decision_make(const struct command *command, struct decision *decision) {
  if (command->inbound->expired || command->message == NULL) {
    return LUMIN_INTERNAL; // nothing is known of it
  }
  enum lumin_status status = version_check(command, decision);
  return status == LUMIN_OK ? command->method->decide(decision, command->message) : status;
}

static bool status_refuses(enum lumin_status status) {
  return status > LUMIN_OK && status < LUMIN_INTERNAL; // the wire's reasons but INTERNAL
}

static enum lumin_status command_apply(struct batch *batch, struct command *command) {
  struct working *working = command_working(batch, command);
  struct decision decision = {.arena = batch->arena, .time_ns = command->inbound->ts_ns};
  if (working != NULL) {
    // A user's time never goes back, though a broker's clock may.
    decision.time_ns = working->now.updated_ns > decision.time_ns ? working->now.updated_ns : decision.time_ns;
    decision.user = user_at(&working->now, decision.time_ns);
  }
  enum lumin_status status = decision_make(command, &decision);
  if (batch->precedents != NULL && working != NULL) {
    status = decision_follow(batch, command, &decision, status);
  } else if (status == LUMIN_OK && decision.event_count > 0) { // a command about no user has no events
    status = working == NULL ? LUMIN_INTERNAL : claims_move(batch, &working->now, &decision.user, &decision.refusal);
  }
  if (status == LUMIN_NO_MEMORY || status == LUMIN_GAP || status == LUMIN_STOPPED || status == LUMIN_CONFLICT) {
    return status;
  }
  if (status == LUMIN_COMMAND_ID_REUSED) {
    (void)command_refuse_id(command);
    command->unrecorded = false; // no outcome of another command says so
    return LUMIN_OK;
  }
  if (status_refuses(status)) {
    return command_conclude(batch, command, OUTCOME_REJECTED, &decision.refusal);
  }
  if (status != LUMIN_OK) {
    struct refusal refusal = {0};
    (void)refuse(&refusal, LUMIN_INTERNAL, "the command failed inside the service");
    return command_conclude(batch, command, OUTCOME_DEAD, &refusal);
  }
  if (decision.event_count == 0 || working == NULL) {
    return command_conclude(batch, command, OUTCOME_UNCHANGED, NULL);
  }
  status = events_keep(batch, command, &decision);
  if (status != LUMIN_OK) {
    return status;
  }
  working->now = decision.user;
  return command_conclude(batch, command, OUTCOME_APPLIED, NULL);
}
