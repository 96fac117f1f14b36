// SPDX-License-Identifier: MIT
// The cursor's table of transitions, and the way from ATTACH to a consumer. Keeps guarantees 4 and 9: no message is
// taken before the position has been compared with the stream, and every doubt ends in a new attach.
#include "lumin/worker/cursor.h"

#include <assert.h>

#include "cursor_check.h"
#include "cursor_steps.h"

#define CHECK_RETRIES 5 // first messages that may expire between two answers of one check

static_assert(CURSOR_ACTIONS_MAX >= CURSOR_PULLS + 2, "a step pulls, and does at most two things beside");

static cursor_transition cursor_attach;
static cursor_transition cursor_detach;
static cursor_transition cursor_api_failed;
static cursor_transition cursor_consumer_gone;
static cursor_transition cursor_committed_late;
static cursor_transition cursor_tick_waiting;
static cursor_transition checking_stream;
static cursor_transition checking_message;
static cursor_transition checking_missing;

static cursor_transition *const transitions[][CURSOR_IN_DETACH + 1] = {
    [CURSOR_DETACHED] = {[CURSOR_IN_ATTACH] = cursor_attach},
    [CURSOR_CHECKING] = {[CURSOR_IN_ATTACH] = cursor_attach,
                         [CURSOR_IN_STREAM_INFO] = checking_stream,
                         [CURSOR_IN_STREAM_MESSAGE] = checking_message,
                         [CURSOR_IN_NO_MESSAGE] = checking_missing,
                         [CURSOR_IN_API_ERROR] = cursor_api_failed,
                         [CURSOR_IN_CONSUMER_GONE] = cursor_consumer_gone,
                         [CURSOR_IN_TIMER] = cursor_tick_waiting,
                         [CURSOR_IN_DETACH] = cursor_detach},
    [CURSOR_CREATING] = {[CURSOR_IN_ATTACH] = cursor_attach,
                         [CURSOR_IN_CONSUMER_CREATED] = reading_begin,
                         [CURSOR_IN_API_ERROR] = cursor_api_failed,
                         [CURSOR_IN_CONSUMER_GONE] = cursor_consumer_gone,
                         [CURSOR_IN_TIMER] = cursor_tick_waiting,
                         [CURSOR_IN_DETACH] = cursor_detach},
    [CURSOR_READING] = {[CURSOR_IN_ATTACH] = cursor_attach,
                        [CURSOR_IN_STREAM_INFO] = inspect_stream,
                        [CURSOR_IN_STREAM_MESSAGE] = advance_finish,
                        [CURSOR_IN_NO_MESSAGE] = advance_forget,
                        [CURSOR_IN_CONSUMER_INFO] = inspect_consumer,
                        [CURSOR_IN_API_ERROR] = cursor_api_failed,
                        [CURSOR_IN_MESSAGE] = message_accept,
                        [CURSOR_IN_HEARTBEAT] = heartbeat_accept,
                        [CURSOR_IN_PULL_ENDED] = pull_ended,
                        [CURSOR_IN_CONSUMER_GONE] = cursor_consumer_gone,
                        [CURSOR_IN_COMMITTED] = batch_committed,
                        [CURSOR_IN_TIMER] = reading_tick,
                        [CURSOR_IN_DETACH] = cursor_detach},
    [CURSOR_DISTURBED] = {[CURSOR_IN_ATTACH] = cursor_attach,
                          [CURSOR_IN_COMMITTED] = cursor_committed_late,
                          [CURSOR_IN_DETACH] = cursor_detach},
};

void cursor_init(struct cursor *cursor, const struct cursor_limits *limits) {
  *cursor = (struct cursor){.limits = *limits, .state = CURSOR_DETACHED};
  cursor->p.advanced_ns = INT64_MIN / 2; // the first ADVANCE waits for nothing
}

static bool input_from_server(enum cursor_input_kind kind) {
  return kind >= CURSOR_IN_STREAM_INFO && kind <= CURSOR_IN_CONSUMER_GONE;
}

void cursor_step(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *ret_actions) {
  ret_actions->count = 0;
  if (input_from_server(input->kind) && input->generation != cursor->generation)
    return;
  cursor_transition *const transition = transitions[cursor->state][input->kind];
  if (transition)
    transition(cursor, input, ret_actions);
}

int64_t cursor_deadline_ns(const struct cursor *cursor) {
  if (cursor->state == CURSOR_READING)
    return reading_deadline_ns(cursor);
  if (cursor->state == CURSOR_CHECKING || cursor->state == CURSOR_CREATING)
    return cursor->p.asked_ns + cursor->limits.reply_timeout_ns;
  return INT64_MAX;
}

// Attach, detach, disturbance.

static void consumer_discard(struct cursor *cursor, struct cursor_actions *actions) {
  if (cursor->p.consumer)
    action_add(cursor, actions, CURSOR_DO_DELETE_CONSUMER);
  cursor->p.consumer = false;
}

static void cursor_attach(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  consumer_discard(cursor, actions);
  cursor->p = (struct cursor_private){
      .position = input->position, .last_pull_id = cursor->p.last_pull_id, .advanced_ns = cursor->p.advanced_ns};
  cursor->generation++;
  cursor->state = CURSOR_CHECKING;
  question_ask(cursor, actions, CURSOR_ASKED_STREAM, 0, input->now_ns);
}

static void cursor_detach(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  (void)input;
  consumer_discard(cursor, actions);
  cursor->state = CURSOR_DETACHED;
}

void cursor_disturb(struct cursor *cursor, struct cursor_actions *actions, const char *text) {
  cursor->state = CURSOR_DISTURBED;
  action_add(cursor, actions, CURSOR_DO_REPORT_DISTURBED)->text = text;
}

