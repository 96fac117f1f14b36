// SPDX-License-Identifier: MIT
// What people read. Keeps part of guarantee 10: bytes from the wire are shown, and never obeyed by a terminal.
#pragma once

#include <stdio.h>

#include "lumin/base/span.h"

// How the program ends.
enum exit_code {
  EXIT_FINE = 0,
  EXIT_REFUSED = 1,   // the service answered, and refused
  EXIT_USAGE = 2,     // the command line is wrong; nothing was sent
  EXIT_NO_ANSWER = 3, // no connection, no answer (DEADLINE_EXCEEDED too), or no way to write it down
};

// Control characters, marks of direction and ill-formed UTF-8 are written as escapes, and the backslash is doubled.
void text_write(FILE *out, struct span text);
// As text_write, in quotes where it would not be seen as one word.
void text_write_word(FILE *out, struct span text);

// One line on standard error, "label: text", escaped as a whole.
void report(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
