// SPDX-License-Identifier: MIT
// Parts of messages that events and replies share: times and privacy settings.
#pragma once

#include "lumin/domain/values.h"
#include "lumin/user/v1/types.pb-c.h"

// Fill *message and return it, so that a member can be set to what they return; NULL for no setting at all.
Google__Protobuf__Timestamp *timestamp_message(int64_t ns, Google__Protobuf__Timestamp *message);
Lumin__User__V1__PrivacySettings *privacy_message(struct privacy privacy, Lumin__User__V1__PrivacySettings *message);

// ... and back, of bytes that this service wrote. NULL: 0, and no setting.
int64_t timestamp_restore(const Google__Protobuf__Timestamp *message);
struct privacy privacy_restore(const Lumin__User__V1__PrivacySettings *message);
