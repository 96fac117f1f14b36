// SPDX-License-Identifier: MIT
// A worker's lease: renewed while its lanes turn, taken up anew where the database forgot it, given back at the end; the
// start that waits for servers, and the stop that two signals cut short.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import test, { after, afterEach } from "node:test";
import { Rig, eventually, publishCommand, request, sleep } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "lease" });
await rig.setup();

// A test that failed leaves nothing to the next.
afterEach(async () => {
  rig.postgres.resume();
  for (const worker of rig.workers) await worker.kill();
  for (const server of [rig.postgres, rig.nats]) if (!server.alive) await server.begin();
});

const args = ["--set", "worker.lease=1s"];
const logged = (worker, event) => eventually(() => worker.logText().includes(` ${event} `), { what: event });
const start = async (options = {}) => rig.worker({ args: [...args, ...(options.more ?? [])], ...options });
const rows = () => rig.sql("SELECT worker_id, name, lease_until, lease_until > clock_timestamp() AS alive FROM lumin.workers");
const owners = async () =>
  (await rig.sql("SELECT DISTINCT w.name FROM lumin.partitions p LEFT JOIN lumin.workers w ON w.worker_id = p.owner AND w.lease_until > clock_timestamp()")).map(({ name }) => name);
const ownedBy = (name) => eventually(async () => (await owners()).join() === name, { what: `${name} owning every partition` });

/** Stops (SIGSTOP) or continues the database's backends of connections with such a name. */
async function backends(pattern, signal) {
  const pids = await rig.sql(`SELECT pid FROM pg_stat_activity WHERE application_name LIKE '${pattern}'`);
  assert.ok(pids.length > 0);
  for (const { pid } of pids) process.kill(pid, signal);
  return () => pids.forEach(({ pid }) => process.kill(pid, "SIGCONT"));
}

test("health says what is missing, within seconds", async () => {
  const { code, stdout } = await rig.run("lumin-user", ["health"], { role: "setup", timeout: 5000 });
  assert.equal(code, 1);
  for (const line of [/^ok   postgres /m, /^ok   schema /m, /^FAIL workers +none is alive: start/m, /^FAIL probe +nobody answers/m]) {
    assert.match(stdout, line);
  }
  assert.equal(stdout.match(/^ok   stream /gm).length, 3);
  const local = await rig.run("lumin-user", ["health", "--local"], { role: "worker" });
  assert.equal(local.code, 0);
  assert.doesNotMatch(local.stdout, /probe|workers/);
});

test("a lease is renewed in time, and the row goes with the worker", async () => {
  const worker = await start({ more: ["--set", "worker.name=ada", "--set", "worker.lease=3s"] });
  assert.match(worker.logText(), /info worker_started worker=ada id=[0-9a-f-]{36} version=\S+ postgres=\d+\.\d+ nats="[^"]+"/);
  const [first] = await rows();
  assert.equal(first.name, "ada");
  for (let i = 0; i < 30; i++) {
    const [row] = await rows();
    assert.ok(row.alive, "a gap in the lease");
    await sleep(200);
  }
  assert.ok((await rows())[0].lease_until > first.lease_until);
  // A worker that takes longer than half a second to answer has no line.
  const cache = /^ok   cache +.+: \d+ users in \d+ of 65536 KiB, \d+ % of \d+ reads answered; at rest: nobody asks$/m;
  const look = () => rig.run("lumin-user", ["health"], { role: "setup" });
  const health = await eventually(async () => {
    const done = await look();
    return cache.test(done.stdout) && done;
  }, { what: "the cache's line" });
  assert.equal(health.code, 0, health.stdout);
  assert.match(health.stdout, /^ok   probe +answered in \d+ ms$/m);
  assert.equal(await worker.stop(), 0);
  assert.deepEqual(await rows(), []);
  assert.deepEqual(await owners(), [null]);
  assert.match(worker.logText(), /worker_stopping .*\n(.*\n)*.*worker_stopped worker=ada\n$/);
});

