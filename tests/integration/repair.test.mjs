// SPDX-License-Identifier: MIT
// The drill of docs/operations.md, "Restore", on a real PostgreSQL with base backup and WAL archive: back to an earlier
// point while the event stream is ahead, and what was lost is taken back from it, or given up. An oracle that shares no
// code with the service judges what comes of it, with every answer that was given before. And events that the stream
// has lost, published again on demand.
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { Backup } from "../support/backup.mjs";
import { Load, Random, call } from "../support/load.mjs";
import { audit, readAll, settle } from "../support/oracle.mjs";
import { Rig, eventually, jetstreamApi, publishCommand, sleep, streams, updateStream } from "../support/servers.mjs";
import { newUser, partitionOf, relayed, streamState, times } from "../support/traps.mjs";

// One lane: with two, commands of different lanes pass e-mails on in the order of their commits, which nothing tells after.
const env = { LUMIN_STREAMS_EVENTS_DUPLICATE_WINDOW: "1s", LUMIN_CURSOR_ADVANCE_INTERVAL: "300ms", LUMIN_WORKER_LANES: "1" };

const rig = await Rig.start({ after }, { name: "repair" });
const backup = await Backup.take(rig);
await rig.setup({ env });
const operator = await rig.connect("operator");
const publisher = await rig.connect("command_publisher");
const worker = await rig.worker({ env });

const program = (word, args, { env: more, ...options } = {}) =>
  rig.run("lumin-user", [word, ...args], { env: { ...env, ...more }, timeout: 60_000, ...options });
const repair = (args, options) => program("repair", args, options);
const said = ({ stdout, stderr }) => stdout + stderr;

/** Repairs, dying on the way at each of these failpoints; returns what it says when it gets through. */
async function repaired(args, points = [], more = {}) {
  for (const point of points) {
    const died = await repair(args, { env: { LUMIN_FAIL_AT: point, LUMIN_FAIL_ACTION: "exit", ...more } });
    assert.equal(died.code, 86, `${point}: ${said(died)}`);
  }
  const done = await repair(args);
  assert.equal(done.code, 0, said(done));
  return done.stdout;
}

/** verify passes, but for these checks. */
async function verified(...failing) {
  const done = await program("verify", []);
  const failed = [...done.stdout.matchAll(/^FAIL (\d [a-z ]*[a-z])/gm)].map(([, name]) => name);
  assert.deepEqual(failed, failing, said(done));
}

/** What is on the event stream: sequence to content. */
async function published() {
  const messages = await readAll(operator, streams.events);
  const told = ({ subject, headers, data }) =>
    JSON.stringify([subject, [...headers.keys()].sort().map((key) => [key, headers.get(key)]), [...data]]);
  return new Map(messages.map((message) => [message.seq, told(message)]));
}

async function keepsAll(before) {
  const now = await published();
  for (const [seq, content] of before) assert.equal(now.get(seq), content, `message ${seq}`);
}

/** Answered commands once more, under their ids: each is answered as before, byte for byte. */
async function answersAgain(load, same = (answer) => answer.bytes) {
  const gateway = await rig.connect("gateway");
  const random = new Random();
  const answered = load.answers();
  assert.ok(answered.length > 100, `${answered.length} answers`);
  for (const { command, answer } of times(40, () => random.pick(answered))) {
    const again = await call(load.history, gateway, command);
    assert.deepEqual(same(again.answer), same(answer), JSON.stringify(answer));
  }
}

/** Everything stops at once, with commands and events on their way, and the database comes back as it was. */
async function loseSince(mark) {
  await worker.kill();
  await rig.postgres.kill();
  const before = await published();
  await backup.restore(mark);
  return before;
}

