// SPDX-License-Identifier: MIT
// A worker that is stopped (SIGSTOP), within a transaction and outside, for longer than its lease: another takes its
// partitions over in time, and when it goes on it commits not one row more for them (guarantee 5), and goes on living.
// Every insert is noted by a trigger with the connection that made it. LUMIN_TEST_LONG=1: every scene ten times.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { Load, commandOf, long, publish } from "../support/load.mjs";
import { audit, readAll, settle } from "../support/oracle.mjs";
import { Rig, eventually, jetstreamApi, prefix, publishCommand, sleep, streams } from "../support/servers.mjs";
import { newUser } from "../support/traps.mjs";

const lease = 1000;
const takeOver = lease + 9000; // a look for free partitions comes twice a second; the rest is patience on a busy machine
const rounds = long ? 10 : 1;

// ---- who wrote what

const witness = `
  CREATE SCHEMA witness;
  CREATE TABLE witness.deeds (
    deed bigserial PRIMARY KEY, program text NOT NULL, what text NOT NULL, partition int NOT NULL,
    epoch_grew boolean NOT NULL DEFAULT true
  );
  CREATE FUNCTION witness.event() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO witness.deeds (program, what, partition)
      VALUES (current_setting('application_name'), 'event', NEW.partition);
    RETURN NULL;
  END $$;
  CREATE TRIGGER witness AFTER INSERT ON lumin.events FOR EACH ROW EXECUTE FUNCTION witness.event();
  CREATE FUNCTION witness.partition() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.owner IS DISTINCT FROM NEW.owner THEN
      INSERT INTO witness.deeds (program, what, partition, epoch_grew)
        VALUES (current_setting('application_name'), 'owner', NEW.partition, NEW.epoch > OLD.epoch);
    ELSE
      INSERT INTO witness.deeds (program, what, partition)
        VALUES (current_setting('application_name'), 'position', NEW.partition);
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER witness AFTER UPDATE ON lumin.partitions FOR EACH ROW EXECUTE FUNCTION witness.partition()`;

/**
 * Writes for a partition by a worker that did not own it: deeds are numbered in the order of the row's lock. And
 * hand-overs without a new epoch.
 */
const trespasses = `
  SELECT d.*, d.program AS taker FROM witness.deeds d WHERE NOT epoch_grew
  UNION ALL
  SELECT w.deed, w.program, w.what, w.partition, w.epoch_grew, t.program FROM (
    SELECT *, max(deed) FILTER (WHERE what = 'owner') OVER (PARTITION BY partition ORDER BY deed) AS taking
      FROM witness.deeds) AS w
    JOIN witness.deeds t ON t.deed = w.taking
   WHERE w.what <> 'owner' AND substring(t.program FROM ' (\\S+)$') <> substring(w.program FROM ' (\\S+)$')`;

const isStopped = (pid) => /\) T /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));

const ownedBy = (name) => `SELECT count(*)::int AS count FROM lumin.partitions p
  JOIN lumin.workers w ON w.worker_id = p.owner WHERE w.name = '${name}' AND w.lease_until > clock_timestamp()`;

/** Two workers in one house, one after the other. */
class House {
  static async open(t, name) {
    const house = new House();
    house.rig = await Rig.start(t, { name });
    house.t = t;
    await house.rig.setup();
    await house.rig.sql(witness);
    house.file = path.join(house.rig.place.logs, "fail");
    house.born = 0;
    return house;
  }

  async worker(name, env = {}, wait = true) {
    return this.rig.worker({
      name: `${name}-${++this.born}`,
      env: { LUMIN_WORKER_NAME: `${name}-${this.born}`, LUMIN_WORKER_LEASE: `${lease}ms`, ...env },
      wait,
    });
  }

  async ownsAll(worker, timeout) {
    const begun = Date.now();
    await this.rig.sqlUntil(ownedBy(worker.name), ({ count }) => count === 32, { timeout });
    return Date.now() - begun;
  }

  /** Waits until every partition has a living owner. */
  async shared() {
    const sql = `SELECT count(*)::int AS count FROM lumin.partitions p JOIN lumin.workers w
      ON w.worker_id = p.owner AND w.lease_until > clock_timestamp()`;
    await this.rig.sqlUntil(sql, ({ count }) => count === 32);
  }

