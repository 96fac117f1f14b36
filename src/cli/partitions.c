// SPDX-License-Identifier: MIT
// Asks the workers, who know best how far they are: the database tells the same up to seconds late, and wants a role
// of its own. What no worker answers for has no owner that works.
#include "partitions.h"

#include <jansson.h>
#include <stdlib.h>

#include "client.h"
#include "lumin/base/clock.h"
#include "lumin/infrastructure/nats/js.h"

#define STATS_SUBJECT "$SRV.STATS"
#define COMMANDS "LUMIN_USER_COMMANDS"
#define QUIET_NS (400 * NS_PER_MS) // after the last answer
#define PARTITIONS_MAX 1024

// An owner's account of a partition; worker NULL: nobody's.
struct owned {
  const char *worker;
  json_t *stats; // of the partition
};

struct overview {
  const struct invocation *invocation;
  struct arena *arena;
  struct settings settings;
  struct owned owned[PARTITIONS_MAX];
  size_t count; // of partitions; 0: nobody has told
  size_t unowned;
  size_t workers;
  bool end_known;
  uint64_t last_seq; // of the command stream
  json_t *answers;   // keeps what is pointed to
};

static enum exit_code end_ask(struct overview *overview);
static enum exit_code workers_ask(struct overview *overview);
static enum exit_code overview_write(const struct overview *overview);

enum exit_code partitions_run(const struct invocation *invocation, struct arena *arena) {
  struct overview *overview = arena_alloc(arena, sizeof *overview);
  if (overview == NULL) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  *overview = (struct overview){.invocation = invocation, .arena = arena, .answers = json_array()};
  enum exit_code code = settings_resolve(invocation, PURPOSE_REQUEST, arena, &overview->settings);
  if (code == EXIT_FINE) {
    code = end_ask(overview); // first, so that who has caught up by then is not shown behind
  }
  if (code == EXIT_FINE) {
    code = workers_ask(overview);
  }
  if (code == EXIT_FINE) {
    code = overview_write(overview);
  }
  json_decref(overview->answers);
  return code;
}

// ---- asking

static enum exit_code connection_open(struct overview *overview, struct client **ret_client) {
  natsStatus status = client_open(&overview->settings, ret_client);
  if (status != NATS_OK) {
    client_report_open(status, &overview->settings, overview->arena);
    return EXIT_NOT_DONE;
  }
  return EXIT_FINE;
}

// Over a connection of its own, since one that was refused something is of no further use. Without the right to ask,
// or an answer, the end stays unknown.
static enum exit_code end_ask(struct overview *overview) {
  struct client *client = NULL;
  natsMsg *message = NULL;
  struct js_stream_info info;
  struct js_error error;
  enum exit_code code = connection_open(overview, &client);
  if (code != EXIT_FINE) {
    return code;
  }
  struct span subject = js_stream_info_subject(overview->arena, COMMANDS);
  struct client_message question = {.subject = subject.data};
  int64_t until = clock_monotonic_ns() + overview->settings.timeout_ns;
  if (subject.data != NULL && client_request(client, &question, until, &message) == ANSWER_HERE &&
      js_stream_info_parse(client_payload(message), overview->arena, &info, &error) == LUMIN_OK && error.code == 0) {
    overview->end_known = true;
    overview->last_seq = info.last_seq;
  }
  natsMsg_Destroy(message);
  client_close(client);
  return EXIT_FINE;
}

static void partition_learn(struct overview *overview, const char *worker, json_t *stats) {
  json_int_t number = json_integer_value(json_object_get(stats, "partition"));
  if (number < 0 || number >= PARTITIONS_MAX) {
    return;
  }
  struct owned *owned = &overview->owned[number];
  json_int_t epoch = json_integer_value(json_object_get(stats, "epoch"));
  // Who has lost it may not know yet: every hand-over has a higher epoch.
  if (owned->worker == NULL || epoch > json_integer_value(json_object_get(owned->stats, "epoch"))) {
    *owned = (struct owned){worker, stats};
  }
}

