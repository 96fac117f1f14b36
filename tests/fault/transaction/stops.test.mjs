// SPDX-License-Identifier: MIT
// A lane that stands still (SIGSTOP) at every point of its transaction, past its lease, while another takes over, and
// goes on later: not one row of the first after the take-over (guarantee 5). And transactions that take longer than
// the lease, half sent or half committed.
import { test, after } from "node:test";
import { sleep } from "../../support/servers.mjs";
import { Stream, generate } from "./script.mjs";
import { Stage, assert, eventually, long } from "./stage.mjs";

const stage = await Stage.start({ after }, { name: "transaction-stops" });

/** Writes of a worker's backends, takes left out: what it did to the data. */
async function writesOf(worker) {
  return stage.number(`SELECT count(*) FROM watch.writes WHERE what <> 'take' AND pid IN
    (SELECT pid FROM watch.writes WHERE what = 'take' AND owner = $1)`, [worker]);
}

/** Another lane takes over from one that stands still; the rows that it holds locked are freed as the lease would. */
async function takeOver(stopped, options) {
  await stage.expire(stopped.worker);
  const second = await stage.driver({ args: ["--stay"], env: { LUMIN_LOG_LEVEL: "debug" }, ...options });
  let freed = 0;
  const applied = stage.applied();
  let waiting = true;
  applied.then(() => (waiting = false), () => (waiting = false));
  while (waiting) {
    freed += await stage.endStuckBackends();
    await sleep(10);
  }
  await applied;
  return { second, freed };
}

/** The stopped one goes on, with a lease that holds again, while the other owns everything; then it may take over. */
async function goOn(stopped, second) {
  const before = await writesOf(stopped.worker);
  await stage.register(stopped.worker, "1 hour", { able: false });
  const idle = stopped.said("driver_idle owned=0");
  stopped.resume();
  const fenced = () => stopped.said("driver_idle owned=0") > idle || !stopped.alive;
  await eventually(fenced, { every: 5, what: `${stopped.name} finding itself fenced` });
  assert.equal(await writesOf(stopped.worker), before, "the first wrote nothing after the take-over");
  await stage.check();
  await stage.register(stopped.worker);
  assert.equal(await second.stop(), 0);
  await stopped.finish();
  await stage.check();
}

const stopping = { LUMIN_LOG_LEVEL: "debug", LUMIN_FAIL_ACTION: "stop" };
const stopAt = (place, env = {}) => ({ ...stopping, LUMIN_FAIL_AT: place, ...env });

for (const point of ["pg.sent", "pg.synced", "pg.flushed", "pg.finished"]) {
  test(`SIGSTOP at every ${point}, a take-over, SIGCONT`, async () => {
    const messages = generate({ seed: 21, partitions: 4, users: 8, count: long ? 120 : 28 });
    let stops = 0;
    let freed = 0;
    for (let n = 1; ; n++) {
      await stage.begin(messages);
      const first = await stage.driver({ env: stopAt(`${point}:${n}`, { LUMIN_LANE_BATCH: "16" }) });
      if (!(await first.stoppedOrEnded())) {
        await first.finish();
        await stage.check();
        break;
      }
      stops++;
      await stage.checkPublished();
      const over = await takeOver(first);
      freed += over.freed;
      await goOn(first, over.second);
    }
    assert.ok(stops >= 5, `the run passed ${point} ${stops} times`);
  });
}

// ---- half-sent batches

/** Commands with names and dead payloads so long that a batch is far beyond what libpq keeps to itself. */
function heavy() {
  const stream = new Stream({ seed: 22, partitions: 4 });
  const users = Array.from({ length: 40 }, (_, i) => stream.userIn(i % 4));
  const name = (letter) => letter.repeat(60);
  for (const [i, userId] of users.entries()) {
    const email = `${name("m")}${i}@example.com`;
    stream.add({ method: "create", userId, fields: { firstName: name("ä"), lastName: name("ß"), email } });
  }
  for (const letter of "xyz") {
    for (const userId of users) {
      const fields = { firstName: name("界"), lastName: name(letter) };
      stream.add({ method: "change_username", userId, fields });
      const dead = { method: "change_email", userId, fault: { dead: true, reason: "INVALID_ARGUMENT" } };
      if (stream.random.chance(0.3)) stream.add(dead, { payload: Buffer.alloc(20_000, 0xff) });
    }
  }
  return stream.messages;
}

const lockedRows = () => stage.number(`SELECT (SELECT count(*) FROM lumin.partitions) -
  (SELECT count(*) FROM (SELECT FROM lumin.partitions FOR UPDATE SKIP LOCKED) free)`);

