// SPDX-License-Identifier: MIT
// Reads the event stream with an ephemeral, ack-none pull consumer and its own pull requests (natsSubscription_Fetch
// writes past its memory in nats.c 3.4.1). Nothing is acknowledged, so the only position is the sequence last shown:
// whatever disturbs the reading (a gap, missed heartbeats, a status not foreseen, a lost connection) ends in a fresh
// connection and consumer that begin behind it.
#include "events.h"

#include <inttypes.h>
#include <time.h>

#include "client.h"
#include "event_line.h"
#include "lumin/base/clock.h"
#include "lumin/base/random.h"
#include "lumin/infrastructure/nats/js.h"

#define STREAM "LUMIN_USER_EVENTS"
enum { PULL_BATCH = 256, EVENT_LIMIT = 1 << 20, EVENT_MEMORY = 32 << 20 };
#define PULL_EXPIRES_NS (30 * NS_PER_SECOND)
#define HEARTBEAT_NS NS_PER_SECOND
#define SILENCE_NS (10 * NS_PER_SECOND) // heartbeats missed for so long: the consumer or the connection is gone
#define INACTIVE_NS (20 * NS_PER_SECOND)
#define BACKOFF_MIN_NS (NS_PER_SECOND / 4)
#define BACKOFF_MAX_NS (5 * NS_PER_SECOND)

enum reading {
  READING_ON,
  READING_DONE,
  READING_DISTURBED, // throw the consumer away and attach again
  READING_FAILED,    // said why
};

struct reader {
  const struct invocation *invocation;
  struct settings settings;
  struct arena *arena; // of one message
  struct reply_reader lines;
  struct span filter;
  uint64_t from;      // show nothing below
  uint64_t remaining; // of --count
  bool from_new, follow;

  uint64_t seen;      // the last sequence taken
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

static enum exit_code reader_prepare(struct reader *reader, struct arena *arena);
static enum exit_code reader_run(struct reader *reader);
static enum reading reader_attach(struct reader *reader);
static enum reading reader_step(struct reader *reader);
static void reader_detach(struct reader *reader);

enum exit_code events_run(const struct invocation *invocation, struct arena *arena) {
  struct reader reader = {.invocation = invocation, .backoff_ns = BACKOFF_MIN_NS};
  enum exit_code code = reader_prepare(&reader, arena);
  if (code == EXIT_FINE) {
    reader.arena = arena_create(EVENT_MEMORY);
    reader.lines = (struct reply_reader){.codec = codec_create(EVENT_LIMIT), .arena = reader.arena};
    if (reader.arena != NULL && reader.lines.codec != NULL) {
      code = reader_run(&reader);
    } else {
      report("error", "out of memory");
      code = EXIT_NO_ANSWER;
    }
  }
  codec_destroy(reader.lines.codec);
  arena_destroy(reader.arena);
  return code;
}

// ---- the command line

static enum exit_code refuse_value(const char *flag, const char *value, const char *allowed) {
  report("error", "--%s cannot be \"%s\"", flag, value);
  report("allowed", "%s", allowed);
  return EXIT_USAGE;
}

static enum exit_code numbers_prepare(struct reader *reader) {
  const char *from = reader->invocation->flags[OPTION_from], *count = reader->invocation->flags[OPTION_count];
  reader->from = 1;
  reader->remaining = UINT64_MAX;
  reader->from_new = from != NULL && strcmp(from, "new") == 0;
  if (from != NULL && !reader->from_new && !span_to_u64(span_from_text(from), &reader->from)) {
    return refuse_value("from", from, "a stream sequence, or \"new\"");
  }
  if (count != NULL && (!span_to_u64(span_from_text(count), &reader->remaining) || reader->remaining == 0)) {
    return refuse_value("count", count, "a whole number, 1 or more");
  }
  reader->from = reader->from == 0 ? 1 : reader->from;
  reader->follow = reader->invocation->flags[OPTION_follow] != NULL;
  return EXIT_FINE;
}

static enum exit_code filter_prepare(struct reader *reader, struct arena *arena) {
  const char *user = reader->invocation->flags[OPTION_user_id], *event = reader->invocation->flags[OPTION_event];
  struct uuid id = {0};
  char user_token[UUID_TEXT_LEN + 1] = "*";
  if (user != NULL) {
    if (uuid_parse_any_case(span_from_text(user), &id) != LUMIN_OK) {
      return refuse_value("user-id", user, "a UUID");
    }
    uuid_format(&id, user_token);
  }
  const char *event_token = event == NULL ? "*" : event_name_find(span_from_text(event));
  if (event_token == NULL) {
    struct name_list names = event_names(arena);
    name_refuse("event", "", span_from_text(event), &names);
    return EXIT_USAGE;
  }
  reader->filter = arena_printf(arena, "%s.event.%s.%s", reader->settings.prefix, event_token, user_token);
  if (reader->filter.data == NULL) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  return EXIT_FINE;
}

static enum exit_code reader_prepare(struct reader *reader, struct arena *arena) {
  enum exit_code code = numbers_prepare(reader);
  if (code == EXIT_FINE) {
    code = settings_resolve(reader->invocation, PURPOSE_EVENTS, arena, &reader->settings);
  }
  return code == EXIT_FINE ? filter_prepare(reader, arena) : code;
}

// ---- the loop

static void pause_ns(int64_t ns) {
  (void)nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / NS_PER_SECOND), .tv_nsec = (long)(ns % NS_PER_SECOND)},
                  NULL);
}

