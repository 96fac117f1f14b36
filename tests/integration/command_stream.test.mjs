// SPDX-License-Identifier: MIT
// What can befall the command stream, on a real server: each command that the stream holds takes effect exactly once
// (guarantees 2, 4 and 9), what it lost unread is on record, and nothing else raises an alarm.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import {
  Rig,
  encode,
  eventually,
  jetstreamApi,
  natsVersion,
  prefix,
  request,
  sleep,
  streams,
  updateStream,
} from "../support/servers.mjs";
import {
  Book,
  checkEventStream,
  countOf,
  inputAt,
  keepStream,
  logFrom,
  newUser,
  online,
  partitionOf,
  partitions,
  quick,
  relayed,
  remakeStream,
  streamState,
  times,
} from "../support/traps.mjs";

const stream = streams.commands;
const seconds = (count) => count * 1e9;

const rig = await Rig.start({ after }, { name: "command-stream" });
await rig.setup();
const operator = await rig.connect("operator");
const publisher = await rig.connect("command_publisher");
const gateway = await rig.connect("gateway");
const worker = await rig.worker({ env: quick });

const alarms = (log) => ["command_stream_anew", "commands_lost"].map((word) => countOf(log(), word));
const lostRanges = () =>
  rig.sql("SELECT partition, first_seq::int, last_seq::int FROM lumin.lost_ranges ORDER BY partition, first_seq");
const created = async () => (await jetstreamApi(operator, `STREAM.INFO.${stream}`)).created;
const state = () => streamState(operator, stream);

/** All read, all committed, and every partition's position at the end of the stream. */
async function quiet(book) {
  await book.check();
  await inputAt(rig, (await state()).last_seq);
}

// ---- what is no trap

test("positions of idle partitions move on, though all messages are other partitions'", async () => {
  const book = new Book(rig, publisher);
  const user = newUser();
  await book.fill(40, [user]);
  await quiet(book);
  const rows = await rig.sql("SELECT partition, input_seq::int, input_ts FROM lumin.partitions ORDER BY partition");
  assert.equal(rows.length, partitions);
  for (const { partition, input_seq: seq, input_ts: ts } of rows) {
    const { message } = await jetstreamApi(operator, `STREAM.MSG.GET.${stream}`, { seq });
    const [, whole, fraction] = /^(.*?)(?:\.(\d+))?Z$/.exec(message.time);
    const ns = BigInt(Date.parse(`${whole}Z`)) * 1_000_000n + BigInt((fraction ?? "").padEnd(9, "0"));
    assert.equal(ts, String(ns), `partition ${partition} names the message at ${seq} by its time`);
  }
  assert.ok(rows.some(({ partition }) => partition !== partitionOf(user)));
});

for (const running of [true, false]) {
  const when = running ? "while the worker runs" : "while the worker is stopped";

  test(`the stream's configuration is changed and the server restarted, ${when}`, async () => {
    const book = new Book(rig, publisher);
    const users = times(12, () => newUser());
    await book.fill(48, users);
    await quiet(book);
    await rig.nats.restart(); // the server then takes this moment for the stream's birth, and says so after an update
    await online(operator, publisher, gateway);
    const log = logFrom(worker);
    const before = await created();
    const reread = running ? await duplicates() : 0;
    if (!running) await worker.stop();
    await updateStream(operator, stream, { max_age: seconds(running ? 500_000 : 600_000), max_msgs: 1_000_000 });
    await rig.nats.restart();
    await online(operator, publisher, gateway);
    if (natsVersion()[1] < 11) assert.notEqual(await created(), before, "this server is one that changes `created`");
    if (!running) await worker.begin();
    await book.fill(48, users);
    await quiet(book);
    assert.deepEqual(alarms(log), [0, 0]);
    assert.equal(await duplicates(), reread, "commands were read again");
  });
}

/** Commands that the worker has seen before, by its statistics. */
async function duplicates() {
  const client = gateway.services.client({ strategy: "count", maxMessages: 1, maxWait: 2000 });
  const look = async () => {
    for await (const stats of await client.stats("lumin-user")) return stats;
  };
  const stats = await eventually(look, { what: "the worker's statistics" }); // it may still be connecting
  const { data } = stats.endpoints.find(({ name }) => name === "probe");
  return data.lanes.reduce((sum, lane) => sum + lane.duplicates, 0);
}

// ---- deleted and made anew: sequences are used again

