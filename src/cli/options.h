// SPDX-License-Identifier: MIT
// The command line: a verb, which is a method of the catalog or one of luminctl's own, the options of options.def, and
// the fields of the method's request.
#pragma once

#include "lumin/application/catalog.h"
#include "names.h"
#include "text.h"

enum option_scope {
  SCOPE_COMMAND = 1,
  SCOPE_QUERY = 2,
  SCOPE_EVENTS = 4,
  SCOPE_NONE = 8, // before the verb, and for verbs that connect to nothing
  SCOPE_DEAD_LIST = 16,
  SCOPE_DEAD_SHOW = 32,
  SCOPE_DEAD_REPLAY = 64,
  SCOPE_DEAD_DROP = 128,
  SCOPE_EXPORT = 256,
  SCOPE_PARTITIONS = 512,
  SCOPE_METHOD = SCOPE_COMMAND | SCOPE_QUERY,
  SCOPE_STREAM = SCOPE_EVENTS | SCOPE_DEAD_LIST,
  SCOPE_DEAD = SCOPE_DEAD_LIST | SCOPE_DEAD_SHOW | SCOPE_DEAD_REPLAY | SCOPE_DEAD_DROP,
  SCOPE_ALL = SCOPE_METHOD | SCOPE_EVENTS | SCOPE_DEAD | SCOPE_EXPORT | SCOPE_PARTITIONS | SCOPE_NONE,
};

enum option_id {
#define OPTION(symbol, scope, value, variable, help) OPTION_##symbol,
#include "options.def"
#undef OPTION
  OPTION_COUNT
};

struct option {
  const char *name; // with underscores
  enum option_scope scope;
  const char *value; // "" for a switch
  const char *variable;
  const char *help;
};

extern const struct option option_table[OPTION_COUNT];

enum verb { VERB_NONE, VERB_METHOD, VERB_EVENTS, VERB_DEAD, VERB_EXPORT, VERB_PARTITIONS, VERB_HELP, VERB_VERSION };
enum dead_action { DEAD_NONE, DEAD_LIST, DEAD_SHOW, DEAD_REPLAY, DEAD_DROP };
#define SEQUENCES_MAX 256

struct invocation {
  enum verb verb;
  const struct method *method; // of VERB_METHOD
  enum dead_action dead;       // of VERB_DEAD, and the sequences it is about
  uint64_t *sequences;
  size_t sequence_count;
  const char *flags[OPTION_COUNT]; // as given, NULL where not; "" for a switch
  ProtobufCMessage *request;       // of VERB_METHOD, with the fields given
  bool fields_given;
  bool help; // wanted in place of running it
};

// Reads the command line; complains and returns EXIT_USAGE where it is wrong.
enum exit_code invocation_parse(int argc, char **argv, struct arena *arena, struct invocation *ret_invocation);

// An option's value: the flag, else its variable, else NULL.
const char *option_get(const struct invocation *invocation, enum option_id id);

enum option_scope invocation_scope(const struct invocation *invocation);

// "5s", "500ms" or "2m"; false for anything else, for zero, and for more than an hour.
bool duration_parse(struct span text, int64_t *ret_ns);
