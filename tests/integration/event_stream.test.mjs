// SPDX-License-Identifier: MIT
// What can befall events between their commit and the event stream, on a real server with a duplicate window of one
// second: each is on the stream exactly once, each user's in order (guarantees 3 and 8), counted by a reader that
// shares no code with the relay.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import test, { after } from "node:test";
import { Rig, eventually, jetstreamApi, postgresBin, prefix, sleep, streams } from "../support/servers.mjs";
import {
  Book,
  checkEventStream,
  countOf,
  keepStream,
  logFrom,
  long,
  newUser,
  online,
  quick,
  relayed,
  remakeStream,
  stopped,
  streamState,
  times,
} from "../support/traps.mjs";

const stream = streams.events;
const window_ = { LUMIN_STREAMS_EVENTS_DUPLICATE_WINDOW: "1s" };
// A silent lane is dropped when its pull requests have ended and the pings then stay unanswered.
const env = { ...quick, ...window_, LUMIN_WORKER_LEASE: "500ms", LUMIN_CURSOR_EXPIRES: "1s", LUMIN_WORKER_LANES: "1" };

const rig = await Rig.start({ after }, { name: "event-stream" });
await rig.setup({ env: window_ });
const operator = await rig.connect("operator");
const publisher = await rig.connect("command_publisher");
const trigger = path.join(rig.place.logs, "fail-now");

const state = () => streamState(operator, stream);
const messages = async () => (await state()).messages;
const events = async () => (await rig.sql("SELECT count(*)::int AS count FROM lumin.events"))[0].count;

/** Waits until the stream holds as many messages as the table has events. */
async function arrived() {
  const all = async () => (await messages()) >= (await events());
  await eventually(all, { timeout: 20_000, what: "every event on the stream" });
}

/** The book's commands have taken effect, and their events are on the stream as they should be. */
async function settled(book, until = arrived) {
  await book.check();
  await until(rig);
  await checkEventStream(rig, operator, { users: [...book.users.keys()] });
}

/** A worker that fails at the n-th pass of a failpoint, once the trigger's file is there; none other is left. */
async function failing(name, point, action) {
  fs.rmSync(trigger, { force: true });
  await Promise.all(rig.workers.map((worker) => worker.kill()));
  const plan = { LUMIN_FAIL_AT: point, LUMIN_FAIL_ACTION: action, LUMIN_FAIL_FILE: trigger };
  return rig.worker({ name, env: { ...env, ...plan } });
}

const fail = () => fs.writeFileSync(trigger, "");

// ---- killed on the way

const passes = {
  "relay.push": [1, 3],
  "relay.publish": [1, 4, 11],
  "relay.acknowledged": [1, 7],
  "pg.synced": [4],
};

for (const [point, counts] of Object.entries(passes)) {
  for (const count of long ? [1, 2, 3, 4, 5, 7, 8, 11, 13, 21] : counts) {
    test(`the worker dies at ${point}, pass ${count}`, async () => {
      const worker = await failing("dies", `${point}:${count}`, "exit");
      const book = new Book(rig, publisher);
      const users = times(6, () => newUser());
      await book.fill(12, users);
      fail();
      while (worker.alive) {
        await book.fill(6, users);
        await sleep(20);
      }
      assert.equal(worker.child.exitCode, 86, worker.logTail());
      const next = await rig.worker({ name: "next", env });
      await book.fill(12, users);
      await settled(book);
      await next.stop();
    });
  }
}

// ---- stopped on the way, and continued

/**
 * A worker stops on its way with some events, sleeps, and wakes: on a connection that the server has kept or dropped,
 * alone or beside an heir that has taken its partitions.
 */
async function sleeper({ point, ms, heir: withHeir }) {
  const worker = await failing("sleeper", point, "stop");
  const heir = withHeir && (await rig.worker({ name: "heir", env }));
  const log = logFrom(worker);
  const book = new Book(rig, publisher);
  const users = times(32, newUser); // of every partition, so that the sleeper has work whichever are its own
  await book.fill(12, users);
  await settled(book);
  fail();
  await book.fill(48, users);
  await stopped(worker);
  const slept = Date.now();
  await sleep(ms);
  if (heir) await settled(book); // it has published them before the sleeper wakes
  fs.rmSync(trigger);
  worker.resume();
  await sleep(100);
  await book.fill(12, users);
  await settled(book);
  await sleep(300); // what a late publish would still bring
  await settled(book);
  if (heir) await heir.stop();
  await worker.stop();
  return { log: log(), slept: Date.now() - slept };
}

const asleep = (plan) => `${plan.point} ${plan.ms} ms ${plan.heir ? "beside an heir" : "alone"}`;

for (const plan of [
  { point: "relay.push:1", ms: 300 },
  { point: "relay.push:1", ms: 2500, heir: true },
  { point: "relay.publish:1", ms: 300 },
  { point: "relay.acknowledged:1", ms: 2500, heir: true },
]) {
  test(`a publisher sleeps, and wakes on a connection that still stands: ${asleep(plan)}`, async () => {
    const { log } = await sleeper(plan);
    assert.equal(countOf(log, "nats_lost"), 0, "its connection stood");
  });
}

