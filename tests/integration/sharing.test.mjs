// SPDX-License-Identifier: MIT
// Partitions spread over the living workers and their lanes by themselves, whatever comes and goes, under load and
// with the whole truth checked afterwards: within one of equal, in time, and also behind a pooler in session mode.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import net from "node:net";
import test, { after, afterEach } from "node:test";
import { Load, Random } from "../support/load.mjs";
import { audit, settle } from "../support/oracle.mjs";
import { PgBouncer } from "../support/pgbouncer.mjs";
import { Rig, eventually, freePort } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "sharing" });
await rig.setup();

afterEach(async () => {
  for (const worker of rig.workers) await worker.kill();
  await rig.sql("UPDATE lumin.workers SET lease_until = now() - interval '1 day'");
});

// A lease so long that nothing here comes about by its end.
const endless = "50s";

function start(name, { lease = endless, lanes = 2, env = {} } = {}) {
  const own = { LUMIN_WORKER_NAME: name, LUMIN_WORKER_LEASE: lease, LUMIN_WORKER_LANES: `${lanes}` };
  return rig.worker({ name, wait: false, env: { ...own, ...env } }).then((worker) => Object.assign(worker, { lanes }));
}

/** How many partitions each lane of each worker owns: { ada: [8, 8], ... }; "" has those of nobody else. */
async function owners(workers) {
  const rows = await rig.sql(`SELECT coalesce(w.name, '') AS name, p.lane, count(*)::int FROM lumin.partitions p
    LEFT JOIN lumin.workers w ON w.worker_id = p.owner AND w.lease_until > clock_timestamp() GROUP BY 1, 2`);
  const all = { "": [0] };
  for (const { name, lanes } of workers) all[name] = Array(lanes).fill(0);
  for (const { name, lane, count } of rows) {
    if (all[name]?.[lane] === 0) all[name][lane] = count;
    else all[""][0] += count;
  }
  return all;
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const even = (numbers) => Math.max(...numbers) - Math.min(...numbers) <= 1;

/** Whether so many of a worker's lanes have its share, evenly, and the others nothing. */
const used = (lanes, workers) => {
  const [most, ...rest] = [...lanes].sort((a, b) => b - a);
  const wanted = Math.ceil(lanes.length / workers);
  return even([most, ...rest.slice(0, wanted - 1)]) && sum(rest.slice(wanted - 1)) === 0;
};

/** Waits until these workers, and nobody else, have their shares; returns how long that took. */
async function shared(t, what, workers, limit) {
  const begun = performance.now();
  let last;
  const fair = async () => {
    last = await owners(workers);
    const { "": [nobody], ...lanes } = last;
    const each = Object.values(lanes);
    return nobody === 0 && even(each.map(sum)) && each.every((held) => used(held, each.length)) && lanes;
  };
  const found = await eventually(fair, { every: 10, timeout: limit, what }).catch((error) => {
    throw new Error(`${what}: ${JSON.stringify(last)}`, { cause: error });
  });
  t.diagnostic(`${what}: ${Math.round(performance.now() - begun)} ms, ${JSON.stringify(found)}`);
}

/** What was asked and has failed. */
function failures(load) {
  const over = load.history.attempts.filter(({ completed }) => completed !== undefined);
  return over.filter(({ answer }) => !["outcome", "stored"].includes(answer.kind)).map(({ answer }) => answer);
}

async function checked(t, load) {
  await load.stop();
  await settle(rig);
  t.diagnostic(await audit(rig, load.history));
}

/** A load, once a door answers: it opens after the lanes have their partitions. */
async function loaded(options) {
  await eventually(() => rig.health(), { timeout: 20_000, what: "health" });
  return Load.start(rig, options);
}

test("workers come and go", async (t) => {
  const ada = await start("ada");
  await shared(t, "one alone", [ada], 20_000);
  const load = await loaded({ users: 80, callers: 6, rate: 100, timeout: 6000 });
  await load.progress();

  const bob = await start("bob");
  await shared(t, "a second has come", [ada, bob], 20_000);
  const cyd = await start("cyd", { lanes: 3 });
  await shared(t, "a third has come, with three lanes", [ada, bob, cyd], 20_000);
  await load.progress();

  const stopping = bob.stop();
  await shared(t, "one was asked to stop", [ada, cyd], 20_000);
  assert.equal(await stopping, 0);
  await load.progress();
  assert.deepEqual(failures(load), [], "until then no request was lost");

  const dee = await start("dee", { lease: "1s" });
  await shared(t, "another has come", [ada, cyd, dee], 20_000);
  await dee.kill();
  await shared(t, "it was killed: its lease of 1 s", [ada, cyd], 20_000);
  await load.progress();
  await checked(t, load);
});

test("one that stands still is left out, and has its share again when it goes on", async (t) => {
  const ada = await start("ada");
  const bob = await start("bob", { lease: "1s" });
  await shared(t, "both", [ada, bob], 20_000);
  await bob.pause();
  await shared(t, "one stands still", [ada], 20_000);
  bob.resume();
  await shared(t, "it goes on", [ada, bob], 20_000);
});

// ---- the shares themselves, without a worker

/** Workers with one to three lanes each, and partitions owned by them, by one who is dead, or by nobody. */
async function scatter(random) {
  await rig.sql("DELETE FROM lumin.workers");
  const workers = Array.from({ length: random.between(1, 6) }, (_, i) => ({ id: random.uuid(), name: `w${i}`, lanes: random.between(1, 3) }));
  for (const { id, name, lanes } of workers) {
    await rig.sql(`INSERT INTO lumin.workers (worker_id, name, lease_until, lanes)
      VALUES ($1, $2, now() + interval '1 hour', $3)`, [id, name, 2 ** lanes - 1]);
  }
  const dead = { id: random.uuid(), lanes: 1 };
  const greedy = random.pick(workers); // most of them have one owner
  for (let partition = 0; partition < 32; partition++) {
    const { id = null, lanes = 1 } = random.chance(0.5) ? greedy : random.pick([...workers, dead, {}]);
    const owner = [id, id && random.below(lanes), partition];
    await rig.sql("UPDATE lumin.partitions SET owner = $1, lane = $2 WHERE partition = $3", owner);
  }
  return workers;
}

/** What each lane does twice a second, once; how many partitions it gave up or took. */
async function turn({ id }, lane) {
  const held = await rig.sql("SELECT partition FROM lumin.partitions WHERE owner = $1 AND lane = $2", [id, lane]);
  const numbers = held.map(({ partition }) => partition);
  const [{ surplus }] = await rig.sql("SELECT lumin.lane_surplus($1, $2, true) AS surplus", [id, lane]);
  const leaving = numbers.slice(0, surplus);
  if (surplus > 0) await rig.sql("SELECT lumin.release_share($1, $2, $3, false)", [id, lane, leaving]);
  const rest = numbers.slice(surplus);
  const taken = await rig.sql("SELECT partition FROM lumin.take_share($1, $2, $3)", [id, lane, rest]);
  assert.ok(surplus === 0 || taken.length === 0, "none is given up and taken in one turn");
  return { given: surplus, taken: taken.length };
}

test("from any state the shares come about, in whatever order the lanes look, and few partitions move", async (t) => {
  const random = new Random();
  t.diagnostic(`LUMIN_TEST_SEED=${random.seed}`);
  for (let state = 0; state < 6; state++) {
    const workers = await scatter(random);
    const lanes = workers.flatMap((worker) => Array.from({ length: worker.lanes }, (_, lane) => [worker, lane]));
    const before = Object.values(await owners(workers)).slice(1).flat();
    let given = 0;
    for (let round = 0, moved = 1; moved > 0; round++) {
      assert.ok(round < 8, "they come to rest");
      moved = 0;
      for (const [worker, lane] of lanes.sort(() => random.next() - 0.5)) {
        const done = await turn(worker, lane);
        moved += done.given + done.taken;
        given += done.given;
      }
    }
    const { "": [nobody], ...after } = await owners(workers);
    assert.ok(nobody === 0 && even(Object.values(after).map(sum)) && Object.values(after).every(even), JSON.stringify(after));
    const least = sum(Object.values(after).flat().map((held, i) => Math.max(0, before[i] - held)));
    assert.ok(given - least <= 2, `${given - least} made a detour, from ${JSON.stringify(before)}`);
  }
  await rig.sql("UPDATE lumin.partitions SET owner = NULL, lane = NULL");
  await rig.sql("DELETE FROM lumin.workers");
});

/** What a worker reaches NATS through, until it is cut. */
class Cable {
  static async lay(t, port) {
    const cable = Object.assign(new Cable(), { port: await freePort(), sockets: new Set(), whole: true });
    const server = net.createServer((socket) => cable.whole ? cable.join(socket, port) : socket.destroy());
    await new Promise((resolve) => server.listen(cable.port, "127.0.0.1", resolve));
    t.after(() => (cable.cut(), server.close()));
    return cable;
  }

  join(socket, port) {
    const other = net.connect(port, "127.0.0.1");
    for (const end of [socket, other]) this.sockets.add(end.on("error", () => {}));
    socket.pipe(other).pipe(socket);
  }

  cut() {
    this.whole = false;
    for (const socket of this.sockets) socket.destroy();
  }
}

test("one that is cut off from NATS leaves its share to another, and takes it back", async (t) => {
  const cable = await Cable.lay(t, rig.nats.port);
  const ada = await start("ada");
  const env = { NATS_URL: `nats://127.0.0.1:${cable.port}` };
  const bob = await start("bob", { lease: "1s", env });
  await shared(t, "both", [ada, bob], 20_000);
  cable.cut();
  await shared(t, "one is cut off", [ada], 20_000);
  assert.ok(bob.alive);
  cable.whole = true;
  await shared(t, "it is back", [ada, bob], 20_000);
});

test("luminctl partitions says who owns what, and when nobody does", async (t) => {
  const ada = await start("ada");
  const bob = await start("bob");
  await shared(t, "both", [ada, bob], 20_000);
  const load = await loaded({ users: 20, callers: 2, rate: 50, timeout: 6000 });
  await load.progress();
  await load.stop();
  await settle(rig);
  const seen = await eventually(async () => {
    const { code, stdout } = await rig.run("luminctl", ["partitions", "--json"]);
    return code === 0 && JSON.parse(stdout);
  }, { what: "all partitions being told of" });
  const rows = await rig.sql(`SELECT p.partition, w.name AS worker, p.lane, p.epoch::int, p.event_position::int
    FROM lumin.partitions p JOIN lumin.workers w ON w.worker_id = p.owner ORDER BY 1`);
  const pick = ({ partition, worker, lane, epoch, event_position }) => ({ partition, worker, lane, epoch, event_position });
  assert.deepEqual(seen.partitions.map(pick), rows.map(pick));
  assert.deepEqual([seen.workers, seen.unowned], [2, 0]);
  assert.ok(seen.partitions.every(({ state, since }) => state === "open" && Date.parse(since) <= Date.now()));
  assert.ok(seen.partitions.every(({ behind, unrelayed, waiting }) => behind + unrelayed + waiting === 0), "all done");
  assert.ok(seen.partitions.some(({ position, time }) => position > 0 && Date.parse(time) <= Date.now()));

  await bob.kill();
  const { code, stdout, stderr } = await rig.run("luminctl", ["partitions"]);
  assert.equal(code, 1);
  assert.match(stderr, /16 partitions have no owner that answers/);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0], /^PARTITION +WORKER +LANE +STATE +EPOCH +SINCE +POSITION +WAITING +BEHIND +UNRELAYED$/);
  assert.equal(lines.length, 33);
  assert.equal(lines.filter((line) => /^ +\d+ +ada +[01] +open +\d+ +\d{4}-\d\d-\d\dT[\d:]{8}Z +\d+ +0 +0 +0$/.test(line)).length, 16);
  assert.equal(lines.filter((line) => /^ +\d+( +-){9}$/.test(line)).length, 16);
});

