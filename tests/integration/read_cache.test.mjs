// SPDX-License-Identifier: MIT
// Reads from memory: what two workers remember of users while others write them, workers are killed, the NATS server
// goes away and a relay stands still. Nobody reads a version below the one asked for, nobody a state that never was,
// and without a version asked for nobody anything older than cache.max_age.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { Random } from "../support/load.mjs";
import { Rig, eventually, jetstreamApi, request, sleep, streams, updateStream } from "../support/servers.mjs";

const maxAge = 1000;
const rig = await Rig.start({ after }, { name: "read-cache" });
await rig.setup();
const env = { LUMIN_CACHE_MAX_AGE: `${maxAge}ms`, LUMIN_WORKER_LEASE: "500ms" };
const workers = [await rig.worker({ env }), await rig.worker({ env })];
const gateway = await rig.connect("gateway", { reconnectTimeWait: 20 });
const random = new Random();

const get = (userId, headers) => request(gateway, "get", { userId }, { headers, timeout: 3000 });

async function done(method, message, headers) {
  const answer = await request(gateway, method, message, { headers });
  assert.equal(answer.code, 0, `${method}: ${answer.reason}`);
  return answer.as("Outcome");
}

let addresses = 0;
const create = (fields = {}) => done("create", { firstName: "N1", email: `cache-${addresses++}@example.com`, ...fields });

/** What so many workers say of their caches, by worker. */
async function caches(count = 2) {
  const client = gateway.services.client({ strategy: "count", maxMessages: count, maxWait: 10_000 });
  const found = [];
  for await (const { metadata, endpoints } of await client.stats("lumin-user")) {
    found.push({ worker: metadata.worker, ...endpoints.find(({ name }) => name === "probe").data.cache });
  }
  return found;
}

const sum = (all, name) => all.reduce((total, one) => total + one[name], 0);
/** A worker hears of changes from the first question on. */
const trusted = (count) =>
  eventually(async () => {
    await Promise.all(Array.from({ length: 8 * count }, () => get(crypto.randomUUID())));
    const all = await caches(count);
    return all.length === count && all.every((one) => one.trusted) && all;
  }, { timeout: 20_000, what: "caches that are trusted" });

const consumersOfCaches = async () => {
  const operator = await rig.connect("operator");
  const { consumers } = await jetstreamApi(operator, `CONSUMER.NAMES.${streams.events}`);
  await operator.close();
  return (consumers ?? []).filter((name) => name.includes("_cache_"));
};

test("nobody hears of changes whom nobody asks", async () => {
  await create();
  assert.ok((await caches()).every(({ resting, trusted: used, suspicions }) => resting && !used && suspicions === 0));
  assert.deepEqual(await consumersOfCaches(), []);
  const all = await trusted(2);
  assert.ok(all.every(({ resting }) => !resting));
  await eventually(async () => (await consumersOfCaches()).length === 2, { what: "two consumers" });
});

test("a worker rests when nobody asks any more, and listens when somebody does", async () => {
  await workers[1].stop();
  await workers[0].restart({ env: { LUMIN_CACHE_REST_AFTER: "1s" } });
  const { userId, version } = await create();
  for (let round = 0; round < 2; round++) {
    await trusted(1);
    await eventually(async () => (await caches(1))[0].resting, { what: "a worker at rest" });
    await eventually(async () => (await consumersOfCaches()).length === 0, { what: "no consumer" });
  }
  assert.equal((await get(userId)).as("User").version, version);
  const doubts = workers[0].logText().match(/cache_suspect/g) ?? [];
  assert.ok((await caches(1))[0].suspicions <= doubts.length, "to rest is no suspicion");
  assert.match(workers[0].logText(), /cache_rests reason="nobody asks"/);
  await workers[0].restart({ env: { LUMIN_CACHE_REST_AFTER: "60s" } });
  await workers[1].begin();
  await trusted(2);
});

// ---- what is remembered