test("batches far past 64 KiB apply as others do", async () => {
  await stage.begin(heavy());
  await stage.apply({ env: { LUMIN_LANE_BATCH: "256" } });
  await stage.check();
});

test("a half-sent batch of a stopped process holds its rows until its backend is ended", async () => {
  const messages = heavy();
  let halves = 0;
  for (let n = 1; ; n++) {
    await stage.begin(messages);
    const first = await stage.driver({ env: stopAt(`pg.sent:${n}`, { LUMIN_LANE_BATCH: "256" }) });
    if (!(await first.stoppedOrEnded())) {
      await first.finish();
      break;
    }
    // What was flushed is worked on; 0: nothing had left.
    let locked = await eventually(lockedRows, { every: 10, timeout: 400 }).catch(() => 0);
    if (locked > 0) {
      await sleep(30); // all of the fence
      locked = await lockedRows();
    }
    await stage.expire(first.worker);
    if (locked > 0) {
      halves++;
      const second = await stage.driver({ args: ["--stay"] });
      await sleep(150);
      assert.equal(await lockedRows(), locked, "nobody passes a locked row, however old the lease");
      await second.stop();
      await stage.expire(second.worker);
    }
    const over = await takeOver(first);
    if (locked > 0) assert.ok(over.freed > 0, "the stopped one's backend was ended");
    await goOn(first, over.second);
  }
  assert.ok(halves >= 2, `${halves} stops were in a half-sent batch`);
});

test("a live worker's backend is never ended", async () => {
  await stage.begin(generate({ seed: 24, partitions: 4, users: 8, count: 60 }));
  const driver = await stage.driver({ env: stopAt("pg.sent:4") });
  assert.ok(await driver.stoppedOrEnded());
  assert.equal(await stage.endStuckBackends(), 0, "its lease holds");
  await stage.register(driver.worker, "-100 ms");
  assert.equal(await stage.endStuckBackends("1 minute"), 0, "it ran out less than a lease ago");
  await stage.register(driver.worker);
  driver.resume();
  await driver.finish();
  await stage.check();
});

// ---- commits that take longer than the lease

/** Makes the first transaction with a user's second event slow: in a statement, or at the commit by a deferred trigger. */
async function slowly(deferred, seconds, work) {
  const name = "slow";
  await stage.asService(`
    CREATE SEQUENCE watch.slowed;
    CREATE FUNCTION watch.${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.version = 2 AND nextval('watch.slowed') = 1 THEN PERFORM pg_sleep(${seconds}); END IF;
      RETURN NULL;
    END $$;
    CREATE ${deferred ? "CONSTRAINT" : ""} TRIGGER ${name} AFTER INSERT ON lumin.events
    ${deferred ? "DEFERRABLE INITIALLY DEFERRED" : ""} FOR EACH ROW EXECUTE FUNCTION watch.${name}()`);
  try {
    await work();
  } finally {
    await stage.asService(`DROP FUNCTION watch.${name} CASCADE; DROP SEQUENCE watch.slowed`);
  }
}

function fewSlow() {
  const stream = new Stream({ seed: 25, partitions: 4 });
  const users = Array.from({ length: 4 }, (_, i) => stream.userIn(i));
  for (const [i, userId] of users.entries()) {
    stream.add({ method: "create", userId, fields: { firstName: "Ada", email: `m${i}@example.com` } });
  }
  stream.add({ method: "change_username", userId: users[0], fields: { firstName: "Grace" } });
  for (let i = 0; i < 40; i++) stream.add({ method: "probe", userId: users[i % 4] });
  return stream.messages;
}

const sleepers = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
const sleeping = () => eventually(() => stage.number(sleepers), { every: 5, what: "the slow transaction" });

for (const deferred of [false, true]) {
  const where = deferred ? "at the commit" : "in a statement";
  test(`a transaction slower than the lease (${where}) is not taken from under its lane`, async () => {
    await slowly(deferred, 2, async () => {
      await stage.begin(fewSlow());
      const first = await stage.driver({ args: ["--stay"] });
      await sleeping();
      await stage.expire(first.worker);
      const second = await stage.driver({ args: ["--stay"] });
      await stage.applied();
      await stage.check();
      const slow = await stage.number("SELECT min(pid) FROM watch.writes WHERE what = 'users'");
      const takes = "SELECT min(pid) FROM watch.writes WHERE what = 'take' AND owner = $1";
      const own = await stage.number(takes, [first.worker]);
      assert.equal(slow, own, "the slow transaction committed as the first's");
      await Promise.all([first.stop(), second.stop()]);
      await stage.check();
    });
  });

  test(`a transaction slower than two leases (${where}) is ended, and done by another`, async () => {
    await slowly(deferred, 6, async () => {
      await stage.begin(fewSlow());
      const first = await stage.driver({ args: ["--stay"] });
      await sleeping();
      first.signal("SIGSTOP"); // or it could retake what nobody has taken yet
      const { second, freed } = await takeOver(first);
      assert.ok(freed > 0);
      first.resume();
      await first.stop();
      assert.equal(await second.stop(), 0);
      await stage.check();
    });
  });
}