static void data_learn(struct overview *overview, const char *worker, json_t *data) {
  json_int_t count = json_integer_value(json_object_get(data, "partition_count"));
  json_t *partition = NULL;
  size_t index = 0;
  if (count <= 0 || count > PARTITIONS_MAX) {
    return; // an endpoint without them
  }
  overview->count = (size_t)count > overview->count ? (size_t)count : overview->count;
  overview->workers++;
  json_array_foreach(json_object_get(data, "partitions"), index, partition) {
    partition_learn(overview, worker, partition);
  }
}

// Other services of the account answer too.
static void answer_learn(struct overview *overview, struct span payload) {
  json_t *stats = json_loadb(payload.data, payload.len, 0, NULL), *endpoint = NULL;
  json_t *metadata = json_object_get(stats, "metadata");
  const char *prefix = json_string_value(json_object_get(metadata, "prefix"));
  const char *worker = json_string_value(json_object_get(metadata, "worker"));
  size_t index = 0;
  if (prefix == NULL || worker == NULL || strcmp(prefix, overview->settings.prefix) != 0 ||
      json_array_append(overview->answers, stats) != 0) {
    json_decref(stats);
    return;
  }
  json_array_foreach(json_object_get(stats, "endpoints"), index, endpoint) {
    data_learn(overview, worker, json_object_get(endpoint, "data"));
  }
  json_decref(stats);
}

static enum answer answers_gather(struct overview *overview, struct client *client) {
  struct client_message question = {.subject = STATS_SUBJECT};
  int64_t until = clock_monotonic_ns() + overview->settings.timeout_ns;
  enum answer answer = client_publish(client, &question);
  while (answer == ANSWER_HERE) {
    natsMsg *message = NULL;
    answer = client_next(client, CLIENT_INBOX, until, &message);
    if (answer == ANSWER_HERE) {
      answer_learn(overview, client_payload(message));
      natsMsg_Destroy(message);
      until = clock_monotonic_ns() + QUIET_NS;
    }
  }
  return answer;
}

static enum exit_code workers_ask(struct overview *overview) {
  struct client *client = NULL;
  enum exit_code code = connection_open(overview, &client);
  if (code != EXIT_FINE) {
    return code;
  }
  enum answer answer = answers_gather(overview, client);
  if (overview->count == 0) {
    answer = answer == ANSWER_LATE ? ANSWER_NOBODY : answer;
    client_report(client, answer, STATS_SUBJECT, &overview->settings);
    code = client_exit_code(answer);
  }
  client_close(client);
  for (size_t i = 0; i < overview->count; i++) {
    overview->unowned += overview->owned[i].worker == NULL;
  }
  return code;
}

// ---- writing

static json_int_t number_of(const struct owned *owned, const char *name) {
  return json_integer_value(json_object_get(owned->stats, name));
}

// -1: unknown.
static json_int_t behind_of(const struct overview *overview, const struct owned *owned) {
  json_int_t passed = number_of(owned, "passed"), last = (json_int_t)overview->last_seq;
  return !overview->end_known ? -1 : last > passed ? last - passed : 0;
}

static json_t *partition_json(const struct overview *overview, size_t number) {
  const struct owned *owned = &overview->owned[number];
  if (owned->worker == NULL) {
    return json_pack("{s:I, s:n}", "partition", (json_int_t)number, "worker");
  }
  json_t *one = json_copy(owned->stats);
  json_int_t behind = behind_of(overview, owned);
  (void)json_object_set_new(one, "worker", json_string(owned->worker));
  (void)json_object_set_new(one, "behind", behind >= 0 ? json_integer(behind) : json_null());
  return one;
}

static bool json_write(const struct overview *overview) {
  json_t *partitions = json_array();
  for (size_t i = 0; i < overview->count; i++) {
    (void)json_array_append_new(partitions, partition_json(overview, i));
  }
  json_t *root = json_pack("{s:o, s:I, s:I}", "partitions", partitions, "workers", (json_int_t)overview->workers,
                           "unowned", (json_int_t)overview->unowned);
  bool written = root != NULL && json_dumpf(root, stdout, JSON_COMPACT) == 0 && fputc('\n', stdout) != EOF;
  json_decref(root);
  return written;
}

