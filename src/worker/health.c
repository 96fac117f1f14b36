// SPDX-License-Identifier: MIT
// Looks at PostgreSQL, the streams, the workers, their partitions and what they remember, and sends a probe the whole
// way of a command. An alarm bounds it, whatever a server, a resolver or a network does.
#include "lumin/worker/health.h"

#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lumin/application/pipeline.h"
#include "lumin/base/clock.h"

#define HEALTH_SECONDS 4
#define STATISTICS_WAIT (NS_PER_SECOND / 2) // for the workers to say how they are
#define HEALTH_WAIT (2 * NS_PER_SECOND)     // for one connection or answer, at the longest

struct health {
  struct program program;
  struct config config; // with its waits shortened
  bool failed;
  int64_t workers; // alive
};

static void alarm_set(void);
static void fine(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct health *health, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool check_postgres(struct health *health);
static bool check_nats(struct health *health);
static void check_tables(struct health *health);
static bool check_schema(struct health *health);
static void check_workers(struct health *health);
static void check_changes(struct health *health);
static void check_alarms(struct health *health);
static void check_lost(struct health *health);
static void check_dead(struct health *health);
static void check_streams(struct health *health);
static void check_probe(struct health *health);
static void check_caches(struct health *health);

enum program_exit health_run(const struct config *config, bool local) {
  struct health health = {.config = *config};
  int64_t most_ms = HEALTH_WAIT / NS_PER_MS;
  health.config.nats_timeout_ms = config->nats_timeout_ms < most_ms ? config->nats_timeout_ms : most_ms;
  health.config.postgres_connect_timeout_ms =
      config->postgres_connect_timeout_ms < most_ms ? config->postgres_connect_timeout_ms : most_ms;
  if (program_init(&health.program, &health.config, "health") != LUMIN_OK) {
    return PROGRAM_FAILED;
  }
  alarm_set();
  bool postgres = check_postgres(&health);
  bool nats = check_nats(&health);
  if (postgres && !local) {
    check_tables(&health);
  }
  if (nats && !local) {
    check_streams(&health);
    check_probe(&health);
    check_caches(&health);
  }
  program_finish(&health.program);
  return health.failed ? PROGRAM_FAILED : PROGRAM_OK;
}

static void alarm_end(int signal) {
  static const char text[] = "FAIL time      no answer within 4 s: look at the servers and the network\n";
  (void)signal;
  (void)!write(STDOUT_FILENO, text, sizeof text - 1);
  _exit(PROGRAM_FAILED);
}

static void alarm_set(void) {
  struct sigaction action = {.sa_handler = alarm_end};
  (void)setvbuf(stdout, NULL, _IOLBF, 0); // what was said before the alarm must be out
  (void)sigaction(SIGALRM, &action, NULL);
  (void)alarm(HEALTH_SECONDS);
}

static void fine(const char *name, const char *format, ...) {
  va_list arguments;
  (void)printf("ok   %-9s ", name);
  va_start(arguments, format);
  (void)vprintf(format, arguments);
  va_end(arguments);
  (void)printf("\n");
}

// Something that somebody has to look at, though the service works.
static void warn(const char *name, const char *format, ...) {
  va_list arguments;
  (void)printf("WARN %-9s ", name);
  va_start(arguments, format);
  (void)vprintf(format, arguments);
  va_end(arguments);
  (void)printf("\n");
}

static void fail(struct health *health, const char *name, const char *format, ...) {
  va_list arguments;
  health->failed = true;
  (void)printf("FAIL %-9s ", name);
  va_start(arguments, format);
  (void)vprintf(format, arguments);
  va_end(arguments);
  (void)printf("\n");
}

// ---- PostgreSQL

static bool check_postgres(struct health *health) {
  char name[64], error[256] = "";
  struct worker worker = {.config = &health->config};
  struct session_options options = worker_session_options(&worker, "health", name, sizeof name);
  options.statement_timeout_ns = HEALTH_WAIT;
  if (database_open(&options, &health->program.database, error, sizeof error) != LUMIN_OK) {
    health->program.database = NULL;
    fail(health, "postgres", "%s: check postgres.url and the server", error);
    return false;
  }
  int version = database_server_version(health->program.database);
  fine("postgres", "version %d.%d", version / 10000, version % 10000);
  return true;
}

static bool check_schema(struct health *health) {
  struct schema_problem problem = {""};
  struct schema_settings settings = program_settings(&health->config);
  enum lumin_status status = schema_check(health->program.database, schema_plan(), &problem);
  if (status == LUMIN_OK) {
    status = schema_check_settings(health->program.database, &settings, &health->program.layout, &problem);
  }
  if (status != LUMIN_OK) {
    fail(health, "schema", "%s", problem.text);
    return false;
  }
  fine("schema", "%zu migrations, %u partitions", migration_count, settings.partitions);
  return true;
}

static void check_tables(struct health *health) {
  bool current = check_schema(health);
  check_workers(health);
  if (current) {
    check_changes(health);
    check_alarms(health);
    check_lost(health);
    check_dead(health);
  }
}

static void check_workers(struct health *health) {
  struct database *database = health->program.database;
  int64_t alive = 0, unowned = 0;
  enum lumin_status status =
      database_number(database, "SELECT count(*) FROM lumin.workers WHERE lease_until > clock_timestamp()", &alive);
  if (status == LUMIN_OK) {
    status = database_number(database,
                             "SELECT count(*) FROM lumin.partitions p WHERE NOT EXISTS (SELECT FROM lumin.workers w "
                             "WHERE w.worker_id = p.owner AND w.lease_until > clock_timestamp())",
                             &unowned);
  }
  if (status != LUMIN_OK) {
    fail(health, "workers", "PostgreSQL: %s", database_error(database));
    return;
  }
  if (alive == 0) {
    fail(health, "workers", "none is alive: start lumin-user worker");
    return;
  }
  health->workers = alive;
  fine("workers", "%lld alive", (long long)alive);
  if (unowned > 0) {
    fail(health, "ownership", "%lld partitions have no living owner: wait a lease, then look at the workers' logs",
         (long long)unowned);
    return;
  }
  fine("ownership", "every partition has a living owner");
}

// ---- alarms: under the names that their log lines have

static const struct {
  const char *alarm, *name, *advice;
} advices[] = {
    {"event_stream_ahead", "closed",
     "the event stream knows more than the table: lumin-user repair --adopt, or --discard (docs/operations.md)"},
    {"relay_stuck", "relay", "their events do not get onto the event stream: is it full?"},
};

static void alarm_tell(struct health *health, const char *alarm, const char *partitions) {
  for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++) {
    if (strcmp(advices[i].alarm, alarm) == 0) {
      fail(health, advices[i].name, "partitions %s: %s: %s", partitions, alarm, advices[i].advice);
      return;
    }
  }
  fail(health, "alarm", "partitions %s: %s", partitions, alarm);
}

