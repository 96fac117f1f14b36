// SPDX-License-Identifier: MIT
// What luminctl says of itself, by example.
#pragma once

#include "options.h"

void help_write(FILE *out);
void help_write_method(FILE *out, const struct method *method, struct arena *arena);
void help_write_events(FILE *out);
void help_write_export(FILE *out);
void help_write_dead(FILE *out, enum dead_action action);
void help_write_partitions(FILE *out);
