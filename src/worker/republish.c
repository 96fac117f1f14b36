// SPDX-License-Identifier: MIT
// What the event stream misses, published again from the table. The stream is read once, headers only, into a temporary
// table; what it lacks of the events that were relayed is then published partition by partition. A partition is owned
// while that is done, so that its relay cannot publish the same events (guarantee 8); its commands wait meanwhile.
//
// What is possible: a stream appends. An event whose user has no later event on the stream comes in its order. One that
// later events have overtaken can only come behind them, which is out of order: it is left out, and said so, unless
// that is asked for (--late).
#include "lumin/worker/republish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lumin/application/pipeline.h"
#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"
#include "republish_internal.h"
#include "stream_event.h"
#include "stream_reader.h"

#define CHUNK 256
#define PAGE 512
#define SCRATCH_MEMORY ((size_t)64 << 20)
#define PROGRESS_INTERVAL (5 * NS_PER_SECOND)

struct republish {
  struct program *program;
  const struct republish_options *options;
  struct database *database;
  struct arena *arena;
  uint32_t partitions;
  uint64_t *relayed; // by partition, when the reading began
  struct js_stream_info info;
  struct staged_event events[CHUNK];
  size_t count;
  struct tenure tenure;
  struct publisher *publisher;
  uint64_t late, old, wanted;
  int64_t progress_at_ns;
};

static enum program_exit republish_make(struct republish *republish);

static bool republish_init(struct republish *republish) {
  republish->database = republish->program->database;
  republish->partitions = (uint32_t)republish->program->config->partitions;
  republish->arena = arena_create(SCRATCH_MEMORY);
  republish->relayed = calloc(republish->partitions, sizeof *republish->relayed);
  return republish->arena != NULL && republish->relayed != NULL;
}

static void republish_finish(struct republish *republish) {
  publisher_destroy(republish->publisher);
  tenure_end(&republish->tenure);
  arena_destroy(republish->arena);
  free(republish->relayed);
  free(republish);
}

enum program_exit republish_run(const struct config *config, const struct republish_options *options) {
  struct program program;
  if (program_init(&program, config, "republish") != LUMIN_OK) {
    return PROGRAM_FAILED;
  }
  enum program_exit end = program_open_owner(&program);
  struct republish *republish = end == PROGRAM_OK ? calloc(1, sizeof *republish) : NULL;
  if (republish != NULL) {
    republish->program = &program;
    republish->options = options;
    end = republish_init(republish) ? republish_make(republish) : PROGRAM_FAILED;
    republish_finish(republish);
  }
  program_finish(&program);
  return end;
}

static enum lumin_status database_failed(struct republish *republish, enum lumin_status status) {
  program_complain(republish->program, "PostgreSQL: %s", database_error(republish->database));
  return status == LUMIN_CONNECTION_LOST ? status : LUMIN_IO;
}

// ---- what the stream has

static uint32_t partition_of_user(const struct republish *republish, const struct uuid *user_id) {
  char text[UUID_TEXT_LEN + 1];
  uuid_format(user_id, text);
  return partition_of(span_of(text, UUID_TEXT_LEN), republish->partitions);
}

static bool partition_is_wanted(const struct republish *republish, uint32_t partition) {
  const struct republish_options *options = republish->options;
  if (options->has_user) {
    return partition == partition_of_user(republish, &options->user_id);
  }
  return options->all || partition == options->partition;
}

static enum lumin_status relayed_load(struct republish *republish) {
  PGresult *rows = NULL;
  struct database_query query = {.sql = "SELECT partition, relayed_position FROM lumin.partitions"};
  enum lumin_status status = database_ask(republish->database, &query, &rows);
  if (status != LUMIN_OK) {
    return database_failed(republish, status);
  }
  for (int i = 0; i < PQntuples(rows); i++) {
    unsigned long partition = strtoul(PQgetvalue(rows, i, 0), NULL, 10);
    if (partition < republish->partitions) {
      republish->relayed[partition] = strtoull(PQgetvalue(rows, i, 1), NULL, 10);
    }
  }
  PQclear(rows);
  return LUMIN_OK;
}

