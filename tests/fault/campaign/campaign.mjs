// SPDX-License-Identifier: MIT
// A campaign: one round after the other, each with its set-up, a load and a nemesis; then heal, wait until all is
// quiet, and the verdict.
import fs from "node:fs";
import path from "node:path";
import { Random } from "../../support/load.mjs";
import { repository } from "../../support/servers.mjs";
import { chosen } from "./catalogue.mjs";
import { whyNoMemoryGroup } from "./faults/machine.mjs";
import { History } from "./history.mjs";
import { Journal } from "./journal.mjs";
import { Load } from "./load.mjs";
import { Nemesis } from "./nemesis.mjs";
import { verdict } from "./oracle/judge.mjs";
import { quiet } from "./oracle/quiet.mjs";
import { Reach } from "./reach.mjs";
import { whyNoNetwork } from "./setups/network.mjs";
import { Stage, traits } from "./stage.mjs";

export const folder = path.join(repository, "build/faults");

export class Campaign {
  constructor({ seconds, seed, only = "", workers, short = false, load = {}, silent = false }) {
    Object.assign(this, { seconds, seed, only, workers, short, load, ...chosen(only) });
    this.journal = new Journal({ quiet: silent });
    this.reach = new Reach();
    this.counts = new Map(this.faults.map((fault) => [fault, 0]));
    this.reasons = {}; // why the machine lacks what a fault wants
    this.seen = new Set(); // what some round had
    this.totals = {};
    this.takeOvers = [];
    this.recoveries = [];
    this.peaks = {};
    fs.mkdirSync(folder, { recursive: true });
  }

  async run() {
    const { journal, seed, workers, short } = this;
    journal.say(`seed ${seed}, ${short ? "short form" : `${this.seconds} s`}, ${workers} workers`);
    const rounds = this.rounds();
    if (rounds.length === 0) throw new Error(`${this.only} cannot be had here: ${this.whySkipped(this.faults[0])}`);
    const shares = rounds.reduce((sum, { share }) => sum + share, 0);
    for (const Setup of rounds) await this.round(Setup, (this.seconds * Setup.share) / shares);
    this.demandPaths();
    return journal.findings.length === 0;
  }

  /** The set-ups that the machine allows and that have something to do. */
  rounds() {
    const built = traits();
    this.own = new Set();
    if (built.failpoints) this.own.add("failpoints");
    else this.reasons.failpoints = "this build has no failpoints";
    this.reasons["memory groups"] = whyNoMemoryGroup();
    this.reasons["cluster network"] = whyNoNetwork();
    if (!this.reasons["memory groups"]) this.own.add("memory groups");
    const allowed = this.setups.filter((Setup) => {
      if (this.short) return Setup.title === "plain";
      const why = Setup.why(built);
      if (why) for (const thing of new Setup().has) this.reasons[thing] ??= why;
      return !why;
    });
    if (!this.only || this.setups.length === 1) return allowed;
    return allowed.filter((Setup) => this.faultsFor(new Setup()).length > 0).slice(0, 1); // one fault: where it can be
  }

  faultsFor({ has }) {
    const there = (thing) => has.has(thing) || this.own.has(thing);
    const asked = (fault) => !this.short || fault.short || this.only;
    return this.faults.filter((fault) => asked(fault) && (fault.wants ?? []).every(there));
  }

  async round(Setup, seconds) {
    const { journal, reach } = this;
    const { title } = Setup;
    journal.say(`set-up ${title}, for ${Math.round(seconds)} s`);
    const stage = await Stage.open({ setup: new Setup(), workers: this.workers, journal });
    const monitors = setInterval(() => stage.slots.forEach(({ monitor }) => monitor.look()), 1000);
    const history = new History(path.join(folder, `history-${title}.jsonl`));
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
    const faults = this.faultsFor(stage.setting);
    for (const thing of stage.setting.has) this.seen.add(thing);
    const random = new Random(this.seed);
    const nemesis = new Nemesis({ stage, load, journal, random, faults, together: short ? 0 : 0.25 });
    await nemesis.run(seconds, { reach, takeOvers, short });
    for (let tries = 0; short && !this.only && tries < 4; tries++) {
      const sought = reach.sought(stage.logs());
      if (sought.length === 0) break;
      nemesis.deck = faults.filter(({ name }) => sought.includes(name));
      await nemesis.run(0, { reach, takeOvers, short });
    }
    for (const [fault, count] of nemesis.counts) this.counts.set(fault, this.counts.get(fault) + count);
    this.recoveries.push(...nemesis.recoveries);
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
    const tally = await verdict(stage, history.file, journal).catch((error) => {
      journal.finding("I12", `what came of it cannot be read: ${error.message}`); // a stream is missing, a server down
      return {};
    });
    for (const [key, count] of Object.entries(tally)) this.totals[key] = (this.totals[key] ?? 0) + count;
    journal.say(Object.entries(tally).map(([key, count]) => `${key} ${count}`).join(", "));
  }

  finish(stage) {
    for (const slot of stage.slots) {
      for (const line of slot.complaints().slice(0, 5)) this.journal.finding("I11", `${slot.name}: ${line}`);
      for (const [what, peak] of Object.entries(slot.monitor.peaks)) {
        this.peaks[what] = Math.max(this.peaks[what] ?? 0, peak);
      }
    }
    for (const failure of stage.proxy?.failures ?? []) this.journal.finding("harness", `the proxy: ${failure.stack}`);
    this.reach.close(stage.logs());
  }

  /** I14: a campaign that never was where it is dangerous proves nothing. */
  demandPaths() {
    if (this.only) return;
    for (const name of this.reach.missing({ short: this.short })) this.journal.finding("I14", `never reached: ${name}`);
  }

  /** Why a fault was never injected: the machine's reason, or null. */
  whySkipped(fault) {
    const lacking = (fault.wants ?? []).find((thing) => !this.seen.has(thing) && !this.own.has(thing));
    return lacking ? (this.reasons[lacking] ?? `this campaign had no set-up with: ${lacking}`) : null;
  }
}
