// SPDX-License-Identifier: MIT
// The drill of docs/operations.md, "Another number of partitions": 32 become 48 and 48 become 5, with users, dead
// commands and outcomes, dying at every step; the same users go on, their answers hold, and a consumer that reads the
// event stream from its beginning sees each event once. Then the event stream is lost, in part and whole.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import test, { after } from "node:test";
import { Backup } from "../support/backup.mjs";
import { Load, call } from "../support/load.mjs";
import { readAll } from "../support/oracle.mjs";
import { Rig, build, eventually, headersOf, jetstreamApi, publishCommand, sleep, streams } from "../support/servers.mjs";
import { Book, newUser, quick, relayed, remakeStream, stopped, times } from "../support/traps.mjs";

const env = { ...quick, LUMIN_STREAMS_EVENTS_DUPLICATE_WINDOW: "1s" };
const rig = await Rig.start({ after }, { name: "repartition" });
const backup = await Backup.take(rig);
await rig.setup({ env });
const operator = await rig.connect("operator");
const publisher = await rig.connect("command_publisher");
const gateway = await rig.connect("gateway");
const worker = await rig.worker({ env });
const book = new Book(rig, publisher);
const users = times(30, () => newUser());

const said = ({ stdout, stderr }) => stdout + stderr;
const program = (word, args, { env: more, ...options } = {}) =>
  rig.run("lumin-user", [word, ...args], { env: { ...env, ...more }, timeout: 60_000, ...options });
const repartition = (args, options) => program("repartition", args.map(String), options);
const dying = (point) => ({ env: { LUMIN_FAIL_AT: `${point}:1`, LUMIN_FAIL_ACTION: "exit" } });
const settings = async () => (await rig.sql("SELECT partitions, layout, position_base::int AS base FROM lumin.settings"))[0];

/** Commands of everybody, with some that die. */
async function load() {
  await book.fill(120, users);
  const running = await Load.start(rig, { users: 40, callers: 8, rate: 80, dead: 0.05 });
  await running.progress();
  await sleep(600);
  await running.stop();
  await book.check();
  return running;
}

/** Answered commands once more: each is answered as before, byte for byte. */
async function answersHold(running) {
  const answered = running.answers().slice(0, 25);
  assert.ok(answered.length > 10);
  for (const { command, answer } of answered) {
    const again = await call(running.history, gateway, command);
    assert.equal(again.answer.bytes, answer.bytes, JSON.stringify(answer));
  }
}

async function verified() {
  const done = await program("verify", []);
  assert.equal(done.code, 0, said(done));
}

/** What a consumer sees that reads all: each event of the table once, each user's in order, as the table says. */
async function consumed() {
  await relayed(rig);
  const { base } = await settings();
  const rows = await rig.sql("SELECT user_id, version::int, partition, position::int, body FROM lumin.events");
  const expected = new Map(rows.map((row) => [`${row.user_id}:${row.version}`, row]));
  const last = new Map();
  const seen = new Map();
  for (const { seq, headers, data } of await readAll(operator, streams.events)) {
    const [id, user] = [headers.get("ce-id"), headers.get("ce-subject")];
    const row = expected.get(id);
    assert.ok(row && !seen.has(id), `${seq}: ${id} is ${row ? "there twice" : "not in the table"}`);
    assert.equal(Number(headers.get("ce-sequence")), (last.get(user) ?? 0) + 1, `${seq}: ${id} out of order`);
    assert.deepEqual([...data], [...row.body]);
    const place = [Number(headers.get("ce-partition")), Number(headers.get("ce-position"))];
    if (place[1] > base) assert.deepEqual(place, [row.partition, row.position], `${seq}: ${id}`);
    last.set(user, row.version);
    seen.set(id, place[1]);
  }
  assert.equal(seen.size, expected.size);
  return [...seen.values()].filter((position) => position <= base).length;
}

/** Every partition's positions are dense above the base. */
async function dense(partitions) {
  const { base } = await settings();
  const rows = await rig.sql(`SELECT p.partition, p.event_position::int AS ends, count(e.*)::int AS count, min(e.position)::int AS first
    FROM lumin.partitions p LEFT JOIN lumin.events e USING (partition) GROUP BY 1, 2 ORDER BY 1`);
  assert.deepEqual(rows.map(({ partition }) => partition), times(partitions, (number) => number));
  for (const { ends, count, first } of rows) assert.deepEqual([ends, first ?? base + 1], [base + count, base + 1]);
}

