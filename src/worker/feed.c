// SPDX-License-Identifier: MIT
// The rules of listening. A consumer is trusted from its making to the first sign that something is wrong, and is never
// mended: a new one is made.
#include "feed.h"

#include "lumin/base/clock.h"

#define SILENT_HEARTBEATS 3 // missed in a row
#define BARREN_PULLS 3      // the next one waits a heartbeat, or a server that ends each at once is asked in a hot loop
#define PAUSE_FIRST (50 * NS_PER_MS)
#define PAUSE_LONGEST (2 * NS_PER_SECOND)

void feed_init(struct feed *feed, const struct feed_limits *limits) { *feed = (struct feed){.limits = *limits}; }

// ---- ends and beginnings

static unsigned feed_create(struct feed *feed, int64_t now_ns) {
  feed->state = FEED_CREATING;
  feed->generation++;
  feed->asked_ns = now_ns;
  return FEED_CREATE;
}

// The first time at once, then after growing pauses, until a consumer has proved good.
static unsigned feed_fail(struct feed *feed, int64_t now_ns, const char *reason) {
  unsigned actions = feed->state == FEED_HEARING ? FEED_SUSPECT | FEED_DELETE : FEED_DELETE;
  feed->state = FEED_SILENT;
  feed->reason = reason;
  feed->resume_ns = now_ns + feed->pause_ns;
  feed->pause_ns = feed->pause_ns == 0 ? PAUSE_FIRST : 2 * feed->pause_ns;
  feed->pause_ns = feed->pause_ns > PAUSE_LONGEST ? PAUSE_LONGEST : feed->pause_ns;
  return actions;
}

static unsigned linked(struct feed *feed, const struct feed_input *input) {
  unsigned actions = feed->state == FEED_HEARING ? FEED_SUSPECT : 0;
  feed->linked = true;
  return actions | feed_create(feed, input->now_ns);
}

static unsigned unlinked(struct feed *feed, const struct feed_input *input) {
  unsigned actions = feed->state == FEED_HEARING ? FEED_SUSPECT : 0;
  (void)input;
  feed->reason = "the connection was lost";
  feed->linked = false;
  feed->state = FEED_SILENT;
  return actions;
}

static unsigned rest(struct feed *feed, const struct feed_input *input) {
  unsigned actions = feed->state == FEED_HEARING ? FEED_SUSPECT : 0;
  (void)input;
  actions |= feed->state != FEED_SILENT ? FEED_DELETE : 0;
  feed->reason = "nobody asks";
  feed->linked = false;
  feed->state = FEED_SILENT;
  return actions;
}

// ---- pull requests: one is enough, and the next is made in time, since the end of one may get lost

static unsigned pull_renew(struct feed *feed, int64_t now_ns) {
  bool due = feed->left == 0 || now_ns - feed->asked_ns >= feed->limits.expires_ns / 2;
  if (!due || now_ns < feed->resume_ns) {
    return 0;
  }
  feed->pull_id++;
  feed->left = feed->limits.batch;
  feed->asked_ns = now_ns;
  return FEED_PULL;
}

static unsigned created(struct feed *feed, const struct feed_input *input) {
  if (feed->state != FEED_CREATING) {
    return 0;
  }
  feed->state = FEED_HEARING;
  feed->consumer_seq = 0;
  feed->barren = 0;
  feed->left = 0;
  feed->resume_ns = 0;
  feed->heard_ns = input->now_ns;
  return FEED_TRUST | pull_renew(feed, input->now_ns);
}

static unsigned refused(struct feed *feed, const struct feed_input *input) {
  return feed->state == FEED_CREATING ? feed_fail(feed, input->now_ns, "no consumer could be made") : 0;
}

static void heard(struct feed *feed, int64_t now_ns) {
  feed->heard_ns = now_ns;
  feed->pause_ns = 0;
  feed->barren = 0;
  feed->resume_ns = 0;
}

static unsigned message(struct feed *feed, const struct feed_input *input) {
  if (feed->state != FEED_HEARING) {
    return 0;
  }
  if (input->consumer_seq != feed->consumer_seq + 1) {
    return feed_fail(feed, input->now_ns, "a gap in the consumer's sequence");
  }
  feed->consumer_seq++;
  feed->left -= feed->left > 0;
  heard(feed, input->now_ns);
  return pull_renew(feed, input->now_ns);
}

static unsigned heartbeat(struct feed *feed, const struct feed_input *input) {
  if (feed->state != FEED_HEARING) {
    return 0;
  }
  if (input->consumer_seq > feed->consumer_seq) {
    return feed_fail(feed, input->now_ns, "the last messages got lost"); // and nothing came behind them
  }
  heard(feed, input->now_ns);
  return pull_renew(feed, input->now_ns);
}

static unsigned ended(struct feed *feed, const struct feed_input *input) {
  if (feed->state != FEED_HEARING || input->pull_id != feed->pull_id) {
    return 0;
  }
  feed->left = 0;
  feed->heard_ns = input->now_ns;
  if (++feed->barren >= BARREN_PULLS) {
    feed->resume_ns = input->now_ns + feed->limits.heartbeat_ns;
  }
  return pull_renew(feed, input->now_ns);
}

static unsigned gone(struct feed *feed, const struct feed_input *input) {
  return feed->state == FEED_HEARING ? feed_fail(feed, input->now_ns, "the consumer is gone") : 0;
}

// ---- time

static int64_t silence_due_ns(const struct feed *feed) {
  int64_t since = feed->resume_ns > feed->heard_ns ? feed->resume_ns : feed->heard_ns; // nobody was asked before
  return since + SILENT_HEARTBEATS * feed->limits.heartbeat_ns;
}

static unsigned timer(struct feed *feed, const struct feed_input *input) {
  if (feed_deadline_ns(feed) > input->now_ns) {
    return 0;
  }
  if (feed->state == FEED_SILENT) {
    return feed_create(feed, input->now_ns);
  }
  if (feed->state == FEED_CREATING) {
    return feed_fail(feed, input->now_ns, "no answer to the making of a consumer");
  }
  if (input->now_ns >= silence_due_ns(feed)) {
    return feed_fail(feed, input->now_ns, "no heartbeat");
  }
  return pull_renew(feed, input->now_ns);
}

int64_t feed_deadline_ns(const struct feed *feed) {
  if (feed->state == FEED_SILENT) {
    return feed->linked ? feed->resume_ns : INT64_MAX;
  }
  if (feed->state == FEED_CREATING) {
    return feed->asked_ns + feed->limits.reply_timeout_ns;
  }
  int64_t renewal = feed->left == 0 ? feed->resume_ns : feed->asked_ns + feed->limits.expires_ns / 2;
  return renewal < silence_due_ns(feed) ? renewal : silence_due_ns(feed);
}

// ---- the step

static unsigned (*const steps[])(struct feed *feed, const struct feed_input *input) = {
    [FEED_IN_LINKED] = linked,       [FEED_IN_UNLINKED] = unlinked, [FEED_IN_REST] = rest,
    [FEED_IN_CREATED] = created,     [FEED_IN_REFUSED] = refused,   [FEED_IN_MESSAGE] = message,
    [FEED_IN_HEARTBEAT] = heartbeat, [FEED_IN_ENDED] = ended,       [FEED_IN_GONE] = gone,
    [FEED_IN_TIMER] = timer,
};

unsigned feed_step(struct feed *feed, const struct feed_input *input) {
  bool about_consumer = input->kind >= FEED_IN_CREATED && input->kind < FEED_IN_TIMER;
  if (about_consumer && input->generation != feed->generation) {
    return 0;
  }
  return steps[input->kind](feed, input);
}
