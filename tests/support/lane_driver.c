// SPDX-License-Identifier: MIT
// A lane without NATS, for the fault tests of its transaction: the real lane, its session, partitions, batches and
// surprises, fed from a script in place of cursors. What a lane would publish after a commit goes into a file, so that
// a test can hold it against the tables (guarantee 1).
//
// It runs until its share of the partitions has applied the whole script, or until SIGTERM, and gives them up then.
// The configuration comes from the environment. The worker's row and its lease are the test's to write: it is the
// clock that the worker goes by.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lane_internal.h"
#include "lane_script.h"
#include "lumin/base/clock.h"

#define TURN (10 * NS_PER_MS)
#define TAKE_PAUSE (20 * NS_PER_MS) // between two looks for partitions, as long as some are missing

enum option_key {
  SCRIPT,
  PUBLISHED,
  WORKER,
  LANE,         // its number
  RATE,         // messages a second that become visible; none: all at once
  SINCE,        // milliseconds of the wall clock: when the first of them did
  BATCH_MEMORY, // bytes, in place of lane.batch_memory
  USER_MEMORY,  // bytes, in place of lane.memory
  SHARE,        // partitions that it waits for before it ends; none: all
  STAY,         // past the end of the script
  OPTION_COUNT
};

struct driver {
  const char *options[OPTION_COUNT]; // NULL: not given
  struct worker worker;
  struct script script;
  struct lane *lane;
  size_t *next; // by partition: index of the message to be taken next
  int published;
};

static bool options_parse(struct driver *driver, int count, char **texts);
static bool driver_open(struct driver *driver, struct config *config);
static void driver_live(struct driver *driver);
static void driver_close(struct driver *driver);
static void stop_heed(struct driver *driver);

int main(int count, char **texts) {
  struct driver driver = {.published = -1};
  struct config *config = NULL;
  struct config_error error = {""};
  if (!options_parse(&driver, count, texts)) {
    (void)fprintf(stderr,
                  "usage: %s --script FILE --published FILE --worker UUID [--lane N] [--rate N --since MS]\n"
                  "       [--batch-memory BYTES] [--user-memory BYTES] [--share N] [--stay]\n",
                  texts[0]);
    return 2;
  }
  if (config_load(NULL, NULL, 0, &config, &error) != LUMIN_OK) {
    (void)fprintf(stderr, "%s\n", error.text);
    return 78;
  }
  bool open = driver_open(&driver, config);
  if (open) {
    stop_heed(&driver);
    driver_live(&driver);
    lane_release(driver.lane);
  }
  driver_close(&driver);
  config_destroy(config);
  return open ? 0 : 1;
}

static bool options_parse(struct driver *driver, int count, char **texts) {
  static const struct option known[] = {
      {"script", required_argument, NULL, SCRIPT},
      {"published", required_argument, NULL, PUBLISHED},
      {"worker", required_argument, NULL, WORKER},
      {"lane", required_argument, NULL, LANE},
      {"rate", required_argument, NULL, RATE},
      {"since", required_argument, NULL, SINCE},
      {"batch-memory", required_argument, NULL, BATCH_MEMORY},
      {"user-memory", required_argument, NULL, USER_MEMORY},
      {"share", required_argument, NULL, SHARE},
      {"stay", no_argument, NULL, STAY},
      {NULL, 0, NULL, 0},
  };
  for (int key; (key = getopt_long(count, texts, "", known, NULL)) != -1;) {
    if (key < 0 || key >= OPTION_COUNT) {
      return false;
    }
    driver->options[key] = optarg != NULL ? optarg : "";
  }
  return driver->options[SCRIPT] != NULL && driver->options[PUBLISHED] != NULL && driver->options[WORKER] != NULL;
}

// 0 where it is not given.
static int64_t option_number(const struct driver *driver, enum option_key key) {
  return driver->options[key] != NULL ? strtoll(driver->options[key], NULL, 10) : 0;
}

// ---- birth and end