/** The program in the background, and what it has said so far. */
function begin(args, more = {}) {
  const child = spawn(path.join(build, "lumin-user"), ["repartition", ...args.map(String)], {
    env: { PATH: process.env.PATH, ...rig.environment("operator"), ...env, ...more },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (text += part));
  const code = new Promise((resolve) => child.once("close", resolve));
  return { says: (what) => eventually(() => what.test(text), { timeout: 30_000, what: `${what} in ${text}` }), code, text: () => text };
}

/** Commands come in again, and the workers serve, by that number. */
async function serveWith(partitions) {
  rig.partitions = partitions;
  worker.env.LUMIN_PARTITIONS = String(partitions);
  rig.nats.map(partitions);
  await eventually(async () => (await program("setup", [], { role: "setup" })).code === 0, { timeout: 20_000, every: 300, what: "setup" });
  await worker.begin();
  await publisher.flush(); // an idle connection heeds a new mapping from its second read on
}

let before;

test("what it wants to know, and what it says before it begins", async () => {
  before = await load();
  await backup.mark("before");
  assert.equal((await repartition([])).code, 2);
  for (const wrong of ["0", "1025", "many"]) assert.equal((await repartition([wrong])).code, 2);
  assert.match((await repartition([32])).stdout, /^there are 32 partitions: nothing to do$/m);
  const check = await repartition([48, "--check"]);
  assert.equal(check.code, 0, said(check));
  assert.match(check.stdout, /^32 partitions would become 48: \d+ events get new positions; \d+ of \d+ users change their partition$/m);
  assert.match(check.stdout, /^the mapping is open: commands come in$/m);
  assert.match(check.stdout, /^workers: .+/m);
  const open = await repartition([48, "--wait", 0]);
  assert.equal(open.code, 1);
  assert.match(open.stdout, /^commands still come in\. .*nats-server --signal reload[^]*partition\(32,2\)/m);
  assert.deepEqual(await settings(), { partitions: 32, layout: 0, base: 0 });
});

test("32 become 48, though it dies at every step, and a worker sleeps through it", async () => {
  const sleeper = await rig.worker({ env, name: "sleeper" });
  await eventually(() => /partitions_taken/.test(sleeper.logText()), { timeout: 20_000, what: "partitions of its own" });
  sleeper.signal("SIGSTOP");
  await stopped(sleeper);
  await book.fill(150, users); // a backlog
  rig.nats.map(0);
  const died = await repartition([48], dying("repartition.begun"));
  assert.equal(died.code, 86, said(died));
  assert.match(died.stdout, /^closed: no command comes in\n[^]*^drained: all commands are decided, all events published$/m);
  await book.check();

  // From here on none may start, until it is through or given up.
  const late = await rig.run("lumin-user", ["worker"], { role: "worker", env });
  assert.equal(late.code, 1);
  assert.match(late.stderr, /schema_unfit .*a repartition to 48 is under way, or was interrupted: run lumin-user repartition 48 again/);
  assert.match((await program("health", [], { role: "setup" })).stdout, /^FAIL layout +a repartition to 48 is under way/m);
  assert.equal((await program("repair", ["--adopt"])).code, 1);
  assert.match((await repartition([32])).stdout, /^given up: there are 32 partitions as before/m);
  const alive = await repartition([48, "--wait", 1]);
  assert.equal(alive.code, 1);
  assert.match(said(alive), /^lumin-user repartition: workers are alive: stop .*, and run it again/m);

  await worker.stop();
  const undone = await repartition([48], dying("repartition.rewrite"));
  assert.equal(undone.code, 86, said(undone));
  assert.equal((await settings()).partitions, 32);
  const done = await repartition([48], dying("repartition.rewritten"));
  assert.equal(done.code, 86, said(done));
  assert.match(done.stdout, /^rewritten: \d+ events in /m);
  assert.equal((await settings()).partitions, 48);
  const other = await repartition([5]);
  assert.match(other.stderr, /the one to 48 has come too far: run lumin-user repartition 48 to its end/);
  assert.equal((await repartition([48], dying("repartition.removed"))).code, 86);
  const ended = await repartition([48]);
  assert.equal(ended.code, 0, said(ended));
  assert.match(ended.stdout, /^done: there are 48 partitions\. What comes next:[^]*partition\(48,2\)/m);
  assert.match((await repartition([48])).stdout, /nothing to do/);
  await dense(48);

  const old = await rig.run("lumin-user", ["worker"], { role: "worker", env });
  assert.equal(old.code, 78);
  assert.match(old.stderr, /partitions is 32 here, and 48 in the database: set it to 48, or see lumin-user repartition 32/);
  await serveWith(48);
  sleeper.signal("SIGCONT");
  await eventually(() => !sleeper.alive, { timeout: 20_000, what: "the end of a worker that counts as before" });
  assert.equal(sleeper.child.exitCode, 78);
  assert.match(sleeper.logText(), / error layout_changed partitions=32 /);
  assert.doesNotMatch(sleeper.logText(), /wrong_partition/);
});

test("the same users go on, and every answer holds", async () => {
  await answersHold(before);
  before = await load();
  assert.ok((await consumed()) > 100, "some were published before");
  await verified();
  assert.doesNotMatch(worker.logText(), /event_stream_anew|command_stream_anew|commands_lost|event_stream_ahead/);
});

test("an event of before that was removed is published again under its new place", async () => {
  assert.match((await program("republish", ["--all"], { role: "worker" })).stdout, /^0 events published again$/m);
  const all = await readAll(operator, streams.events);
  const { base } = await settings();
  const [last] = [...new Map(all.map((message) => [message.headers.get("ce-subject"), message])).values()].filter(
    ({ headers }) => Number(headers.get("ce-position")) <= base,
  );
  await jetstreamApi(operator, `STREAM.MSG.DELETE.${streams.events}`, { seq: last.seq });
  const again = await program("republish", ["--user", last.headers.get("ce-subject")], { role: "worker" });
  assert.match(again.stdout, /^1 events published again$/m, said(again));
  await consumed();
  await verified();
});

/** 48 become `partitions` in one go, by somebody who does what it says. */
async function become(partitions) {
  const run = begin([partitions, "--wait", 40]);
  await run.says(/commands still come in/);
  rig.nats.map(0);
  await run.says(/stop the workers .*: /);
  await worker.stop();
  assert.equal(await run.code, 0, run.text());
  await dense(partitions);
}

/** The event stream made anew with these messages, as one that comes back from an earlier copy. */
async function refill(messages) {
  await remakeStream(operator, streams.events);
  const events = await rig.connect("worker");
  for (const { subject, headers, data } of messages) {
    const copy = headersOf({});
    for (const key of headers.keys()) copy.set(key, headers.get(key));
    events.publish(subject, data, { headers: copy });
  }
  await events.flush();
  await events.close();
}

const noticed = (from) =>
  eventually(() => /event_stream_anew/.test(worker.logText().slice(from)), { timeout: 20_000, what: "event_stream_anew" });

test("48 become 5, and the event stream comes back half: the rest is published again", async () => {
  await book.fill(60, users);
  await become(5);
  const messages = await readAll(operator, streams.events);
  const half = messages.slice(0, messages.length / 2);
  await refill(half);
  await serveWith(5);
  await book.check();
  await noticed(0);
  await eventually(async () => (await consumed()) === half.length, { timeout: 30_000, every: 500, what: "all events" });
  await verified();
});

test("what the stream's limits have taken from events of before is not published again", async () => {
  const log = worker.logText().length;
  await worker.stop();
  const messages = await readAll(operator, streams.events);
  await refill(messages);
  await jetstreamApi(operator, `STREAM.PURGE.${streams.events}`, { seq: 100 });
  await worker.begin();
  await noticed(log);
  await relayed(rig);
  const left = await readAll(operator, streams.events);
  assert.deepEqual(left.map(({ headers }) => headers.get("ce-id")), messages.slice(99).map(({ headers }) => headers.get("ce-id")));
  await verified();
});

test("the event stream is lost whole: all comes back, under the places of now", async () => {
  await worker.stop();
  await remakeStream(operator, streams.events);
  await worker.begin();
  await eventually(async () => (await consumed()) === 0, { timeout: 30_000, every: 500, what: "all events" });
  await answersHold(before);
  await load();
  await consumed();
  await verified();
});

test("a restore to a point after it is repaired; one to before it is refused", async () => {
  await backup.mark("after");
  await book.fill(60, users);
  await book.check();
  await relayed(rig);
  await worker.kill();
  await backup.restore("after");
  const adopted = await program("repair", ["--adopt"]);
  assert.equal(adopted.code, 0, said(adopted));
  assert.match(adopted.stdout, /^adopted (\d+) of \1 events/m);
  await worker.begin();
  await book.check();
  await consumed();
  await verified();

  await worker.kill();
  await backup.restore("before");
  const refused = await program("repair", ["--adopt"]);
  assert.equal(refused.code, 78);
  assert.match(refused.stderr, /partitions is 5 here, and 32 in the database/);
  rig.partitions = 32;
  const misled = await program("repair", ["--adopt"]);
  assert.equal(misled.code, 1);
  assert.match(misled.stderr, /published under another number of partitions: the database was restored to before a repartition/);
});
