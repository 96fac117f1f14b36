// SPDX-License-Identifier: MIT
// A simulated stream, consumer, server and lane with faults drive the cursor for many seeds. What must hold: a message
// of the partition is applied only when all before it that the stream holds are; at the end all that it holds are; what
// expired unread was reported; and no more is ever taken than the buffer allows.
#include "test_cursor_sim.h"

#define SEEDS 200
#define TROUBLE_MS 40000 // publishing, faults and expiry
#define QUIET_MS 15000   // then all must settle

static void settled_check(const struct sim *sim) {
  for (uint64_t seq = 1; seq <= sim->last; seq++) {
    const struct sim_message *m = &sim->stream[seq];
    if (m->ours && m->held)
      cr_assert(m->applied, "seed %" PRIu64 ": message %" PRIu64 " is held but was not applied", sim->seed, seq);
  }
  if (sim->last > 0 && sim->stream[sim->last].held)
    cr_assert_eq(sim->position.seq, sim->last, "seed %" PRIu64 ": the position stands at %" PRIu64 " of %" PRIu64,
                 sim->seed, sim->position.seq, sim->last);
}

// An expired message that nobody applied was reported, or was passed before any inspection could see that it was gone.
static void expired_check(const struct sim *sim, struct sim_counts *counts) {
  const int64_t blind_ms =
      (sim_limits.inspect_interval_ns + 4 * sim_limits.reply_timeout_ns + sim_limits.heartbeat_ns) / NS_PER_MS;
  for (uint64_t seq = 1; seq <= sim->last; seq++) {
    const struct sim_message *m = &sim->stream[seq];
    if (!m->ours || m->applied || m->expired_ms < 0)
      continue;
    if (m->reported)
      counts->reported++;
    else
      counts->blind++;
    cr_assert(m->reported || (m->passed_ms >= 0 && m->passed_ms - m->expired_ms <= blind_ms),
              "seed %" PRIu64 ": message %" PRIu64 " expired unread at %" PRId64 " ms, passed at %" PRId64, sim->seed,
              seq, m->expired_ms, m->passed_ms);
  }
}

static void seed_run(uint64_t seed, struct sim_counts *counts) {
  static struct sim sim;
  sim_init(&sim, seed);
  while (sim.now_ms < TROUBLE_MS)
    sim_tick(&sim, true);
  while (sim.now_ms < TROUBLE_MS + QUIET_MS)
    sim_tick(&sim, false);
  settled_check(&sim);
  expired_check(&sim, counts);
  for (size_t i = 0; i < SIM_REASONS; i++)
    counts->reasons[i] += sim.counts.reasons[i];
  counts->taken += sim.counts.taken;
  counts->advanced += sim.counts.advanced;
  counts->anew += sim.counts.anew;
  counts->lost += sim.counts.lost;
}

Test(cursor_random, nothing_is_skipped_in_silence, .timeout = 300) {
  struct sim_counts counts = {0};
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
    seed_run(seed, &counts);
  // The run proves something only where each kind of trouble was met.
  cr_assert_gt(counts.taken, SEEDS * 100);
  cr_assert_gt(counts.advanced, SEEDS);
  cr_assert_gt(counts.anew, SEEDS / 4);
  cr_assert_gt(counts.lost, SEEDS / 4);
  cr_assert_gt(counts.reported, 100 * counts.blind);
  for (size_t i = 0; i < SIM_REASONS; i++)
    cr_assert_gt(counts.reasons[i], 0, "no disturbance of the kind \"%s\"", sim_reasons[i]);
}