for (const running of [true, false]) {
  for (const [name, share] of [["fewer", 0.5], ["as many", 1], ["more", 1.5]]) {
    const when = running ? "while the worker runs" : "while the worker is stopped";

    test(`the stream is made anew ${when}, and gets ${name} messages than it had`, async () => {
      const book = new Book(rig, publisher);
      const users = times(12, () => newUser());
      await remakeStream(operator, stream); // so that it holds what this test says
      await book.fill(60, users);
      await quiet(book);
      const { last_seq: had } = await state();
      const log = logFrom(worker);
      if (!running) await worker.stop();
      await remakeStream(operator, stream);
      await book.fill(Math.round(had * share), users);
      if (!running) await worker.begin();
      await quiet(book);
      assert.ok(countOf(log(), "command_stream_anew") > 0, "the alarm");
      assert.deepEqual(await lostRanges(), []);
      await book.fill(12, users);
      await quiet(book);
    });
  }
}

test("commands that were decided come again on the new stream: they change nothing", async () => {
  const book = new Book(rig, publisher);
  const users = times(8, () => newUser());
  const sent = await book.fill(32, users);
  await quiet(book);
  await remakeStream(operator, stream);
  await Promise.all(sent.map((command) => book.publish(command)));
  await book.fill(16, users);
  await quiet(book);
});

// ---- the tail lost

test("the stream's tail is lost under a running worker, and its sequences are used again", async () => {
  const book = new Book(rig, publisher);
  const users = times(10, () => newUser());
  await book.fill(40, users);
  await quiet(book);
  const restore = await keepStream(rig, stream);
  await online(operator, publisher);
  await book.fill(30, users);
  await quiet(book);
  const log = logFrom(worker);
  await restore();
  await online(operator, publisher);
  await book.fill(20, users);
  await quiet(book);
  await eventually(() => countOf(log(), "command_stream_anew") > 0, { what: "the alarm" });
  await book.fill(40, users);
  await quiet(book);
});

for (const [name, count] of [["fewer", 10], ["as many", 30], ["more", 50]]) {
  test(`the tail is lost while the worker is stopped, and ${name} commands take its sequences`, async () => {
    const book = new Book(rig, publisher);
    const users = times(10, () => newUser());
    await book.fill(40, users);
    await quiet(book);
    const restore = await keepStream(rig, stream);
    await online(operator, publisher);
    const { last_seq: kept } = await state();
    await book.fill(30, users);
    await quiet(book);
    const { last_seq: had } = await state();
    const log = logFrom(worker);
    await worker.stop();
    await restore();
    await online(operator, publisher);
    assert.equal((await state()).last_seq, kept);
    await book.fill(Math.round(((had - kept) * count) / 30), users);
    await worker.begin();
    await quiet(book);
    assert.ok(countOf(log(), "command_stream_anew") > 0, "the alarm");
    assert.deepEqual(await lostRanges(), []);
  });
}

// ---- expired

test("commands expire unread while the worker is stopped: on record, alarmed, and later ones are applied", async () => {
  const book = new Book(rig, publisher);
  await book.fill(20);
  await quiet(book);
  const before = await state();
  await worker.stop();
  const lost = await book.fill(40);
  const [first, last] = [Math.min(...lost.map(({ seq }) => seq)), Math.max(...lost.map(({ seq }) => seq))];
  await jetstreamApi(operator, `STREAM.PURGE.${stream}`, { seq: last + 1 });
  book.forget(lost);
  await book.fill(40);
  const log = logFrom(worker);
  await worker.begin();
  await quiet(book);
  const ranges = await eventually(async () => {
    const rows = await lostRanges();
    return rows.length === partitions && rows;
  }, { what: "a lost range of every partition" });
  // A sequence that is gone says not whose it was.
  for (const range of ranges) {
    assert.ok(range.first_seq <= first && range.first_seq > 0 && range.last_seq === last, JSON.stringify(range));
    assert.ok(range.first_seq > before.last_seq);
  }
  assert.equal(new Set(log().match(/commands_lost partition=\d+/g)).size, partitions);
  assert.equal(countOf(log(), "command_stream_anew"), 0);
  await rig.sql("DELETE FROM lumin.lost_ranges");
});

