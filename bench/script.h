// SPDX-License-Identifier: MIT
// Requests from a file, one a line: the method, a blank, and the payload in hexadecimal. They are sent by turns.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lumin/base/span.h"

struct script_request {
  struct span method, payload;
};

struct script {
  char *bytes; // of the file; payloads stand where their digits stood
  struct script_request *requests;
  size_t count, next;
};

// False, with a line on stderr, where the file cannot be read, is empty or holds anything else.
bool script_read(const char *path, struct script *ret_script);
void script_free(struct script *script);
const struct script_request *script_next(struct script *script);