static bool lane_shrink(struct driver *driver) {
  struct lane *lane = driver->lane;
  if (driver->options[BATCH_MEMORY] != NULL) {
    arena_destroy(lane->arena);
    lane->arena = arena_create((size_t)option_number(driver, BATCH_MEMORY));
  }
  if (driver->options[USER_MEMORY] != NULL) {
    memory_destroy(lane->memory);
    lane->memory = lane->pipeline.memory = memory_create((size_t)option_number(driver, USER_MEMORY));
  }
  return lane->arena != NULL && lane->memory != NULL;
}

static bool driver_open(struct driver *driver, struct config *config) {
  log_set_level(config->log_level);
  bool fine = worker_init(&driver->worker, config) == LUMIN_OK &&
              uuid_parse(span_from_text(driver->options[WORKER]), &driver->worker.id) == LUMIN_OK &&
              script_read(driver->options[SCRIPT], (uint32_t)config->partitions, &driver->script);
  driver->next = calloc(config->partitions, sizeof *driver->next);
  driver->published = open(driver->options[PUBLISHED], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (!fine || driver->next == NULL || driver->published < 0) {
    (void)fprintf(stderr, "the worker's id is no UUID, or a file cannot be used\n");
    return false;
  }
  driver->lane = lane_create(&driver->worker, (int)option_number(driver, LANE));
  return driver->lane != NULL && lane_shrink(driver);
}

static void driver_close(struct driver *driver) {
  lane_destroy(driver->lane);
  free(driver->next);
  script_free(&driver->script);
  if (driver->published >= 0) {
    (void)close(driver->published);
  }
}

// A thread waits for the signal, so that the lane's loop hears of it in the middle of its waits too.
static void *stop_wait(void *self) {
  struct driver *driver = self;
  sigset_t signals;
  int signal = 0;
  (void)sigemptyset(&signals);
  (void)sigaddset(&signals, SIGTERM);
  (void)sigwait(&signals, &signal);
  atomic_store(&driver->worker.stopping, true);
  loop_wake(driver->lane->loop);
  return NULL;
}

static void stop_heed(struct driver *driver) {
  pthread_t thread;
  sigset_t signals;
  (void)sigemptyset(&signals);
  (void)sigaddset(&signals, SIGTERM);
  (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
  if (pthread_create(&thread, NULL, stop_wait, driver) == 0) {
    (void)pthread_detach(thread);
  }
}

// ---- the stream

static size_t script_visible(const struct driver *driver) {
  if (driver->options[RATE] == NULL) {
    return driver->script.count;
  }
  int64_t ms = clock_wall_ns() / NS_PER_MS - option_number(driver, SINCE);
  size_t visible = ms > 0 ? (size_t)(ms * option_number(driver, RATE) / 1000) : 0;
  return visible < driver->script.count ? visible : driver->script.count;
}

// In the place of the survey and of lane_attach_cursors: the stream is read from the input position.
static void partitions_attach(struct driver *driver) {
  struct lane *lane = driver->lane;
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    uint16_t number = lane->owned[i];
    struct partition *partition = &lane->partitions[number];
    if (partition->state == PARTITION_SURVEYED) {
      relay_open(lane->relay, number, lane->truths[number].relayed_position);
      partition->state = PARTITION_OPEN;
      partition->attach = true;
    }
    if (partition->attach) {
      partition->attach = false;
      queue_drop_partition(lane, number);
      driver->next[number] = script_after(&driver->script, number, lane->truths[number].input_seq);
    }
  }
}

static uint16_t partition_first(const struct driver *driver) {
  const struct lane *lane = driver->lane;
  uint16_t first = lane->owned[0];
  for (uint32_t i = 1; i < lane->owned_count; i++) {
    if (driver->next[lane->owned[i]] < driver->next[first]) {
      first = lane->owned[i];
    }
  }
  return first;
}

static void stream_feed(struct driver *driver) {
  struct lane *lane = driver->lane;
  size_t visible = script_visible(driver);
  while (lane->owned_count > 0 && lane->queue_count < lane->queue_room) {
    uint16_t number = partition_first(driver);
    size_t index = driver->next[number];
    if (index >= visible) {
      return;
    }
    const struct inbound *message = &driver->script.messages[index];
    *queue_at(lane, lane->queue_count++) = (struct taken){.inbound = *message, .bytes = message->payload.len};
    lane->queue_bytes += message->payload.len;
    driver->next[number] = driver->script.following[index];
  }
}

static bool driver_is_done(const struct driver *driver) {
  const struct lane *lane = driver->lane;
  int64_t share = driver->options[SHARE] != NULL ? option_number(driver, SHARE) : lane->partition_count;
  if (driver->options[STAY] != NULL || lane->owned_count != share || lane->queue_count > 0 || lane->retake) {
    return false;
  }
  for (uint32_t i = 0; i < lane->owned_count; i++) {
    uint16_t number = lane->owned[i];
    if (lane->partitions[number].state != PARTITION_OPEN || driver->next[number] < driver->script.count) {
      return false;
    }
  }
  return true;
}

// ---- publishing

// "o <seq> <command id> <status> <version> <reason>"
static bool outcomes_print(const struct batch *batch, FILE *file) {
  size_t count = 0;
  const struct command *commands = batch_commands(batch, &count);
  for (size_t i = 0; i < count; i++) {
    const struct outcome *outcome = &commands[i].outcome;
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&commands[i].command_id, id);
    if (fprintf(file, "o %llu %s %d %llu %s\n", (unsigned long long)commands[i].inbound->seq, id, (int)outcome->status,
                (unsigned long long)outcome->version, status_name(outcome->refusal.reason)) < 0) {
      return false;
    }
  }
  return true;
}