test("a lost range is on record before the position moves past it, though no command follows", async () => {
  await worker.stop();
  const book = new Book(rig, publisher);
  const partition = 7;
  const lost = await book.fill(5, times(5, () => newUser(partition)));
  const { last_seq: end } = await state();
  await jetstreamApi(operator, `STREAM.PURGE.${stream}`, {});
  book.forget(lost);
  // What follows is another lane's: the lane of the lost ones has nothing to commit.
  const foreign = new Book(rig, publisher);
  await foreign.fill(4, [newUser(partition + 1)]);
  await worker.begin();
  await foreign.check();
  const passed = `SELECT input_seq::int AS seq FROM lumin.partitions WHERE partition = ${partition}`;
  await rig.sqlUntil(passed, ({ seq }) => seq > end, { timeout: 15_000 });
  await worker.kill();
  const ranges = (await lostRanges()).filter((range) => range.partition === partition);
  assert.equal(ranges.length, 1, "the range is lost for good: no position stands before it");
  assert.equal(ranges[0].last_seq, end);
  await worker.begin();
  await quiet(foreign); // the other partitions' ranges are on record too
  await rig.sql("DELETE FROM lumin.lost_ranges");
});

test("a stream idle beyond its age: all was read, so nothing is lost", async () => {
  const book = new Book(rig, publisher);
  await book.fill(20);
  await quiet(book);
  const { config } = await jetstreamApi(operator, `STREAM.INFO.${stream}`);
  const log = logFrom(worker);
  await updateStream(operator, stream, { max_age: seconds(0.5), duplicate_window: seconds(0.2) });
  await eventually(async () => (await state()).messages === 0, { what: "the end of all messages" });
  await sleep(500); // an inspection of the running cursors
  await worker.stop();
  await updateStream(operator, stream, { max_age: config.max_age, duplicate_window: config.duplicate_window });
  await worker.begin();
  await book.fill(20);
  await quiet(book);
  assert.deepEqual(alarms(log), [0, 0]);
  assert.deepEqual(await lostRanges(), []);
});

// ---- full

test("a full stream: refused at the door and to publishers, nothing is lost, on again after a purge", async () => {
  const book = new Book(rig, publisher);
  await book.fill(20);
  await quiet(book);
  const { config } = await jetstreamApi(operator, `STREAM.INFO.${stream}`);
  await updateStream(operator, stream, { max_msgs: (await state()).messages + 10 });
  const log = logFrom(worker);

  const answers = await Promise.all(times(25, () => create()));
  const codes = answers.map(({ code }) => code).sort();
  assert.deepEqual(codes, [...times(10, () => 0), ...times(15, () => 429)]);
  for (const answer of answers.filter(({ code }) => code === 429)) {
    assert.equal(answer.as("Outcome").error.reason, "REASON_RESOURCE_EXHAUSTED");
  }
  const users = answers.filter(({ code }) => code === 0).map((answer) => answer.as("Outcome").userId);
  const [{ count }] = await rig.sql("SELECT count(*)::int FROM lumin.users WHERE user_id = ANY($1)", [users]);
  assert.equal(count, 10);
  const other = new Book(rig, publisher);
  await assert.rejects(other.fill(1), /maximum messages exceeded/);

  await inputAt(rig, (await state()).last_seq);
  await jetstreamApi(operator, `STREAM.PURGE.${stream}`, { keep: 5 });
  assert.equal((await create()).code, 0);
  await book.fill(4);
  await quiet(book);
  assert.deepEqual(alarms(log), [0, 0]);
  await updateStream(operator, stream, { max_msgs: config.max_msgs });
});

const create = () => {
  const id = crypto.randomUUID();
  const headers = { "Lumin-Command-Id": id };
  return request(gateway, "create", { firstName: "Ada", email: `${id}@example.com` }, { headers });
};

// ---- a commit that takes longer than the lease

const slowly = (userId, wait) => `
  CREATE FUNCTION lumin.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.user_id = '${userId}' AND NEW.version = 1 THEN PERFORM pg_sleep(${wait}); END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER dawdle BEFORE INSERT ON lumin.events FOR EACH ROW EXECUTE FUNCTION lumin.dawdle()`;
const atOnce = "DROP FUNCTION lumin.dawdle CASCADE";

async function ownerOf(userId) {
  const text = "SELECT owner, epoch::int FROM lumin.partitions WHERE partition = $1";
  return (await rig.sql(text, [partitionOf(userId)]))[0];
}

/** Two workers have their shares, in one lane each: by itself nothing passes over any more. */
async function settled() {
  const text = `SELECT count(DISTINCT owner)::int AS owners, count(*)::int AS lanes, min(n)::int AS least FROM
    (SELECT owner, count(*) AS n FROM lumin.partitions WHERE owner IS NOT NULL GROUP BY owner, lane) AS held`;
  await rig.sqlUntil(text, ({ owners, lanes, least }) => owners === 2 && lanes === 2 && least === 16);
}

