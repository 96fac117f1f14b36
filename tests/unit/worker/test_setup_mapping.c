// SPDX-License-Identifier: MIT
// The two users that setup probes the mapping with tell the number of partitions from every other.
#include "../../../src/worker/setup_internal.h"

#include <criterion/criterion.h>

#include "lumin/application/pipeline.h"

static bool told_apart(const struct uuid users[2], uint32_t partitions, uint32_t other) {
  for (int i = 0; i < 2; i++) {
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&users[i], text);
    struct span token = span_of(text, UUID_TEXT_LEN);
    if (partition_of(token, partitions) != partition_of(token, other)) {
      return true;
    }
  }
  return false;
}

Test(setup_mapping, every_other_number_shows) {
  static const uint32_t numbers[] = {1, 2, 7, 8, 32, 33, 100, 512, 1023, 1024};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    struct uuid users[2];
    cr_assert_eq(mapping_witnesses(numbers[i], users), LUMIN_OK);
    for (uint32_t other = 1; other <= PARTITIONS_TOLD; other++) {
      cr_assert(other == numbers[i] || told_apart(users, numbers[i], other), "%u and %u", numbers[i], other);
    }
  }
}