test("restored to an earlier point: adopted, though it dies on the way, and every answer holds", async () => {
  const load = await Load.start(rig, { users: 60, rate: 120 });
  await load.progress();
  await sleep(600);
  await backup.mark("before");
  await sleep(2500);
  const stopping = load.stop();
  const before = await loseSince("before");
  await stopping;

  const plan = await repair(["--adopt", "--dry-run"]);
  assert.match(plan.stdout, /^the event stream is ahead of the table in \d+ of 32 partitions: \d+ events$/m);
  assert.match(plan.stdout, /^ {2}partition \d+: the table ends at position \d+, the stream at \d+, with \d+ events/m);
  const text = await repaired(["--adopt"], ["repair.commit:1", "repair.committed:2"], { LUMIN_LANE_BATCH: "16" });
  assert.match(text, /^adopted (\d+) of \1 events, commands read to (\d+) of \2$/m);
  assert.match(await repaired(["--adopt"]), /nothing to repair/);

  await worker.begin();
  await settle(rig);
  await verified();
  await keepsAll(before);
  await answersAgain(load);
  await audit(rig, load.history);
});

/** Waits until a user is at that version, and its events are out. */
async function reached(user, version) {
  const text = `SELECT version::int FROM lumin.users WHERE user_id = '${user}'`;
  await rig.sqlUntil(text, (row) => row.version === version, { timeout: 20_000 });
  await relayed(rig);
}

test("what is ahead stays closed until then, and says so", async () => {
  const [ahead, fine] = [newUser(3), newUser(4)];
  const name = (user, firstName) => publishCommand(publisher, "change_username", user, { firstName });
  for (const user of [ahead, fine]) {
    await publishCommand(publisher, "create", user, { firstName: "Ada", email: `${user}@example.com` });
    await reached(user, 1);
  }
  await backup.mark("closed");
  await name(ahead, "Eve");
  await reached(ahead, 2);
  const before = await loseSince("closed");
  const log = worker.logText().length;
  worker.spawn();
  const alarm = "SELECT alarm FROM lumin.partitions WHERE partition = 3";
  await rig.sqlUntil(alarm, (row) => row.alarm === "event_stream_ahead", { timeout: 20_000 });
  const line = / error event_stream_ahead partition=3 .*run="lumin-user repair --adopt, or --discard"/;
  assert.match(worker.logText().slice(log), line);
  await name(fine, "Bob");
  await rig.sqlUntil(`SELECT version::int FROM lumin.users WHERE user_id = '${fine}'`, ({ version }) => version === 2);
  const health = await program("health", [], { role: "setup" });
  assert.match(health.stdout, /^FAIL closed +partitions 3: event_stream_ahead.*lumin-user repair/m);
  assert.equal(health.code, 1);

  // With the worker running: its partitions are taken from it, and given back.
  assert.match(await repaired(["--adopt"]), /^adopted 1 of 1 events/m);
  await name(ahead, "Zoe");
  await reached(ahead, 3);
  await settle(rig);
  await verified();
  await keepsAll(before);
  await eventually(() => rig.health(), { timeout: 20_000, every: 500, what: "health" });
});

test("the same when some of the commands have expired: their events and outcomes are there all the same", async () => {
  const load = await Load.start(rig, { users: 40, rate: 120, dead: 0 });
  await load.progress();
  await backup.mark("expired");
  const { last_seq: from } = await streamState(operator, streams.commands);
  await sleep(2000);
  await load.stop();
  await settle(rig);
  const { last_seq: to } = await streamState(operator, streams.commands);
  const before = await loseSince("expired");
  const seq = Math.ceil((from + to) / 2);
  await jetstreamApi(operator, `STREAM.PURGE.${streams.commands}`, { seq });

  const text = await repaired(["--adopt"], ["repair.committed:1"]);
  assert.match(text, /the commands of \d+ have expired/);
  await worker.begin();
  await settle(rig);
  // Nobody can tell of each partition that nothing of it was unread: an operator looks, and says so.
  await rig.sql("UPDATE lumin.lost_ranges SET acknowledged_at = clock_timestamp()");
  await verified();
  await keepsAll(before);

  // All that was applied is there, whether its command is or not; the rest of the answers hold where it is.
  const outcomes = new Map((await rig.sql("SELECT * FROM lumin.outcomes")).map((row) => [row.command_id, row]));
  for (const { command, answer } of load.answers()) {
    if (answer.status !== "APPLIED" && answer.seq < seq) continue;
    const row = outcomes.get(command.id);
    assert.equal(Number(row?.version), answer.version, JSON.stringify(answer));
  }
  await answersAgain({ ...load, answers: () => load.answers().filter(({ answer }) => answer.status === "APPLIED") }, (answer) => [
    answer.status,
    answer.version,
    answer.user,
  ]);
});