test("behind a pooler in session mode", async (t) => {
  const bouncer = await PgBouncer.start(t, rig);
  const env = { DATABASE_URL: bouncer.url };
  assert.match((await rig.setup({ env })).stdout, /\S/);
  // A row that a dead worker's connection holds: it is ended by the number that PostgreSQL knows it by.
  const dead = crypto.randomUUID();
  const holder = await bouncer.client();
  await holder.query(`INSERT INTO lumin.workers VALUES ('${dead}', 'dead', now(), now() - interval '1 minute')`);
  await holder.query(`UPDATE lumin.partitions SET owner = '${dead}', backend_pid = pg_backend_pid(), backend_start =
    (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()) WHERE partition = 5`);
  await holder.query("BEGIN");
  await holder.query("SELECT FROM lumin.partitions WHERE partition = 5 FOR UPDATE");

  const ada = await start("ada", { env });
  await shared(t, "one alone, when the row was freed", [ada], 20_000);
  assert.match(ada.logText(), / stuck_backends_ended /);
  const load = await loaded({ users: 80, callers: 6, rate: 100, timeout: 6000 });
  await load.progress();
  const bob = await start("bob", { env });
  await shared(t, "a second has come", [ada, bob], 20_000);
  const cyd = await start("cyd", { env, lease: "1s" });
  await shared(t, "a third has come", [ada, bob, cyd], 20_000);
  await load.progress();
  const stopping = bob.stop();
  await shared(t, "one was asked to stop: the others were told", [ada, cyd], 20_000);
  assert.equal(await stopping, 0);
  assert.deepEqual(failures(load), [], "until then no request was lost");
  await cyd.kill();
  await shared(t, "one was killed", [ada], 20_000);
  await load.progress();
  await checked(t, load);
});