// Without --follow a disturbance is waited out as long as an answer would be.
static bool reader_may_retry(struct reader *reader) {
  if (reader->follow) {
    return true;
  }
  int64_t now = clock_monotonic_ns();
  if (reader->retry_until_ns == 0) {
    reader->retry_until_ns = now + reader->settings.timeout_ns;
  }
  return now < reader->retry_until_ns;
}

static enum exit_code reader_run(struct reader *reader) {
  for (;;) {
    enum reading reading = reader_attach(reader);
    while (reading == READING_ON) {
      reading = reader_step(reader);
    }
    reader_detach(reader);
    if (reading == READING_DONE || reading == READING_FAILED) {
      return reading == READING_DONE ? EXIT_FINE : EXIT_NO_ANSWER;
    }
    if (!reader_may_retry(reader)) {
      report("error", "gave up after event %" PRIu64 "; go on with --from %" PRIu64, reader->seen, reader->seen + 1);
      return EXIT_NO_ANSWER;
    }
    pause_ns(reader->backoff_ns);
    reader->backoff_ns = reader->backoff_ns * 2 < BACKOFF_MAX_NS ? reader->backoff_ns * 2 : BACKOFF_MAX_NS;
  }
}

static enum reading disturbed(const char *what) {
  report("note", "%s; trying again", what);
  return READING_DISTURBED;
}

static void reader_detach(struct reader *reader) {
  client_close(reader->client);
  reader->client = NULL;
}

// ---- attaching

static enum reading out_of_memory(void) {
  report("error", "out of memory");
  return READING_FAILED;
}

// A question to JetStream. The first time a failure is the user's to mend, later it is waited out.
static enum reading ask(struct reader *reader, struct span subject, struct span body, natsMsg **ret_answered) {
  if (subject.data == NULL || (body.len > 0 && body.data == NULL)) {
    return out_of_memory();
  }
  struct client_message message = {.subject = subject.data, .payload = body};
  int64_t until_ns = clock_monotonic_ns() + reader->settings.timeout_ns;
  enum answer answer = client_request(reader->client, &message, until_ns, ret_answered);
  if (answer == ANSWER_HERE) {
    return READING_ON;
  }
  if (reader->attached_once && answer != ANSWER_NOT_ALLOWED) {
    return disturbed("JetStream does not answer");
  }
  client_report(reader->client, answer, subject.data, &reader->settings);
  return READING_FAILED;
}

static enum reading refused(struct reader *reader, const struct js_error *error) {
  if (reader->attached_once) {
    return disturbed("JetStream refuses for now");
  }
  report("error", "JetStream refuses (%d): %.*s", error->code, SPAN_ARGS(error->description));
  if (error->err_code == JS_ERR_STREAM_NOT_FOUND) {
    report("check", "has `lumin-user setup` made the stream " STREAM ", and is this its account?");
  }
  return READING_FAILED;
}