  /**
   * The first worker, alone or with its share, is stopped by `stop`; the second, that comes `late` only then, takes
   * over; the first goes on.
   */
  async scene(what, { env = {}, stop, late = false, limit = takeOver }) {
    const { rig, t } = this;
    fs.rmSync(this.file, { force: true });
    await rig.sql("TRUNCATE witness.deeds");
    const first = await this.worker("first", { LUMIN_FAIL_FILE: this.file, LUMIN_FAIL_ACTION: "stop", ...env });
    const load = await Load.start(rig, { users: 60, callers: 6, rate: 100, timeout: 800 });
    await load.progress();
    const early = late ? null : await this.worker("second");
    await this.shared();

    await stop(first, load);
    await eventually(() => isStopped(first.pid), { what: `${first.name} being stopped ${what}` });
    const second = early ?? (await this.worker("second", {}, false));
    const ms = await this.ownsAll(second, limit);
    t.diagnostic(`${what}: taken over after ${ms} ms`);
    await load.progress();
    first.resume();
    await load.progress();
    await sleep(700); // what it had in hand it would do now
    assert.deepEqual(await rig.sql(trespasses), [], what);

    await this.goesOnLiving(first, second, load);
  }

  /** It knows what it has lost, and takes it back when it is free again. */
  async goesOnLiving(first, second, load) {
    const lost = () => /partition_lost|lease_registered_anew/.test(first.logText());
    await eventually(lost, { what: `${first.name} knowing that it lost its partitions` });
    assert.equal(await second.stop(), 0);
    await this.ownsAll(first, takeOver);
    await load.progress();
    await load.stop();
    await settle(this.rig);
    this.t.diagnostic(await audit(this.rig, load.history));
    assert.deepEqual(await this.rig.sql(trespasses), []);
    assert.equal(await first.stop(), 0);
  }
}

const failAt = (name, n) => ({
  env: { LUMIN_FAIL_AT: `${name}:${n}` },
  stop: async (_first, _load, house) => fs.writeFileSync(house.file, ""),
});

// Statements of a batch are sent, then synced, flushed and finished; its events are pushed, published, acknowledged.
const points = [
  ["pg.sent", 2],
  ["pg.synced", 1],
  ["pg.flushed", 2],
  ["pg.finished", 1],
  ["relay.push", 1],
  ["relay.publish", 1],
  ["relay.acknowledged", 1],
];

test("stopped at a point of its work", async (t) => {
  const house = await House.open(t, "zombie-points");
  for (let round = 0; round < rounds; round++) {
    for (const [name, n] of points) {
      const { env, stop } = failAt(name, n);
      await house.scene(`at ${name}:${n}`, { env, stop: (first, load) => stop(first, load, house) });
    }
  }
});

test("stopped at any moment", async (t) => {
  const house = await House.open(t, "zombie-any");
  for (let round = 0; round < 2 * rounds; round++) {
    await house.scene("at any moment", {
      stop: async (first, load) => {
        await sleep(load.random.below(300));
        await first.pause();
      },
    });
  }
});

const longAddress = (user) => `${user}@${"very-long-label.".repeat(12)}example.com`;

/** The backends of its lanes that wait for the rest of a transaction: their rows stay locked, and nothing times out. */
const halfSent = (worker) => `SELECT count(*)::int AS count FROM pg_stat_activity
  WHERE application_name LIKE 'lumin-user lane % ${worker.name}' AND state = 'active' AND wait_event = 'ClientRead'
    AND backend_xid IS NOT NULL`;

const waitingLanes = `SELECT count(*)::int AS count FROM pg_stat_activity
  WHERE application_name LIKE 'lumin-user lane %' AND wait_event_type = 'Lock'`;

/** Stops it in the midst of sending a transaction. Which passage that is cannot be told: it is tried until it is so. */
async function stopHalfSent(house, first, load) {
  const { rig } = house;
  for (let attempt = 1; attempt <= 12; attempt++) {
    await largeBatch(house, load);
    await eventually(() => isStopped(first.pid), { what: "the failpoint" });
    const half = rig.sqlUntil(halfSent(first), ({ count }) => count > 0, { timeout: 2000 });
    if (await half.catch(() => false)) return attempt;
    await first.kill();
    fs.rmSync(house.file);
    await rig.sql("UPDATE lumin.workers SET lease_until = clock_timestamp() - interval '1 day'");
    first.spawn();
    await house.ownsAll(first);
    await load.progress();
  }
  throw new Error("no transaction was caught half sent");
}

test("stopped when half of a transaction is sent", async (t) => {
  const house = await House.open(t, "zombie-half");
  for (let round = 0; round < rounds; round++) {
    const env = { LUMIN_FAIL_AT: "pg.sent:7", LUMIN_WORKER_LANES: "1" };
    const stop = async (first, load) => t.diagnostic(`caught at attempt ${await stopHalfSent(house, first, load)}`);
    // One lease until it is over, another until the row that is still locked is freed.
    await house.scene("in a transaction", { env, stop, late: true, limit: takeOver + lease + 1000 });
    const { log } = house.rig.workers.at(-1);
    assert.match(fs.readFileSync(log, "utf8"), /stuck_backends_ended/);
  }
});