test("answered and not published yet: decided again in the order of the stream, before any worker", async () => {
  const [first, second, third, other] = [5, 6, 7, 8].map(newUser);
  const mail = (user, address) => publishCommand(publisher, "change_email", user, { email: `${address}@example.com` });
  for (const user of [first, second, other]) {
    await publishCommand(publisher, "create", user, { firstName: "Ada", email: `${user}@example.com` });
  }
  await settle(rig);
  await backup.mark("order");
  await publishCommand(publisher, "change_username", other, { firstName: "Eve" });
  await settle(rig);
  const { config } = await jetstreamApi(operator, `STREAM.INFO.${streams.events}`);
  await updateStream(operator, streams.events, { subjects: ["nothing.here"] });
  await mail(first, "wanted"); // and leaves its own
  await mail(second, "wanted"); // is too late
  await publishCommand(publisher, "create", third, { firstName: "Bob", email: `${first}@example.com` });
  const text = `SELECT user_id, status::int, version::int, stream_seq::int, encode(error, 'hex') AS error FROM lumin.outcomes
    WHERE user_id = ANY($1) ORDER BY stream_seq`;
  const outcomes = () => rig.sql(text, [[first, second, third]]);
  const before = await eventually(async () => (await outcomes()).length === 5 && outcomes());
  assert.deepEqual(before.map(({ status }) => status), [1, 1, 1, 3, 1]);
  await loseSince("order");
  await updateStream(operator, streams.events, { subjects: config.subjects });

  const done = await repaired(["--adopt"], ["repair.committed:2"]);
  assert.match(done, /^adopted (\d+) of \1 events/m);
  assert.deepEqual(await outcomes(), before);
  await worker.begin();
  await settle(rig);
  await verified();
});

// ---- before a mistake

const state = () => streamState(operator, streams.events);

async function mistake(mark) {
  const users = times(6, () => newUser());
  for (const user of users) await publishCommand(publisher, "create", user, { firstName: "Ada", email: `${user}@example.com` });
  await settle(rig);
  await backup.mark(mark);
  for (const user of users) await publishCommand(publisher, "delete", user);
  await publishCommand(publisher, "change_username", users[0], { firstName: "Eve" }); // refused: deleted
  await settle(rig);
  await worker.kill();
  await backup.restore(mark);
  return users;
}

const statuses = (users) =>
  rig.sql("SELECT status::int, version::int FROM lumin.users WHERE user_id = ANY($1)", [users]);

test("restored to before a mistake: discarded, though it dies on the way, and its commands are skipped", async () => {
  const users = await mistake("mistake");
  const args = ["--discard", "--commands", "skip"];
  const plan = await repair([...args, "--dry-run"]);
  assert.match(plan.stdout, /: 6 events$/m);
  for (const user of users) assert.match(plan.stdout, new RegExp(`^  user ${user}: versions 2 to 2$`, "m"));
  const { last_seq: last } = await streamState(operator, streams.commands);

  const died = await repair(args, { env: { LUMIN_FAIL_AT: "repair.remove:3", LUMIN_FAIL_ACTION: "exit" } });
  assert.equal(died.code, 86, said(died));
  const other = await repair(["--adopt"]);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /a discard was begun and has not ended/);
  assert.match(await repaired(args), /^removed 4 of 4 events$/m);
  await worker.begin();
  await settle(rig);
  assert.deepEqual(await statuses(users), times(6, () => ({ status: 1, version: 1 })));
  const [{ low }] = await rig.sql("SELECT min(input_seq)::int AS low FROM lumin.partitions");
  assert.ok(low >= last, "what came since is skipped");
  await verified();

  // The versions are used again, and get to the stream once the server has forgotten their ids.
  for (const user of users) await publishCommand(publisher, "change_username", user, { firstName: "Zoe" });
  await settle(rig);
  await verified();
});

