// SPDX-License-Identifier: MIT
// Names that a person types. A dash and an underscore are the same in them: change-email is change_email.
#pragma once

#include "lumin/base/arena.h"

struct name_list {
  const char **items; // as in the catalog, with underscores
  size_t count;
};

bool name_equal(struct span typed, const char *name);

// What was probably meant; NULL where nothing is near.
const char *name_nearest(struct span typed, const struct name_list *names);

// Writes `name` with dashes, ended by a NUL and cut to fit.
#define NAME_MAX_LEN 64
const char *name_dashed(const char *name, char ret_text[NAME_MAX_LEN + 1]);

// On standard error: that `typed` is no `what` ("option of create"), the nearest, and all that are. `lead` stands
// before each name: "--" or "".
void name_refuse(const char *what, const char *lead, struct span typed, const struct name_list *names);