test("a server that drops silent clients soon", async () => {
  await rig.nats.restart({ settings: { ping_interval: '"500ms"', ping_max: 2 } });
  await online(operator, publisher);
});

for (const plan of [
  { point: "relay.push:1", ms: 2500, heir: true },
  { point: "relay.publish:1", ms: 2500, heir: true },
  { point: "relay.publish:4", ms: 2500, heir: true },
  { point: "relay.publish:3", ms: 2500 },
  { point: "relay.acknowledged:2", ms: 2500, heir: true },
]) {
  test(`a publisher sleeps, and wakes when the server has dropped it: ${asleep(plan)}`, async () => {
    const { log } = await sleeper(plan);
    assert.ok(countOf(log, "nats_lost") > 0, "its connection was gone");
  });
}

test("a server with the deployed pings again", async () => {
  await rig.nats.restart({ settings: {} });
  await online(operator, publisher);
});

// ---- the stream taken away

const worker = { current: null };
test("a worker for what follows", async () => {
  await Promise.all(rig.workers.map((each) => each.kill()));
  worker.current = await rig.worker({ env });
});

/** All events of the table are on the stream again. */
async function whole(options) {
  await arrived();
  await relayed(rig);
  assert.equal(await checkEventStream(rig, operator, options), await events());
}

for (const running of [true, false]) {
  test(`the event stream is made anew while the worker ${running ? "runs" : "is stopped"}`, async () => {
    const book = new Book(rig, publisher);
    await book.fill(60);
    await settled(book);
    const log = logFrom(worker.current);
    if (!running) await worker.current.stop();
    await remakeStream(operator, stream);
    if (!running) await worker.current.begin();
    await whole();
    assert.ok(countOf(log(), "event_stream_anew") > 0, "the alarm");
    await book.fill(30, [...book.users.keys()]);
    await settled(book);
  });
}

test("the event stream is made anew, and new events come before that is noticed", async () => {
  const book = new Book(rig, publisher);
  const users = times(8, () => newUser());
  await book.fill(40, users);
  await settled(book);
  await remakeStream(operator, stream);
  await book.fill(16, users);
  await book.check();
  await whole({ ordered: false }); // what came in between stands first
  const { last_seq: last } = await state();
  await book.fill(16, users);
  await book.check();
  await whole({ ordered: false });
  assert.equal((await state()).last_seq, last + 16);
  await remakeStream(operator, stream); // once more, with nothing in between
  await whole();
});

test("the event stream's tail is lost under a running worker", async () => {
  const book = new Book(rig, publisher);
  const users = times(12, () => newUser());
  await book.fill(36, users);
  await settled(book);
  const restore = await keepStream(rig, stream);
  await online(operator, publisher);
  await book.fill(36, users);
  await settled(book);
  await marked((await state()).last_seq); // all positions name what will be lost
  const log = logFrom(worker.current);
  await restore();
  await online(operator, publisher);
  await whole();
  assert.ok(countOf(log(), "event_stream_anew") > 0, "the alarm");
  await book.fill(24, users);
  await settled(book);
});

/** Waits until every partition's place in the event stream is at least there. */
async function marked(seq, options = {}) {
  const lowest = "SELECT min(event_stream_seq)::int AS low FROM lumin.partitions";
  await rig.sqlUntil(lowest, ({ low }) => low >= seq, { timeout: 20_000, ...options });
}

for (const running of [true, false]) {
  const who = running ? "a running worker" : "a worker that dies with it";

  test(`the last moment of the event stream is lost under ${who}`, async () => {
    for (let round = 0; round < (long ? 10 : running ? 2 : 1); round++) {
      const book = new Book(rig, publisher);
      const users = times(12, () => newUser());
      await book.fill(36, users);
      await settled(book);
      const restore = await keepStream(rig, stream);
      await online(operator, publisher);
      await marked((await state()).last_seq);
      await book.fill(36, users);
      await book.check({ every: 2 });
      // Acknowledged, and most likely no position names them yet.
      if (running) await eventually(async () => (await messages()) === (await events()), { every: 2 });
      else await relayed(rig, { every: 2 });
      if (!running) await worker.current.kill();
      await restore();
      await online(operator, publisher);
      if (!running) await worker.current.begin();
      await book.check();
      await whole();
    }
  });
}

test("what retention has taken is no loss, and is not published again", async () => {
  const log = logFrom(worker.current);
  const old = new Book(rig, publisher);
  await old.fill(48);
  await settled(old);
  for (const restart of [false, true]) {
    await jetstreamApi(operator, `STREAM.PURGE.${stream}`, {});
    if (restart) await worker.current.restart();
    const book = new Book(rig, publisher);
    await book.fill(24);
    await settled(book, relayed);
    assert.equal(await messages(), 24);
  }
  assert.equal(countOf(log(), "event_stream_anew"), 0);
});

// ---- an idle partition behind many foreign events