static void cursor_api_failed(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  (void)input;
  cursor_disturb(cursor, actions, "the JetStream API answered with an error");
}

static void cursor_consumer_gone(struct cursor *cursor, const struct cursor_input *input,
                                 struct cursor_actions *actions) {
  cursor_disturb(cursor, actions, input->text != NULL ? input->text : "the consumer is gone");
}

// A batch that was in flight when the disturbance came.
static void cursor_committed_late(struct cursor *cursor, const struct cursor_input *input,
                                  struct cursor_actions *actions) {
  (void)actions;
  cursor->p.position = input->position;
  cursor->p.committed_seq = input->position.seq;
}

// CHECKING and CREATING wait for nothing but an answer.
static void cursor_tick_waiting(struct cursor *cursor, const struct cursor_input *input,
                                struct cursor_actions *actions) {
  if (question_overdue(cursor, input->now_ns))
    cursor_disturb(cursor, actions, "a question was not answered in time");
}

// From the comparison to the consumer.

static void checking_start(struct cursor *cursor, const struct check_verdict *verdict, int64_t now_ns,
                           struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  if (verdict->anew) {
    struct cursor_action *report = action_add(cursor, actions, CURSOR_DO_REPORT_ANEW);
    report->text = verdict->anew;
    report->seq = verdict->seq;
  } else if (verdict->lost_first) {
    struct cursor_action *report = action_add(cursor, actions, CURSOR_DO_REPORT_LOST);
    report->seq = verdict->lost_first;
    report->last_seq = verdict->seq - 1;
  }
  p->committed_seq = p->floor_seq = verdict->seq - 1;
  p->consumer = true; // from now on one may exist, answer or not
  cursor->state = CURSOR_CREATING;
  question_ask(cursor, actions, CURSOR_ASKED_CREATE, verdict->seq, now_ns);
}

static void checking_follow(struct cursor *cursor, struct check_verdict verdict, int64_t now_ns,
                            struct cursor_actions *actions) {
  if (verdict.kind == CHECK_ASK_MESSAGE)
    question_ask(cursor, actions, CURSOR_ASKED_MESSAGE, verdict.seq, now_ns);
  else
    checking_start(cursor, &verdict, now_ns, actions);
}

static struct stream_range checking_range(const struct cursor *cursor) {
  return range_of(cursor->p.info_first, cursor->p.info_last);
}

static void checking_stream(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  if (!question_answer(cursor, CURSOR_ASKED_STREAM, input))
    return;
  cursor->p.info_first = input->first_seq;
  cursor->p.info_last = input->last_seq;
  checking_follow(cursor, check_stream(cursor->p.position, checking_range(cursor)), input->now_ns, actions);
}

static void checking_message(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  if (!question_answer(cursor, CURSOR_ASKED_MESSAGE, input))
    return;
  const struct stream_position found = {.seq = input->seq, .ts_ns = input->ts_ns};
  checking_follow(cursor, check_message(cursor->p.position, checking_range(cursor), found), input->now_ns, actions);
}

// The message expired between the two answers, or was deleted: the stream is asked again, since what expired with it
// may be unread. Missing twice inside the stream it is a hole.
static void checking_missing(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions) {
  struct cursor_private *p = &cursor->p;
  if (!question_answer(cursor, CURSOR_ASKED_MESSAGE, input))
    return;
  if (input->seq == p->position.seq && input->seq == p->missing_seq) {
    checking_follow(cursor, check_hole(checking_range(cursor)), input->now_ns, actions);
  } else if (++p->missing_count > CHECK_RETRIES) {
    cursor_disturb(cursor, actions, "messages expire faster than they can be compared");
  } else {
    p->missing_seq = input->seq;
    question_ask(cursor, actions, CURSOR_ASKED_STREAM, 0, input->now_ns);
  }
}

// Tools.

struct cursor_action *action_add(const struct cursor *cursor, struct cursor_actions *actions,
                                 enum cursor_action_kind kind) {
  struct cursor_action *action = &actions->items[actions->count++];
  *action = (struct cursor_action){.kind = kind, .generation = cursor->generation};
  return action;
}

void question_ask(struct cursor *cursor, struct cursor_actions *actions, enum cursor_question question, uint64_t seq,
                  int64_t now_ns) {
  static const enum cursor_action_kind kinds[] = {[CURSOR_ASKED_STREAM] = CURSOR_DO_ASK_STREAM_INFO,
                                                  [CURSOR_ASKED_MESSAGE] = CURSOR_DO_ASK_MESSAGE,
                                                  [CURSOR_ASKED_CREATE] = CURSOR_DO_CREATE_CONSUMER,
                                                  [CURSOR_ASKED_CONSUMER] = CURSOR_DO_ASK_CONSUMER_INFO};
  struct cursor_private *p = &cursor->p;
  p->question = question;
  p->asked_ns = now_ns;
  p->asked_seq = seq;
  p->asked_floor_seq = p->floor_seq;
  p->asked_consumer_seq = p->last_consumer_seq;
  action_add(cursor, actions, kinds[question])->seq = seq;
}

bool question_answer(struct cursor *cursor, enum cursor_question question, const struct cursor_input *input) {
  struct cursor_private *p = &cursor->p;
  if (p->question != question || (question == CURSOR_ASKED_MESSAGE && input->seq != p->asked_seq))
    return false;
  p->question = CURSOR_ASKED_NOTHING;
  return true;
}

bool question_overdue(const struct cursor *cursor, int64_t now_ns) {
  return cursor->p.question != CURSOR_ASKED_NOTHING && now_ns - cursor->p.asked_ns >= cursor->limits.reply_timeout_ns;
}
