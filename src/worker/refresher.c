// SPDX-License-Identifier: MIT
// The refresher's thread: a loop, a link of its own, and a consumer of the event stream that feed.c keeps. What an
// event says is not looked at, since whoever wants the user loads it; still whole events come, because to leave their
// bodies out costs nats-server and nats.c more than the bodies do.
#include "lumin/worker/refresher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "feed.h"
#include "lumin/base/clock.h"
#include "lumin/base/log.h"
#include "lumin/infrastructure/nats/js.h"

#define PULL_BATCH 1024
#define INACTIVE_AFTER (60 * NS_PER_SECOND) // the server then throws the consumer of a dead worker away
#define REST_LOOK (100 * NS_PER_MS)         // at rest: how often for a question
#define PAUSE_FIRST (100 * NS_PER_MS)
#define PAUSE_LONGEST (2 * NS_PER_SECOND)
#define SCRATCH_MEMORY (4U << 20) // an answer of the JetStream API

struct refresher {
  struct worker *worker;
  pthread_t thread;
  atomic_bool stopping;
  struct loop *loop;
  struct arena *scratch;
  struct link *link; // NULL: none
  natsSubscription *inbox;
  struct feed feed;
  char consumer_prefix[48]; // "lumin_<token>_cache_"
  char link_name[160];
  int64_t retry_ns, pause_ns;
  bool link_reported, doubt_reported;
  bool resting; // nobody asks: changes are of no interest
};

static void refresher_connect(struct refresher *refresher);
static void refresher_receive(struct refresher *refresher);
static void refresher_feed(struct refresher *refresher, struct feed_input input);
static void refresher_rest(struct refresher *refresher);
static int64_t refresher_deadline_ns(const struct refresher *refresher);

static void refresher_live(struct refresher *refresher) {
  while (!atomic_load(&refresher->stopping)) {
    refresher_connect(refresher);
    refresher_rest(refresher);
    loop_turn(refresher->loop, refresher_deadline_ns(refresher));
    refresher_receive(refresher); // first: a process that slept would take what has arrived for silence
    refresher_feed(refresher, (struct feed_input){.kind = FEED_IN_TIMER});
  }
}

static int64_t refresher_deadline_ns(const struct refresher *refresher) {
  int64_t due = refresher->link != NULL ? feed_deadline_ns(&refresher->feed) : refresher->retry_ns;
  int64_t look = refresher->resting ? clock_monotonic_ns() + REST_LOOK : INT64_MAX;
  return due < look ? due : look;
}

// Every event costs nats-server and the worker some microseconds, which nobody has to pay who is not asked.
static void refresher_rest(struct refresher *refresher) {
  int64_t asked_ns = cache_asked_ns(refresher->worker->cache);
  int64_t rest_after_ns = refresher->worker->config->cache_rest_after_ms * NS_PER_MS;
  bool rests = asked_ns == 0 || clock_monotonic_ns() - asked_ns > rest_after_ns;
  if (rests == refresher->resting) {
    return;
  }
  refresher->resting = rests;
  if (rests) {
    cache_rest(refresher->worker->cache); // first: what the feed then says is no suspicion
    refresher_feed(refresher, (struct feed_input){.kind = FEED_IN_REST});
    log_info("cache_rests", log_string("reason", refresher->feed.reason));
    return;
  }
  cache_wake(refresher->worker->cache);
  refresher->doubt_reported = false;
  if (refresher->link != NULL) {
    refresher_feed(refresher, (struct feed_input){.kind = FEED_IN_LINKED});
  }
}

// ---- the link

static void link_report(struct refresher *refresher, const char *event, const char *reason) {
  if (!refresher->link_reported) {
    log_warn(event, log_string("thread", "cache"), log_string("reason", reason));
    refresher->link_reported = true;
  }
}

static void link_drop(struct refresher *refresher) {
  link_close(refresher->link);
  refresher->link = NULL;
  refresher->inbox = NULL;
  int64_t pause = refresher->pause_ns == 0 ? PAUSE_FIRST : refresher->pause_ns * 2;
  refresher->pause_ns = pause > PAUSE_LONGEST ? PAUSE_LONGEST : pause;
  refresher->retry_ns =
      clock_monotonic_ns() + refresher->pause_ns - (int64_t)random_below((uint64_t)refresher->pause_ns / 4);
}

static enum lumin_status link_try(struct refresher *refresher, const char **ret_error) {
  struct link_options options =
      worker_link_options(refresher->worker, "cache", refresher->link_name, sizeof refresher->link_name);
  enum lumin_status status = link_open(refresher->loop, &options, &refresher->link, ret_error);
  if (status == LUMIN_OK) {
    arena_reset(refresher->scratch);
    struct span all = arena_printf(refresher->scratch, "%.*s.>", SPAN_ARGS(link_inbox(refresher->link)));
    status = link_subscribe(refresher->link, all.data, NULL, &refresher->inbox);
  }
  return status;
}

