// SPDX-License-Identifier: MIT
// Reads with an ephemeral, ack-none pull consumer and its own pull requests (natsSubscription_Fetch writes past its
// memory in nats.c 3.4.1). The only position is the sequence last taken: whatever disturbs the reading (a gap, missed
// heartbeats, a status not foreseen, a lost connection) ends in a fresh connection and consumer that begin behind it.
#include "stream.h"

#include <inttypes.h>
#include <time.h>

#include "lumin/base/clock.h"
#include "lumin/base/random.h"
#include "lumin/infrastructure/nats/js.h"

enum { PULL_BATCH = 256 };
#define PULL_EXPIRES_NS (30 * NS_PER_SECOND)
#define HEARTBEAT_NS NS_PER_SECOND
#define SILENCE_NS (10 * NS_PER_SECOND) // heartbeats missed for so long: the consumer or the connection is gone
#define INACTIVE_NS (20 * NS_PER_SECOND)
#define BACKOFF_MIN_NS (NS_PER_SECOND / 4)
#define BACKOFF_MAX_NS (5 * NS_PER_SECOND)

enum progress {
  PROGRESS_ON,
  PROGRESS_DONE,
  PROGRESS_DISTURBED, // throw the consumer away and attach again
  PROGRESS_FAILED,    // said why; something broke on the way
  PROGRESS_REFUSED,   // said why; it could not even be begun
};

struct reader {
  const struct stream_reading *wish;
  const struct settings *settings;
  struct arena *arena;

  uint64_t from;      // take nothing below
  uint64_t skip;      // pass over so many more: --last
  uint64_t remaining; // of the limit
  bool from_new, from_time;
  uint64_t seen;      // the last sequence that came
  bool attached_once; // so that what fails now may be waited out
  int64_t backoff_ns;
  int64_t retry_until_ns; // without --follow

  // of one attachment
  struct client *client;
  struct span consumer;
  char consumer_name[64];
  uint64_t consumer_seq;
  uint64_t last_seq; // the stream's end when it was attached
  uint32_t pull_left;
  int64_t pull_until_ns;
  int64_t heard_ns;
};

static enum exit_code reader_run(struct reader *reader);
static enum progress reader_attach(struct reader *reader);
static enum progress reader_step(struct reader *reader);

enum exit_code stream_read(const struct stream_reading *reading, const struct settings *settings) {
  struct reader reader = {.wish = reading,
                          .settings = settings,
                          .arena = reading->arena,
                          .from = reading->from_seq > 0 ? reading->from_seq : 1,
                          .remaining = reading->limit > 0 ? reading->limit : UINT64_MAX,
                          .from_new = reading->from_new,
                          .from_time = reading->from_ns > 0,
                          .backoff_ns = BACKOFF_MIN_NS};
  return reader_run(&reader);
}

// ---- the loop

static void pause_ns(int64_t ns) {
  (void)nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / NS_PER_SECOND), .tv_nsec = (long)(ns % NS_PER_SECOND)},
                  NULL);
}

// Without --follow a disturbance is waited out as long as an answer would be.
static bool reader_may_retry(struct reader *reader) {
  if (reader->wish->follow) {
    return true;
  }
  int64_t now = clock_monotonic_ns();
  if (reader->retry_until_ns == 0) {
    reader->retry_until_ns = now + reader->settings->timeout_ns;
  }
  return now < reader->retry_until_ns;
}

static enum exit_code exit_code_of(enum progress progress) {
  static const enum exit_code codes[] = {
      [PROGRESS_DONE] = EXIT_FINE, [PROGRESS_FAILED] = EXIT_NO_ANSWER, [PROGRESS_REFUSED] = EXIT_NOT_DONE};
  return codes[progress];
}

static enum exit_code reader_run(struct reader *reader) {
  for (;;) {
    enum progress progress = reader_attach(reader);
    while (progress == PROGRESS_ON) {
      progress = reader_step(reader);
    }
    client_close(reader->client);
    reader->client = NULL;
    if (progress != PROGRESS_DISTURBED) {
      return exit_code_of(progress);
    }
    if (!reader_may_retry(reader)) {
      report("error", "gave up after message %" PRIu64 "; go on with --since %" PRIu64, reader->seen, reader->seen + 1);
      return EXIT_NO_ANSWER;
    }
    pause_ns(reader->backoff_ns);
    reader->backoff_ns = reader->backoff_ns * 2 < BACKOFF_MAX_NS ? reader->backoff_ns * 2 : BACKOFF_MAX_NS;
  }
}