static PGresult *rows_ask(struct health *health, const char *sql) {
  PGresult *rows = NULL;
  struct database_query query = {.sql = sql};
  if (database_ask(health->program.database, &query, &rows) != LUMIN_OK) {
    fail(health, "alarms", "PostgreSQL: %s", database_error(health->program.database));
    return NULL;
  }
  return rows;
}

static void check_changes(struct health *health) {
  int64_t open = 0;
  struct schema_problem problem = {""};
  if (schema_check_rest(&health->program.layout, &problem) != LUMIN_OK) {
    fail(health, "layout", "%s; until it has ended no worker takes a partition", problem.text);
  }
  if (database_number(health->program.database, "SELECT count(*) FROM lumin.repairs WHERE finished_at IS NULL",
                      &open) != LUMIN_OK) {
    fail(health, "repair", "PostgreSQL: %s", database_error(health->program.database));
  } else if (open > 0) {
    fail(health, "repair",
         "one is under way, or was interrupted: run lumin-user repair again; until it has ended no "
         "worker takes a partition");
  }
}

// By those who own them: what a dead worker said of a partition is another's to say now.
static void check_alarms(struct health *health) {
  PGresult *rows = rows_ask(health, "SELECT p.alarm, string_agg(p.partition::text, ', ' ORDER BY p.partition) FROM "
                                    "lumin.partitions p JOIN lumin.workers w ON w.worker_id = p.owner AND "
                                    "w.lease_until > clock_timestamp() WHERE p.alarm IS NOT NULL GROUP BY p.alarm");
  if (rows == NULL) {
    return;
  }
  for (int i = 0; i < PQntuples(rows); i++) {
    alarm_tell(health, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1));
  }
  if (PQntuples(rows) == 0) {
    fine("alarms", "none");
  }
  PQclear(rows);
}

