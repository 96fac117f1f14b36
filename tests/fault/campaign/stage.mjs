// SPDX-License-Identifier: MIT
// What a round of the campaign plays on: servers, a proxy before PostgreSQL, workers that a supervisor starts again,
// triggers that note who wrote what, and the counters that the workers show.
import fs from "node:fs";
import path from "node:path";
import { PgProxy } from "../../support/pg_proxy.mjs";
import { Place, Rig, build, eventually, repository, sleep } from "../../support/servers.mjs";
import { Worker, serviceName } from "./worker.mjs";

// A silent client is dropped after three seconds, at most four and a half: well within half the duplicate window, as
// guarantee 8 wants.
const natsSettings = { ping_interval: '"1500ms"', ping_max: 2 };
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

export class Stage {
  /** `workers`: how many; `journal`: where findings and remarks go. */
  static async open({ name, workers, journal }) {
    const stage = new Stage();
    Object.assign(stage, { name, journal, ends: [], slots: [], losses: noLosses() });
    const t = { after: (end) => stage.ends.push(end) };
    try {
      await stage.begin(t, name, workers);
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }

  async begin(t, name, workers) {
    this.rig = await Rig.start(t, {
      name: `faults-${name}`,
      nats: { settings: natsSettings },
      postgres: { settings: { track_commit_timestamp: "on", max_connections: "120", lock_timeout: "0" } },
    });
    this.proxy = await PgProxy.start(t, { port: this.rig.postgres.port });
    await this.addSpy();
    await this.setup();
    await this.asService(watch);
    this.hasFailpoints = fs.readFileSync(path.join(build, "lumin-user")).includes("LUMIN_FAIL_AT");
    for (let number = 1; number <= workers; number++) this.slots.push(new Worker(this, number));
    for (const slot of this.slots) slot.start();
    await eventually(() => this.rig.health(), { timeout: 30_000, what: "health" });
  }

  /** A user who may listen to everything; no deployment has one. */
  async addSpy() {
    const file = path.join(this.rig.nats.folder, "accounts.conf");
    const text = fs.readFileSync(file, "utf8");
    const user = '{ user: spy, password: spy, permissions { publish { deny: [">"] }, subscribe { allow: [">"] } } }';
    fs.writeFileSync(file, text.replace("users: [", `users: [\n${user}`));
    this.rig.nats.passwords.spy = "spy";
    await this.rig.nats.restart();
  }

  setup() {
    return this.rig.setup({ env: setupEnvironment });
  }

  environment() {
    const own = this.rig.environment("worker");
    return { ...own, ...workerEnvironment, ...setupEnvironment, DATABASE_URL: this.proxy.via(own.DATABASE_URL) };
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

  // ---- workers

  /** The names of the workers that own partitions; nobody where the database cannot be asked. */
  async owners() {
    const text = "SELECT DISTINCT w.name FROM lumin.partitions p JOIN lumin.workers w ON w.worker_id = p.owner";
    const rows = await this.sql(text).catch(() => []);
    return rows.map(({ name }) => name);
  }

  /** Waits until no partition belongs to this process any more, and says how long that took, or null. */
  async takenFrom(workerId, { timeout = 15_000 } = {}) {
    const text = "SELECT count(*)::int AS count FROM lumin.partitions WHERE owner = $1";
    const begun = performance.now();
    const none = async () => (await this.sql(text, [workerId]))[0].count === 0;
    await eventually(none, { every: 20, timeout, what: "the take-over" });
    return performance.now() - begun;
  }

  /** Every worker runs and nothing is withheld from it any more. */
  async heal() {
    this.proxy.decide = () => "pass";
    for (const slot of this.slots) {
      slot.resume();
      if (!slot.alive) slot.start();
    }
  }

  async close() {
    for (const slot of this.slots) slot.retire();
    for (const end of this.ends.reverse()) await end();
  }

  // ---- what the workers show

  /** Asks every worker for its statistics now and then; the answers are kept by process. */
  async watchStatistics(reach) {
    const connection = await this.rig.connect("gateway");
    const inbox = "_INBOX_lumin_gateway.statistics";
    const callback = (error, { data }) => !error && data.length > 0 && reach.statistics(JSON.parse(Buffer.from(data))); // none: no worker
    connection.subscribe(inbox, { callback });
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
const noLosses = () => ({ commands: [], disorder: [], dead: [] });

export { Place, build };
