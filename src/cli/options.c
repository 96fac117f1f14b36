// SPDX-License-Identifier: MIT
// From argv to an invocation. A name that is not known is answered with the nearest and with all that are.
#include "options.h"

#include <stdlib.h>

#include "fields.h"
#include "lumin/base/clock.h"

const struct option option_table[OPTION_COUNT] = {
#define OPTION(symbol, scope, value, variable, help) [OPTION_##symbol] = {#symbol, scope, value, variable, help},
#include "options.def"
#undef OPTION
};

static const struct {
  const char *name;
  enum verb verb;
} own_verbs[] = {{"events", VERB_EVENTS},         {"dead", VERB_DEAD}, {"export", VERB_EXPORT},
                 {"partitions", VERB_PARTITIONS}, {"help", VERB_HELP}, {"version", VERB_VERSION}};
enum { OWN_VERB_COUNT = sizeof own_verbs / sizeof own_verbs[0] };

static const struct {
  const char *name;
  enum option_scope scope;
} dead_actions[] = {[DEAD_NONE] = {"", SCOPE_NONE},
                    [DEAD_LIST] = {"list", SCOPE_DEAD_LIST},
                    [DEAD_SHOW] = {"show", SCOPE_DEAD_SHOW},
                    [DEAD_REPLAY] = {"replay", SCOPE_DEAD_REPLAY},
                    [DEAD_DROP] = {"drop", SCOPE_DEAD_DROP}};
enum { DEAD_ACTION_COUNT = sizeof dead_actions / sizeof dead_actions[0] };

struct parser {
  int argc;
  char **argv;
  int at;
  struct arena *arena;
  struct invocation *invocation;
};

static enum exit_code take_word(struct parser *parser, struct span word);
static enum exit_code take_flag(struct parser *parser, struct span flag);

enum exit_code invocation_parse(int argc, char **argv, struct arena *arena, struct invocation *ret_invocation) {
  struct invocation invocation = {0};
  struct parser parser = {argc, argv, 1, arena, &invocation};
  enum exit_code code = EXIT_FINE;
  while (code == EXIT_FINE && parser.at < argc) {
    struct span word = span_from_text(argv[parser.at++]);
    if (span_equal(word, SPAN_LITERAL("-h"))) {
      invocation.help = true;
    } else if (span_starts_with(word, SPAN_LITERAL("--"))) {
      code = take_flag(&parser, span_skip(word, 2));
    } else {
      code = take_word(&parser, word);
    }
  }
  if (code == EXIT_FINE) {
    *ret_invocation = invocation;
  }
  return code;
}

const char *option_get(const struct invocation *invocation, enum option_id id) {
  if (invocation->flags[id] != NULL || option_table[id].variable[0] == '\0') {
    return invocation->flags[id];
  }
  const char *value = getenv(option_table[id].variable);
  return value == NULL || value[0] == '\0' ? NULL : value; // an empty variable is how many tools say "not set"
}

enum option_scope invocation_scope(const struct invocation *invocation) {
  if (invocation->method != NULL) {
    return invocation->method->kind == METHOD_COMMAND ? SCOPE_COMMAND : SCOPE_QUERY;
  }
  switch (invocation->verb) {
  case VERB_EVENTS:
    return SCOPE_EVENTS;
  case VERB_EXPORT:
    return SCOPE_EXPORT;
  case VERB_PARTITIONS:
    return SCOPE_PARTITIONS;
  default:
    return dead_actions[invocation->dead].scope;
  }
}

bool duration_parse(struct span text, int64_t *ret_ns) {
  static const struct {
    struct span unit;
    int64_t ns;
  } units[] = {{{"ms", 2}, NS_PER_MS}, {{"s", 1}, NS_PER_SECOND}, {{"m", 1}, 60 * NS_PER_SECOND}};
  size_t digits = 0;
  while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
    digits++;
  }
  uint64_t count = 0;
  if (!span_to_u64(span_of(text.data, digits), &count) || count == 0) {
    return false;
  }
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (span_equal(span_skip(text, digits), units[i].unit) && count <= 3600 * NS_PER_SECOND / (uint64_t)units[i].ns) {
      *ret_ns = (int64_t)count * units[i].ns;
      return true;
    }
  }
  return false;
}