test("what was read once is read from memory, in every query that needs users alone", async () => {
  const { userId } = await create({ bio: "Sings." });
  const before = sum(await caches(), "hits");
  const ask = async (method, message, type) => {
    const answer = await request(gateway, method, message);
    assert.equal(answer.code, 0, answer.reason);
    return answer.as(type);
  };
  const first = (await get(userId)).as("User");
  for (let i = 0; i < 20; i++) {
    assert.deepEqual((await get(userId)).as("User"), first);
    assert.deepEqual((await ask("get_many", { userIds: [userId] }, "Users")).users, [first]);
    assert.equal((await ask("get_profile", { userId, viewerId: userId }, "Profile")).bio, "Sings.");
    const json = await request(gateway, "get", Buffer.from(JSON.stringify({ userId })));
    assert.equal(JSON.parse(Buffer.from(json.data).toString()).bio, "Sings.");
  }
  const all = await caches();
  assert.ok(sum(all, "hits") >= before + 40, `${sum(all, "hits") - before} hits of 80`);
  assert.ok(all.every(({ entries, bytes, max_bytes }) => entries > 0 && bytes < max_bytes));
});

test("an absence and a deletion are remembered as long as they are true", async () => {
  const id = crypto.randomUUID();
  for (let i = 0; i < 10; i++) assert.equal((await get(id)).code, 404);
  const { version } = await create({ userId: id });
  assert.equal((await get(id, { "Lumin-Min-Version": version })).as("User").firstName, "N1");
  await eventually(async () => (await Promise.all([...Array(8)].map(() => get(id)))).every(({ code }) => code === 0));
  await done("delete", { userId: id });
  await eventually(async () => (await Promise.all([...Array(8)].map(() => get(id)))).every(({ code }) => code === 410));
});

test("a block is over for every reader when its time is, without an event", async () => {
  const { userId } = await create();
  await done("activate", { userId });
  const until = Date.now() + 1500;
  await done("block", { userId, reason: "spam", until: { seconds: Math.floor(until / 1000), nanos: (until % 1000) * 1e6 } });
  let blocked = 0;
  let free = 0;
  while (free < 50) {
    const sent = Date.now();
    const { status, version, blockReason } = (await get(userId, { "Lumin-Min-Version": 3 })).as("User");
    const received = Date.now();
    assert.equal(version, 3);
    assert.equal(blockReason, status === "USER_STATUS_BLOCKED" ? "spam" : "");
    if (status === "USER_STATUS_BLOCKED") assert.ok(sent < until, `blocked ${sent - until} ms after the end`);
    else assert.ok(status === "USER_STATUS_ACTIVE" && received >= until, `${status} before the end`);
    blocked += status === "USER_STATUS_BLOCKED";
    free += status === "USER_STATUS_ACTIVE";
  }
  assert.ok(blocked > 10, `${blocked} reads before the end`);
});

// ---- the checker

/** A user that one writer changes again and again: version v is called "N<v>". */
class Written {
  constructor({ userId }, number) {
    this.userId = userId;
    // Who asks for a version freshens the user for all: the others are never asked for one.
    this.askedByVersion = number % 2 === 0;
    this.acked = [0, performance.now()]; // when the outcome of a version came
    this.sent = 1;
  }

  get version() {
    return this.acked.length - 1;
  }

  /** The next version, by the same command until its outcome is known. */
  async write() {
    const version = this.version + 1;
    const headers = { "Lumin-Command-Id": crypto.randomUUID(), "Lumin-Expected-Version": this.version };
    this.sent = version;
    await eventually(async () => {
      const answer = await request(gateway, "change_username", { userId: this.userId, firstName: `N${version}` }, { headers });
      const outcome = answer.as("Outcome");
      assert.ok(["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"].includes(answer.reason.split(":")[0]) || answer.code === 0, answer.reason);
      assert.equal(answer.code, 0);
      assert.equal(outcome.version, version);
      return true;
    }, { timeout: 30_000, what: "an outcome" });
    this.acked.push(performance.now());
  }
}

/** Reads and judges each answer. */
class Checker {
  constructor() {
    this.stale = []; // milliseconds, of reads without a version asked for
    this.fresh = 0;
    this.unanswered = 0;
  }

  async read(user) {
    const asked = user.askedByVersion ? user.version : 0;
    const sent = performance.now();
    let answer;
    try {
      answer = await get(user.userId, asked > 0 ? { "Lumin-Min-Version": asked } : {});
    } catch {
      this.unanswered++; // its connection was lost, or its worker was killed
      return;
    }
    if (answer.code === 503 || answer.code === 504) {
      this.unanswered++;
      return;
    }
    assert.equal(answer.code, 0, answer.reason);
    const { version, firstName } = answer.as("User");
    assert.equal(firstName, `N${version}`, "a state that never was");
    assert.ok(version <= user.sent, `version ${version} of ${user.sent}`);
    assert.ok(version >= asked, `version ${version} where ${asked} was asked for`);
    if (asked > 0) this.fresh++;
    else this.stale.push(Math.max(0, sent - (user.acked[version + 1] ?? sent)));
  }

