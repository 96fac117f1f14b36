// SPDX-License-Identifier: MIT
// The lease's thread. It asks the database little and often: a renewal three times a lease, a look for stuck rows every
// second. All its waits are bounded by the lease, so that it notices in time that nobody answers.
#include "lumin/worker/lease.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lanes_used.h"
#include "lumin/base/clock.h"
#include "lumin/base/failpoint.h"
#include "lumin/base/log.h"
#include "lumin/base/pause.h"

#define STUCK_INTERVAL NS_PER_SECOND
#define SWEEP_INTERVAL (60 * NS_PER_SECOND)
#define LOOK_INTERVAL (NS_PER_SECOND / 10) // at which lanes can take partitions
#define LANES_PATIENCE (NS_PER_SECOND / 4) // until they all can
#define LOOK_SOON (20 * NS_PER_MS)         // while there are none, as in a worker that starts
#define PAUSE_FIRST (50 * NS_PER_MS)
#define LAYOUT_CHANGED 2 // lumin.renew_lease

struct lease {
  struct worker *worker;
  pthread_t thread;
  struct pause pause; // ended: it is to stop

  // The thread's own.
  struct session *session; // NULL: none
  int64_t length_ns;
  int64_t answer_by_ns; // for the statement under way
  int64_t renewed_ns;   // when the last renewal that succeeded was asked for
  int64_t renew_at_ns, stuck_at_ns, sweep_at_ns, connect_at_ns;
  int64_t pause_ns;  // before the next attempt to connect; 0: connected
  bool lane_stuck;   // said already
  int64_t looked_ns; // at the lanes
  uint64_t lanes;    // those that the last renewal told of
  int64_t none_ns;   // when there was last nothing to tell of
};

static enum lumin_status lease_connect(struct lease *lease, char *ret_error, size_t size);
static enum lumin_status lease_register(struct lease *lease);
static enum lumin_status thread_start(struct lease *lease);
static void lease_destroy(struct lease *lease);
static void *lease_live(void *self);

enum lumin_status lease_start(struct worker *worker, struct lease **ret_lease, char *ret_error, size_t size) {
  struct lease *lease = calloc(1, sizeof *lease);
  if (lease == NULL) {
    return LUMIN_NO_MEMORY;
  }
  lease->worker = worker;
  lease->length_ns = worker->config->worker_lease_ms * NS_PER_MS;
  enum lumin_status status = lease_connect(lease, ret_error, size);
  if (status == LUMIN_OK) {
    status = lease_register(lease);
    if (status != LUMIN_OK) {
      (void)snprintf(ret_error, size, "%s", session_message(lease->session));
    }
  }
  if (status == LUMIN_OK) {
    status = thread_start(lease);
  }
  if (status != LUMIN_OK) {
    lease_destroy(lease);
    return status == LUMIN_NO_MEMORY ? status : LUMIN_RETRY;
  }
  *ret_lease = lease;
  return LUMIN_OK;
}

void lease_stop(struct lease *lease) {
  if (lease == NULL) {
    return;
  }
  pause_end(&lease->pause);
  pthread_join(lease->thread, NULL);
  pause_finish(&lease->pause);
  lease_destroy(lease);
}

static enum lumin_status thread_start(struct lease *lease) {
  enum lumin_status status = pause_init(&lease->pause);
  if (status == LUMIN_OK && pthread_create(&lease->thread, NULL, lease_live, lease) != 0) {
    pause_finish(&lease->pause);
    status = LUMIN_NO_MEMORY;
  }
  return status;
}

static void lease_destroy(struct lease *lease) {
  session_close(lease->session);
  free(lease);
}

// ---- the thread

static bool lanes_are_news(struct lease *lease);
static void lease_keep(struct lease *lease);
static void lease_leave(struct lease *lease);
static bool lease_sleep(struct lease *lease);

static void *lease_live(void *self) {
  struct lease *lease = self;
  while (lease_sleep(lease)) {
    lease_keep(lease);
  }
  lease_leave(lease);
  return NULL;
}

static int64_t earliest(int64_t a, int64_t b) { return a < b ? a : b; }

// Until there is something to do; false: the end.
static bool lease_sleep(struct lease *lease) {
  int64_t until = lease->connect_at_ns;
  if (lease->session != NULL) {
    until = earliest(lease->renew_at_ns, earliest(lease->stuck_at_ns, lease->sweep_at_ns));
    until = earliest(until, clock_monotonic_ns() + (lease->lanes == 0 ? LOOK_SOON : LOOK_INTERVAL));
  }
  return pause_until(&lease->pause, until);
}

