// SPDX-License-Identifier: MIT
// Steps that queries share.
#pragma once

#include "../page.h"
#include "lumin/application/messages.h"
#include "lumin/user/v1/queries.pb-c.h"

#define QUERY_AGAIN_MS 20 // between two readings of a row that is too old

// The user that the request names is needed, at the version asked for.
LUMIN_MUST_USE enum lumin_status plan_user(struct query *query, struct refusal *ret_refusal);
// Its answer waits for Lumin-Min-Version.
void plan_patience(struct query *query);

// The holder of an identifier is needed, and is the whole answer. Always read from the table, the identifier joined
// with its user: a claim is seen as soon as its outcome is.
LUMIN_MUST_USE enum lumin_status plan_holder(struct query *query, enum identifier_kind kind, struct span key);
LUMIN_MUST_USE enum lumin_status answer_holder(struct query *query, const struct query_rows *rows,
                                               struct query_reply *ret_reply);

// Whether the user's row is as new as the caller wants: OK, RETRY, or DEADLINE_EXCEEDED when patience is over.
LUMIN_MUST_USE enum lumin_status check_version(const struct query *query, const struct query_rows *rows,
                                               const struct user *user, struct refusal *ret_refusal);
// ... and the user there is, deleted or not.
LUMIN_MUST_USE enum lumin_status check_known(const struct query *query, const struct query_rows *rows,
                                             struct refusal *ret_refusal);
// ... and living.
LUMIN_MUST_USE enum lumin_status check_living(const struct query *query, const struct query_rows *rows,
                                              struct refusal *ret_refusal);

// Why the user's state is no answer.
enum lumin_status refuse_state(struct refusal *ret_refusal, const struct user *user, enum lumin_status reason,
                               const char *message);
enum lumin_status refuse_memory(struct refusal *ret_refusal);

// The whole answer: a user as of the query's time.
LUMIN_MUST_USE enum lumin_status answer_user(const struct query *query, const struct query_rows *rows,
                                             const struct user *user, struct query_reply *ret_reply);