// While a lock holds the batch under way, the next one grows beyond what libpq keeps back until the end.
async function largeBatch({ rig, file }, load) {
  const commands = Array.from({ length: 800 }, () => {
    const user = load.random.uuid();
    return commandOf(load.random.uuid(), "create", user, { firstName: "B", email: longAddress(user) });
  });
  const holder = await rig.postgres.client();
  await holder.query("BEGIN; LOCK TABLE lumin.outcomes IN ACCESS EXCLUSIVE MODE");
  await rig.sqlUntil(waitingLanes, ({ count }) => count > 0);
  await Promise.all(commands.map((command) => publish(load.history, load.publisher, command)));
  await sleep(100);
  fs.writeFileSync(file, "");
  await holder.end();
}

// ---- missing events

const username = (user) => `${prefix}.event.username_changed.${user}`;

/** A user with four events, of which the second and third are not on the event stream any more; nobody runs. */
async function gapped(rig, operator, env) {
  const user = newUser(7);
  const publisher = await rig.connect("command_publisher");
  const worker = await rig.worker({ env });
  await publishCommand(publisher, "create", user, { firstName: "A", email: `${user}@example.com` });
  for (const firstName of ["B", "C", "D"]) await publishCommand(publisher, "change_username", user, { firstName });
  await rig.sqlUntil(`SELECT version::int FROM lumin.users WHERE user_id = '${user}'`, ({ version }) => version === 4);
  await settle(rig);
  await worker.stop();
  for (const seq of [2, 3]) await jetstreamApi(operator, `STREAM.MSG.DELETE.${streams.events}`, { seq });
  await rig.sql("UPDATE lumin.partitions SET event_stream_seq = 0, event_stream_ts = 0, relayed_position = 0");
  return user;
}

const laneBackends = (name) =>
  `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'lumin-user lane % ${name}'`;

test("stopped before it publishes missing events: its heir's are the only ones", async (t) => {
  const window = 1000;
  const rig = await Rig.start(t, { name: "zombie-missing", nats: { spy: true } });
  const env = {
    LUMIN_STREAMS_EVENTS_DUPLICATE_WINDOW: `${window}ms`,
    LUMIN_WORKER_LEASE: `${lease}ms`,
    LUMIN_WORKER_LANES: "1",
  };
  await rig.setup({ env });
  const operator = await rig.connect("operator");
  const user = await gapped(rig, operator, env);
  const failpoint = { LUMIN_FAIL_AT: "relay.publish:1", LUMIN_FAIL_ACTION: "stop" };
  const first = await rig.worker({ name: "first", env: { ...env, ...failpoint, LUMIN_WORKER_NAME: "first" }, wait: false });
  await eventually(() => isStopped(first.pid), { timeout: 20_000, what: "the failpoint" });
  const second = await rig.worker({ name: "second", env: { ...env, LUMIN_WORKER_NAME: "second" } });
  const all = () => readAll(operator, streams.events);
  await eventually(async () => (await all()).length === 4, { timeout: 20_000, what: "the missing events" });
  // Until the server has forgotten their ids.
  const [last] = (await all()).slice(-1);
  await eventually(() => BigInt(Date.now() - 2 * window) * 1_000_000n > last.ns, { what: "the end of the window" });

  // The first one cannot ask PostgreSQL whose the partition is; it can ask the event stream.
  const spy = await rig.nats.connect("spy");
  let asked = 0;
  const callback = (_error, { data }) => (asked += Buffer.from(data).includes(username(user)) ? 1 : 0);
  spy.subscribe(`$JS.API.STREAM.MSG.GET.${streams.events}`, { callback });
  await spy.flush();
  const backends = (await rig.sql(laneBackends("first"))).map(({ pid }) => pid);
  for (const pid of backends) process.kill(pid, "SIGSTOP");
  first.resume();
  await eventually(() => asked > 0, { timeout: 20_000, what: "a look at the stream" });
  await sleep(500); // what that makes it do it would do now
  for (const pid of backends) process.kill(pid, "SIGCONT");
  await spy.close();
  const knows = () => /relay_overtaken|partition_lost/.test(first.logText());
  await eventually(knows, { timeout: 20_000, what: "knowing that it is overtaken" });
  const versions = (await all()).map(({ headers }) => headers.get("ce-sequence"));
  assert.deepEqual(versions, ["1", "4", "2", "3"]);
  await settle(rig);
  assert.equal(await first.stop(), 0);
  assert.equal(await second.stop(), 0);
});