static void check_lost(struct health *health) {
  int64_t lost = 0;
  if (database_number(health->program.database, "SELECT count(*) FROM lumin.lost_ranges WHERE acknowledged_at IS NULL",
                      &lost) != LUMIN_OK) {
    fail(health, "lost", "PostgreSQL: %s", database_error(health->program.database));
  } else if (lost > 0) {
    warn("lost", "commands_lost: commands of %lld ranges expired unread; lumin-user verify names them",
         (long long)lost);
  }
}

// Commands of the last day that died under this layout, and those among them that somebody had published past the
// mapping.
static void check_dead(struct health *health) {
  PGresult *rows = rows_ask(health, "SELECT partition, user_token FROM lumin.dead_commands WHERE stream_ts > "
                                    "(extract(epoch FROM clock_timestamp() - interval '1 day') * 1000000000)::int8 "
                                    "AND stream_ts > (SELECT coalesce(max(command_ts), 0) FROM lumin.repartitions) "
                                    "LIMIT 1001");
  int astray = 0;
  for (int i = 0; rows != NULL && i < PQntuples(rows); i++) {
    struct span token = span_from_text(PQgetvalue(rows, i, 1));
    struct uuid user;
    astray += uuid_parse(token, &user) == LUMIN_OK &&
              partition_of(token, (uint32_t)health->config.partitions) != strtoul(PQgetvalue(rows, i, 0), NULL, 10);
  }
  if (rows != NULL && PQntuples(rows) > 0) {
    bool more = PQntuples(rows) > 1000;
    warn("dead", "commands_dead: %s%d in the last day, %d of them in a partition not their user's (wrong_partition)",
         more ? "more than " : "", more ? 1000 : PQntuples(rows), astray);
  }
  PQclear(rows);
}

// ---- NATS

static bool check_nats(struct health *health) {
  char name[64];
  const char *error = "";
  struct worker worker = {.config = &health->config};
  struct link_options options = worker_link_options(&worker, "health", name, sizeof name);
  if (client_open(&options, &health->program.client, &error) != LUMIN_OK) {
    health->program.client = NULL;
    fail(health, "nats", "%s: check nats.url, the credentials and the server", error);
    return false;
  }
  fine("nats", "connected as %s", health->config.nats_user[0] ? health->config.nats_user : "nobody in particular");
  return true;
}

static void check_stream(struct health *health, const struct stream_plan *plan) {
  struct stream_finding finding = {0};
  struct program *program = &health->program;
  enum lumin_status status = stream_look(program->client, plan, program->arena, &finding);
  if (status != LUMIN_OK) {
    fail(health, "stream", "%s: %s", plan->name, client_complaint(program->client, status));
  } else if (!finding.exists) {
    fail(health, "stream", "%s does not exist: run lumin-user setup", plan->name);
  } else {
    fine("stream", "%s", plan->name);
  }
}

static void check_streams(struct health *health) {
  struct stream_plan plans[STREAM_PLANS];
  if (program_stream_plans(&health->config, health->program.arena, plans) != LUMIN_OK) {
    fail(health, "stream", "out of memory");
    return;
  }
  for (size_t i = 0; i < STREAM_PLANS; i++) {
    check_stream(health, &plans[i]);
  }
}