static void lease_reconnect(struct lease *lease);
static void lease_renew(struct lease *lease);
static void stuck_end(struct lease *lease);
static void workers_sweep(struct lease *lease);

static void lease_keep(struct lease *lease) {
  if (lease->session == NULL) {
    lease_reconnect(lease);
  }
  bool news = lanes_are_news(lease);
  if (lease->session != NULL && (news || clock_monotonic_ns() >= lease->renew_at_ns)) {
    lease_renew(lease);
  }
  if (lease->session != NULL && clock_monotonic_ns() >= lease->stuck_at_ns) {
    stuck_end(lease);
  }
  if (lease->session != NULL && clock_monotonic_ns() >= lease->sweep_at_ns) {
    workers_sweep(lease);
  }
}

// ---- whether it holds

static void lost_note(struct lease *lease) {
  bool lost = clock_monotonic_ns() - lease->renewed_ns > lease->length_ns;
  if (atomic_exchange(&lease->worker->lease_lost, lost) != lost) {
    if (lost) {
      log_warn("lease_lost", log_number("unrenewed_ms", (clock_monotonic_ns() - lease->renewed_ns) / NS_PER_MS));
    } else {
      log_info("lease_regained", log_string("worker", lease->worker->name));
    }
  }
}

static void renewed_note(struct lease *lease, int64_t asked_ns) {
  lease->renewed_ns = asked_ns; // the lease runs from some time after the question: the worker rather thinks it shorter
  lost_note(lease);
}

// The first lane whose loop has not turned for a lease, or -1. One that has not begun or has ended shows 0.
static int stuck_lane(struct lease *lease) {
  int64_t now = clock_monotonic_ns();
  for (uint64_t i = 0; i < lease->worker->config->worker_lanes; i++) {
    int64_t turned = atomic_load(&lease->worker->lane_turned_ns[i]);
    if (turned > 0 && now - turned > lease->length_ns) {
      return (int)i;
    }
  }
  return -1;
}

// A lane that hangs would keep its partitions for ever: without renewal another worker takes them. Where this thread
// has not looked for a lease either, the whole process stood still, and the lanes get time to turn.
static bool lanes_turn(struct lease *lease) {
  int64_t now = clock_monotonic_ns();
  bool stood_still = now - lease->looked_ns > lease->length_ns;
  int lane = stood_still ? -1 : stuck_lane(lease);
  lease->looked_ns = now;
  if (lane >= 0 && !lease->lane_stuck) {
    log_error("lane_stuck", log_number("lane", lane), log_string("consequence", "the lease is not renewed"));
  }
  if (lane < 0 && lease->lane_stuck) {
    log_info("lane_turns_again", log_string("worker", lease->worker->name));
  }
  lease->lane_stuck = lane >= 0;
  return lane < 0;
}

// A bit for each lane that has noted a time within the last lease.
static uint64_t lanes_fresh(const struct lease *lease, const _Atomic int64_t *noted_ns) {
  int64_t now = clock_monotonic_ns();
  uint64_t lanes = 0;
  for (uint64_t i = 0; i < lease->worker->config->worker_lanes; i++) {
    int64_t noted = atomic_load(&noted_ns[i]);
    lanes |= (uint64_t)(noted > 0 && now - noted <= lease->length_ns) << i;
  }
  return lanes;
}

// The lanes that shall own partitions. None before one of them has seen how many other workers there are. One that is
// in use stays so while a commit takes longer than the lease; but the others count on those alone that are able now,
// and on none at the end.
struct lanes {
  int others; // for so many
  unsigned wanted;
  uint64_t chosen;
  uint64_t told; // those of them that are able
};

static struct lanes lanes_look(const struct lease *lease) {
  const struct worker *worker = lease->worker;
  struct lanes lanes = {.others = atomic_load(&worker->others)};
  if (lanes.others >= 0) {
    lanes.wanted = lanes_wanted((unsigned)worker->config->worker_lanes, (unsigned)lanes.others);
    uint64_t able = atomic_load(&worker->stopping) ? 0 : lanes_fresh(lease, worker->lane_able_ns);
    uint64_t used = atomic_load(&worker->lanes_used);
    lanes.chosen = lanes_choose(able | (used & lanes_fresh(lease, worker->lane_linked_ns)), used, lanes.wanted);
    lanes.told = lanes.chosen & able;
  }
  return lanes;
}

// The other workers have been told, or need not be.
static void lanes_settle(struct lease *lease, const struct lanes *lanes) {
  lease->lanes = lanes->told;
  atomic_store(&lease->worker->lanes_used, lanes->chosen);
  atomic_store(&lease->worker->others_met, lanes->others);
}

