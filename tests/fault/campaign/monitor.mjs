// SPDX-License-Identifier: MIT
// What a worker's process takes of the machine (I11): memory, file descriptors, threads; looked at every second.
import fs from "node:fs";

/** Beyond these a worker has lost its bounds: the limits of the default configuration, generously. */
const limits = { rss: 700, fds: 96, threads: 32 };

export class Monitor {
  constructor(worker) {
    Object.assign(this, { worker, peaks: { rss: 0, fds: 0, threads: 0 } });
  }

  look() {
    const { pid, alive } = this.worker.daemon;
    if (!alive) return;
    try {
      const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
      const number = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      this.note({
        rss: Math.round(number("VmRSS") / 1024),
        threads: number("Threads"),
        fds: fs.readdirSync(`/proc/${pid}/fd`).length,
      });
    } catch {
      // it has just ended
    }
  }

  note(now) {
    for (const [what, value] of Object.entries(now)) {
      this.peaks[what] = Math.max(this.peaks[what], value);
      if (value > limits[what] && !this.said) {
        this.said = true;
        this.worker.stage.journal.finding("I11", `${this.worker.name} has ${value} ${what}, over ${limits[what]}`);
      }
    }
  }
}
