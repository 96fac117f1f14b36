// SPDX-License-Identifier: MIT
// The lists come from the catalog, the descriptors and options.def; only the examples are written here.
#include "help.h"

#include "fields.h"

static void options_write(FILE *out, enum option_scope scope);
static void methods_write(FILE *out, enum method_kind kind);

#define EXAMPLE_USER "0192f5c4-8d7e-7c3a-9b1f-2a6d4e8f0c11"

void help_write(FILE *out) {
  fputs("luminctl: the Lumin User Service for people\n"
        "\n"
        "  luminctl create --first-name Ada --last-name Lovelace --email ada@example.com\n"
        "  luminctl get --user-id " EXAMPLE_USER "\n"
        "  luminctl change-email --user-id " EXAMPLE_USER " --email ada@example.org\n"
        "  luminctl create --json --data '{\"firstName\": \"Ada\", \"email\": \"ada@example.com\"}'\n"
        "  luminctl events --user-id " EXAMPLE_USER "\n"
        "  luminctl dead list\n"
        "  luminctl help change-email\n"
        "\n"
        "Commands:\n",
        out);
  methods_write(out, METHOD_COMMAND);
  fputs("\nQueries:\n", out);
  methods_write(out, METHOD_QUERY);
  fputs("\n"
        "Also:\n"
        "  events                   the event stream, one line an event\n"
        "  dead                     commands that could not be applied: list, show, replay, drop\n"
        "  export                   all users, and from where on to read the events: for a consumer that begins\n"
        "  partitions               which worker owns what, since when, how far it is and how far behind\n"
        "  help WORD                a method or a word: its options, with examples\n"
        "  version                  luminctl's version\n"
        "\n"
        "Options of every method; the variable counts where the flag is not given:\n",
        out);
  options_write(out, SCOPE_NONE);
  fputs(
      "\n"
      "Roles: where a deployment gives each role a user of its own, each way connects as its own, where its variables\n"
      "are set and neither --user nor --creds is given:\n"
      "\n"
      "  commands with --async    NATS_COMMANDS_USER, NATS_COMMANDS_PASSWORD    (role command_publisher)\n"
      "  events                   NATS_EVENTS_USER, NATS_EVENTS_PASSWORD        (role event_consumer)\n"
      "  dead, export             NATS_OPERATOR_USER, NATS_OPERATOR_PASSWORD    (role operator)\n"
      "\n"
      "The inbox prefix follows the user: _INBOX_lumin_<user> for these and for gateway.\n"
      "\n"
      "A command without --command-id gets a fresh one, which is printed. When no answer comes, ask what became of\n"
      "it, or send it again with the same id, which applies it once at most:\n"
      "\n"
      "  luminctl command-outcome --command-id " EXAMPLE_USER "\n"
      "\n"
      "What comes out: `name  value` lines, what is empty left out; tables on a terminal, lines for other programs\n"
      "elsewhere; control characters as escapes. Errors go to standard error, with what to do about them. With\n"
      "--json: one line of JSON with every field, an Outcome, an Error or the query's own message.\n"
      "\n"
      "Exit codes:\n"
      "  0  done\n"
      "  1  refused: the service answered, and does not do this; docs/errors.md has every reason\n"
      "     (partitions: one has no owner)\n"
      "  2  the command line is wrong; nothing was sent\n"
      "  3  in doubt: no answer in time, none that can be read, or none that can be written down. A command may have\n"
      "     been applied: ask command-outcome, or send it again with the same id\n"
      "  4  certainly not done: no connection, no right, nobody listens, UNAVAILABLE or RESOURCE_EXHAUSTED. Send it\n"
      "     again once that is mended\n"
      "  5  the service could not do it, and keeps the command for an operator: see luminctl dead\n",
      out);
}

