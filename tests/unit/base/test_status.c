// SPDX-License-Identifier: MIT
// The status table: the numbers and codes that are part of the contract must never move.
#include "lumin/base/status.h"

#include <criterion/criterion.h>

Test(status, contract_numbers_names_and_codes_stand) {
  static const struct {
    int number;
    const char *name;
    int code;
  } contract[] = {
      {0, "OK", 200},
      {1, "INVALID_ARGUMENT", 400},
      {2, "NOT_FOUND", 404},
      {3, "ALREADY_EXISTS", 409},
      {4, "EMAIL_TAKEN", 409},
      {5, "PHONE_TAKEN", 409},
      {6, "INVALID_STATE", 409},
      {7, "DELETED", 410},
      {8, "VERSION_MISMATCH", 409},
      {9, "COMMAND_ID_REUSED", 409},
      {10, "RESOURCE_EXHAUSTED", 429},
      {11, "UNAVAILABLE", 503},
      {12, "DEADLINE_EXCEEDED", 504},
      {13, "UNIMPLEMENTED", 501},
      {14, "INTERNAL", 500},
  };
  for (size_t i = 0; i < sizeof contract / sizeof contract[0]; i++) {
    cr_assert_str_eq(status_name((enum lumin_status)contract[i].number), contract[i].name);
    cr_assert_eq(status_service_code((enum lumin_status)contract[i].number), contract[i].code, "%s", contract[i].name);
  }
}

Test(status, inner_statuses_have_names_and_look_like_500_outside) {
  cr_assert_str_eq(status_name(LUMIN_NO_MEMORY), "NO_MEMORY");
  cr_assert_str_eq(status_name(LUMIN_STOPPED), "STOPPED");
  cr_assert_eq(status_service_code(LUMIN_NOT_OWNER), 500);
}

Test(status, a_number_that_is_none_is_unknown) {
  static const int none[] = {-1, 15, 99, 112, 1 << 30};
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
    cr_assert_str_eq(status_name((enum lumin_status)none[i]), "UNKNOWN", "%d", none[i]);
    cr_assert_eq(status_service_code((enum lumin_status)none[i]), 500, "%d", none[i]);
  }
}
