// SPDX-License-Identifier: MIT
// What PostgreSQL refuses (guarantees 2, 7, 9 and 10): addresses and command ids that two lanes want at once, values
// that it does not take, and days on which it takes nothing. And a lane's memory, used up.
import crypto from "node:crypto";
import { test, after } from "node:test";
import { sleep } from "../../support/servers.mjs";
import { eventOf, fold, reasonOf, Replay, readTables, differences } from "./oracle.mjs";
import { Stream, generate } from "./script.mjs";
import { Stage, assert, long } from "./stage.mjs";

const stage = await Stage.start({ after }, { name: "transaction-conflicts", settings: { deadlock_timeout: "10ms" } });

// ---- lanes that meet at addresses and command ids

/** Outcomes and events with the time of their commits. */
async function history() {
  const dated = "SELECT *, pg_xact_commit_timestamp(xmin)::text AS committed FROM lumin";
  const outcomes = await stage.sql(`${dated}.outcomes`);
  const events = await stage.sql(`${dated}.events ORDER BY user_id, version`);
  return { outcomes: new Map(outcomes.map((row) => [row.command_id, row])), events };
}

/**
 * From when to when each address was whose: [from, to] are commits. A refusal is explained where another user had the
 * address at some time between the partition's commit before and the refusal's own.
 */
function holdings(events) {
  const held = []; // { reason, key, user, from, to }
  const states = new Map();
  for (const row of events) {
    const user = row.user_id;
    const before = states.get(user) ?? { userId: user, email: "", emailKey: "", phone: "" };
    const state = fold(before, eventOf(row));
    states.set(user, state);
    for (const [reason, field] of [["EMAIL_TAKEN", "emailKey"], ["PHONE_TAKEN", "phone"]]) {
      if (before[field] === state[field]) continue;
      const last = held.find((span) => span.user === user && span.reason === reason && span.to === null);
      if (last) last.to = row.committed;
      if (state[field] !== "") held.push({ reason, key: state[field], user, from: row.committed, to: null });
    }
  }
  return { held, states };
}

function commitBefore(message, committed, { outcomes }) {
  let last = "";
  for (const other of stage.messages) {
    if (other.partition !== message.partition) continue;
    const at = outcomes.get(other.commandId)?.committed;
    if (at < committed && at > last) last = at;
  }
  return last;
}

// A commit has its time before others see it: surely they do when its partition commits again.
function seenBy(user, committed, { outcomes }) {
  const { partition } = stage.messages.find(({ intent }) => intent.userId === user);
  const own = stage.messages.filter((message) => message.partition === partition);
  const later = own.map(({ commandId }) => outcomes.get(commandId)?.committed).filter((at) => at > committed);
  return later.sort()[0] ?? "~"; // behind any time
}

/** What must hold where the order of commits decides: all but who wins. */
async function checkMeeting() {
  const all = await history();
  const { held, states } = holdings(all.events);
  const ids = new Set(stage.messages.map((message) => message.commandId));
  assert.deepEqual(new Set(all.outcomes.keys()), ids, "each command id has exactly one outcome");
  // A replay in which the service says who won; everything else follows.
  const partitionAt = new Map(stage.messages.map(({ seq, partition }) => [seq, partition]));
  const observed = ({ commandId, partition }) => {
    const row = all.outcomes.get(commandId);
    const reason = reasonOf(row);
    const foreign = partitionAt.get(Number(row.stream_seq)) !== partition;
    return {
      taken: !foreign && /_TAKEN$/.test(reason) ? reason : null,
      again: foreign ? { commandId, status: row.status, version: Number(row.version), reason, content: null } : null,
    };
  };
  stage.replay = new Replay({ partitions: stage.partitions, observed }).run(stage.messages);
  const actual = await readTables((table) => stage.rows(table));
  const expected = stage.replay.tables();
  const own = new Set(stage.replay.outcomes.keys());
  expected.outcomes.push(...actual.outcomes.filter((text) => !own.has(text.split(" ")[0])));
  assert.deepEqual(differences(actual, expected), []);
  assert.deepEqual(await stage.fenceFaults(), []);
  checkFold(actual, states);
  const refused = stage.messages.filter(({ commandId, seq }) => {
    const row = all.outcomes.get(commandId);
    return Number(row.stream_seq) === seq && /_TAKEN$/.test(reasonOf(row));
  });
  for (const message of refused) assert.ok(explained(message, all, held), `why was ${message.commandId} refused?`);
  return refused.length;
}