static void method_example(FILE *out, const struct method *method, const char *options_text) {
  static const struct {
    const char *field, *value;
  } examples[] = {{"user_id", EXAMPLE_USER},
                  {"command_id", EXAMPLE_USER},
                  {"first_name", "Ada"},
                  {"last_name", "Lovelace"},
                  {"email", "ada@example.com"},
                  {"phone", "+15550100123"},
                  {"wait_ms", "2000"},
                  {"language_code", "en-GB"},
                  {"bio", "'Counts engines.'"},
                  {"birth_date", "1915-12-10"},
                  {"avatar_url", "https://example.com/ada.png"},
                  {"reason", "spam"},
                  {"until", "2027-01-01T00:00:00Z"},
                  {"update_mask", "last_name,bio"},
                  {"viewer_id", EXAMPLE_USER},
                  {"user_ids", EXAMPLE_USER},
                  {"is_contact", "true"},
                  {"statuses", "active"},
                  {"created_from", "2027-01-01T00:00:00Z"},
                  {"created_until", "2027-02-01T00:00:00Z"},
                  {"from_version", "2"},
                  {"version", "2"},
                  {"limit", "100"},
                  {"time", ""}, // goes in place of another
                  {"page_token", ""},
                  {"privacy_settings", "contacts"}};
  char name[NAME_MAX_LEN + 1];
  fprintf(out, "  luminctl %s", name_dashed(method->name, name));
  for (unsigned i = 0; i < method->request->n_fields; i++) {
    const char *field = method->request->fields[i].name;
    const char *value = "VALUE";
    for (size_t j = 0; j < sizeof examples / sizeof examples[0]; j++) {
      value = strcmp(field, examples[j].field) == 0 ? examples[j].value : value;
    }
    bool made = method->kind == METHOD_COMMAND && method->user == USER_NEW && strcmp(field, "user_id") == 0;
    if (value[0] != '\0' && !made) {
      bool group = field_is_group(&method->request->fields[i]);
      fprintf(out, " --%s%s %s", name_dashed(field, name), group ? ".email" : "", value);
    }
  }
  fprintf(out, "%s\n", options_text);
}

// What a text field holds, in a word or two; docs/methods.md has the rules.
static struct span field_hint(const ProtobufCFieldDescriptor *field, struct arena *arena) {
  static const struct {
    const char *field, *hint;
  } hints[] = {{"user_id", "the user's UUID"},
               {"viewer_id", "the UUID of who looks"},
               {"command_id", "the command's UUID"},
               {"first_name", "1 to 64 characters"},
               {"last_name", "up to 64 characters; empty: none"},
               {"email", "an address such as ada@example.com"},
               {"phone", "a number with its country code, such as +15550100123"},
               {"language_code", "a language tag such as en-GB; empty: not known"},
               {"bio", "up to 500 characters; empty: none"},
               {"birth_date", "a day as yyyy-mm-dd; empty: not known"},
               {"avatar_url", "an https:// URL; empty: none"},
               {"reason", "1 to 200 characters"}};
  for (size_t i = 0; field->type == PROTOBUF_C_TYPE_STRING && i < sizeof hints / sizeof hints[0]; i++) {
    if (strcmp(field->name, hints[i].field) == 0) {
      return span_from_text(hints[i].hint);
    }
  }
  return field_allowed(field, arena);
}

// A field that is a message is given by its own fields.
static void group_write(FILE *out, const ProtobufCFieldDescriptor *group, struct arena *arena) {
  const ProtobufCMessageDescriptor *type = group->descriptor;
  char outer[NAME_MAX_LEN + 1], inner[NAME_MAX_LEN + 1], flag[2 * NAME_MAX_LEN + 2];
  for (unsigned i = 0; i < type->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &type->fields[i];
    (void)snprintf(flag, sizeof flag, "%s.%s", name_dashed(group->name, outer), name_dashed(field->name, inner));
    fprintf(out, "  --%-34s %.*s\n", flag, SPAN_ARGS(field_allowed(field, arena)));
  }
}

void help_write_method(FILE *out, const struct method *method, struct arena *arena) {
  char name[NAME_MAX_LEN + 1];
  bool command = method->kind == METHOD_COMMAND;
  fprintf(out, "%s: %s\n\n", name_dashed(method->name, name), method->summary);
  method_example(out, method, "");
  if (command) {
    method_example(out, method, " --async --wait");
  }
  fputs("\nFields:\n", out);
  for (unsigned i = 0; i < method->request->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &method->request->fields[i];
    if (field_is_group(field)) {
      group_write(out, field, arena);
    } else {
      fprintf(out, "  --%-34s %.*s\n", name_dashed(field->name, name), SPAN_ARGS(field_hint(field, arena)));
    }
  }
  if (command && method->user != USER_NAMED) {
    fputs("\nThe user id may be left out: one is made then.\n", out);
  }
  fputs("\nOptions, besides those of luminctl --help:\n", out);
  options_write(out, command ? SCOPE_COMMAND : SCOPE_QUERY);
}

