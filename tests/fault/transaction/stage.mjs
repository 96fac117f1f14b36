// SPDX-License-Identifier: MIT
// PostgreSQL, lanes without NATS, a script, and the comparison at the end. The tests write the workers' leases
// themselves: a lease runs out when a test says so, never by accident on a slow machine.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { Daemon, Rig, build, ended, eventually, repository } from "../../support/servers.mjs";
import { Replay, differences, readTables } from "./oracle.mjs";
import { scriptBytes } from "./script.mjs";

export const long = process.env.LUMIN_TEST_LONG === "1";
const program = path.join(build, "tests/lane_driver");

/** A process with one lane. */
export class Driver extends Daemon {
  /** Waits until it has ended by itself; throws where that is not with `code`. */
  async finish({ code = 0, timeout = 30_000 } = {}) {
    const timer = setTimeout(() => this.signal("SIGABRT"), timeout);
    await this.exited;
    clearTimeout(timer);
    const end = this.child.exitCode ?? this.child.signalCode;
    if (code !== null) assert.equal(end, code, `${this.name} ended with ${end}; its log:\n${this.logTail(30)}`);
    return end;
  }

  get stopped() {
    return this.alive && /^\d+ \(.*\) T/s.test(fs.readFileSync(`/proc/${this.pid}/stat`, "utf8"));
  }

  /** Waits until a failpoint has stopped it (true) or it has ended (false). */
  async stoppedOrEnded() {
    const what = `${this.name} being stopped`;
    await eventually(() => this.stopped || !this.alive, { every: 2, timeout: 30_000, what });
    return this.alive;
  }

  /** How often an event is in its log. */
  said(event) {
    return this.logText().split("\n").filter((text) => text.includes(event)).length;
  }

  async says(event, { times = 1, timeout = 15_000 } = {}) {
    await eventually(() => this.said(event) >= times, { every: 5, timeout, what: `${this.name} saying ${event}` });
  }
}

export class Stage {
  static async start(t, { name, partitions = 4, settings = {} }) {
    if (!fs.existsSync(program)) throw new Error(`there is no ${program}: build it first`);
    const postgres = { settings: { track_commit_timestamp: "on", ...settings } };
    const rig = await Rig.start(t, { name, nats: false, postgres });
    const stage = new Stage(rig, partitions);
    t.after(() => stage.clear());
    await stage.schema();
    return stage;
  }

  constructor(rig, partitions) {
    Object.assign(this, { rig, partitions, count: 0, drivers: [] });
    this.published = path.join(rig.place.logs, "published");
  }

  sql(text, values) {
    return this.rig.postgres.sql(text, values);
  }

  /** As the service's role, which owns the tables as in a deployment. */
  async asService(text) {
    return this.rig.postgres.once(text);
  }

  async schema() {
    const folder = path.join(repository, "schemas/sql");
    const files = fs.readdirSync(folder).filter((file) => file.endsWith(".sql")).sort();
    const texts = files.map((file) => fs.readFileSync(path.join(folder, file), "utf8"));
    const rows = `INSERT INTO lumin.settings (partitions, prefix) VALUES (${this.partitions}, 'lumin.user.v1');
      INSERT INTO lumin.partitions (partition) SELECT generate_series(0, ${this.partitions - 1});`;
    await this.asService(["CREATE SCHEMA IF NOT EXISTS lumin;", ...texts, rows].join("\n"));
    await this.asService(fs.readFileSync(new URL("watch.sql", import.meta.url), "utf8"));
  }

  /** Ends what a test that failed has left behind. */
  async clear() {
    await Promise.all(this.drivers.splice(0).map((driver) => driver.kill()));
  }

  /** Empties the tables for a script. */
  async begin(messages, { dislikes } = {}) {
    await this.clear();
    await this.asService(`TRUNCATE lumin.events, lumin.users, lumin.identifiers, lumin.outcomes, lumin.dead_commands,
      lumin.lost_ranges, watch.writes; DELETE FROM lumin.workers; UPDATE lumin.partitions SET owner = NULL, lane = NULL,
      epoch = 0, backend_pid = NULL, input_seq = 0, input_ts = 0, event_position = 0, dead_position = 0`);
    this.messages = messages;
    this.replay = new Replay({ partitions: this.partitions, dislikes }).run(messages);
    this.script = path.join(this.rig.place.logs, "script");
    fs.writeFileSync(this.script, scriptBytes(messages));
    fs.writeFileSync(this.published, "");
  }

  // ---- workers

  /** A worker's row, with a lease of an hour and a lane that can take partitions unless told. */
  async register(worker, lease = "1 hour", { able = true } = {}) {
    await this.sql(`INSERT INTO lumin.workers (worker_id, name, lease_until, lanes)
      VALUES ($1, 'test', clock_timestamp() + $2::interval, $3)
      ON CONFLICT (worker_id) DO UPDATE SET lease_until = excluded.lease_until, lanes = excluded.lanes`,
      [worker, lease, able ? 1 : 0]);
  }

  async expire(worker) {
    await this.register(worker, "-1 second");
  }

  /** Workers that own every other partition each, before they are there. */
  async divide(workers) {
    for (const worker of workers) await this.register(worker);
    const sql = "UPDATE lumin.partitions SET owner = ($1::uuid[])[1 + partition % $2], lane = 0";
    await this.sql(sql, [workers, workers.length]);
  }