function explained(message, all, held) {
  const row = all.outcomes.get(message.commandId);
  const { email = "", phone = "" } = message.intent.fields;
  const reason = reasonOf(row);
  const key = reason === "EMAIL_TAKEN" ? email.toLowerCase() : phone;
  const since = commitBefore(message, row.committed, all);
  return held.some((span) => span.reason === reason && span.key === key && span.user !== message.intent.userId &&
    span.from <= row.committed && (span.to === null || seenBy(span.user, span.to, all) >= since));
}

function checkFold(actual, states) {
  const claimsOf = ({ userId, emailKey, phone }) => [[1, emailKey, userId], [2, phone, userId]];
  const claims = [...states.values()].flatMap(claimsOf);
  const keys = claims.filter(([, key]) => key !== "").map((claim) => claim.join(" | "));
  assert.deepEqual([...actual.identifiers].sort(), keys.sort(), "the identifiers are the users' keys");
  assert.equal(actual.users.length, states.size);
}

async function twoLanes(env = {}, args = []) {
  const workers = [crypto.randomUUID(), crypto.randomUUID()];
  await stage.divide(workers);
  const lanes = [];
  for (const worker of workers) lanes.push(await stage.driver({ worker, args: ["--share", "2", ...args], env }));
  await Promise.all(lanes.map((lane) => lane.finish({ timeout: 90_000 })));
}

test("two lanes quarrel over addresses: conflicts, and no address twice", async () => {
  let taken = 0;
  for (const [seed, batch] of [[51, 8], [52, 32], ...(long ? [[53, 2], [54, 64], [55, 256]] : [])]) {
    await stage.begin(generate({ seed, partitions: 4, users: 24, count: 2500, shared: true }));
    await twoLanes({ LUMIN_LANE_BATCH: `${batch}` });
    taken += await checkMeeting();
  }
  assert.ok(taken > 5, `${taken} commands came too late for an address`); // dozens, but who comes first is chance
  assert.ok(stage.serverSaid("identifiers_pkey") > 5, "23505 on identifiers");
});

/** Pairs of users in different lanes who change addresses with each other, round after round. */
function swaps() {
  const stream = new Stream({ seed: 50, partitions: 4 });
  const pair = (i) => [0, 1].map((side) => ({ userId: stream.userIn(side), email: `pair${i}-${side}@example.com` }));
  const pairs = Array.from({ length: 6 }, (_, i) => pair(i));
  for (const { userId, email } of pairs.flat()) {
    stream.add({ method: "create", userId, fields: { firstName: "Ada", email } });
  }
  for (let round = 1; round <= (long ? 600 : 120); round++) {
    for (const [a, b] of pairs) {
      const [first, second] = round % 2 === 0 ? [a.email, b.email] : [b.email, a.email];
      stream.add({ method: "change_email", userId: a.userId, fields: { email: first } });
      stream.add({ method: "change_email", userId: b.userId, fields: { email: second } });
    }
  }
  return stream.messages;
}