static enum progress disturbed(const char *what) {
  report("note", "%s; trying again", what);
  return PROGRESS_DISTURBED;
}

// ---- attaching

static enum progress out_of_memory(void) {
  report("error", "out of memory");
  return PROGRESS_FAILED;
}

// A question to JetStream. The first time a failure is the user's to mend, later it is waited out.
static enum progress ask(struct reader *reader, struct span subject, struct span body, natsMsg **ret_answered) {
  if (subject.data == NULL || (body.len > 0 && body.data == NULL)) {
    return out_of_memory();
  }
  struct client_message message = {.subject = subject.data, .payload = body};
  int64_t until_ns = clock_monotonic_ns() + reader->settings->timeout_ns;
  enum answer answer = client_request(reader->client, &message, until_ns, ret_answered);
  if (answer == ANSWER_HERE) {
    return PROGRESS_ON;
  }
  if (reader->attached_once && answer != ANSWER_NOT_ALLOWED) {
    return disturbed("JetStream does not answer");
  }
  client_report(reader->client, answer, subject.data, reader->settings);
  return PROGRESS_REFUSED;
}

static enum progress refused(struct reader *reader, const struct js_error *error) {
  if (reader->attached_once) {
    return disturbed("JetStream refuses for now");
  }
  report("error", "JetStream refuses (%d): %.*s", error->code, SPAN_ARGS(error->description));
  if (error->err_code == JS_ERR_STREAM_NOT_FOUND) {
    report("check", "has `lumin-user setup` made the stream %s, and is this its account?", reader->wish->stream);
  }
  return PROGRESS_REFUSED;
}

static enum progress unreadable(void) {
  report("error", "an answer of JetStream cannot be read");
  return PROGRESS_FAILED;
}

static enum progress stream_look(struct reader *reader, struct js_stream_info *ret_stream) {
  natsMsg *answered = NULL;
  struct js_error error = {0};
  enum progress progress =
      ask(reader, js_stream_info_subject(reader->arena, reader->wish->stream), SPAN_EMPTY, &answered);
  if (progress != PROGRESS_ON) {
    return progress;
  }
  enum lumin_status status = js_stream_info_parse(client_payload(answered), reader->arena, ret_stream, &error);
  progress = status != LUMIN_OK ? unreadable() : error.code != 0 ? refused(reader, &error) : PROGRESS_ON;
  natsMsg_Destroy(answered);
  return progress;
}

// What was read is read again from its beginning where the stream is another one now.
static void anew_look(struct reader *reader, const struct js_stream_info *stream) {
  if (stream->last_seq < reader->seen) {
    report("note",
           "the stream ends at %" PRIu64 ", before what was read (%" PRIu64 "): it was made anew, and is read "
           "from its beginning",
           stream->last_seq, reader->seen);
    reader->seen = 0;
    reader->from = 1;
    reader->from_time = false;
  }
}

// Where to begin: behind what was seen, and never beyond the end, where some servers wait for ever.
static uint64_t reader_start(struct reader *reader, const struct js_stream_info *stream) {
  if (reader->from_new) {
    reader->from = stream->last_seq + 1;
    reader->from_new = false;
  }
  uint64_t wanted = reader->seen >= reader->from ? reader->seen + 1 : reader->from;
  return wanted <= stream->last_seq ? wanted : stream->last_seq + 1;
}

static enum progress consumer_create(struct reader *reader, uint64_t start, uint64_t *ret_pending) {
  char token[RANDOM_TOKEN_LEN + 1];
  if (random_token(token) != LUMIN_OK) {
    return out_of_memory();
  }
  int len = snprintf(reader->consumer_name, sizeof reader->consumer_name, "luminctl_%s", token);
  reader->consumer = span_of(reader->consumer_name, (size_t)len);
  bool by_time = reader->from_time && reader->seen == 0;
  struct js_consumer wanted = {.stream = reader->wish->stream,
                               .name = reader->consumer,
                               .filter = reader->wish->filter,
                               .start_seq = by_time ? 0 : start,
                               .start_ns = by_time ? reader->wish->from_ns : 0,
                               .inactive_threshold_ns = INACTIVE_NS};
  natsMsg *answered = NULL;
  struct js_consumer_info consumer = {0};
  struct js_error error = {0};
  enum progress progress = ask(reader, js_consumer_create_subject(reader->arena, &wanted),
                               js_consumer_create_body(reader->arena, &wanted), &answered);
  if (progress != PROGRESS_ON) {
    return progress;
  }
  enum lumin_status status = js_consumer_info_parse(client_payload(answered), reader->arena, &consumer, &error);
  progress = status != LUMIN_OK ? unreadable() : error.code != 0 ? refused(reader, &error) : PROGRESS_ON;
  natsMsg_Destroy(answered);
  *ret_pending = consumer.pending;
  return progress;
}