/** Events of other users, without the service: as many messages as that under the stream's subjects. */
async function flood(count) {
  const before = await messages();
  const socket = net.connect(rig.nats.port, "127.0.0.1");
  const login = { user: "worker", pass: rig.nats.passwords.worker, verbose: false, pedantic: false };
  socket.write(`CONNECT ${JSON.stringify(login)}\r\n`);
  socket.on("data", (text) => /PING/.test(text) && socket.write("PONG\r\n"));
  for (let sent = 0; sent < count; sent += 1000) {
    const chunk = times(Math.min(1000, count - sent), () => `PUB ${prefix}.event.user_created.${newUser()} 1\r\nx\r\n`);
    if (!socket.write(chunk.join(""))) await new Promise((resolve) => socket.once("drain", resolve));
  }
  await eventually(async () => (await messages()) === before + count, { timeout: 120_000, what: "the flood's end" });
  socket.destroy();
}

const many = long ? 1_000_000 : 200_000;

test("many foreign events: positions move on, and a restart reads none of them", async () => {
  const book = new Book(rig, publisher);
  const users = times(4, () => newUser(9));
  await book.fill(8, users); // partition 9 is not new, and idle from now on
  await settled(book, relayed);
  await flood(many);
  const { last_seq: last } = await state();
  await marked(last);
  const later = new Book(rig, publisher);
  let took = Infinity;
  // One that reads them all is never so quick; one that does not may be held up.
  for (let tries = 0; tries < 5 && took >= 3000; tries++) {
    const begun = Date.now();
    const { last_seq: end } = await state();
    await worker.current.restart();
    await later.fill(8, times(4, () => newUser(9)));
    await later.check();
    await eventually(async () => (await state()).last_seq >= end + 8, { what: "the events" });
    took = Date.now() - begun;
  }
  assert.ok(took < 3000, `${took} ms from the stop to the first event`);
  await checkEventStream(rig, operator, { users: [...later.users.keys()], from: last + 1 });
});

test("positions unknown: all is read once, however long it takes, and nothing is published again", async () => {
  await worker.current.stop();
  await rig.sql("UPDATE lumin.partitions SET event_stream_seq = 0, event_stream_ts = 0");
  const before = await state();
  await worker.current.begin();
  const book = new Book(rig, publisher);
  await book.fill(8);
  await book.check({ timeout: long ? 120_000 : 60_000 });
  await relayed(rig);
  const now = await state();
  assert.equal(now.last_seq, before.last_seq + 8);
  await jetstreamApi(operator, `STREAM.PURGE.${stream}`, {});
});

// ---- the event stream ahead of the table

/** Runs a program of PostgreSQL as the service's role; returns what it says. */
async function postgres(program, args, input = "") {
  const stdio = ["pipe", "pipe", "inherit"];
  const child = spawn(path.join(postgresBin(), program), [...args, rig.postgres.url], { stdio });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part) => (text += part));
  child.stdin.end(input);
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 0, program);
  return text;
}

test("the database comes back older: what is ahead stays closed and says so, the rest goes on", async () => {
  const [ahead, fine] = [3, 4];
  const book = new Book(rig, publisher);
  const [hers, his] = [newUser(ahead), newUser(fine)];
  await book.fill(8, [hers, his]);
  await settled(book, relayed);
  const dump = await postgres("pg_dump", ["--schema=lumin"]);
  const after_ = new Book(rig, publisher);
  await after_.fill(6, [newUser(ahead)]);
  await settled(after_, relayed);
  await worker.current.stop();
  const log = logFrom(worker.current);
  const anew = "SET client_min_messages = warning; DROP SCHEMA lumin CASCADE;\n";
  await postgres("psql", ["-qX", "-v", "ON_ERROR_STOP=1"], anew + dump);
  worker.current.spawn(); // never healthy: what is ahead is an alarm
  await eventually(() => countOf(log(), "event_stream_ahead") > 0, { timeout: 20_000, what: "the alarm" });

  const before = await state();
  await book.fill(4, [his]);
  await relayed(rig);
  await eventually(async () => (await state()).last_seq >= before.last_seq + 4, { what: "the events of the others" });
  const waiting = await book.fill(4, [hers]);
  await sleep(2000);
  const [{ count }] = await rig.sql("SELECT count(*)::int FROM lumin.outcomes WHERE command_id = ANY($1)", [
    waiting.map(({ id }) => id),
  ]);
  assert.equal(count, 0, "a closed partition applies nothing");
  assert.equal((await state()).last_seq, before.last_seq + 4, "nor publishes");
  const alarms = new Set(log().match(/event_stream_ahead partition=\d+/g));
  assert.deepEqual([...alarms], [`event_stream_ahead partition=${ahead}`]);

  // The words hold over a restart, and nothing is lost: when the newer database is back, its commands are applied.
  await worker.current.stop();
  worker.current.spawn();
  await eventually(() => countOf(log(), "event_stream_ahead") > 1, { timeout: 20_000, what: "the alarm once more" });
  assert.equal((await state()).last_seq, before.last_seq + 4);
  book.forget(waiting);
  await book.check();
  await checkEventStream(rig, operator, { users: [his] });
});