test("two lanes that want each other's addresses meet in a deadlock, and both go on", async () => {
  const deadlocks = () => stage.serverSaid("deadlock detected");
  // A lane that starts late finds all at once, and meets nobody: then once more, with more time to start.
  for (let tries = 1; tries <= 8 && deadlocks() < 3; tries++) {
    await stage.begin(swaps());
    // Between giving up an address and claiming another there is time for the other lane.
    await stage.asService(`
      CREATE FUNCTION watch.linger() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(0.004); RETURN NULL; END $$;
      CREATE TRIGGER linger BEFORE INSERT ON lumin.identifiers FOR EACH STATEMENT EXECUTE FUNCTION watch.linger()`);
    await twoLanes({}, ["--rate", "700", "--since", `${Date.now() + 300 * tries}`]);
    await stage.asService("DROP FUNCTION watch.linger CASCADE");
    await checkMeeting();
  }
  assert.ok(deadlocks() >= 3, `40P01: ${deadlocks()} times`);
});

test("two lanes want one command id: it is used once, and refused to the other", async () => {
  const stream = new Stream({ seed: 56, partitions: 4 });
  const { random } = stream;
  const users = Array.from({ length: 16 }, (_, i) => stream.userIn(i % 4));
  for (const userId of users) {
    stream.add({ method: "create", userId, fields: { firstName: "Ada", email: `${userId}@example.com` } });
  }
  for (let i = 0; i < 600; i++) {
    const headers = { commandId: random.uuid() };
    const fields = { firstName: random.pick(["Ada", "Grace", "Tony"]), lastName: `${i}` };
    for (const userId of [users[2 * random.below(8)], users[2 * random.below(8) + 1]]) {
      stream.add({ method: "change_username", userId, fields }, { headers });
    }
  }
  await stage.begin(stream.messages);
  await twoLanes();
  await checkMeeting();
  assert.ok(stage.serverSaid("outcomes_pkey") > 5, "23505 on outcomes");
  const reused = stage.publishedLines().filter((text) => text.endsWith("COMMAND_ID_REUSED")).length;
  assert.equal(reused, 600, "each id was refused to one of the two");
  assert.deepEqual(stage.publishedFaults().filter((text) => !text.endsWith("COMMAND_ID_REUSED")), []);
});

// ---- what PostgreSQL does not take

const disliked = "position('Barbara'::bytea in NEW.body) + position('Tony'::bytea in NEW.body) > 0";
const dislikes = ({ body }) => /^(Barbara|Tony)$/.test(body.firstName);

async function refusing(condition, state, work) {
  await stage.asService(`
    CREATE FUNCTION watch.dislike() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF ${condition} THEN RAISE EXCEPTION 'no' USING ERRCODE = '${state}'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER dislike BEFORE INSERT ON lumin.events FOR EACH ROW EXECUTE FUNCTION watch.dislike()`);
  try {
    return await work();
  } finally {
    await stage.asService("DROP FUNCTION watch.dislike CASCADE");
  }
}

for (const state of ["23514", "22P05"]) {
  test(`poison (${state}): exactly the commands that PostgreSQL does not take become dead`, async () => {
    await refusing(disliked, state, async () => {
      for (const batch of long ? [1, 3, 16, 64, 256] : [3, 64]) {
        await stage.begin(generate({ seed: 57, partitions: 4, users: 24, count: 800 }), { dislikes });
        assert.ok(stage.replay.dead.filter(({ reason }) => reason === "INTERNAL").length > 10);
        await stage.apply({ env: { LUMIN_LANE_BATCH: `${batch}` } });
        await stage.check();
      }
    });
  });
}

for (const state of ["53100", "57014", "25006", "XX000"]) {
  test(`a bad day (${state}) kills no command: the lane waits and goes on`, async () => {
    await stage.asService("CREATE TABLE IF NOT EXISTS watch.bad_day (since timestamptz)");
    await refusing("EXISTS (SELECT FROM watch.bad_day)", state, async () => {
      await stage.begin(generate({ seed: 58, partitions: 4, users: 24, count: 300 }));
      await stage.asService("INSERT INTO watch.bad_day VALUES (now())");
      const driver = await stage.driver();
      await driver.says("batch_waits");
      await sleep(300);
      assert.equal(await stage.number("SELECT count(*) FROM lumin.outcomes"), 0);
      assert.deepEqual(stage.publishedLines(), []);
      await stage.asService("DELETE FROM watch.bad_day");
      await driver.finish();
      await stage.check();
    });
  });
}