// Its answer is the outcome of a command that went over the stream and through a transaction.
static void check_probe(struct health *health) {
  struct program *program = &health->program;
  int64_t begun = clock_monotonic_ns();
  struct client_question question = {
      .subject = arena_printf(program->arena, "%s.rpc.probe", health->config.service_prefix),
      .timeout_ns = health->config.nats_timeout_ms * NS_PER_MS,
  };
  struct client_answer answer;
  enum lumin_status status = client_ask(program->client, &question, program->arena, &answer);
  if (status == LUMIN_UNAVAILABLE) {
    fail(health, "probe", "nobody answers requests: start lumin-user worker");
  } else if (status != LUMIN_OK) {
    fail(health, "probe", "%s: look at the workers' logs", client_complaint(program->client, status));
  } else if (answer.error_code.len > 0) {
    fail(health, "probe", "refused with %.*s: %.*s", SPAN_ARGS(answer.error_code), SPAN_ARGS(answer.error));
  } else {
    fine("probe", "answered in %lld ms", (long long)((clock_monotonic_ns() - begun) / NS_PER_MS));
  }
}

// ---- what each worker says of its cache and its lanes

static long long number_of(const json_t *object, const char *name) {
  return (long long)json_integer_value(json_object_get(object, name));
}

static const char *cache_use(const json_t *cache) {
  if (json_is_true(json_object_get(cache, "resting"))) {
    return "; at rest: nobody asks";
  }
  return json_is_true(json_object_get(cache, "trusted")) ? "" : "; not in use: see cache_suspect in its log";
}

// A worker without a cache says nothing of one.
static void cache_show(const char *worker, const json_t *cache) {
  long long hits = number_of(cache, "hits"), reads = hits + number_of(cache, "misses");
  if (cache == NULL) {
    fine("cache", "%s has none", worker);
    return;
  }
  fine("cache", "%s: %lld users in %lld of %lld KiB, %lld %% of %lld reads answered%s", worker,
       number_of(cache, "entries"), number_of(cache, "bytes") >> 10, number_of(cache, "max_bytes") >> 10,
       reads > 0 ? hits * 100 / reads : 0, reads, cache_use(cache));
}

static void writes_show(const char *worker, const json_t *lanes) {
  long long count = 0;
  size_t index = 0;
  const json_t *lane = NULL;
  json_array_foreach(lanes, index, lane) { count += number_of(lane, "foreign_writes"); }
  if (count > 0) {
    warn("writes", "%s met what somebody else had written, %lld times since it started: see foreign_write in its log",
         worker, count);
  }
}

static void statistics_show(natsMsg *message) {
  json_t *root = json_loadb(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message), 0, NULL);
  const char *worker = json_string_value(json_object_get(json_object_get(root, "metadata"), "worker"));
  size_t index = 0;
  const json_t *endpoint = NULL;
  json_array_foreach(json_object_get(root, "endpoints"), index, endpoint) {
    const json_t *data = json_object_get(endpoint, "data");
    if (data != NULL && worker != NULL) {
      cache_show(worker, json_object_get(data, "cache"));
      writes_show(worker, json_object_get(data, "lanes"));
    }
  }
  json_decref(root);
}

// Nobody's silence is a failure here: the probe tells who serves.
static void check_caches(struct health *health) {
  struct program *program = &health->program;
  struct link *link = client_link(program->client);
  struct span inbox = arena_printf(program->arena, "%.*s.caches", SPAN_ARGS(link_inbox(link)));
  struct span subject = arena_printf(program->arena, "$SRV.STATS.%s", health->config.service_name);
  natsSubscription *answers = NULL;
  if (inbox.data == NULL || subject.data == NULL || link_subscribe(link, inbox.data, NULL, &answers) != LUMIN_OK ||
      link_publish(link, subject, inbox, SPAN_EMPTY) != LUMIN_OK) {
    return;
  }
  int64_t until = clock_monotonic_ns() + STATISTICS_WAIT, heard = 0;
  while (heard < health->workers && link_is_alive(link) && clock_monotonic_ns() < until) {
    natsMsg *message = NULL;
    client_turn(program->client, until);
    while ((message = link_next(answers, NULL)) != NULL) {
      statistics_show(message);
      natsMsg_Destroy(message);
      heard++;
    }
  }
}