void help_write_events(FILE *out) {
  fputs("events: the event stream, one line an event\n"
        "\n"
        "  luminctl events --last 20\n"
        "  luminctl events --user-id " EXAMPLE_USER "\n"
        "  luminctl events --event email-changed --since 2h\n"
        "  luminctl events --since 2026-11-21T22:00:00Z --limit 10\n"
        "  luminctl events --since new --follow --json | jq .data\n"
        "\n"
        "A line holds the stream's sequence, time, event, user id, the user's version, and the event's fields:\n"
        "\n"
        "  17  2026-11-21T22:20:14.123Z  email_changed     " EXAMPLE_USER "  v2  email=ada@example.org\n"
        "\n"
        "With --json a line is a CloudEvent in its JSON form, its body under data. --since goes by the time at which\n"
        "the stream took the event. It ends at the end of the stream; with --follow it waits for more, and goes on\n"
        "where it was after the connection was lost.\n"
        "\n"
        "Options, besides those of luminctl --help:\n",
        out);
  options_write(out, SCOPE_EVENTS);
}

void help_write_export(FILE *out) {
  fputs(
      "export: all users, and from where on to read the events\n"
      "\n"
      "  luminctl export > users.jsonl\n"
      "  luminctl export --protobuf > users.bin\n"
      "\n"
      "For a consumer that begins today, also when old events have left the stream. Records are "
      "lumin.user.v1.ExportRecord:\n"
      "\n"
      "  {\"start\":{\"eventSequence\":\"4711\",\"eventStreamCreated\":\"2026-11-21T22:20:14.123Z\"}}\n"
      "  {\"user\":{\"userId\":\"" EXAMPLE_USER "\",\"version\":\"3\",...}}\n"
      "  {\"end\":{\"users\":\"1\"}}\n"
      "\n"
      "Take the users, then read the event stream from the sequence behind eventSequence, and skip every event whose\n"
      "ce-sequence is not above its user's version: none is missed, none is doubled. Deleted users are there with id "
      "and\n"
      "version. A file without its end record is not whole.\n"
      "\n"
      "Options, besides those of luminctl --help:\n",
      out);
  options_write(out, SCOPE_EXPORT);
}

// What each word of dead says of itself.
static const struct {
  const char *text;
  enum option_scope scope;
} dead_helps[] = {
    [DEAD_NONE] =
        {"dead: commands that could not be applied, on the stream LUMIN_USER_DEAD\n"
         "\n"
         "  luminctl dead list                what there is, with the reason\n"
         "  luminctl dead show 7              everything about one, its payload as JSON\n"
         "  luminctl dead replay 7            send it again as it was, and say how it ended\n"
         "  luminctl dead drop 7              take it off the stream, once it was replayed\n"
         "\n"
         "A command dies where it cannot be decoded, names no method of this version, was published past the\n"
         "partition mapping, or failed inside the service. It changed nothing. Mend the cause, replay it: it\n"
         "keeps its command id, and the new outcome takes the place of DEAD.\n"
         "\n"
         "This is the operator's: NATS_OPERATOR_USER and NATS_OPERATOR_PASSWORD, or --user and --password.\n",
         SCOPE_NONE},
    [DEAD_LIST] = {"dead list: dead commands, one line each\n"
                   "\n"
                   "  luminctl dead list\n"
                   "  luminctl dead list --since 1d --method change-email\n"
                   "  luminctl dead list --json | jq -r .sequence\n"
                   "\n"
                   "A line holds the sequence, the time, method, user id, reason, and what was wrong:\n"
                   "\n"
                   "  7  2026-11-21T22:20:14.123Z  change_email  " EXAMPLE_USER
                   "  INVALID_ARGUMENT  payload: the ...\n",
                   SCOPE_DEAD_LIST},
    [DEAD_SHOW] =
        {"dead show SEQUENCE...: everything about dead commands\n"
         "\n"
         "  luminctl dead show 7\n"
         "  luminctl dead show 7 --json | jq .payload\n"
         "\n"
         "Its headers, its payload as JSON where it can be decoded, else in base64 with what is wrong with it,\n"
         "and the outcome that the command has now.\n",
         SCOPE_DEAD_SHOW},
    [DEAD_REPLAY] =
        {"dead replay SEQUENCE...: sends dead commands again as they were, and says how each ended\n"
         "\n"
         "  luminctl dead replay 7\n"
         "  luminctl dead list | cut -d ' ' -f 1 | xargs luminctl dead replay\n"
         "\n"
         "Payload, headers and command id are those of the first time; the subject is the unmapped one, so\n"
         "that the server finds the partition. One that was decided since changes nothing again. One that\n"
         "dies again comes to the end of the list. It ends with 0 where all were applied, else as the first\n"
         "that was not: 1 refused, 3 no outcome in time, 4 not sent, 5 dead again.\n",
         SCOPE_DEAD_REPLAY},
    [DEAD_DROP] = {"dead drop SEQUENCE...: takes dead commands off the stream\n"
                   "\n"
                   "  luminctl dead drop 7\n"
                   "  luminctl dead drop 8 9 --yes\n"
                   "\n"
                   "Only where the command has another outcome by now; --yes drops it all the same. Its bytes are\n"
                   "overwritten; its row in the database's lumin.dead_commands stays.\n",
                   SCOPE_DEAD_DROP},
};