// Whether others shall hear of it at once. A worker that starts waits a moment for all of its lanes: else the first one
// would take everything, and give half of it up again.
static bool lanes_are_news(struct lease *lease) {
  struct lanes lanes = lanes_look(lease);
  int64_t now = clock_monotonic_ns();
  if (lanes.told == 0 || lease->lanes != 0) {
    lease->none_ns = now;
  }
  bool all = (unsigned)__builtin_popcountll(lanes.told) == lanes.wanted;
  bool waits = lease->lanes == 0 && !all && now - lease->none_ns <= LANES_PATIENCE;
  if (lanes.told == lease->lanes) {
    lanes_settle(lease, &lanes);
  }
  return lanes.told != lease->lanes && !waits;
}

// ---- statements

// A server that does not answer within the lease is as good as gone: the socket's end ends the wait.
static void statement_wait(void *self, int fd, bool for_write) {
  struct lease *lease = self;
  int64_t left = lease->answer_by_ns - clock_monotonic_ns();
  struct pollfd wanted = {.fd = fd, .events = for_write ? POLLIN | POLLOUT : POLLIN};
  if (left <= 0) {
    (void)shutdown(fd, SHUT_RDWR);
    left = 0;
  }
  (void)poll(&wanted, 1, (int)(earliest(left, NS_PER_SECOND / 4) / NS_PER_MS) + 1);
  lost_note(lease);
}

struct answer {
  int rows;
  int64_t first; // of the first row, an int4
};

static enum lumin_status answer_take(void *self, int index, const PGresult *result) {
  struct answer *answer = self;
  (void)index;
  answer->rows = PQntuples(result);
  if (answer->rows > 0 && PQgetlength(result, 0, 0) == 4) {
    uint32_t big;
    memcpy(&big, PQgetvalue(result, 0, 0), sizeof big);
    answer->first = (int32_t)be32toh(big);
  }
  return LUMIN_OK;
}

static enum lumin_status lease_ask(struct lease *lease, enum session_statement statement, const struct params *params,
                                   struct answer *ret_answer) {
  struct session_sink sink = {ret_answer, answer_take};
  lease->answer_by_ns = clock_monotonic_ns() + lease->length_ns;
  enum lumin_status status = session_send(lease->session, statement, params);
  return status == LUMIN_OK ? session_sync(lease->session, &sink) : status;
}

static void session_drop(struct lease *lease, enum lumin_status status) {
  log_warn("lease_connection_lost", log_string("status", status_name(status)),
           log_string("reason", session_message(lease->session)));
  session_close(lease->session);
  lease->session = NULL;
  lease->connect_at_ns = clock_monotonic_ns();
}

static uint32_t length_ms(const struct lease *lease) { return htobe32((uint32_t)(lease->length_ns / NS_PER_MS)); }

static enum lumin_status lease_register(struct lease *lease) {
  const struct worker *worker = lease->worker;
  uint32_t ms = length_ms(lease), layout = htobe32((uint32_t)worker->layout);
  int64_t asked = clock_monotonic_ns();
  struct answer answer = {0};
  struct params params = {
      .count = 4,
      .values = {(const char *)worker->id.bytes, worker->name, (const char *)&ms, (const char *)&layout},
      .lengths = {sizeof worker->id.bytes, (int)span_from_text(worker->name).len, sizeof ms, sizeof layout},
  };
  enum lumin_status status = lease_ask(lease, STATEMENT_WORKER_REGISTER, &params, &answer);
  if (status == LUMIN_OK) {
    renewed_note(lease, asked);
    lease->renew_at_ns = asked + lease->length_ns / 3;
    lease->lanes = 0;
  }
  return status;
}

// The row is gone: the database forgot it (a failover), or swept it. Whatever the lanes own may be another's by now.
static enum lumin_status register_anew(struct lease *lease) {
  enum lumin_status status = lease_register(lease);
  if (status == LUMIN_OK) {
    unsigned count = 1 + atomic_fetch_add(&lease->worker->registrations, 1);
    log_warn("lease_registered_anew", log_number("registrations", count));
  }
  return status;
}

// Partitions were spread anew while this process stood still: it ends, and whoever starts it next tells it what holds.
static void outdated_note(struct lease *lease) {
  if (!atomic_exchange(&lease->worker->outdated, true)) {
    log_error("layout_changed", log_number("partitions", (int64_t)lease->worker->config->partitions),
              log_string("what",
                         "the database was repartitioned: this worker ends, and must be started with the number "
                         "of partitions that holds now"));
    (void)kill(getpid(), SIGTERM); // the main thread waits for that
  }
}