static enum lumin_status chunk_stage(struct republish *republish) {
  uint64_t seq = 0;
  struct staged_events events = {republish->events, republish->count};
  arena_reset(republish->arena);
  enum lumin_status status =
      republish->count > 0 ? staging_add(republish->database, &events, republish->arena, &seq) : LUMIN_OK;
  republish->count = 0;
  if (status == LUMIN_CONFLICT) {
    program_complain(republish->program, "message %" PRIu64 " of stream %s contradicts an earlier one: see verify", seq,
                     STREAM_EVENTS);
    return LUMIN_IO;
  }
  return status == LUMIN_OK ? status : database_failed(republish, status);
}

static enum lumin_status message_stage(struct republish *republish, const struct stream_message *message) {
  struct span prefix = span_from_text(republish->program->config->service_prefix);
  struct stream_event event = stream_event_read(message->message, message->seq, prefix);
  // By its user and its id: what is of an earlier layout says another partition and position than its event has now.
  if (!event.readable || !partition_is_wanted(republish, partition_of_user(republish, &event.user_id))) {
    return LUMIN_OK;
  }
  republish->events[republish->count++] = (struct staged_event){.stream_seq = event.seq,
                                                                .user_id = event.user_id,
                                                                .version = event.version,
                                                                .partition = (uint16_t)event.partition,
                                                                .position = event.position,
                                                                .type = event.type,
                                                                .body = SPAN_LITERAL("")};
  return republish->count == CHUNK ? chunk_stage(republish) : LUMIN_OK;
}

static struct span filter_of(struct republish *republish) {
  char text[UUID_TEXT_LEN + 1];
  if (!republish->options->has_user) {
    return SPAN_EMPTY;
  }
  uuid_format(&republish->options->user_id, text);
  return arena_printf(republish->program->arena, "%s.event.*.%s", republish->program->config->service_prefix, text);
}

static enum lumin_status stream_stage(struct republish *republish) {
  struct stream_message message;
  struct stream_reading reading = {.stream = STREAM_EVENTS,
                                   .filter = filter_of(republish),
                                   .first_seq = republish->info.first_seq,
                                   .last_seq = republish->info.last_seq,
                                   .headers_only = true};
  if (republish->info.messages == 0) {
    return LUMIN_OK;
  }
  struct stream_reader *reader = stream_reader_create(republish->program, &reading);
  enum lumin_status status = reader != NULL ? LUMIN_OK : LUMIN_NO_MEMORY;
  while (status == LUMIN_OK && (status = stream_reader_next(reader, &message)) == LUMIN_OK) {
    status = message_stage(republish, &message);
    natsMsg_Destroy(message.message);
  }
  if (status == LUMIN_NOT_FOUND) {
    status = chunk_stage(republish);
  } else if (status != LUMIN_IO && status != LUMIN_NO_MEMORY) {
    status = stream_unreadable(republish->program, STREAM_EVENTS, status);
  }
  stream_reader_destroy(reader);
  return status;
}

// ---- what it lacks

static bool is_old(const struct republish *republish, const struct staged_event *event) {
  return republish->info.max_age_ns > 0 && event->time_ns < clock_wall_ns() - republish->info.max_age_ns;
}

// Whether it is to be published; counts what is not.
static bool event_is_wanted(struct republish *republish, const struct missing_event *missing) {
  if (is_old(republish, &missing->event)) {
    republish->old++; // the stream's own limits have taken it
    return false;
  }
  republish->late += missing->late;
  republish->wanted += !missing->late || republish->options->late;
  return !missing->late || republish->options->late;
}

static void progress_print(struct republish *republish, uint16_t partition, uint64_t position) {
  int64_t now = clock_monotonic_ns();
  if (now >= republish->progress_at_ns) {
    republish->progress_at_ns = now + PROGRESS_INTERVAL;
    (void)printf("partition %u, position %" PRIu64 ": %" PRIu64 " events published\n", (unsigned)partition, position,
                 publisher_published(republish->publisher));
    (void)fflush(stdout);
  }
}

struct stretch {
  uint16_t partition;
  uint64_t after, to;
  bool begun; // by the publisher
};

