// SPDX-License-Identifier: MIT
// What a request's subjects say; pure.
#pragma once

#include "lumin/base/span.h"

struct rpc_subject {
  struct span method;
  bool has_suffix;
  struct span suffix; // all behind the method's token: a user id, or nonsense
};

// "<prefix>.rpc.<method>" or "<prefix>.rpc.<method>.<suffix>"; false for anything else.
bool rpc_subject_parse(struct span prefix, struct span subject, struct rpc_subject *ret_subject);

// Whether an answer may be sent there. The worker has rights that its caller has not, so a reply subject must not make
// it publish for the caller: not to the server's "$..." subjects, not into the service's own but "<prefix>.reply.", not
// into a worker's inbox. Nor to what is no literal subject.
bool reply_is_allowed(struct span prefix, struct span inbox_prefix, struct span reply);