static const struct method *method_named(struct span word) {
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    if (name_equal(word, methods[i].name)) {
      return &methods[i];
    }
  }
  return NULL;
}

static enum exit_code refuse_verb(struct span word) {
  const char *names[METHOD_COUNT + OWN_VERB_COUNT];
  struct name_list list = {names, 0};
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    names[list.count++] = methods[i].name;
  }
  for (size_t i = 0; i < OWN_VERB_COUNT; i++) {
    names[list.count++] = own_verbs[i].name;
  }
  name_refuse("method", "", word, &list);
  return EXIT_USAGE;
}

static enum exit_code take_method(struct parser *parser, const struct method *method) {
  ProtobufCMessage *request = arena_alloc(parser->arena, method->request->sizeof_message);
  if (request == NULL) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  protobuf_c_message_init(method->request, request);
  parser->invocation->verb = VERB_METHOD;
  parser->invocation->method = method;
  parser->invocation->request = request;
  return EXIT_FINE;
}

static enum exit_code take_dead_action(struct invocation *invocation, struct span word) {
  const char *names[DEAD_ACTION_COUNT - 1];
  for (size_t i = 1; i < DEAD_ACTION_COUNT; i++) {
    names[i - 1] = dead_actions[i].name;
    if (name_equal(word, dead_actions[i].name)) {
      invocation->dead = (enum dead_action)i;
      return EXIT_FINE;
    }
  }
  name_refuse("word of dead", "", word, &(struct name_list){names, DEAD_ACTION_COUNT - 1});
  return EXIT_USAGE;
}

// "dead", then what to do, then which.
static enum exit_code take_dead_word(struct parser *parser, struct span word) {
  struct invocation *invocation = parser->invocation;
  uint64_t seq = 0;
  if (invocation->dead == DEAD_NONE) {
    return take_dead_action(invocation, word);
  }
  if (invocation->dead == DEAD_LIST || !span_to_u64(word, &seq) || seq == 0) {
    report("error", "dead %s takes no \"%.*s\"", dead_actions[invocation->dead].name, SPAN_ARGS(word));
    report("allowed", "%s",
           invocation->dead == DEAD_LIST ? "options only" : "sequences, the first column of `luminctl dead list`");
    return EXIT_USAGE;
  }
  if (invocation->sequences == NULL) {
    invocation->sequences = ARENA_ARRAY(parser->arena, SEQUENCES_MAX, uint64_t);
  }
  if (invocation->sequences == NULL || invocation->sequence_count == SEQUENCES_MAX) {
    report("error", "more than %d sequences at once", SEQUENCES_MAX);
    return EXIT_USAGE;
  }
  invocation->sequences[invocation->sequence_count++] = seq;
  return EXIT_FINE;
}

// The first word is the verb; after "help" comes the verb that is asked about.
static enum exit_code take_word(struct parser *parser, struct span word) {
  struct invocation *invocation = parser->invocation;
  if (invocation->verb == VERB_DEAD) {
    return take_dead_word(parser, word);
  }
  bool topic = invocation->verb == VERB_HELP;
  if (invocation->verb != VERB_NONE && !topic) {
    report("error", "\"%.*s\" is one word too many: a value stands after its flag, as in --user-id VALUE",
           SPAN_ARGS(word));
    return EXIT_USAGE;
  }
  invocation->help = invocation->help || topic;
  const struct method *method = method_named(word);
  if (method != NULL) {
    return take_method(parser, method);
  }
  for (size_t i = 0; i < OWN_VERB_COUNT; i++) {
    if (name_equal(word, own_verbs[i].name)) {
      invocation->verb = own_verbs[i].verb;
      return EXIT_FINE;
    }
  }
  return refuse_verb(word);
}