static enum progress consumer_delete(struct reader *reader) {
  natsMsg *answered = NULL;
  enum progress progress = ask(
      reader, js_consumer_delete_subject(reader->arena, reader->wish->stream, reader->consumer), SPAN_EMPTY, &answered);
  natsMsg_Destroy(answered);
  return progress;
}

// The last so many of a filter: a stretch at the end that grows until it holds as many, or is the whole stream. The
// server counts; what is too many is passed over.
static enum progress last_find(struct reader *reader, const struct js_stream_info *stream, uint64_t *ret_pending) {
  uint64_t wanted = reader->wish->last, stretch = wanted, start = 0;
  uint64_t whole = stream->last_seq + 1 - (stream->first_seq > 0 ? stream->first_seq : 1);
  enum progress progress = PROGRESS_ON;
  for (bool found = false; progress == PROGRESS_ON && !found;) {
    stretch = stretch < whole ? stretch : whole;
    start = stream->last_seq + 1 - stretch;
    progress = consumer_create(reader, start > 0 ? start : 1, ret_pending);
    found = progress != PROGRESS_ON || *ret_pending >= wanted || stretch == whole;
    if (!found) {
      progress = consumer_delete(reader);
      stretch = stretch > UINT64_MAX / 8 ? UINT64_MAX : 8 * stretch;
    }
  }
  reader->from = start;
  reader->skip = *ret_pending > wanted ? *ret_pending - wanted : 0;
  return progress;
}

static enum progress reader_pull(struct reader *reader) {
  uint64_t wanted = reader->remaining < PULL_BATCH ? reader->remaining + reader->skip : PULL_BATCH;
  uint32_t batch = wanted < PULL_BATCH ? (uint32_t)wanted : PULL_BATCH;
  struct js_pull pull = {.batch = batch, .expires_ns = PULL_EXPIRES_NS, .heartbeat_ns = HEARTBEAT_NS};
  struct span subject = js_pull_subject(reader->arena, reader->wish->stream, reader->consumer);
  struct span body = js_pull_body(reader->arena, &pull);
  if (subject.data == NULL || body.data == NULL) {
    return out_of_memory();
  }
  struct client_message message = {.subject = subject.data, .payload = body};
  enum answer answer = client_publish(reader->client, &message);
  reader->pull_left = batch;
  reader->pull_until_ns = clock_monotonic_ns() + PULL_EXPIRES_NS + 2 * HEARTBEAT_NS;
  if (answer == ANSWER_NOT_ALLOWED) {
    client_report(reader->client, answer, subject.data, reader->settings);
    return PROGRESS_REFUSED;
  }
  return answer == ANSWER_HERE ? PROGRESS_ON : disturbed("the connection was lost");
}

static enum progress reader_connect(struct reader *reader, struct arena *arena) {
  natsStatus status = client_open(reader->settings, &reader->client);
  if (status == NATS_OK) {
    return PROGRESS_ON;
  }
  if (reader->attached_once) {
    return disturbed(client_status_text(status));
  }
  client_report_open(status, reader->settings, arena);
  return PROGRESS_REFUSED;
}

static enum progress reader_attach(struct reader *reader) {
  struct js_stream_info stream = {0};
  uint64_t pending = 0;
  arena_reset(reader->arena);
  enum progress progress = reader_connect(reader, reader->arena);
  if (progress == PROGRESS_ON) {
    progress = stream_look(reader, &stream);
  }
  if (progress == PROGRESS_ON) {
    anew_look(reader, &stream);
    progress = reader->wish->last > 0 && reader->seen == 0
                   ? last_find(reader, &stream, &pending)
                   : consumer_create(reader, reader_start(reader, &stream), &pending);
  }
  if (progress != PROGRESS_ON) {
    return progress;
  }
  reader->attached_once = true;
  reader->consumer_seq = 0;
  reader->last_seq = stream.last_seq;
  reader->heard_ns = clock_monotonic_ns();
  return pending == 0 && !reader->wish->follow ? PROGRESS_DONE : reader_pull(reader);
}

