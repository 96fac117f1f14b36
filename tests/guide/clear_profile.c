// SPDX-License-Identifier: MIT
// The command of CONTRIBUTING's example at work; built by add_command.sh in a tree that has it.
#include "rig.h"

Test(guide, the_example_works) {
  static const Lumin__User__V1__ClearProfile clear = LUMIN__USER__V1__CLEAR_PROFILE__INIT;
  Lumin__User__V1__Create create = LUMIN__USER__V1__CREATE__INIT;
  create.first_name = text_or_empty("Ada");
  create.email = text_or_empty("a@example.com");
  create.bio = text_or_empty("Counts.");
  create.avatar_url = text_or_empty("https://example.com/a");
  struct rig *rig = rig_plain();
  const struct step steps[] = {
      {METHOD_clear_profile, 1, .message = &clear.base, REFUSED(NOT_FOUND, 0)},
      {METHOD_create, 1, .message = &create.base, APPLIED(1)},
      {METHOD_clear_profile, 1, .message = &clear.base, APPLIED(3)},
      {METHOD_clear_profile, 1, .message = &clear.base, .status = OUTCOME_UNCHANGED, .version = 3},
      {METHOD_delete, 1, APPLIED(4)},
      {METHOD_clear_profile, 1, .message = &clear.base, REFUSED(DELETED, 4)},
  };
  for (size_t i = 0; i < COUNT(steps); i++)
    rig_expect(rig, &steps[i], 1);
  rig_check_tables(rig);
  rig_destroy(rig);
}
