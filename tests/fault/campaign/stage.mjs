// SPDX-License-Identifier: MIT
// What a round of the campaign plays on: the servers of a set-up, workers that a supervisor starts again, triggers that
// note who wrote what, and the counters that the workers show.
import fs from "node:fs";
import path from "node:path";
import { build, eventually, repository, sleep } from "../../support/servers.mjs";
import { Worker, serviceName } from "./worker.mjs";

export const duplicateWindow = 10_000;

/** Everything that a fault shortens shows sooner this way. */
export const lease = 1000;
const workerEnvironment = {
  LUMIN_WORKER_LEASE: `${lease}ms`,
  LUMIN_CURSOR_HEARTBEAT: "200ms",
  LUMIN_CURSOR_ADVANCE_INTERVAL: "300ms",
  LUMIN_RPC_TIMEOUT: "2s",
};
const setupEnvironment = { LUMIN_STREAMS_EVENTS_DUPLICATE_WINDOW: `${duplicateWindow}ms` };

// The janitor deletes outcomes behind their retention, which needs no fence.
const watch = `${fs.readFileSync(path.join(repository, "tests/fault/transaction/watch.sql"), "utf8")};
  CREATE INDEX ON watch.writes (transaction);
  DROP TRIGGER watch ON lumin.outcomes;
  CREATE TRIGGER watch AFTER INSERT OR UPDATE ON lumin.outcomes
    FOR EACH STATEMENT EXECUTE FUNCTION watch.table_written()`;

/** What a program was built with. */
export const traits = () => {
  const program = fs.readFileSync(path.join(build, serviceName));
  const sanitized = /__(a|t)san_init/.test(program.toString("latin1"));
  return { failpoints: program.includes("LUMIN_FAIL_AT"), sanitized };
};

export class Stage {
  /** `setup`: one of setups/; `workers`: how many; `journal`: where findings and remarks go. */
  static async open({ setup, workers, journal }) {
    const stage = new Stage();
    Object.assign(stage, { setting: setup, journal, ends: [], slots: [], losses: noLosses(setup), has: setup.has });
    const t = { after: (end) => stage.ends.push(end) };
    try {
      await stage.begin(t, workers);
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }

  async begin(t, workers) {
    await this.setting.begin(this, t);
    await this.setup();
    await this.asService(watch);
    for (let number = 1; number <= workers; number++) {
      this.slots.push(new Worker(this, number, await this.setting.command(this, number)));
    }
    for (const slot of this.slots) slot.start();
    await eventually(() => this.rig.health(), { timeout: 60_000, what: "health" });
  }

  setup() {
    return this.rig.setup({ env: { ...setupEnvironment, ...this.setupMore } });
  }

  environment(slot) {
    const usual = { ...this.rig.environment("worker"), ...workerEnvironment, ...setupEnvironment };
    return { ...usual, ...this.setupMore, ...this.setting.environment(this, slot) };
  }

  async asService(text) {
    const client = await this.rig.postgres.client();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  }

  sql(text, values) {
    return this.rig.sql(text, values);
  }

  /** A connection that stands for a moment only: faults do not spare those that stand for long. */
  async withOperator(work) {
    const operator = await this.rig.nats.connect("operator", { timeout: 5000 });
    try {
      return await work(operator);
    } finally {
      await operator.close();
    }
  }

  /** The names of the workers that own partitions; nobody where the database cannot be asked. */
  async owners() {
    const text = "SELECT DISTINCT w.name FROM lumin.partitions p JOIN lumin.workers w ON w.worker_id = p.owner";
    const rows = await this.sql(text).catch(() => []);
    return rows.map(({ name }) => name);
  }

  /** Waits until no partition belongs to this process any more, and says how long that took. */
  async takenFrom(workerId, { timeout = 15_000 } = {}) {
    const text = "SELECT count(*)::int AS count FROM lumin.partitions WHERE owner = $1";
    const begun = performance.now();
    const none = async () => (await this.sql(text, [workerId]))[0].count === 0;
    await eventually(none, { every: 20, timeout, what: "the take-over" });
    return performance.now() - begun;
  }

  /** Every worker runs and nothing is withheld from it any more. */
  async heal() {
    if (this.proxy) this.proxy.decide = () => "pass";
    await this.setting.heal(this);
    for (const slot of this.slots) {
      slot.resume();
      if (!slot.alive) slot.start();
    }
  }

  async close() {
    await Promise.all(this.slots.map((slot) => slot.retire()));
    for (const end of this.ends.reverse()) await end();
  }

  // ---- what the workers show

  /** Asks every worker for its statistics now and then; the answers are kept by process. */
  async watchStatistics(reach) {
    const connection = await this.rig.connect("gateway");
    const inbox = "_INBOX_lumin_gateway.statistics";
    const callback = (error, { data }) => !error && data.length > 0 && reach.statistics(JSON.parse(Buffer.from(data)));
    connection.subscribe(inbox, { callback }); // without data: no worker answers
    this.watching = true;
    const ask = async () => {
      while (this.watching && !connection.isClosed()) {
        connection.publish(`$SRV.STATS.${serviceName}`, undefined, { reply: inbox });
        await sleep(400);
      }
    };
    this.asking = ask().catch(() => {}); // the connection is closed with the stage
  }

  /** The text of every worker's log. */
  *logs() {
    for (const slot of this.slots) yield slot.daemon.logText();
  }
}

/** What a fault has taken away for good, which the oracle then does not ask for. */
const noLosses = ({ has }) => ({
  commands: [], disorder: [], dead: [], clock: false, replicated: has.has("cluster"), restores: [],
});