static enum lumin_status page_ask(struct republish *republish, const struct stretch *stretch,
                                  struct missing_events *ret_events) {
  struct missing_query query = {.partition = stretch->partition,
                                .after = stretch->after,
                                .to = stretch->to,
                                .user_id = republish->options->has_user ? &republish->options->user_id : NULL,
                                .most = PAGE};
  arena_reset(republish->arena);
  enum lumin_status status = staging_missing(republish->database, &query, republish->arena, ret_events);
  return status == LUMIN_OK ? status : database_failed(republish, status);
}

static enum lumin_status event_publish(struct republish *republish, struct stretch *stretch,
                                       const struct missing_event *missing) {
  if (!stretch->begun) {
    publisher_begin(republish->publisher, stretch->partition, missing->event.position);
    stretch->begun = true;
  }
  FAILPOINT("republish.event");
  enum lumin_status status = publisher_take(republish->publisher, missing);
  progress_print(republish, stretch->partition, missing->event.position);
  return status;
}

// All of a stretch; only counted where nothing is to be published.
static enum lumin_status stretch_publish(struct republish *republish, struct stretch *stretch) {
  for (;;) {
    struct missing_events events = {0};
    enum lumin_status status = page_ask(republish, stretch, &events);
    if (status != LUMIN_OK || events.count == 0) {
      return status;
    }
    for (size_t i = 0; i < events.count; i++) {
      bool wanted = event_is_wanted(republish, &events.rows[i]);
      if (wanted && !republish->options->dry_run) {
        status = event_publish(republish, stretch, &events.rows[i]);
      }
      if (status != LUMIN_OK) {
        return status;
      }
    }
    stretch->after = events.rows[events.count - 1].event.position;
  }
}

// ---- one partition

// The partition's place in the stream must not stand before what was published now: the next look would take a stream
// that has lost it for whole.
static enum lumin_status place_write(struct republish *republish, const struct partition_row *row, uint64_t seq) {
  int64_t ts_ns = 0;
  if (seq <= row->event_stream_seq) {
    return LUMIN_OK;
  }
  enum lumin_status status = stream_ask_time(republish->program, STREAM_EVENTS, seq, &ts_ns);
  struct partition_mark mark = {.partition = row->partition,
                                .epoch = row->epoch,
                                .old_seq = row->input_seq,
                                .old_ts_ns = row->input_ts_ns,
                                .new_seq = row->input_seq,
                                .new_ts_ns = row->input_ts_ns,
                                .event_position = row->event_position,
                                .relayed_position = row->relayed_position,
                                .event_stream_seq = status == LUMIN_OK ? seq : 0, // 0: all of it is looked at
                                .event_stream_ts_ns = status == LUMIN_OK ? ts_ns : 0,
                                .dead_position = row->dead_position,
                                .dead_relayed = row->dead_relayed};
  status = store_checkpoint(&republish->tenure.store, &mark, 1, republish->arena);
  if (status != LUMIN_OK) {
    tenure_complain(republish->program, &republish->tenure, status);
    return LUMIN_IO;
  }
  return LUMIN_OK;
}

static enum lumin_status partition_fill(struct republish *republish, struct stretch *stretch,
                                        const struct partition_row *row) {
  uint64_t seq = 0;
  enum lumin_status status = stretch_publish(republish, stretch), ended = LUMIN_OK;
  if (stretch->begun) {
    ended = publisher_end(republish->publisher, &seq);
  }
  status = status == LUMIN_OK ? ended : status;
  if (status == LUMIN_CONNECTION_LOST) {
    program_complain(republish->program, "the connection to NATS is lost: run it again");
  }
  return status == LUMIN_OK && seq > 0 ? place_write(republish, row, seq) : status;
}

static enum lumin_status partition_own(struct republish *republish, struct stretch *stretch) {
  struct partition_rows rows = {0};
  arena_reset(republish->arena);
  enum lumin_status status = tenure_take(republish->program, &republish->tenure,
                                         (struct partition_set){&stretch->partition, 1}, republish->arena, &rows);
  if (status != LUMIN_OK) {
    return status;
  }
  struct partition_row row = rows.rows[0];
  if (row.relayed_position < republish->relayed[stretch->partition]) {
    (void)printf("partition %u: its worker has found the stream short, and publishes by itself\n",
                 (unsigned)stretch->partition);
  } else {
    status = partition_fill(republish, stretch, &row);
  }
  arena_reset(republish->arena);
  enum lumin_status returned = tenure_return(&republish->tenure, republish->arena);
  if (returned != LUMIN_OK && status == LUMIN_OK) {
    tenure_complain(republish->program, &republish->tenure, returned);
    return LUMIN_IO;
  }
  return status;
}