static void refresher_connect(struct refresher *refresher) {
  const char *error = "";
  if (refresher->link != NULL && !link_is_alive(refresher->link)) {
    refresher_feed(refresher, (struct feed_input){.kind = FEED_IN_UNLINKED});
    link_report(refresher, "nats_lost", "the connection was closed");
    link_drop(refresher);
  }
  if (refresher->link != NULL || clock_monotonic_ns() < refresher->retry_ns) {
    return;
  }
  if (link_try(refresher, &error) != LUMIN_OK) {
    link_report(refresher, "nats_unavailable", error);
    link_drop(refresher);
    return;
  }
  refresher->pause_ns = 0;
  refresher->link_reported = false;
  log_info("nats_connected", log_string("thread", "cache"));
  if (!refresher->resting) {
    refresher_feed(refresher, (struct feed_input){.kind = FEED_IN_LINKED});
  }
}

// ---- what the feed wants done

static struct span consumer_name(struct refresher *refresher, uint64_t generation) {
  return arena_printf(refresher->scratch, "%s%llu", refresher->consumer_prefix, (unsigned long long)generation);
}

// Answers come to "<inbox>.<generation>.<kind>.<pull>".
static void ask(struct refresher *refresher, char kind, struct span subject, struct span body) {
  struct span reply =
      arena_printf(refresher->scratch, "%.*s.%llu.%c.%llu", SPAN_ARGS(link_inbox(refresher->link)),
                   (unsigned long long)refresher->feed.generation, kind, (unsigned long long)refresher->feed.pull_id);
  if (subject.data != NULL && reply.data != NULL) {
    (void)!link_publish(refresher->link, subject, reply, body); // lost with the link; silence is noticed
  }
}

static void do_suspect(struct refresher *refresher) { cache_suspect(refresher->worker->cache); }

// The one that failed; a new one has another name.
static void do_delete(struct refresher *refresher) {
  struct span name = consumer_name(refresher, refresher->feed.generation);
  ask(refresher, 'd', js_consumer_delete_subject(refresher->scratch, STREAM_EVENTS, name), SPAN_EMPTY);
  if (!refresher->doubt_reported && !refresher->resting) {
    log_warn("cache_suspect", log_string("reason", refresher->feed.reason));
    refresher->doubt_reported = true;
  }
}

static void do_create(struct refresher *refresher) {
  struct js_consumer consumer = {.stream = STREAM_EVENTS,
                                 .name = consumer_name(refresher, refresher->feed.generation),
                                 .only_new = true,
                                 .inactive_threshold_ns = INACTIVE_AFTER};
  ask(refresher, 'n', js_consumer_create_subject(refresher->scratch, &consumer),
      js_consumer_create_body(refresher->scratch, &consumer));
}

static void do_trust(struct refresher *refresher) {
  cache_trust(refresher->worker->cache);
  refresher->doubt_reported = false;
  log_info("cache_trusted", log_number("consumer", (int64_t)refresher->feed.generation));
}

static void do_pull(struct refresher *refresher) {
  const struct feed_limits *limits = &refresher->feed.limits;
  struct js_pull pull = {limits->batch, limits->expires_ns, limits->heartbeat_ns, 0};
  struct span name = consumer_name(refresher, refresher->feed.generation);
  ask(refresher, 'p', js_pull_subject(refresher->scratch, STREAM_EVENTS, name),
      js_pull_body(refresher->scratch, &pull));
}

static void refresher_feed(struct refresher *refresher, struct feed_input input) {
  static const struct {
    enum feed_action action;
    void (*act)(struct refresher *refresher);
  } actions[] = {{FEED_SUSPECT, do_suspect},
                 {FEED_DELETE, do_delete},
                 {FEED_CREATE, do_create},
                 {FEED_TRUST, do_trust},
                 {FEED_PULL, do_pull}};
  input.now_ns = clock_monotonic_ns();
  unsigned wanted = feed_step(&refresher->feed, &input);
  arena_reset(refresher->scratch); // of the input nothing is needed any more
  for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
    if (wanted & actions[i].action) {
      actions[i].act(refresher);
    }
  }
}

// ---- what arrives

// "<prefix>.event.<event>.<user id>"; whatever is not said so is no event. One without a version may be of any.
static void event_take(struct refresher *refresher, natsMsg *message) {
  struct cache *cache = refresher->worker->cache;
  struct span subject = span_from_text(natsMsg_GetSubject(message));
  size_t skip = subject.len > UUID_TEXT_LEN ? subject.len - UUID_TEXT_LEN : 0;
  struct uuid user_id;
  uint64_t version = UINT64_MAX;
  // Headers are unpacked one by one and at a price, which is not paid for users that nobody asks for.
  if (uuid_parse(span_skip(subject, skip), &user_id) != LUMIN_OK || !cache_has(cache, &user_id)) {
    return;
  }
  (void)!span_to_u64(link_header_get(message, "ce-sequence"), &version);
  (void)cache_changed(cache, &user_id, version);
}