static enum reading unreadable(void) {
  report("error", "an answer of JetStream cannot be read");
  return READING_FAILED;
}

static enum reading stream_look(struct reader *reader, struct js_stream_info *ret_stream) {
  natsMsg *answered = NULL;
  struct js_error error = {0};
  enum reading reading = ask(reader, js_stream_info_subject(reader->arena, STREAM), SPAN_EMPTY, &answered);
  if (reading != READING_ON) {
    return reading;
  }
  enum lumin_status status = js_stream_info_parse(client_payload(answered), reader->arena, ret_stream, &error);
  reading = status != LUMIN_OK ? unreadable() : error.code != 0 ? refused(reader, &error) : READING_ON;
  natsMsg_Destroy(answered);
  return reading;
}

// Where to begin: behind what was seen, and never beyond the end, where some servers wait for ever.
static uint64_t reader_start(struct reader *reader, const struct js_stream_info *stream) {
  if (stream->last_seq < reader->seen) {
    report("note",
           "the stream ends at %" PRIu64 ", before what was read (%" PRIu64 "): it was made anew, and is read "
           "from its beginning",
           stream->last_seq, reader->seen);
    reader->seen = 0;
    reader->from = 1;
  }
  if (reader->from_new) {
    reader->from = stream->last_seq + 1;
    reader->from_new = false;
  }
  uint64_t wanted = reader->seen >= reader->from ? reader->seen + 1 : reader->from;
  return wanted <= stream->last_seq ? wanted : stream->last_seq + 1;
}

static enum reading consumer_create(struct reader *reader, uint64_t start, uint64_t *ret_pending) {
  char token[RANDOM_TOKEN_LEN + 1];
  if (random_token(token) != LUMIN_OK) {
    return out_of_memory();
  }
  int len = snprintf(reader->consumer_name, sizeof reader->consumer_name, "luminctl_%s", token);
  reader->consumer = span_of(reader->consumer_name, (size_t)len);
  struct js_consumer wanted = {.stream = STREAM,
                               .name = reader->consumer,
                               .filter = reader->filter,
                               .start_seq = start,
                               .inactive_threshold_ns = INACTIVE_NS};
  natsMsg *answered = NULL;
  struct js_consumer_info consumer = {0};
  struct js_error error = {0};
  enum reading reading = ask(reader, js_consumer_create_subject(reader->arena, &wanted),
                             js_consumer_create_body(reader->arena, &wanted), &answered);
  if (reading != READING_ON) {
    return reading;
  }
  enum lumin_status status = js_consumer_info_parse(client_payload(answered), reader->arena, &consumer, &error);
  reading = status != LUMIN_OK ? unreadable() : error.code != 0 ? refused(reader, &error) : READING_ON;
  natsMsg_Destroy(answered);
  *ret_pending = consumer.pending;
  return reading;
}

static enum reading reader_pull(struct reader *reader) {
  uint32_t batch = reader->remaining < PULL_BATCH ? (uint32_t)reader->remaining : PULL_BATCH;
  struct js_pull pull = {.batch = batch, .expires_ns = PULL_EXPIRES_NS, .heartbeat_ns = HEARTBEAT_NS};
  struct span subject = js_pull_subject(reader->arena, STREAM, reader->consumer);
  struct span body = js_pull_body(reader->arena, &pull);
  if (subject.data == NULL || body.data == NULL) {
    return out_of_memory();
  }
  struct client_message message = {.subject = subject.data, .payload = body};
  enum answer answer = client_publish(reader->client, &message);
  reader->pull_left = batch;
  reader->pull_until_ns = clock_monotonic_ns() + PULL_EXPIRES_NS + 2 * HEARTBEAT_NS;
  if (answer == ANSWER_NOT_ALLOWED) {
    client_report(reader->client, answer, subject.data, &reader->settings);
    return READING_FAILED;
  }
  return answer == ANSWER_HERE ? READING_ON : disturbed("the connection was lost");
}

static enum reading reader_connect(struct reader *reader, struct arena *arena) {
  natsStatus status = client_open(&reader->settings, &reader->client);
  if (status == NATS_OK) {
    return READING_ON;
  }
  if (reader->attached_once) {
    return disturbed(client_status_text(status));
  }
  client_report_open(status, &reader->settings, arena);
  return READING_FAILED;
}