test("a row that the database forgot is made anew, and the partitions are taken again", async () => {
  const worker = await start({ more: ["--set", "worker.name=grace"] });
  await ownedBy("grace");
  const [{ epoch }] = await rig.sql("SELECT sum(epoch)::int AS epoch FROM lumin.partitions");
  await rig.sql("DELETE FROM lumin.workers");
  await logged(worker, "lease_registered_anew");
  await ownedBy("grace");
  await rig.sqlUntil("SELECT sum(epoch)::int AS epoch FROM lumin.partitions", (row) => row.epoch > epoch);
  await eventually(() => rig.health(), { what: "health" });
  assert.equal(await worker.stop(), 0);
});

test("a connection on which nothing comes back: the lease is known to be lost, and regained on a new one", async () => {
  const worker = await start();
  const resume = await backends("lumin-user lease%", "SIGSTOP");
  const begun = Date.now();
  await logged(worker, "lease_lost");
  await logged(worker, "lease_regained");
  assert.ok(Date.now() - begun < 5000, "within a few leases");
  resume();
  await eventually(() => rig.health(), { what: "health" });
  assert.equal(await worker.stop(), 0);
});

test("health is bounded, whatever the database does", async () => {
  rig.postgres.pause(); // new connections get no answer
  const begun = Date.now();
  const health = await rig.run("lumin-user", ["health"], { role: "setup", timeout: 6000 });
  rig.postgres.resume();
  assert.equal(health.code, 1);
  assert.match(health.stdout, /^FAIL postgres /m);
  assert.ok(Date.now() - begun < 4500);
});

test("what somebody else has written is told by its constraint, and by health, until it is gone", async () => {
  const worker = await start({ more: ["--set", "worker.name=ada"] });
  await ownedBy("ada");
  const publisher = await rig.connect("command_publisher");
  const id = crypto.randomUUID();
  const version = (wanted) => rig.sqlUntil(`SELECT version FROM lumin.users WHERE user_id = '${id}'`, (row) => Number(row?.version) === wanted);
  await publishCommand(publisher, "create", id, { firstName: "Ada", email: "foreign@example.com" });
  await version(1);
  await rig.sql(`INSERT INTO lumin.events (user_id, version, partition, position, type, time_ns, command_id, body)
    SELECT user_id, 2, partition, 1000000, type, time_ns, gen_random_uuid(), body FROM lumin.events WHERE user_id = '${id}'`);
  await publishCommand(publisher, "change_username", id, { firstName: "Grace" });
  await eventually(() => / foreign_write .* reason=events_pkey$/m.test(worker.logText()), { what: "foreign_write" });
  const told = /^WARN writes +\S+ met what somebody else had written, \d+ times since it started: see foreign_write in its log$/m;
  const look = async () => told.test((await rig.run("lumin-user", ["health"], { role: "setup" })).stdout);
  await eventually(look, { what: "the warning" });
  await rig.sql("DELETE FROM lumin.events WHERE position = 1000000");
  await version(2);
  assert.equal(await worker.stop(), 0);
  assert.equal((await rig.run("lumin-user", ["verify"])).code, 0, "it was not published");
});

test("a database that restarts", async () => {
  const worker = await start();
  await rig.postgres.stop();
  await logged(worker, "lease_connection_lost");
  await logged(worker, "lease_lost");
  await rig.postgres.begin();
  await logged(worker, "lease_regained");
  assert.equal(worker.logText().match(/ lease_unconnected /g)?.length ?? 0, 1, "said once");
  await eventually(() => rig.health(), { what: "health" });
  assert.equal(await worker.stop(), 0);
});

test("a worker that stands still loses its partitions to another, and comes back to what is left", async () => {
  const one = await start({ more: ["--set", "worker.name=one"] });
  await ownedBy("one");
  const other = await start({ more: ["--set", "worker.name=two"] });
  one.pause();
  await ownedBy("two");
  one.resume();
  await eventually(async () => (await rows()).filter((row) => row.alive).length === 2, { what: "both alive" });
  assert.equal(await other.stop(), 0);
  await ownedBy("one");
  await eventually(() => rig.health(), { what: "health" });
  assert.equal(await one.stop(), 0);
});