static void delivery_take(struct refresher *refresher, natsMsg *message, struct span reply) {
  struct js_delivery delivery;
  struct feed_input input = {.kind = FEED_IN_MESSAGE};
  struct span prefix = span_from_text(refresher->consumer_prefix);
  if (js_delivery_parse(reply, &delivery) != LUMIN_OK || !span_starts_with(delivery.consumer, prefix) ||
      !span_to_u64(span_skip(delivery.consumer, prefix.len), &input.generation)) {
    return;
  }
  event_take(refresher, message);
  input.consumer_seq = delivery.consumer_seq;
  refresher_feed(refresher, input);
}

static bool made_parse(struct refresher *refresher, natsMsg *message) {
  struct js_consumer_info info;
  struct js_error error = {0};
  struct span bytes = span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
  return js_consumer_info_parse(bytes, refresher->scratch, &info, &error) == LUMIN_OK && error.code == 0;
}

static bool pull_status_read(natsMsg *message, struct feed_input *input) {
  int status = link_status_get(message);
  if (status == 100) {
    input->kind = FEED_IN_HEARTBEAT;
    return span_to_u64(link_header_get(message, "Nats-Last-Consumer"), &input->consumer_seq);
  }
  bool ended = js_status_ends_pull(status, link_header_get(message, "Description"));
  input->kind = ended ? FEED_IN_ENDED : FEED_IN_GONE;
  return status != 0;
}

static void answer_take(struct refresher *refresher, natsMsg *message) {
  struct feed_input input = {0};
  struct span rest = span_skip(span_from_text(natsMsg_GetSubject(message)), link_inbox(refresher->link).len + 1);
  bool numbered = span_to_u64(span_cut(&rest, '.'), &input.generation);
  struct span kind = span_cut(&rest, '.');
  if (!numbered || kind.len != 1 || !span_to_u64(rest, &input.pull_id)) {
    return;
  }
  bool known = kind.data[0] == 'p' && pull_status_read(message, &input);
  if (kind.data[0] == 'n') {
    known = true;
    input.kind = made_parse(refresher, message) ? FEED_IN_CREATED : FEED_IN_REFUSED;
  }
  if (known) {
    refresher_feed(refresher, input);
  }
}

static void refresher_receive(struct refresher *refresher) {
  natsMsg *message = NULL;
  while (refresher->link != NULL && (message = link_next(refresher->inbox, NULL)) != NULL) {
    struct span reply = span_from_text(natsMsg_GetReply(message));
    arena_reset(refresher->scratch);
    if (span_starts_with(reply, SPAN_LITERAL("$JS.ACK."))) {
      delivery_take(refresher, message, reply);
    } else {
      answer_take(refresher, message);
    }
    link_discard(refresher->link, message);
  }
}

// ---- birth and end

static void *refresher_run(void *self) {
  struct refresher *refresher = self;
  refresher_live(refresher);
  cache_suspect(refresher->worker->cache);
  if (refresher->link != NULL && refresher->feed.state != FEED_SILENT) {
    refresher->doubt_reported = true; // no doubt, but the end
    do_delete(refresher);
    loop_turn(refresher->loop, 0);
  }
  link_close(refresher->link);
  refresher->link = NULL;
  return NULL;
}

static bool refresher_build(struct refresher *refresher) {
  const struct config *config = refresher->worker->config;
  const struct feed_limits limits = {.batch = PULL_BATCH,
                                     .heartbeat_ns = config->cursor_heartbeat_ms * NS_PER_MS,
                                     .expires_ns = config->cursor_expires_ms * NS_PER_MS,
                                     .reply_timeout_ns = config->nats_timeout_ms * NS_PER_MS};
  feed_init(&refresher->feed, &limits);
  (void)snprintf(refresher->consumer_prefix, sizeof refresher->consumer_prefix, "lumin_%s_cache_",
                 refresher->worker->token);
  refresher->loop = loop_create();
  refresher->scratch = arena_create(SCRATCH_MEMORY);
  return refresher->loop != NULL && refresher->scratch != NULL;
}

static void refresher_free(struct refresher *refresher) {
  loop_destroy(refresher->loop);
  arena_destroy(refresher->scratch);
  free(refresher);
}

struct refresher *refresher_start(struct worker *worker) {
  struct refresher *refresher = calloc(1, sizeof *refresher);
  if (refresher == NULL) {
    return NULL;
  }
  refresher->worker = worker;
  refresher->resting = true;
  if (!refresher_build(refresher) || pthread_create(&refresher->thread, NULL, refresher_run, refresher) != 0) {
    refresher_free(refresher);
    return NULL;
  }
  return refresher;
}

void refresher_stop(struct refresher *refresher) {
  if (refresher == NULL) {
    return;
  }
  atomic_store(&refresher->stopping, true);
  loop_wake(refresher->loop);
  (void)pthread_join(refresher->thread, NULL);
  refresher_free(refresher);
}