static enum reading reader_attach(struct reader *reader) {
  struct js_stream_info stream = {0};
  uint64_t pending = 0;
  arena_reset(reader->arena);
  enum reading reading = reader_connect(reader, reader->arena);
  if (reading == READING_ON) {
    reading = stream_look(reader, &stream);
  }
  if (reading == READING_ON) {
    reading = consumer_create(reader, reader_start(reader, &stream), &pending);
  }
  if (reading != READING_ON) {
    return reading;
  }
  reader->attached_once = true;
  reader->consumer_seq = 0;
  reader->last_seq = stream.last_seq;
  reader->heard_ns = clock_monotonic_ns();
  return pending == 0 && !reader->follow ? READING_DONE : reader_pull(reader);
}

// ---- reading

static enum reading output_flush(void) {
  if (fflush(stdout) == 0 && !ferror(stdout)) {
    return READING_ON;
  }
  report("error", "the output cannot be written");
  return READING_FAILED;
}

static enum reading at_end(const struct reader *reader, bool end) {
  return end && !reader->follow ? READING_DONE : READING_ON;
}

static enum reading take_event(struct reader *reader, natsMsg *message) {
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
  if (delivery.stream_seq >= reader->from) {
    if (event_line_write(&reader->lines, message, delivery.stream_seq, delivery.ts_ns) != LUMIN_OK) {
      return out_of_memory();
    }
    reader->remaining--;
  }
  reader->seen = delivery.stream_seq;
  enum reading reading = reader->follow || delivery.pending == 0 ? output_flush() : READING_ON;
  if (reading == READING_ON && reader->remaining == 0) {
    return READING_DONE;
  }
  return reading == READING_ON ? at_end(reader, delivery.pending == 0 || delivery.stream_seq >= reader->last_seq)
                               : reading;
}

// A heartbeat that knows of no message since the last taken says that there is none up to where the stream is.
static enum reading take_heartbeat(struct reader *reader, natsMsg *message) {
  uint64_t consumer_seq = 0, stream_seq = 0;
  bool known = span_to_u64(client_header_get(message, "Nats-Last-Consumer"), &consumer_seq) &&
               span_to_u64(client_header_get(message, "Nats-Last-Stream"), &stream_seq);
  if (known && consumer_seq != reader->consumer_seq) {
    return disturbed("a message was lost on its way");
  }
  reader->backoff_ns = BACKOFF_MIN_NS;
  return at_end(reader, known && stream_seq >= reader->last_seq);
}

static enum reading take_message(struct reader *reader, natsMsg *message) {
  int status = client_status_get(message);
  switch (status) {
  case 0:
    return take_event(reader, message);
  case 100:
    return take_heartbeat(reader, message);
  case 404:
  case 408: // the pull request is over
    reader->pull_left = 0;
    return READING_ON;
  default:
    return disturbed("the stream's consumer is gone");
  }
}

static enum reading reader_step(struct reader *reader) {
  arena_reset(reader->arena);
  natsMsg *message = NULL;
  enum answer answer = client_next(reader->client, CLIENT_INBOX, clock_monotonic_ns() + HEARTBEAT_NS, &message);
  enum reading reading = READING_ON;
  int64_t now = clock_monotonic_ns();
  if (answer == ANSWER_HERE) {
    reader->heard_ns = now;
    reading = take_message(reader, message);
    natsMsg_Destroy(message);
  } else if (answer == ANSWER_NOT_ALLOWED) {
    client_report(reader->client, answer, STREAM, &reader->settings);
    reading = READING_FAILED;
  } else if (answer != ANSWER_LATE) {
    reading = disturbed(answer == ANSWER_NOBODY ? "JetStream does not answer" : "the connection was lost");
  } else if (now - reader->heard_ns > SILENCE_NS) {
    reading = disturbed("the stream's consumer has fallen silent");
  }
  if (reading == READING_ON && (reader->pull_left == 0 || now > reader->pull_until_ns)) {
    reading = reader_pull(reader);
  }
  return reading;
}