// ---- reading

static enum progress output_flush(void) {
  if (fflush(stdout) == 0 && !ferror(stdout)) {
    return PROGRESS_ON;
  }
  report("error", "the output cannot be written");
  return PROGRESS_FAILED;
}

static enum progress at_end(const struct reader *reader, bool end) {
  return end && !reader->wish->follow ? PROGRESS_DONE : PROGRESS_ON;
}

// Passes on what is wanted of what came.
static enum lumin_status item_pass(struct reader *reader, const struct stream_item *item) {
  if (reader->skip > 0) {
    reader->skip--;
    return LUMIN_OK;
  }
  if (item->seq < reader->from) {
    return LUMIN_OK;
  }
  reader->remaining--;
  return reader->wish->take(reader->wish->self, item);
}

static enum progress take_message(struct reader *reader, natsMsg *message) {
  struct js_delivery delivery = {0};
  const char *reply = natsMsg_GetReply(message);
  if (reply == NULL || js_delivery_parse(span_from_text(reply), &delivery) != LUMIN_OK ||
      !span_equal(delivery.consumer, reader->consumer)) {
    return disturbed("a message came that is none of the stream's");
  }
  if (delivery.consumer_seq != reader->consumer_seq + 1 || delivery.stream_seq <= reader->seen) {
    return disturbed("a message was lost on its way");
  }
  reader->consumer_seq++;
  reader->pull_left -= reader->pull_left > 0;
  reader->backoff_ns = BACKOFF_MIN_NS;
  reader->retry_until_ns = 0;
  const struct stream_item item = {message, delivery.stream_seq, delivery.ts_ns};
  if (item_pass(reader, &item) != LUMIN_OK) {
    return out_of_memory();
  }
  reader->seen = delivery.stream_seq;
  enum progress progress = reader->wish->follow || delivery.pending == 0 ? output_flush() : PROGRESS_ON;
  if (progress == PROGRESS_ON && reader->remaining == 0) {
    return PROGRESS_DONE;
  }
  return progress == PROGRESS_ON ? at_end(reader, delivery.pending == 0 || delivery.stream_seq >= reader->last_seq)
                                 : progress;
}

// A heartbeat that knows of no message since the last taken says that there is none up to where the stream is.
static enum progress take_heartbeat(struct reader *reader, natsMsg *message) {
  uint64_t consumer_seq = 0, stream_seq = 0;
  bool known = span_to_u64(link_header_get(message, "Nats-Last-Consumer"), &consumer_seq) &&
               span_to_u64(link_header_get(message, "Nats-Last-Stream"), &stream_seq);
  if (known && consumer_seq != reader->consumer_seq) {
    return disturbed("a message was lost on its way");
  }
  reader->backoff_ns = BACKOFF_MIN_NS;
  return at_end(reader, known && stream_seq >= reader->last_seq);
}

static enum progress take_arrived(struct reader *reader, natsMsg *message) {
  int status = link_status_get(message);
  switch (status) {
  case 0:
    return take_message(reader, message);
  case 100:
    return take_heartbeat(reader, message);
  case 404:
  case 408: // the pull request is over
    reader->pull_left = 0;
    return PROGRESS_ON;
  default:
    return disturbed("the stream's consumer is gone");
  }
}

static enum progress reader_step(struct reader *reader) {
  arena_reset(reader->arena);
  natsMsg *message = NULL;
  enum answer answer = client_next(reader->client, CLIENT_INBOX, clock_monotonic_ns() + HEARTBEAT_NS, &message);
  enum progress progress = PROGRESS_ON;
  int64_t now = clock_monotonic_ns();
  if (answer == ANSWER_HERE) {
    reader->heard_ns = now;
    progress = take_arrived(reader, message);
    natsMsg_Destroy(message);
  } else if (answer == ANSWER_NOT_ALLOWED) {
    client_report(reader->client, answer, reader->wish->stream, reader->settings);
    progress = PROGRESS_REFUSED;
  } else if (answer != ANSWER_LATE) {
    progress = disturbed(answer == ANSWER_NOBODY ? "JetStream does not answer" : "the connection was lost");
  } else if (now - reader->heard_ns > SILENCE_NS) {
    progress = disturbed("the stream's consumer has fallen silent");
  }
  if (progress == PROGRESS_ON && (reader->pull_left == 0 || now > reader->pull_until_ns)) {
    progress = reader_pull(reader);
  }
  return progress;
}
