// SPDX-License-Identifier: MIT
// What the files of the cursor share: one function a transition, and the few tools they are made of.
#pragma once

#include "lumin/worker/cursor.h"

typedef void cursor_transition(struct cursor *cursor, const struct cursor_input *input, struct cursor_actions *actions);

// Adds an action of the current generation; the caller fills in the rest.
struct cursor_action *action_add(const struct cursor *cursor, struct cursor_actions *actions,
                                 enum cursor_action_kind kind);
void question_ask(struct cursor *cursor, struct cursor_actions *actions, enum cursor_question question, uint64_t seq,
                  int64_t now_ns);
// True, and the question is closed, where `input` answers the open question; a late or foreign answer is false.
bool question_answer(struct cursor *cursor, enum cursor_question question, const struct cursor_input *input);
bool question_overdue(const struct cursor *cursor, int64_t now_ns);
void cursor_disturb(struct cursor *cursor, struct cursor_actions *actions, const char *text);

// While READING: cursor_reading.c.
cursor_transition reading_begin; // the consumer was made
cursor_transition message_accept;
cursor_transition heartbeat_accept;
cursor_transition pull_ended;
cursor_transition batch_committed;
cursor_transition advance_finish; // the timestamp of the candidate
cursor_transition advance_forget;
cursor_transition inspect_stream;
cursor_transition inspect_consumer;
cursor_transition reading_tick;
int64_t reading_deadline_ns(const struct cursor *cursor);
