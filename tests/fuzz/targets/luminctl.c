// SPDX-License-Identifier: MIT
// luminctl's command line: what is wrong is told, in text that no terminal obeys, and nothing is told where nothing is;
// the request that the flags make is one that the service can read. The input is the words, one a line.
#include "terminal.h"
#include "types.h"

#include "cli/data.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/settings.h"

#define WORDS_MAX 32

static int words_read(struct span rest, struct arena *arena, char **words) {
  int count = 0;
  words[count++] = (char *)(uintptr_t) "luminctl";
  while (rest.len > 0 && count < WORDS_MAX) {
    words[count++] = (char *)(uintptr_t)arena_copy(arena, span_cut(&rest, '\n')).data;
  }
  words[count] = NULL;
  return count;
}

// What the service makes of it: the same request, unless a text is no UTF-8.
static void request_check(const struct invocation *invocation, struct arena *arena) {
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  struct span bytes = packed(invocation->request, arena);
  struct encoded encoded = {invocation->method->request, bytes, false};
  enum lumin_status status = codec_decode(fuzz_codec(), &encoded, arena, &message, &refusal);
  if (status != LUMIN_OK) {
    FUZZ_CHECK(status == LUMIN_INVALID_ARGUMENT);
    FUZZ_CHECK(span_equal(refusal.message, SPAN_LITERAL("the text is not UTF-8 or holds a NUL byte")));
    return;
  }
  FUZZ_CHECK(span_equal(packed(message, arena), bytes));
}

// A file would be read; the document itself is enough.
static enum exit_code data_check(const struct invocation *invocation, struct arena *arena) {
  const char *data = invocation->flags[OPTION_data];
  ProtobufCMessage *message = NULL;
  if (data == NULL || data[0] == '@') {
    return EXIT_FINE;
  }
  struct reply_reader reader = {.codec = fuzz_codec(), .arena = arena};
  enum exit_code code = data_read(&reader, invocation->method->request, data, &message);
  FUZZ_CHECK(code == EXIT_USAGE || (code == EXIT_FINE && message->descriptor == invocation->method->request));
  return code;
}

static enum exit_code settings_check(const struct invocation *invocation, struct arena *arena) {
  struct settings settings;
  enum exit_code code = settings_resolve(invocation, PURPOSE_REQUEST, arena, &settings);
  FUZZ_CHECK(code == EXIT_FINE || code == EXIT_USAGE);
  if (code == EXIT_FINE) {
    FUZZ_CHECK(settings.timeout_ns > 0 && settings.url != NULL && settings.prefix[0] != '\0');
    (void)settings_url_shown(&settings, arena);
  }
  return code;
}

static enum exit_code invocation_run(const struct invocation *invocation, struct arena *arena) {
  if (invocation->method == NULL) {
    return settings_check(invocation, arena);
  }
  request_check(invocation, arena);
  enum exit_code code = data_check(invocation, arena);
  return code == EXIT_FINE ? settings_check(invocation, arena) : code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *words[WORDS_MAX + 1];
  struct arena *arena = fuzz_arena();
  struct invocation invocation = {0};
  struct terminal terminal;
  struct span out = SPAN_EMPTY, err = SPAN_EMPTY;
  (void)clearenv();
  int count = words_read(span_of(data, size), arena, words);
  terminal_begin(&terminal);
  enum exit_code code = invocation_parse(count, words, arena, &invocation);
  if (code == EXIT_FINE) {
    code = invocation_run(&invocation, arena);
  }
  terminal_end(&terminal, arena, &out, &err);
  FUZZ_CHECK(code == EXIT_FINE || code == EXIT_USAGE);
  FUZZ_CHECK(out.len == 0 && (err.len > 0) == (code != EXIT_FINE));
  return 0;
}
