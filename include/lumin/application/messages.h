// SPDX-License-Identifier: MIT
// The domain's structs as protobuf messages: what replies and events are made of. Their bytes are the codec's business.
#pragma once

#include "lumin/application/message.h"
#include "lumin/user/v1/types.pb-c.h"

// Fill *message and return it, so that a member can be set to what they return; NULL for no setting at all.
Google__Protobuf__Timestamp *timestamp_message(int64_t ns, Google__Protobuf__Timestamp *message);
Lumin__User__V1__PrivacySettings *privacy_message(struct privacy privacy, Lumin__User__V1__PrivacySettings *message);

// ... and back, of bytes that this service wrote. NULL: 0, and no setting.
int64_t timestamp_restore(const Google__Protobuf__Timestamp *message);
struct privacy privacy_restore(const Lumin__User__V1__PrivacySettings *message);

// A time that somebody else has given, as nanoseconds; one beyond the years 1678 to 2262 becomes the nearest in them.
// INVALID_ARGUMENT where it is none (nanoseconds beyond a second).
LUMIN_MUST_USE enum lumin_status timestamp_read(const Google__Protobuf__Timestamp *message, int64_t *ret_ns);

// Whole messages in the arena, texts copied; NULL where it is full.
Lumin__User__V1__User *user_message(const struct user *user, struct arena *arena);
Lumin__User__V1__Error *error_message(const struct refusal *refusal, struct arena *arena);
Lumin__User__V1__Outcome *outcome_message(const struct outcome *outcome, struct arena *arena);

// The user that user_message was made of, as far as readers of users can tell: without the keys of identifiers and the
// status before a block. Its texts are the message's.
struct user user_restore(const Lumin__User__V1__User *message);

// Parts of them, in the arena; NULL where it is full.
char *text_message(struct span text, struct arena *arena);
char *uuid_message(const struct uuid *uuid, struct arena *arena);
Google__Protobuf__Timestamp *time_message(int64_t ns, struct arena *arena);