  /** Staleness that this part of the reads does not exceed. */
  at(part) {
    const sorted = this.stale.sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  }

  report() {
    const [half, most, all] = [0.5, 0.99, 1].map((part) => this.at(part).toFixed(1));
    return (
      `${this.stale.length} reads without a version: stale by p50 ${half}, p99 ${most}, at most ${all} ms; ` +
      `${this.fresh} with one; ${this.unanswered} unanswered`
    );
  }

  get most() {
    return Math.max(...this.stale);
  }
}

/** Writers and readers as long as `havoc` lasts. */
async function underChecker(t, { users, writers, readers }, havoc) {
  const written = await Promise.all([...Array(users).keys()].map(async (i) => new Written(await create(), i)));
  const checker = new Checker();
  let over = false;
  const loop = async (step) => {
    while (!over) await step();
  };
  const all = [
    ...[...Array(writers).keys()].map((i) => {
      const own = written.filter((_user, at) => at % writers === i);
      return loop(() => random.pick(own).write());
    }),
    ...[...Array(readers)].map(() => loop(() => checker.read(random.pick(written)))),
  ];
  const failed = Promise.all(all); // the first mistake ends the test
  const progress = (count) =>
    eventually(() => checker.stale.length >= count, { timeout: 30_000, what: `${count} reads` });
  await Promise.race([failed, havoc({ checker, progress, written })]);
  over = true;
  await failed;
  t.diagnostic(checker.report());
  return checker;
}

test("no read is older than asked for, whatever is killed", async (t) => {
  const before = await caches();
  const checker = await underChecker(t, { users: 30, writers: 6, readers: 24 }, async ({ checker, progress }) => {
    const more = () => progress(checker.stale.length + 300);
    await more();
    for (const worker of workers) {
      await worker.kill();
      await more();
      worker.spawn();
      await trusted(2);
      await more();
    }
    await rig.nats.restart({ hard: true });
    await trusted(2);
    await more();
    const operator = await rig.connect("operator");
    const deaf = await consumersOfCaches();
    assert.equal(deaf.length, 2, deaf.join());
    for (const name of deaf) await jetstreamApi(operator, `CONSUMER.DELETE.${streams.events}.${name}`);
    await eventually(async () => sum(await caches(), "suspicions") >= 4, { timeout: 20_000, what: "four suspicions" });
    await trusted(2);
    await more();
  });
  assert.ok(checker.fresh > 500, checker.report());
  assert.ok(checker.at(0.9) < maxAge / 4, checker.report()); // changes are heard of, not only waited for
  assert.ok(checker.most <= maxAge, checker.report());
  const hits = sum(await caches(), "hits");
  assert.ok(hits > 100, `${hits} hits, ${sum(before, "hits")} before`);
});

// The event stream takes no more, and its consumers go on hearing that nothing happens.
test("while no event gets out, nobody reads anything older than cache.max_age", async (t) => {
  const operator = await rig.connect("operator");
  const { config, state } = await jetstreamApi(operator, `STREAM.INFO.${streams.events}`);
  const checker = await underChecker(t, { users: 30, writers: 3, readers: 24 }, async ({ checker, progress }) => {
    await progress(500);
    await updateStream(operator, streams.events, { max_msgs: state.messages, discard: "new" });
    await eventually(() => checker.most > maxAge / 4, { timeout: 20_000, what: "a stale read" });
    await sleep(2 * maxAge);
    await updateStream(operator, streams.events, { max_msgs: config.max_msgs, discard: config.discard });
  });
  assert.ok(checker.most <= maxAge, checker.report());
  await trusted(2);
});

test("a worker without a cache asks PostgreSQL, and says so", async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  const worker = await rig.worker({ env: { LUMIN_CACHE_MAX_BYTES: "0" } });
  const { userId } = await create();
  assert.equal((await get(userId)).as("User").version, 1);
  // A worker that takes longer than half a second to answer has no line.
  const look = async () => (await rig.must("lumin-user", ["health"], { role: "setup" })).stdout;
  await eventually(async () => /^ok   cache +.+ has none$/m.test(await look()), { what: "the cache's line" });
  assert.equal(await worker.stop(), 0);
});