test("restored to before a mistake that another program would not make: its commands are decided again", async () => {
  const users = await mistake("mended");
  assert.match(await repaired(["--discard", "--commands", "replay"]), /^removed 6 of 6 events$/m);
  await worker.begin();
  await settle(rig);
  assert.deepEqual(await statuses(users), times(6, () => ({ status: 5, version: 2 })));
  await verified();
});

// ---- published again

const republish = (args) => program("republish", args, { role: "worker" });
const remove = (seq) => jetstreamApi(operator, `STREAM.MSG.DELETE.${streams.events}`, { seq });
const ofUser = async (user) =>
  (await readAll(operator, streams.events)).filter(({ subject }) => subject.endsWith(`.${user}`));

test("republish: an event that is last of its user comes back; one in the middle would be out of order", async () => {
  const user = newUser();
  await publishCommand(publisher, "create", user, { firstName: "Ada", email: `${user}@example.com` });
  for (const firstName of ["Bob", "Eve", "Zoe"]) await publishCommand(publisher, "change_username", user, { firstName });
  await settle(rig);
  const whole = await ofUser(user);
  await remove(whole[3].seq);
  const back = await republish(["--user", user]);
  assert.equal(back.code, 0, said(back));
  assert.match(back.stdout, /^1 events published again$/m);
  const again = await ofUser(user);
  assert.deepEqual([...again[3].data], [...whole[3].data]);
  await verified();
  assert.match((await republish(["--all"])).stdout, /^0 events published again$/m);

  await remove(again[1].seq);
  const left = await republish(["--user", user]);
  assert.equal(left.code, 1);
  assert.match(left.stdout, /^1 stand behind later events of their users/m);
  for (const { seq } of await ofUser(user)) await remove(seq);
  const positions = (await rig.sql("SELECT position::int FROM lumin.events WHERE user_id = $1 ORDER BY 1", [user])).map((row) => row.position);
  const range = ["--partition", String(partitionOf(user)), "--from", String(positions[0]), "--to", String(positions[3])];
  assert.match((await republish([...range, "--dry-run"])).stdout, /^4 events would be published again$/m);
  assert.match((await republish(range)).stdout, /^partition \d+: 4 events published again$/m);
  await verified();
  const [, second] = await ofUser(user);
  await remove(second.seq);
  assert.match((await republish(["--all", "--late"])).stdout, /^1 events published again$/m);
  await verified("8 stream order");
  for (const { seq } of await ofUser(user)) await remove(seq);
  assert.equal((await republish(["--user", user])).code, 0);
  await verified();
});

test("republish: a stream that was wiped, while no worker runs; nothing is there twice when one does again", async () => {
  await worker.stop();
  const { config } = await jetstreamApi(operator, `STREAM.INFO.${streams.events}`);
  await jetstreamApi(operator, `STREAM.DELETE.${streams.events}`);
  await jetstreamApi(operator, `STREAM.CREATE.${streams.events}`, config);
  const died = await program("republish", ["--all"], {
    role: "worker",
    env: { LUMIN_FAIL_AT: "republish.event:100", LUMIN_FAIL_ACTION: "exit" },
  });
  assert.equal(died.code, 86, said(died));
  const done = await republish(["--all"]);
  assert.equal(done.code, 0, said(done));
  const [{ count }] = await rig.sql("SELECT count(*)::int FROM lumin.events");
  assert.equal((await state()).messages, count);
  await worker.begin();
  await settle(rig);
  assert.equal((await state()).messages, count);
  await verified();
});