// At pg.sent a short batch is queued, and not a byte of it on its way before the Sync: what it believes grows old.
const beliefs = Array.from({ length: 12 }, (_, i) => `pg.sent:${i + 3}`);

test("an epoch alone is not enough: another owner with the same epoch fences too", async () => {
  let committed = 0;
  for (const place of beliefs) {
    await stage.begin(fewSlow());
    const first = await stage.driver({ env: stopAt(place) });
    assert.ok(await first.stoppedOrEnded());
    const other = "00000000-0000-4000-8000-000000000001";
    await stage.register(other);
    await stage.sql("UPDATE lumin.partitions SET owner = $1", [other]);
    const before = await writesOf(first.worker);
    committed += before;
    first.resume();
    await first.says("driver_idle owned=0");
    assert.equal(await writesOf(first.worker), before, place);
    await stage.expire(other);
    await first.finish();
    await stage.check();
  }
  assert.ok(committed > 0, "some had committed a batch");
});

test("a position that moved is read again, and the lane goes on from there", async () => {
  const messages = fewSlow();
  const [{ partition, intent: { userId } }] = messages;
  const mine = messages.filter((message) => message.partition === partition);
  for (const place of beliefs) {
    await stage.begin(messages);
    const driver = await stage.driver({ env: stopAt(place, { LUMIN_LANE_BATCH: "4" }) });
    assert.ok(await driver.stoppedOrEnded());
    const applied = async () => {
      const rows = await stage.sql("SELECT stream_seq::int AS seq FROM lumin.outcomes WHERE user_id = $1", [userId]);
      return rows.map((row) => row.seq).sort();
    };
    const before = await applied();
    // As if somebody else had committed this partition's commands up to the one before the last.
    const { seq, ts } = mine.at(-2);
    const move = "UPDATE lumin.partitions SET input_seq = $1, input_ts = $2 WHERE partition = $3";
    await stage.sql(move, [seq, `${ts}`, partition]);
    driver.resume();
    await driver.finish();
    assert.deepEqual(await applied(), [...before, mine.at(-1).seq], `${place}: what stands behind it`);
  }
});

// Where a stream was read again from its beginning, another owner may have brought the partition to the same place.
test("counters that moved are read again, though the position is the same", async () => {
  const stream = new Stream({ seed: 26, partitions: 4 });
  const userId = stream.userIn(0);
  stream.add({ method: "create", userId, fields: { firstName: "Ada", email: "m@example.com" } });
  for (let i = 0; i < 31; i++) stream.add({ method: "probe", userId }); // a batch without one dead sets the counter back
  for (let i = 0; i < 12; i++) {
    const dead = { method: "change_email", userId, fault: { dead: true, reason: "INVALID_ARGUMENT" } };
    stream.add(dead, { payload: Buffer.alloc(8, 0xff) });
  }
  const others = 100;
  for (const place of beliefs) {
    await stage.begin(stream.messages);
    const driver = await stage.driver({ env: stopAt(place, { LUMIN_LANE_BATCH: "4" }) });
    assert.ok(await driver.stoppedOrEnded());
    await stage.sql(
      `WITH moved AS (UPDATE lumin.partitions SET dead_position = dead_position + $1 WHERE partition = 0
                      RETURNING dead_position - $1 AS before)
       INSERT INTO lumin.dead_commands
         SELECT 0, before + i, 1, 1, gen_random_uuid(), 'probe', $2::uuid, 'INTERNAL', '', ''
           FROM moved, generate_series(1, $1) i`,
      [others, userId],
    );
    driver.resume();
    await driver.finish();
    const [told] = await stage.sql(`SELECT p.dead_position::int AS position, count(*)::int AS count, max(d.dead_position)::int AS last
      FROM lumin.partitions p JOIN lumin.dead_commands d USING (partition) WHERE partition = 0 GROUP BY 1`);
    assert.deepEqual(told, { position: 12 + others, count: 12 + others, last: 12 + others }, place);
  }
});
