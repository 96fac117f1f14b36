// SPDX-License-Identifier: MIT
// What luminctl writes of an answer, whatever the answer is: nothing that a terminal obeys, a word of what is wrong
// where something is, and an exit code that fits. The input is the method, the two headers and the body, by lines; a
// "+" before the method asks for JSON, a "!" for what a person gets to see.
#include "terminal.h"
#include "types.h"

#include "cli/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  struct span name = bytes_line(&feed), code = bytes_line(&feed), text = bytes_line(&feed);
  bool json = span_starts_with(name, SPAN_LITERAL("+")), seen = span_starts_with(name, SPAN_LITERAL("!"));
  const struct method *method = method_find(span_skip(name, json || seen ? 1 : 0));
  if (method == NULL) {
    return -1;
  }
  struct reply_reader reader = {.codec = fuzz_codec(), .arena = fuzz_arena(), .json = json, .terminal = seen};
  struct terminal terminal;
  struct span out = SPAN_EMPTY, err = SPAN_EMPTY;
  terminal_begin(&terminal);
  enum exit_code exit_code = reply_write(&reader, method, code, text, feed.rest);
  terminal_end(&terminal, reader.arena, &out, &err);
  bool refused = code.len > 0 || text.len > 0;
  FUZZ_CHECK(exit_code >= EXIT_FINE && exit_code <= EXIT_DEAD && exit_code != EXIT_USAGE);
  FUZZ_CHECK(!refused || exit_code != EXIT_FINE);
  FUZZ_CHECK((exit_code == EXIT_FINE) == (err.len == 0));
  FUZZ_CHECK(exit_code != EXIT_FINE || !json || out.len > 0); // a list of nothing is no row
  return 0;
}
