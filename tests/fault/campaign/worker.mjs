// SPDX-License-Identifier: MIT
// A worker of the campaign: a place that one process after the other fills. One that ends unasked is a finding.
import path from "node:path";
import fs from "node:fs";
import { Daemon, eventually } from "../../support/servers.mjs";
import { Monitor } from "./monitor.mjs";

export const serviceName = "lumin-user";
const failpointDeath = 86;
const complaints = /ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer/;

/** What a build with sanitizers is told, unless the caller's environment says otherwise. */
const sanitizers = {
  ASAN_OPTIONS: "detect_leaks=1:strict_string_checks=1",
  UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
  TSAN_OPTIONS: "second_deadlock_stack=1",
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name.endsWith("SAN_OPTIONS"))),
};

export class Worker {
  /** `command` and `enter`: how its process is started. */
  constructor(stage, number, { command, enter }) {
    Object.assign(this, { stage, number, name: `w${number}`, reserved: false, starts: 0 });
    this.trigger = path.join(stage.rig.place.logs, `${this.name}.fail`);
    this.daemon = new Daemon({
      name: this.name,
      command,
      enter,
      args: ["worker"],
      cwd: stage.rig.place.logs,
      log: stage.rig.place.log(this.name),
    });
    this.monitor = new Monitor(this);
  }

  get alive() {
    return this.daemon.alive;
  }

  /** A new process, armed with a failpoint where one is named: `{ at, action }`; nothing acts before `pullTrigger`. */
  start(failpoint) {
    if (this.retired || this.alive) return;
    fs.rmSync(this.trigger, { force: true });
    this.mayEnd = false;
    this.daemon.env = {
      ...sanitizers,
      ...this.stage.environment(this),
      LUMIN_WORKER_NAME: this.name,
      ...(failpoint && {
        LUMIN_FAIL_AT: failpoint.at,
        LUMIN_FAIL_ACTION: failpoint.action,
        LUMIN_FAIL_FILE: this.trigger,
      }),
    };
    this.logBegin = this.daemon.logText().length;
    this.daemon.spawn();
    this.starts++;
    const { child } = this.daemon;
    this.daemon.exited.then(([code, signal]) => this.ended(child, code ?? signal));
  }

  pullTrigger() {
    fs.writeFileSync(this.trigger, "");
  }

  ended(child, how) {
    this.lastEnd = how;
    if (this.mayEnd || this.retired || how === failpointDeath) return;
    if (how === 1 && this.sayings().includes(" stream_missing ")) return this.again(); // setup must make it first
    this.stage.journal.finding("I11", `${this.name} (pid ${child.pid}) ended by itself with ${how}`);
    this.again();
  }

  again() {
    setTimeout(() => !this.alive && this.start(), 200);
  }

  /** What its process has logged. */
  sayings() {
    return this.daemon.logText().slice(this.logBegin);
  }

  async kill() {
    this.mayEnd = true;
    await this.daemon.kill();
  }

  /** Asks it to end, and expects that it does so in order. */
  async stop() {
    this.mayEnd = true;
    const code = await this.daemon.stop({ timeout: 15_000 });
    if (code !== 0 && code !== null) this.stage.journal.finding("I11", `${this.name} stopped with ${code}`);
    return code;
  }

  resume() {
    this.daemon.resume();
  }

  pause() {
    return this.daemon.pause();
  }

  /** The id of its process, by which it stands in the database; undefined before it has said so. */
  get id() {
    return /worker_started worker=\S+ id=([0-9a-f-]{36})/.exec(this.sayings())?.[1];
  }

  /** Waits until it has its row, and with it its turn at the partitions. */
  async registered(timeout = 90_000) {
    await eventually(() => this.id, { timeout, what: `${this.name} having started` });
  }

  /** Waits until it owns partitions, and says whether it came to that in time. */
  async owns(timeout) {
    await this.registered();
    const text = "SELECT 1 FROM lumin.partitions WHERE owner = $1 LIMIT 1";
    const some = async () => (await this.stage.sql(text, [this.id])).length > 0;
    return eventually(some, { timeout, what: "partitions" }).catch(() => false);
  }

  retire() {
    this.retired = true;
    this.mayEnd = true;
    this.resume();
    return this.daemon.kill();
  }

  complaints() {
    return this.daemon.logText().split("\n").filter((line) => complaints.test(line));
  }
}