test("a lane that hangs costs the worker its lease, and another takes over", async () => {
  const file = `${rig.place.logs}/hang`;
  const env = { LUMIN_FAIL_AT: "relay.publish:1", LUMIN_FAIL_ACTION: "sleep:6000", LUMIN_FAIL_FILE: file };
  const hanging = await start({ more: ["--set", "worker.name=hanging"], env });
  await ownedBy("hanging");
  const other = await start({ more: ["--set", "worker.name=other"] });
  fs.writeFileSync(file, "");
  const publisher = await rig.connect("command_publisher");
  for (let i = 0; i < 40; i++) { // of all partitions, the other's too
    await publishCommand(publisher, "create", crypto.randomUUID(), { firstName: "H", email: `hang${i}@example.com` });
  }
  await logged(hanging, "lane_stuck");
  await ownedBy("other");
  await logged(hanging, "lane_turns_again");
  await eventually(async () => (await rows()).filter((row) => row.alive).length === 2, { what: "both alive" });
  assert.equal(hanging.logText().match(/ lane_stuck /g).length, 1, "said once");
  assert.equal(await hanging.stop(), 0);
  assert.equal(await other.stop(), 0);
  assert.equal((await rig.run("lumin-user", ["verify"])).code, 0);
});

test("a backend that holds a dead worker's row is ended", async () => {
  const dead = crypto.randomUUID();
  const holder = await rig.postgres.client();
  holder.on("error", () => {}); // it is ended by force
  await rig.sql(`INSERT INTO lumin.workers VALUES ('${dead}', 'dead', now(), now() - interval '1 minute')`);
  await holder.query(
    `UPDATE lumin.partitions SET owner = '${dead}', backend_pid = pg_backend_pid(), backend_start =
     (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()) WHERE partition = 5`,
  );
  await holder.query("BEGIN");
  await holder.query("SELECT FROM lumin.partitions WHERE partition = 5 FOR UPDATE");
  const worker = await start({ more: ["--set", "worker.name=heir"] });
  await logged(worker, "stuck_backends_ended");
  await ownedBy("heir");
  assert.equal(await worker.stop(), 0);
});

test("rows of workers long dead are swept", async () => {
  await rig.sql("INSERT INTO lumin.workers SELECT gen_random_uuid(), 'old', now(), now() - interval '2 hours'");
  const worker = await start();
  await rig.sqlUntil("SELECT count(*)::int FROM lumin.workers WHERE name = 'old'", ({ count }) => count === 0);
  assert.equal(await worker.stop(), 0);
});

test("a start waits for servers that are away, says so once, and can be stopped meanwhile", async () => {
  for (const server of [rig.postgres, rig.nats]) {
    await server.stop();
    const worker = await start({ wait: false });
    await logged(worker, "server_awaited");
    await sleep(1500);
    assert.ok(worker.alive);
    assert.equal(worker.logText().match(/ server_awaited /g).length, 1, worker.logText());
    await server.begin();
    await eventually(() => rig.health(), { what: "health", timeout: 15_000 });
    assert.match(worker.logText(), / server_came /);
    assert.equal(await worker.stop(), 0);
  }
  await rig.postgres.stop();
  const worker = await start({ wait: false });
  await logged(worker, "server_awaited");
  assert.equal(await worker.stop(), 0);
  await rig.postgres.begin();
});

test("SIGINT ends it as well; a second signal at once, with 130", async () => {
  const worker = await start();
  assert.equal(await worker.stop({ signal: "SIGINT" }), 0);
  const hurried = await start();
  const resume = await backends("lumin-user lane%", "SIGSTOP"); // an orderly end waits for the database
  hurried.signal("SIGTERM");
  await logged(hurried, "worker_stopping");
  await sleep(200);
  assert.ok(hurried.alive);
  const begun = Date.now();
  assert.equal(await hurried.stop(), 130);
  assert.ok(Date.now() - begun < 3000); // an orderly end would wait for 6 s
  resume();
});
