// SPDX-License-Identifier: MIT
// Refusals are made of literals, so that nothing a caller sent can come back in one.
#include "lumin/domain/refusal.h"

enum lumin_status refuse(struct refusal *ret_refusal, enum lumin_status reason, const char *message) {
  *ret_refusal = (struct refusal){.reason = reason, .message = span_from_text(message)};
  return reason;
}

enum lumin_status refuse_field(struct refusal *ret_refusal, const char *field, const char *allowed,
                               const char *message) {
  *ret_refusal = (struct refusal){
      .reason = LUMIN_INVALID_ARGUMENT,
      .message = span_from_text(message),
      .field = span_from_text(field),
      .allowed = span_from_text(allowed),
  };
  return LUMIN_INVALID_ARGUMENT;
}
