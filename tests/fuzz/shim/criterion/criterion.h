// SPDX-License-Identifier: MIT
// In place of Criterion, for headers of the unit tests that fuzz targets use: an assertion ends the run.
#pragma once

#include "fuzz.h"

#define cr_assert(condition, ...) FUZZ_CHECK(condition)
#define cr_assert_eq(a, b, ...) FUZZ_CHECK((a) == (b))
#define cr_assert_lt(a, b, ...) FUZZ_CHECK((a) < (b))
#define cr_expect(condition, ...) FUZZ_CHECK(condition)
#define cr_expect_eq(a, b, ...) FUZZ_CHECK((a) == (b))
#define cr_expect_geq(a, b, ...) FUZZ_CHECK((a) >= (b))