static enum exit_code refuse_flag(struct parser *parser, struct span name) {
  const struct invocation *invocation = parser->invocation;
  const ProtobufCMessageDescriptor *type = invocation->method != NULL ? invocation->method->request : NULL;
  size_t fields = type != NULL ? type->n_fields : 0;
  struct name_list list = {ARENA_ARRAY(parser->arena, fields + OPTION_COUNT, const char *), 0};
  for (size_t i = 0; list.items != NULL && i < fields; i++) {
    list.items[list.count++] = type->fields[i].name;
  }
  for (size_t i = 0; list.items != NULL && i < OPTION_COUNT; i++) {
    if (option_table[i].scope & invocation_scope(invocation)) {
      list.items[list.count++] = option_table[i].name;
    }
  }
  name_refuse(invocation->method != NULL            ? "field or option of this method"
              : invocation->verb == VERB_EVENTS     ? "option of events"
              : invocation->verb == VERB_EXPORT     ? "option of export"
              : invocation->verb == VERB_PARTITIONS ? "option of partitions"
              : invocation->dead != DEAD_NONE       ? "option of this word of dead"
                                                    : "option before the method",
              "--", name, &list);
  return EXIT_USAGE;
}

// The value behind "=", or the next word. A word that looks like a flag is one, not a value.
static enum exit_code take_value(struct parser *parser, struct span flag, struct span name, const char **ret_value) {
  if (name.len < flag.len) {
    *ret_value = flag.data + name.len + 1;
    return EXIT_FINE;
  }
  const char *next = parser->at < parser->argc ? parser->argv[parser->at] : NULL;
  if (next == NULL || span_starts_with(span_from_text(next), SPAN_LITERAL("--"))) {
    report("error", "--%.*s needs a value; one that begins with dashes is written --%.*s=VALUE", SPAN_ARGS(name),
           SPAN_ARGS(name));
    return EXIT_USAGE;
  }
  parser->at++;
  *ret_value = next;
  return EXIT_FINE;
}

static enum exit_code take_field(struct parser *parser, struct span flag, struct span name,
                                 const ProtobufCFieldDescriptor *field) {
  const char *value = NULL;
  enum exit_code code = take_value(parser, flag, name, &value);
  const struct assignment assignment = {name, value};
  parser->invocation->fields_given = true;
  if (code == EXIT_FINE && field_set(parser->invocation->request, &assignment, parser->arena) != LUMIN_OK) {
    report("error", "--%.*s cannot be \"%s\"", SPAN_ARGS(name), value);
    report("allowed", "%.*s", SPAN_ARGS(field_allowed(field, parser->arena)));
    code = EXIT_USAGE;
  }
  return code;
}

static enum exit_code take_option(struct parser *parser, struct span flag, struct span name, enum option_id id) {
  bool is_switch = option_table[id].value[0] == '\0';
  if (is_switch && name.len < flag.len) {
    report("error", "--%.*s takes no value", SPAN_ARGS(name));
    return EXIT_USAGE;
  }
  parser->invocation->flags[id] = "";
  return is_switch ? EXIT_FINE : take_value(parser, flag, name, &parser->invocation->flags[id]);
}

// A field comes before an option of the same name: --command-id is what command-outcome asks about.
static enum exit_code take_flag(struct parser *parser, struct span flag) {
  struct invocation *invocation = parser->invocation;
  struct span rest = flag, name = span_cut(&rest, '=');
  const ProtobufCFieldDescriptor *field =
      invocation->method != NULL ? field_find(invocation->method->request, name) : NULL;
  if (field != NULL) {
    return take_field(parser, flag, name, field);
  }
  for (size_t i = 0; i < OPTION_COUNT; i++) {
    if (name_equal(name, option_table[i].name) && (option_table[i].scope & invocation_scope(invocation))) {
      return take_option(parser, flag, name, (enum option_id)i);
    }
  }
  if (span_equal(flag, SPAN_LITERAL("help"))) {
    invocation->help = true;
    return EXIT_FINE;
  }
  if (span_equal(flag, SPAN_LITERAL("version")) && invocation->verb == VERB_NONE) {
    invocation->verb = VERB_VERSION;
    return EXIT_FINE;
  }
  return refuse_flag(parser, name);
}
