// SPDX-License-Identifier: MIT
// What a program writes for people, caught, and looked at as a terminal would (guarantee 10).
#pragma once

#include "value.h"

// Standard output and standard error, each a stream in memory for the time between begin and end.
struct terminal {
  FILE *out, *err; // the real ones
  char *texts[2];
  size_t lens[2];
};

static inline void terminal_begin(struct terminal *terminal) {
  *terminal = (struct terminal){.out = stdout, .err = stderr};
  stdout = open_memstream(&terminal->texts[0], &terminal->lens[0]);
  stderr = open_memstream(&terminal->texts[1], &terminal->lens[1]);
  FUZZ_CHECK(stdout != NULL && stderr != NULL);
}

// Nothing to obey: no controls but line ends, no marks of direction, well-formed.
static inline void terminal_check(struct span text) {
  value_check_text(text, SIZE_MAX);
  for (size_t i = 0; i < text.len; i++) {
    uint8_t byte = (uint8_t)text.data[i];
    FUZZ_CHECK((byte >= ' ' || byte == '\n') && byte != 0x7f);
    FUZZ_CHECK(byte != 0xc2 || (uint8_t)text.data[i + 1] >= 0xa0); // U+0080 to U+009F
    if (byte == 0xe2 && (uint8_t)text.data[i + 1] == 0x80) {       // U+2028 to U+202E
      FUZZ_CHECK((uint8_t)text.data[i + 2] < 0xa8 || (uint8_t)text.data[i + 2] > 0xae);
    }
    if (byte == 0xe2 && (uint8_t)text.data[i + 1] == 0x81) { // U+2066 to U+2069
      FUZZ_CHECK((uint8_t)text.data[i + 2] < 0xa6 || (uint8_t)text.data[i + 2] > 0xa9);
    }
  }
}

// What was written to each is looked at, and given back in the arena.
static inline void terminal_end(struct terminal *terminal, struct arena *arena, struct span *ret_out,
                                struct span *ret_err) {
  fclose(stdout);
  fclose(stderr);
  stdout = terminal->out;
  stderr = terminal->err;
  for (size_t i = 0; i < 2; i++) {
    struct span text = arena_copy(arena, span_of(terminal->texts[i], terminal->lens[i]));
    free(terminal->texts[i]);
    terminal_check(text);
    *(i == 0 ? ret_out : ret_err) = text;
  }
}
