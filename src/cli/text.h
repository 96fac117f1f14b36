// SPDX-License-Identifier: MIT
// What people read. Keeps part of guarantee 10: bytes from the wire are shown, and never obeyed by a terminal.
#pragma once

#include <stdio.h>

#include "lumin/base/span.h"

// How the program ends. What a script needs to know: whether to give up, to ask, or to try again.
enum exit_code {
  EXIT_FINE = 0,
  EXIT_REFUSED = 1,   // the service answered, and refused
  EXIT_USAGE = 2,     // the command line is wrong; nothing was sent
  EXIT_NO_ANSWER = 3, // in doubt: no answer in time (DEADLINE_EXCEEDED too), none that can be read or written down
  EXIT_NOT_DONE = 4,  // certainly not done: no connection, no right, nobody listens, UNAVAILABLE, RESOURCE_EXHAUSTED
  EXIT_DEAD = 5,      // the service could not do it, and keeps the command for an operator
};

// Whether a person sees standard output: tables then, else lines for other programs.
bool output_is_terminal(void);

// Control characters, marks of direction and ill-formed UTF-8 are written as escapes, and the backslash is doubled.
void text_write(FILE *out, struct span text);
// As text_write, in quotes where it would not be seen as one word.
void text_write_word(FILE *out, struct span text);

// One line on standard error, "label: text", escaped as a whole.
void report(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
