// SPDX-License-Identifier: MIT
// Which rare paths a campaign has reached (I14): a campaign that never came where it is dangerous proves nothing. Told
// from the workers' log lines, from their statistics, and by the faults themselves.

/**
 * What must be reached, and by which sign. Those without `short` are asked of a long campaign only; where chance has not
 * led to one of the others, the fault that it is `by` has another turn.
 */
export const paths = {
  "in-doubt commit": { short: true, log: /^\S+ warn commit_in_doubt /m, by: "cut-at-commit" },
  "in-doubt commit that had happened": { log: /doubt_resolved .*commit=happened/ },
  "in-doubt commit that had not happened": { log: /doubt_resolved .*commit="did not happen"/ },
  "fenced worker": { short: true, log: / partition_lost /, by: "worker-stopped" },
  "duplicate command": { short: true, statistic: "duplicates" },
  "stream made anew": { short: true, log: / (command|event)_stream_anew /, by: "nats-store-wiped" },
  "relay conflict": { statistic: "relay_conflicts" },
  "event found on the stream in doubt": { statistic: "relay_found" },
  "conflict between lanes": { statistic: "conflicts" },
  "cursor attached again": { statistic: "reattached" },
  "dead command": { short: true, log: / commands_dead /, by: "poison" },
  "command poisoned for PostgreSQL": { short: true, log: / command_poisoned /, by: "poison-for-postgres" },
  "message in the wrong partition": { log: / wrong_partition / },
  "lease lost": { log: / lease_lost / },
  "worker registered anew": { log: / lease_registered_anew / },
};

/** Told for interest; nothing is asked of them. */
const sights = {
  "stuck backend ended": / stuck_backends_ended /,
  "commands lost to the stream's age": / commands_lost /,
  "batch waits": / batch_waits /,
  "lane stuck": / lane_stuck /,
  "foreign write": / foreign_write /,
  "event stream ahead": / event_stream_ahead /,
};

export class Reach {
  constructor() {
    this.counts = new Map();
    this.byProcess = new Map(); // statistics as last seen
  }

  pass(name, count = 1) {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  /** An answer to $SRV.STATS: counters of a process only grow. */
  statistics({ id, endpoints }) {
    const lanes = endpoints?.find(({ name }) => name === "probe")?.data?.lanes ?? [];
    const sums = {};
    for (const lane of lanes) {
      for (const [key, value] of Object.entries(lane)) {
        if (typeof value === "number") sums[key] = (sums[key] ?? 0) + value;
      }
    }
    this.byProcess.set(id, sums);
  }

  statistic(name) {
    return [...this.byProcess.values()].reduce((total, sums) => total + (sums[name] ?? 0), 0);
  }

  /** The faults that lead to what a short campaign has not seen yet, by the logs so far. */
  sought(logs) {
    const texts = [...logs];
    const unseen = ({ short, log, by }) => short && by && !texts.some((text) => log.test(text));
    return Object.values(paths).filter(unseen).map(({ by }) => by);
  }

  /** Adds what the logs and statistics of a round tell, when it is over. */
  close(logs) {
    const all = [...Object.entries(paths), ...Object.entries(sights).map(([name, log]) => [name, { log }])];
    for (const text of logs) {
      for (const [name, { log }] of all) {
        if (log) this.pass(name, text.match(new RegExp(log.source, "gm"))?.length ?? 0);
      }
    }
    for (const [name, { statistic }] of all) if (statistic) this.pass(name, this.statistic(statistic));
    this.byProcess.clear();
  }

  missing({ short }) {
    return Object.entries(paths)
      .filter(([name, path]) => (path.short || !short) && !this.counts.get(name))
      .map(([name]) => name);
  }
}