static enum lumin_status partition_republish(struct republish *republish, uint16_t partition) {
  const struct republish_options *options = republish->options;
  uint64_t relayed = republish->relayed[partition], to = options->to != 0 ? options->to : relayed;
  struct stretch stretch = {
      .partition = partition, .after = options->from > 0 ? options->from - 1 : 0, .to = to < relayed ? to : relayed};
  struct missing_events events = {0};
  if (options->dry_run) {
    return stretch_publish(republish, &stretch);
  }
  enum lumin_status status = page_ask(republish, &stretch, &events);
  if (status != LUMIN_OK || events.count == 0) {
    return status;
  }
  uint64_t before = publisher_published(republish->publisher);
  status = partition_own(republish, &stretch);
  uint64_t published = publisher_published(republish->publisher) - before;
  if (published > 0) {
    (void)printf("partition %u: %" PRIu64 " events published again\n", (unsigned)partition, published);
    (void)fflush(stdout);
  }
  return status;
}

// ---- all of it

static enum program_exit summary_print(const struct republish *republish) {
  bool dry = republish->options->dry_run;
  uint64_t published = dry ? republish->wanted : publisher_published(republish->publisher);
  (void)printf("%" PRIu64 " events %s\n", published, dry ? "would be published again" : "published again");
  if (republish->old > 0) {
    (void)printf("%" PRIu64 " are older than what the stream keeps\n", republish->old);
  }
  if (republish->late > 0 && !republish->options->late) {
    (void)printf("%" PRIu64 " stand behind later events of their users, where they would be out of order: left out; "
                 "--late publishes them all the same\n",
                 republish->late);
    return dry ? PROGRAM_OK : PROGRAM_FAILED;
  }
  return PROGRAM_OK;
}

static enum program_exit program_begin(struct republish *republish) {
  if (republish->options->dry_run) {
    return PROGRAM_OK;
  }
  republish->publisher = publisher_create(republish->program);
  if (republish->publisher == NULL) {
    program_complain(republish->program, "no memory, or no connection to NATS");
    return PROGRAM_FAILED;
  }
  return tenure_begin(republish->program, &republish->tenure);
}

static enum program_exit republish_make(struct republish *republish) {
  const struct republish_options *options = republish->options;
  if (options->has_partition && options->partition >= republish->partitions) {
    program_complain(republish->program, "there are %u partitions", (unsigned)republish->partitions);
    return PROGRAM_USAGE;
  }
  int64_t repairs = 0;
  enum lumin_status status =
      database_number(republish->database, "SELECT count(*) FROM lumin.repairs WHERE finished_at IS NULL", &repairs);
  if (status == LUMIN_OK && repairs > 0) {
    program_complain(republish->program, "a repair was begun and has not ended: run lumin-user repair again");
    return PROGRAM_FAILED;
  }
  // What was relayed is asked for before the stream's end: it is there, or missing.
  status = status == LUMIN_OK ? relayed_load(republish) : database_failed(republish, status);
  if (status == LUMIN_OK) {
    status = stream_ask(republish->program, STREAM_EVENTS, &republish->info);
  }
  if (status == LUMIN_OK) {
    status = staging_create(republish->database);
    status = status == LUMIN_OK ? status : database_failed(republish, status);
  }
  if (status == LUMIN_OK) {
    status = stream_stage(republish);
  }
  if (status == LUMIN_OK) {
    status = staging_index(republish->database);
    status = status == LUMIN_OK ? status : database_failed(republish, status);
  }
  enum program_exit end = status == LUMIN_OK ? program_begin(republish) : program_exit_of(status);
  for (uint32_t i = 0; end == PROGRAM_OK && i < republish->partitions; i++) {
    if (partition_is_wanted(republish, i)) {
      end = program_exit_of(partition_republish(republish, (uint16_t)i));
    }
  }
  return end == PROGRAM_OK ? summary_print(republish) : end;
}
