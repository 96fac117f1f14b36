// SPDX-License-Identifier: MIT
// Who may see what. Every user has every setting: a create fills in the defaults, so that a later release with other
// defaults changes nobody's.
#include "lumin/domain/values.h"

const struct privacy privacy_default = {{
    [PRIVACY_EMAIL] = VISIBILITY_NOBODY,
    [PRIVACY_PHONE] = VISIBILITY_NOBODY,
    [PRIVACY_BIRTH_DATE] = VISIBILITY_CONTACTS,
    [PRIVACY_BIO] = VISIBILITY_EVERYONE,
    [PRIVACY_AVATAR] = VISIBILITY_EVERYONE,
    [PRIVACY_PROFILE_VIEWS] = VISIBILITY_NOBODY,
}};

enum lumin_status visibility_parse(int number, const char *field, uint8_t *ret_visibility,
                                   struct refusal *ret_refusal) {
  if (number < VISIBILITY_UNSPECIFIED || number > VISIBILITY_NOBODY)
    return refuse_field(ret_refusal, field, "EVERYONE, CONTACTS or NOBODY", "there is no such visibility");
  *ret_visibility = (uint8_t)number;
  return LUMIN_OK;
}

struct privacy privacy_or(struct privacy given, struct privacy otherwise) {
  for (size_t i = 0; i < PRIVACY_FIELDS; i++)
    if (given.of[i] == VISIBILITY_UNSPECIFIED)
      given.of[i] = otherwise.of[i];
  return given;
}

bool privacy_equal(struct privacy a, struct privacy b) { return memcmp(a.of, b.of, sizeof a.of) == 0; }

uint32_t privacy_pack(struct privacy privacy) {
  uint32_t packed = 0;
  for (size_t i = 0; i < PRIVACY_FIELDS; i++)
    packed |= (uint32_t)privacy.of[i] << (2 * i);
  return packed;
}

struct privacy privacy_unpack(uint32_t packed) {
  struct privacy privacy;
  for (size_t i = 0; i < PRIVACY_FIELDS; i++)
    privacy.of[i] = (uint8_t)(packed >> (2 * i) & 3);
  return privacy;
}