enum { COLUMNS = 10 };

struct table_row {
  const char *cells[COLUMNS];
};

// A cell is never empty, and shows what came over the wire as text_write does.
static const char *cell_of(const char *text, struct arena *arena) {
  char *shown = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&shown, &len);
  if (out == NULL) {
    return "?";
  }
  text_write(out, span_from_text(text));
  (void)fclose(out);
  struct span copy = shown != NULL && len > 0 ? arena_copy(arena, span_of(shown, len + 1)) : SPAN_EMPTY;
  free(shown);
  return copy.data != NULL ? copy.data : "?";
}

static const char *text_cell(const struct owned *owned, const char *name, struct arena *arena) {
  const char *text = json_string_value(json_object_get(owned->stats, name));
  return text != NULL ? cell_of(text, arena) : "-";
}

// To the second: the rest is in --json.
static const char *time_cell(const struct owned *owned, const char *name, struct arena *arena) {
  const char *text = text_cell(owned, name, arena);
  struct span second = strlen(text) > sizeof "2026-11-22T01:02:03" ? arena_printf(arena, "%.19sZ", text) : SPAN_EMPTY;
  return second.data != NULL ? second.data : text;
}

static const char *number_cell(json_int_t number, struct arena *arena) {
  struct span text = arena_printf(arena, "%lld", (long long)number);
  return number < 0 || text.data == NULL ? "?" : text.data;
}

static struct table_row row_of(const struct overview *overview, size_t number) {
  const struct owned *owned = &overview->owned[number];
  struct arena *arena = overview->arena;
  const char *name = number_cell((json_int_t)number, arena);
  if (owned->worker == NULL) {
    return (struct table_row){{name, "-", "-", "-", "-", "-", "-", "-", "-", "-"}};
  }
  return (struct table_row){{
      name,
      cell_of(owned->worker, arena),
      number_cell(number_of(owned, "lane"), arena),
      text_cell(owned, "state", arena),
      number_cell(number_of(owned, "epoch"), arena),
      time_cell(owned, "since", arena),
      number_cell(number_of(owned, "position"), arena),
      number_cell(number_of(owned, "waiting"), arena),
      number_cell(behind_of(overview, owned), arena),
      number_cell(number_of(owned, "unrelayed"), arena),
  }};
}

static void table_print(const struct table_row *rows, size_t count) {
  int widths[COLUMNS] = {0};
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < COLUMNS; j++) {
      int width = (int)span_from_text(rows[i].cells[j]).len;
      widths[j] = width > widths[j] ? width : widths[j];
    }
  }
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < COLUMNS; j++) {
      bool text = j == 1 || j == 3 || j == 5;
      printf("%s%*s", j > 0 ? "  " : "", text ? -widths[j] : widths[j], rows[i].cells[j]);
    }
    printf("\n");
  }
}

static bool table_write(const struct overview *overview) {
  struct table_row *rows = ARENA_ARRAY(overview->arena, overview->count + 1, struct table_row);
  if (rows == NULL) {
    return false;
  }
  rows[0] = (struct table_row){
      {"PARTITION", "WORKER", "LANE", "STATE", "EPOCH", "SINCE", "POSITION", "WAITING", "BEHIND", "UNRELAYED"}};
  for (size_t i = 0; i < overview->count; i++) {
    rows[i + 1] = row_of(overview, i);
  }
  table_print(rows, overview->count + 1);
  return true;
}

static enum exit_code overview_write(const struct overview *overview) {
  bool json = overview->invocation->flags[OPTION_json] != NULL;
  if (!(json ? json_write(overview) : table_write(overview))) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  if (overview->unowned > 0) {
    report("error", "%zu partitions have no owner that answers", overview->unowned);
    report("check", "is a worker stopped or cut off? Another takes over within its lease and a second");
    return EXIT_REFUSED;
  }
  return EXIT_FINE;
}