// "e <partition> <position> <user id> <version>"
static bool events_print(const struct batch *batch, FILE *file) {
  size_t count = 0;
  const struct new_event *events = batch_events(batch, &count);
  for (size_t i = 0; i < count; i++) {
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&events[i].user_id, id);
    if (fprintf(file, "e %u %llu %s %llu\n", events[i].partition, (unsigned long long)events[i].position, id,
                (unsigned long long)events[i].event.version) < 0) {
      return false;
    }
  }
  return true;
}

// With one write, so that a kill leaves no half line.
static void batch_publish(struct driver *driver, const struct batch *batch) {
  char *text = NULL;
  size_t len = 0;
  FILE *file = open_memstream(&text, &len);
  bool printed = file != NULL && outcomes_print(batch, file) && events_print(batch, file);
  if (file == NULL || fclose(file) != 0 || !printed || write(driver->published, text, len) != (ssize_t)len) {
    (void)fprintf(stderr, "what was committed could not be published: %s\n", strerror(errno));
    abort();
  }
  free(text);
}

// ---- the loop: lane_live without its link

static void session_keep(struct lane *lane) {
  if (!session_is_alive(lane->store.session) || !lane->session_watched) {
    (void)!lane_reopen_session(lane);
  }
}

static void partitions_keep(struct driver *driver) {
  struct lane *lane = driver->lane;
  int64_t soon = clock_monotonic_ns() + TAKE_PAUSE;
  if (!driver_is_done(driver) && lane->take_at_ns > soon) {
    lane->take_at_ns = soon;
  }
  lane->linked_ns = clock_monotonic_ns(); // it needs no link to be able
  lane_keep_partitions(lane);
}

static void driver_live(struct driver *driver) {
  struct lane *lane = driver->lane;
  while (!lane_stopping(lane) && !driver_is_done(driver)) {
    session_keep(lane);
    partitions_keep(driver);
    partitions_attach(driver);
    stream_feed(driver);

    struct batch *batch = lane_take(lane);
    if (batch == NULL) {
      log_debug("driver_idle", log_number("owned", lane->owned_count));
      lane_turn(lane, clock_monotonic_ns() + TURN);
      continue;
    }
    if (lane_commit(lane, batch) == LUMIN_OK) {
      batch_publish(driver, batch);
    }
    lane_forget(lane);
  }
  log_info("driver_done", log_number("commands", (int64_t)lane->counters.commands),
           log_number("batches", (int64_t)lane->counters.batches),
           log_number("conflicts", (int64_t)lane->counters.conflicts),
           log_number("in_doubt", (int64_t)lane->counters.in_doubt),
           log_number("fenced", (int64_t)lane->counters.fenced));
}
