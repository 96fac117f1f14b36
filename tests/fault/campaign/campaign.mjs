// SPDX-License-Identifier: MIT
// A campaign: a stage, a load, a nemesis; then heal, wait until all is quiet, and the verdict.
import fs from "node:fs";
import path from "node:path";
import { Random } from "../../support/load.mjs";
import { repository } from "../../support/servers.mjs";
import { chosen } from "./catalogue.mjs";
import { History } from "./history.mjs";
import { Journal } from "./journal.mjs";
import { Load } from "./load.mjs";
import { Nemesis } from "./nemesis.mjs";
import { verdict } from "./oracle/judge.mjs";
import { quiet } from "./oracle/quiet.mjs";
import { Reach } from "./reach.mjs";
import { Stage } from "./stage.mjs";

const folder = path.join(repository, "build/faults");

export class Campaign {
  constructor({ seconds, seed, only = "", workers, short = false, load = {}, silent = false }) {
    Object.assign(this, { seconds, seed, only, workers, short, load });
    this.journal = new Journal({ quiet: silent });
    this.reach = new Reach();
    this.faults = new Map(); // name: { id, count, skipped }
    this.totals = {};
    this.takeOvers = [];
    this.recoveries = [];
    this.peaks = {};
    fs.mkdirSync(folder, { recursive: true });
  }

  async run() {
    this.journal.say(`seed ${this.seed}, ${this.short ? "short form" : `${this.seconds} s`}, ${this.workers} workers`);
    await this.round("plain", this.seconds);
    this.demandPaths();
    return this.journal.findings.length === 0;
  }

  async round(name, seconds) {
    const { journal, reach } = this;
    const stage = await Stage.open({ name, workers: this.workers, journal });
    const monitors = setInterval(() => stage.slots.forEach(({ monitor }) => monitor.look()), 1000);
    const file = path.join(folder, `history-${name}.jsonl`);
    const history = new History(file);
    try {
      await stage.watchStatistics(reach);
      const load = await Load.start(stage, history, { random: new Random(this.seed + 1), ...this.load });
      await load.progress();
      await this.havoc(stage, load, seconds);
      await this.judge(stage, load, history);
    } finally {
      clearInterval(monitors);
      stage.watching = false;
      if (journal.findings.length > 0) process.env.LUMIN_TEST_KEEP = "1"; // for whoever looks into it
      await stage.close();
    }
    this.finish(stage, history);
  }

  async havoc(stage, load, seconds) {
    const { journal, reach, takeOvers, short } = this;
    const faults = this.available(stage);
    const random = new Random(this.seed);
    const nemesis = new Nemesis({ stage, load, journal, random, faults, together: short ? 0 : 0.25 });
    await nemesis.run(seconds, { reach, takeOvers, short });
    for (const [fault, count] of nemesis.counts) this.faults.get(fault.name).count += count;
    this.recoveries.push(...nemesis.recoveries);
  }

  /** The faults that this stage allows; the others are noted with the reason. */
  available(stage) {
    return chosen(this.only).filter((fault) => {
      if (this.short && !fault.short && !this.only) return false;
      const why = fault.unavailable?.(stage) ?? null;
      const known = this.faults.get(fault.name) ?? { id: fault.id, count: 0, skipped: null };
      known.skipped = why;
      this.faults.set(fault.name, known);
      return why === null;
    });
  }

  async judge(stage, load, history) {
    const { journal } = this;
    journal.say("healing");
    await stage.heal();
    await load.progress().then(
      (ms) => this.recoveries.push(ms),
      () => journal.finding("I12", "no answer after the last fault was over"),
    );
    await load.stop();
    history.close();
    journal.say(`${history.count} attempts; waiting for quiet`);
    await quiet(stage).catch((error) => journal.finding("I12", `${error.message}: ${error.cause?.message}`));
    const tally = await verdict(stage, history.file, journal);
    for (const [key, count] of Object.entries(tally)) this.totals[key] = (this.totals[key] ?? 0) + count;
    journal.say(Object.entries(tally).map(([key, count]) => `${key} ${count}`).join(", "));
  }

  finish(stage, history) {
    for (const slot of stage.slots) {
      for (const line of slot.complaints().slice(0, 5)) this.journal.finding("I11", `${slot.name}: ${line}`);
      for (const [what, peak] of Object.entries(slot.monitor.peaks)) {
        this.peaks[what] = Math.max(this.peaks[what] ?? 0, peak);
      }
    }
    for (const failure of stage.proxy.failures) this.journal.finding("harness", `the proxy: ${failure.stack}`);
    this.kinds = history.kinds;
    this.reach.close(stage.logs());
  }

  /** I14: a campaign that never was where it is dangerous proves nothing. */
  demandPaths() {
    if (this.only) return;
    for (const name of this.reach.missing({ short: this.short })) this.journal.finding("I14", `never reached: ${name}`);
  }
}

export { folder };