  /** A lane of a new worker, or of one that is registered already. */
  async driver({ worker = crypto.randomUUID(), args = [], env = {}, url = this.rig.postgres.url, lease } = {}) {
    const name = `driver-${++this.count}`;
    await this.register(worker, lease);
    const driver = new Driver({
      name,
      command: program,
      args: ["--script", this.script, "--published", this.published, "--worker", worker, ...args],
      env: {
        DATABASE_URL: url,
        LUMIN_PARTITIONS: `${this.partitions}`,
        LUMIN_WORKER_LANES: "1",
        LUMIN_LANE_BATCH: "8",
        LUMIN_WORKER_NAME: name,
        ...env,
      },
      cwd: this.rig.place.logs,
      log: this.rig.place.log(name),
    });
    driver.worker = worker;
    this.drivers.push(driver);
    fs.rmSync(driver.log, { force: true });
    driver.spawn();
    return driver;
  }

  /** What the lease's thread of another worker does every second. */
  async endStuckBackends(lease = "0 s") {
    const [row] = await this.asService(`SELECT lumin.end_stuck_backends('${lease}') AS ended`);
    return row.ended;
  }

  /** Runs one lane to the end of the script. */
  async apply(options = {}) {
    const driver = await this.driver(options);
    await driver.finish(options);
    return driver;
  }

  // ---- the comparison

  rows(table) {
    return this.sql(`SELECT * FROM lumin.${table}`);
  }

  /** The tables equal a serial replay, nothing was published that is not in them, and no write was without a fence. */
  async check() {
    const found = differences(await readTables((table) => this.rows(table)), this.replay.tables());
    found.push(...this.publishedFaults(), ...(await this.fenceFaults()));
    const message = `the tables are not a replay of the script:\n  ${found.join("\n  ")}`;
    if (found.length > 0) throw new assert.AssertionError({ message });
  }

  publishedFaults() {
    const events = new Set(this.replay.events.map((e) => `e ${e.partition} ${e.position} ${e.userId} ${e.version}`));
    const wanted = (text) => {
      if (text.startsWith("e ")) return events.has(text);
      const said = this.replay.said.get(Number(text.split(" ")[1]));
      return text === `o ${text.split(" ")[1]} ${said?.commandId} ${said?.status} ${said?.version} ${said?.reason}`;
    };
    const wrong = this.publishedLines().filter((text) => !wanted(text));
    return wrong.slice(0, 5).map((text) => `published, and not so: ${text}`);
  }

  /** Whatever has been published is in the tables already (guarantee 1). */
  async checkPublished() {
    const name = (row) => `e ${row.partition} ${row.position} ${row.user_id} ${row.version}`;
    const events = new Set((await this.rows("events")).map(name));
    const outcomes = new Set((await this.rows("outcomes")).map((row) => row.command_id));
    const stored = (text) => (text.startsWith("e ") ? events.has(text) : outcomes.has(text.split(" ")[2]));
    assert.deepEqual(this.publishedLines().filter((text) => !stored(text)), [], "published before it was committed");
  }

  publishedLines() {
    return fs.readFileSync(this.published, "utf8").split("\n").filter(Boolean);
  }

  /** Every write is behind a fence of its own transaction, by the backend that took the partition last. */
  async fenceFaults() {
    const faults = await this.sql(`
      SELECT 'fence by another than the holder' AS fault, w.id, w.partition, w.pid FROM watch.writes w
       WHERE what = 'fence' AND pid <> holder_pid
      UNION ALL
      SELECT 'events without a fence', w.id, w.partition, w.pid FROM watch.writes w WHERE what = 'events' AND NOT EXISTS
        (SELECT FROM watch.writes f
          WHERE f.transaction = w.transaction AND f.what = 'fence' AND f.partition = w.partition)
      UNION ALL
      SELECT what || ' without a fence', w.id, w.partition, w.pid FROM watch.writes w
       WHERE what IN ('users', 'identifiers', 'outcomes', 'dead_commands') AND NOT EXISTS
        (SELECT FROM watch.writes f WHERE f.transaction = w.transaction AND f.what = 'fence')
      UNION ALL
      SELECT 'epoch or position went back', b.id, b.partition, b.pid FROM
        (SELECT *, lag(epoch) OVER per AS epoch_before, lag(input_seq) OVER per AS seq_before
          FROM watch.writes WHERE what IN ('fence', 'take', 'release')
        WINDOW per AS (PARTITION BY partition ORDER BY id)) b WHERE epoch < epoch_before OR input_seq < seq_before
      LIMIT 10`);
    return faults.map((row) => `${row.fault}: write ${row.id}, partition ${row.partition}, backend ${row.pid}`);
  }

  /** Waits until every partition stands at the end of the script. */
  async applied({ timeout = 30_000 } = {}) {
    const ends = this.replay.partitions.map((row) => `${row.seq}`);
    await eventually(async () => {
      const rows = await this.sql("SELECT input_seq FROM lumin.partitions ORDER BY partition");
      return rows.every((row, i) => BigInt(row.input_seq) >= BigInt(ends[i]));
    }, { every: 10, timeout, what: "the end of the script" });
  }

  /** How often the server's log has a text. */
  serverSaid(text) {
    return this.rig.postgres.logText().split(text).length - 1;
  }

  async number(query, values) {
    const [row] = await this.sql(`SELECT (${query})::int AS n`, values);
    return row.n;
  }
}

export { assert, ended, eventually };