static void lease_renew(struct lease *lease) {
  uint32_t ms = length_ms(lease);
  struct lanes lanes = lanes_look(lease);
  uint64_t told = htobe64(lanes.told);
  int64_t asked = clock_monotonic_ns();
  struct answer answer = {0};
  struct params params = {
      .count = 3,
      .values = {(const char *)lease->worker->id.bytes, (const char *)&ms, (const char *)&told},
      .lengths = {sizeof lease->worker->id.bytes, sizeof ms, sizeof told},
  };
  lease->renew_at_ns = asked + lease->length_ns / 3;
  if (!lanes_turn(lease)) {
    lost_note(lease);
    return;
  }
  FAILPOINT("lease.renew");
  enum lumin_status status = lease_ask(lease, STATEMENT_WORKER_RENEW, &params, &answer);
  if (status == LUMIN_OK && answer.rows > 0) {
    renewed_note(lease, asked);
    lanes_settle(lease, &lanes);
    if (answer.first == LAYOUT_CHANGED) {
      outdated_note(lease);
    }
  } else if (status == LUMIN_OK) {
    status = register_anew(lease);
  }
  if (status != LUMIN_OK) {
    session_drop(lease, status);
  }
}

static void stuck_end(struct lease *lease) {
  uint32_t ms = length_ms(lease);
  struct answer answer = {0};
  struct params params = {.count = 1, .values = {(const char *)&ms}, .lengths = {sizeof ms}};
  lease->stuck_at_ns = clock_monotonic_ns() + STUCK_INTERVAL;
  enum lumin_status status = lease_ask(lease, STATEMENT_STUCK_END, &params, &answer);
  if (status != LUMIN_OK) {
    session_drop(lease, status);
  } else if (answer.first > 0) {
    log_warn("stuck_backends_ended", log_number("count", answer.first));
  }
}

static void workers_sweep(struct lease *lease) {
  struct answer answer = {0};
  struct params params = {0};
  lease->sweep_at_ns = clock_monotonic_ns() + SWEEP_INTERVAL;
  enum lumin_status status = lease_ask(lease, STATEMENT_WORKERS_SWEEP, &params, &answer);
  if (status != LUMIN_OK) {
    session_drop(lease, status);
  }
}

// ---- the connection

static enum lumin_status lease_connect(struct lease *lease, char *ret_error, size_t size) {
  char name[64];
  struct session_options options = worker_session_options(lease->worker, "lease", name, sizeof name);
  options.connect_timeout_ns = earliest(options.connect_timeout_ns, lease->length_ns);
  options.statement_timeout_ns = earliest(options.statement_timeout_ns, lease->length_ns);
  options.wait = (struct session_wait){lease, statement_wait};
  lease->answer_by_ns = clock_monotonic_ns() + lease->length_ns;
  if (lease->renewed_ns == 0) {
    lease->renewed_ns = clock_monotonic_ns(); // before the first registration nothing can be lost
  }
  return session_open(&options, &lease->session, ret_error, size);
}

static void lease_reconnect(struct lease *lease) {
  char error[256] = "";
  if (lease_connect(lease, error, sizeof error) == LUMIN_OK) {
    lease->pause_ns = 0;
    lease->renew_at_ns = 0; // at once
    log_info("lease_connected", log_string("worker", lease->worker->name));
    return;
  }
  lease->session = NULL;
  if (lease->pause_ns == 0) {
    log_warn("lease_unconnected", log_string("reason", error));
  }
  int64_t longest = lease->length_ns / 6; // some attempts must fit into a lease
  lease->pause_ns = lease->pause_ns == 0 ? PAUSE_FIRST : earliest(2 * lease->pause_ns, longest);
  lease->connect_at_ns =
      clock_monotonic_ns() + lease->pause_ns + (int64_t)random_below((uint64_t)lease->pause_ns / 4 + 1);
  lost_note(lease);
}

// The row goes where no partition is owned any more; where there is no connection the lease runs out by itself.
static void lease_leave(struct lease *lease) {
  char error[256] = "";
  struct answer answer = {0};
  struct params params = {
      .count = 1,
      .values = {(const char *)lease->worker->id.bytes},
      .lengths = {sizeof lease->worker->id.bytes},
  };
  if (lease->session == NULL && lease_connect(lease, error, sizeof error) != LUMIN_OK) {
    lease->session = NULL;
    return;
  }
  enum lumin_status status = lease_ask(lease, STATEMENT_WORKER_LEAVE, &params, &answer);
  if (status != LUMIN_OK) {
    log_warn("lease_not_left", log_string("status", status_name(status)));
  }
}