test("PostgreSQL away and back: the lane goes on by itself", async () => {
  await stage.begin(generate({ seed: 59, partitions: 4, users: 24, count: 4000 }));
  const args = ["--rate", "1000", "--since", `${Date.now()}`];
  const driver = await stage.driver({ args });
  for (const hard of [true, false]) {
    await sleep(700);
    await stage.rig.postgres.restart({ hard });
  }
  await driver.finish({ timeout: 60_000 });
  await stage.check();
});

// ---- a foreign hand

test("a user that somebody else wrote is not written over: the lane drops what it knows and reads anew", async () => {
  const stream = new Stream({ seed: 60, partitions: 4 });
  const userId = stream.userIn(0);
  const change = (firstName) => stream.add({ method: "change_username", userId, fields: { firstName } });
  stream.add({ method: "create", userId, fields: { firstName: "Ada", email: "ada@example.com" } });
  change("Grace");
  change("Tony");
  await stage.begin(stream.messages);
  const env = { LUMIN_LANE_BATCH: "2", LUMIN_FAIL_AT: "pg.finished:4", LUMIN_FAIL_ACTION: "stop" };
  const driver = await stage.driver({ env });
  assert.ok(await driver.stoppedOrEnded());
  await stage.sql("UPDATE lumin.users SET version = 5");
  driver.resume();
  await driver.finish();
  assert.ok(driver.said("foreign_write") > 0);
  assert.ok(stage.serverSaid("expected 1 rows, found 0") > 0, "the count check raised");
  const events = await stage.sql("SELECT version::int AS version FROM lumin.events ORDER BY version");
  assert.deepEqual(events.map((row) => row.version), [1, 2, 6], "nothing was written on the stale state");
  const [user] = await stage.sql("SELECT version::int AS version, first_name FROM lumin.users");
  assert.deepEqual(user, { version: 6, first_name: "Tony" });
});

// ---- memory

test("a batch that does not fit into its memory is halved until it does", async () => {
  const messages = generate({ seed: 61, partitions: 4, users: 24, count: 250 });
  // From what one command needs to what a whole batch does.
  const count = long ? 60 : 16;
  const sizes = Array.from({ length: count }, (_, i) => Math.round(24 * 1024 * 16 ** (i / count)));
  for (const size of sizes) {
    await stage.begin(messages);
    await stage.apply({ args: ["--batch-memory", `${size}`], env: { LUMIN_LANE_BATCH: "64" } });
    await stage.check();
  }
});

test("a command that does not fit into a batch's memory becomes dead; its companions get their results", async () => {
  const stream = new Stream({ seed: 62, partitions: 4 });
  const users = Array.from({ length: 20 }, () => stream.userIn(0));
  for (const [i, userId] of users.entries()) {
    stream.add({ method: "create", userId, fields: { firstName: "Ada", email: `m${i}@example.com` } });
    if (i % 7 === 3) {
      const fields = { firstName: "Grace", lastName: "x".repeat(150_000) };
      stream.add({ method: "change_username", userId, fields, fault: { dead: true, reason: "INTERNAL" } });
    }
  }
  await stage.begin(stream.messages);
  const driver = await stage.apply({ args: ["--batch-memory", `${260 * 1024}`] });
  const dead = await stage.sql("SELECT reason, length(payload) AS length FROM lumin.dead_commands");
  assert.equal(dead.length, 3, driver.logTail());
  assert.ok(dead.every(({ reason, length }) => reason === "INTERNAL" && length > 150_000), JSON.stringify(dead));
  assert.equal(await stage.number("SELECT count(*) FROM lumin.users"), 20);
});

test("a lane that remembers next to nothing decides as one that remembers all", async () => {
  await stage.begin(generate({ seed: 63, partitions: 4, users: 400, count: 3000 }));
  await stage.apply({ args: ["--user-memory", "2000"], env: { LUMIN_LANE_BATCH: "16" } });
  await stage.check();
});
