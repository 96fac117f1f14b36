// SPDX-License-Identifier: MIT
// luminctl: the service's methods and events for people.
#include "call.h"
#include "dead.h"
#include "events.h"
#include "export.h"
#include "help.h"
#include "partitions.h"

#define MEMORY_LIMIT (256U << 20)

static enum exit_code run(const struct invocation *invocation, struct arena *arena);

int main(int argc, char **argv) {
  struct arena *arena = arena_create(MEMORY_LIMIT);
  struct invocation invocation = {0};
  enum exit_code code = EXIT_NO_ANSWER;
  if (arena != NULL) {
    code = invocation_parse(argc, argv, arena, &invocation);
    code = code == EXIT_FINE ? run(&invocation, arena) : code;
  }
  // Without nats_Close: where there was TLS, it frees what OpenSSL frees once more when the program ends.
  arena_destroy(arena);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    report("error", "the output cannot be written");
    code = code == EXIT_FINE ? EXIT_NO_ANSWER : code;
  }
  return (int)code;
}

static enum exit_code help(const struct invocation *invocation, struct arena *arena) {
  if (invocation->method != NULL) {
    help_write_method(stdout, invocation->method, arena);
  } else if (invocation->verb == VERB_EVENTS) {
    help_write_events(stdout);
  } else if (invocation->verb == VERB_DEAD) {
    help_write_dead(stdout, invocation->dead);
  } else if (invocation->verb == VERB_EXPORT) {
    help_write_export(stdout);
  } else if (invocation->verb == VERB_PARTITIONS) {
    help_write_partitions(stdout);
  } else {
    help_write(stdout);
  }
  return EXIT_FINE;
}

static enum exit_code usage_of_dead(void) {
  help_write_dead(stderr, DEAD_NONE);
  return EXIT_USAGE;
}

static enum exit_code run(const struct invocation *invocation, struct arena *arena) {
  if (invocation->help) {
    return help(invocation, arena);
  }
  switch (invocation->verb) {
  case VERB_METHOD:
    return call_run(invocation, arena);
  case VERB_EVENTS:
    return events_run(invocation, arena);
  case VERB_DEAD:
    return invocation->dead == DEAD_NONE ? usage_of_dead() : dead_run(invocation, arena);
  case VERB_EXPORT:
    return export_run(invocation, arena);
  case VERB_PARTITIONS:
    return partitions_run(invocation, arena);
  case VERB_VERSION:
    printf("luminctl %s\n", LUMIN_VERSION);
    return EXIT_FINE;
  case VERB_HELP:
    return help(invocation, arena);
  default:
    help_write(stderr);
    return EXIT_USAGE;
  }
}