void help_write_dead(FILE *out, enum dead_action action) {
  fputs(dead_helps[action].text, out);
  if (dead_helps[action].scope != SCOPE_NONE) {
    fputs("\nOptions, besides those of luminctl --help:\n", out);
    options_write(out, dead_helps[action].scope);
  }
}

void help_write_partitions(FILE *out) {
  fputs("partitions: which worker owns what, since when, how far it is and how far behind\n"
        "\n"
        "  luminctl partitions\n"
        "  luminctl partitions --json\n"
        "\n"
        "It asks the workers themselves ($SRV.STATS). A line holds a partition and its owner:\n"
        "\n"
        "  lane, state     open; surveyed: about to open; leaving: about to be given up; ahead: kept closed, since\n"
        "                  the event stream knows more than the database (docs/operations.md, \"Restore\")\n"
        "  epoch, since    how often it was handed over, and when last\n"
        "  position        everything up to this sequence of the command stream is committed\n"
        "  waiting         its commands that the worker has taken and not yet committed\n"
        "  behind          messages of the command stream, of all partitions, that it has not passed yet; \"?\" for a\n"
        "                  user that may not ask for the stream's end\n"
        "  unrelayed       its events that the event stream has not acknowledged yet\n"
        "\n"
        "A partition that no worker answers for is between two owners, or its worker is stopped or cut off: then\n"
        "another takes it over within a lease and a second. The exit code is 1 while there is one.\n"
        "\n"
        "Options, besides those of luminctl --help:\n",
        out);
  options_write(out, SCOPE_PARTITIONS);
}

// Those of this scope; what every scope has is shown for SCOPE_NONE alone.
static void options_write(FILE *out, enum option_scope scope) {
  for (size_t i = 0; i < OPTION_COUNT; i++) {
    const struct option *option = &option_table[i];
    if (!(option->scope & scope) || (option->scope == SCOPE_ALL) != (scope == SCOPE_NONE)) {
      continue;
    }
    char name[NAME_MAX_LEN + 1], flag[2 * NAME_MAX_LEN];
    (void)snprintf(flag, sizeof flag, "--%s %s", name_dashed(option->name, name), option->value);
    fprintf(out, "  %-26s %s%s%s%s\n", flag, option->help, option->variable[0] != '\0' ? " [" : "", option->variable,
            option->variable[0] != '\0' ? "]" : "");
  }
}

static void methods_write(FILE *out, enum method_kind kind) {
  char name[NAME_MAX_LEN + 1];
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    if (methods[i].kind == kind) {
      fprintf(out, "  %-24s %s\n", name_dashed(methods[i].name, name), methods[i].summary);
    }
  }
}