test("nats-server restarts during a slow commit: what was read, and waits, is not passed over", async () => {
  const user = newUser();
  const [first, waiting] = [new Book(rig, publisher), new Book(rig, publisher)];
  await rig.sql(slowly(user, 4));
  await first.fill(1, [user]); // created, slowly
  const sleepers = "SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
  await rig.sqlUntil(sleepers, ({ count }) => count > 0);
  await waiting.fill(100);
  await sleep(500); // until they are read
  await rig.nats.restart();
  await online(gateway, publisher, operator);
  await first.check();
  await waiting.check();
  await rig.sql(atOnce);
});

test("a commit that takes four leases: nobody takes the partition, and nobody applies the command again", async () => {
  const book = new Book(rig, publisher);
  const user = newUser();
  const lease = { ...quick, LUMIN_WORKER_LEASE: "2s" };
  await worker.restart({ env: lease });
  const log = logFrom(worker);
  const other = await rig.worker({ name: "beside", env: lease });
  await settled();
  const before = await ownerOf(user);
  await rig.sql(slowly(user, 8));
  const sent = Date.now();
  await book.fill(3, [user]);
  await book.check();
  assert.ok(Date.now() - sent >= 8000, "the commit was slow");
  await rig.sql(atOnce);
  assert.deepEqual(await ownerOf(user), before);
  assert.equal(countOf(other.logText() + log(), "partition_lost"), 0);
  await other.stop();
  await worker.restart({ env: quick });
});

test("the same while the lease is not renewed: the row is taken when it is free, and the result is right", async () => {
  const trigger = path.join(rig.place.logs, "lease-sleeps");
  fs.rmSync(trigger, { force: true });
  await worker.stop();
  const failing = { LUMIN_FAIL_AT: "lease.renew:1", LUMIN_FAIL_ACTION: "sleep:12000", LUMIN_FAIL_FILE: trigger };
  const lease = { ...quick, LUMIN_WORKER_LEASE: "4s" };
  const sleeper = await rig.worker({ name: "sleeper", env: { ...lease, ...failing, LUMIN_WORKER_NAME: "sleeper" } });
  const other = await rig.worker({ name: "other", env: lease });
  await settled();
  const [{ partition }] = await rig.sql(`SELECT min(p.partition) AS partition FROM lumin.partitions p
    JOIN lumin.workers w ON w.worker_id = p.owner WHERE w.name = 'sleeper'`);
  const book = new Book(rig, publisher);
  const user = newUser(partition);
  const before = await ownerOf(user);
  await rig.sql(slowly(user, 5.5)); // past the lease's end, and not to where the backend is ended
  fs.writeFileSync(trigger, "");
  await book.fill(3, [user]);
  const left = "SELECT extract(epoch FROM lease_until - clock_timestamp()) AS left FROM lumin.workers WHERE name = 'sleeper'";
  await rig.sqlUntil(left, (row) => row.left < -0.3);
  const during = await ownerOf(user);
  await book.check();
  await rig.sql(atOnce);
  assert.deepEqual(during, before, "a row under commit is not expired");
  const taken = async () => (await ownerOf(user)).owner !== before.owner;
  await eventually(taken, { what: "the other worker's take-over" });
  assert.ok((await ownerOf(user)).epoch > before.epoch);
  await book.fill(20);
  await book.check();
  await sleeper.kill();
  await other.stop();
  await worker.begin();
});

// ---- the mapping is missing

test("without the mapping a request is UNAVAILABLE at once, and works again with it", async () => {
  const file = path.join(rig.nats.folder, "accounts.conf");
  await rig.nats.stop();
  rig.nats.configure({});
  const text = fs.readFileSync(file, "utf8");
  fs.writeFileSync(file, text.replace(`"${prefix}.command.*.*":`, `"${prefix}.other.*.*":`));
  assert.notEqual(fs.readFileSync(file, "utf8"), text);
  await rig.nats.begin();
  await online(gateway, publisher);
  const asked = () => request(gateway, "probe", {}, { timeout: 1000 });
  const answer = await eventually(async () => {
    const reply = await asked();
    return reply.code === 503 && reply;
  }, { timeout: 15_000, what: "the worker's connection" });
  assert.equal(answer.as("Outcome").error.reason, "REASON_UNAVAILABLE");
  const unmapped = publisher.request(`${prefix}.command.probe.${newUser()}`, encode("Probe"), { timeout: 1000 });
  await assert.rejects(unmapped, { code: "503" });
  await rig.nats.restart({ settings: {} });
  await online(gateway, publisher, operator);
  await eventually(async () => (await asked()).code === 0, { timeout: 15_000, what: "a probe" });
});

test("after all this every event is on the event stream exactly once, in order", async () => {
  await relayed(rig);
  assert.ok((await checkEventStream(rig, operator)) > 500);
});
