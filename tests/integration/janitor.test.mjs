// SPDX-License-Identifier: MIT
// The janitor: commands that are applied make room before the stream is full, those that are not stay; outcomes go
// when no command can come again, and not before.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { Rig, eventually, jetstreamApi, sleep, streams } from "../support/servers.mjs";
import { Book, countOf, inputAt, logFrom, newUser, quick, streamState, times } from "../support/traps.mjs";

const limit = 1000;
const env = { ...quick, LUMIN_JANITOR_INTERVAL: "200ms", LUMIN_STREAMS_COMMANDS_MAX_MESSAGES: String(limit) };

const rig = await Rig.start({ after }, { name: "janitor" });
await rig.setup({ env });
const operator = await rig.connect("operator");
const publisher = await rig.connect("command_publisher");
const worker = await rig.worker({ env });
const state = () => streamState(operator, streams.commands);

test("three times the stream's limit goes through it, and none is refused or lost", async () => {
  const book = new Book(rig, publisher);
  const log = logFrom(worker);
  const users = times(40, () => newUser());
  for (let sent = 0; sent < 3 * limit; sent += 100) {
    await book.fill(100, users);
    await eventually(async () => (await state()).messages <= 0.8 * limit + 100, { what: "room in the stream" });
  }
  await book.check();
  const { first_seq: first, messages } = await state();
  assert.ok(messages <= 0.8 * limit + 100 && messages > 0.6 * limit, `${messages} messages stay`);
  assert.ok(first > 2 * limit, `the first is ${first}`);
  assert.ok(countOf(log(), "commands_purged") > 1);
  assert.equal(countOf(log(), "commands_lost"), 0);
});

test("what is not applied is not purged: the stream fills up, says so, and goes on when it can", async () => {
  const book = new Book(rig, publisher);
  const log = logFrom(worker);
  await inputAt(rig, (await state()).last_seq);
  const client = await rig.postgres.client();
  await client.query("BEGIN");
  await client.query("SELECT FROM lumin.partitions WHERE partition = 5 FOR UPDATE"); // nothing of it can commit
  await book.fill(1, [newUser(5)]);
  const { last_seq: stuck } = await state();
  for (let sent = 0; sent < 0.85 * limit; sent += 50) {
    await eventually(async () => (await state()).messages <= 0.9 * limit, { what: "room, of what was applied before" });
    await book.fill(50, [newUser(5)]);
  }
  await eventually(() => countOf(log(), "commands_backed_up") === 1, { what: "the warning" });
  await sleep(600); // some rounds more
  assert.ok((await state()).first_seq <= stuck, "the first one that is not applied is still there");
  await client.query("ROLLBACK");
  await client.end();
  await book.check();
  await eventually(async () => (await state()).messages <= 0.8 * limit, { what: "room in the stream" });
  await eventually(() => countOf(log(), "commands_caught_up") === 1, { what: "the word that it is over" });
  assert.equal(countOf(log(), "commands_backed_up"), 1);
  await inputAt(rig, (await state()).last_seq);
});

test("a position of another stream lets nothing be purged", async () => {
  const book = new Book(rig, publisher);
  await book.fill(100);
  await book.check();
  await worker.stop();
  await rig.sql("UPDATE lumin.partitions SET input_ts = input_ts - 1 WHERE partition = 9");
  while ((await state()).messages < limit - 20) await book.fill(20);
  const { first_seq: first } = await state();
  // Nobody reads on here: the worker keeps its place while the row of the foreign position is held.
  const client = await rig.postgres.client();
  await client.query("BEGIN");
  await client.query("SELECT FROM lumin.partitions WHERE partition = 9 FOR UPDATE");
  await worker.spawn();
  await eventually(async () => (await rig.sql("SELECT owner FROM lumin.partitions WHERE partition = 0"))[0].owner, {
    what: "an owner of partition 0",
  });
  await sleep(1000); // some rounds
  assert.equal((await state()).first_seq, first);
  await client.query("ROLLBACK");
  await client.end();
  await book.check();
  await eventually(async () => (await state()).messages <= 0.8 * limit, { what: "room in the stream" });
});

test("outcomes are forgotten when they are older than any command that can come again", async () => {
  const count = async () => (await rig.sql("SELECT count(*)::int FROM lumin.outcomes"))[0].count;
  const { config } = await jetstreamApi(operator, `STREAM.INFO.${streams.commands}`);
  const day = 86_400_000_000_000n;
  const retention = BigInt(config.max_age) + day;
  const [{ now }] = await rig.sql("SELECT max(input_ts)::text AS now FROM lumin.partitions");
  const insert = (rows, age) =>
    rig.sql(
      `INSERT INTO lumin.outcomes
       SELECT gen_random_uuid(), $1::uuid, ''::bytea, 1, 1, 1, $2::bigint, NULL FROM generate_series(1, $3)`,
      [crypto.randomUUID(), String(BigInt(now) - age), rows],
    );
  const before = await count();
  const minute = 60_000_000_000n;
  await insert(700, retention - 10n * minute);
  await insert(20_000, retention + minute);
  const log = logFrom(worker);
  await eventually(async () => (await count()) === before + 700, { timeout: 60_000, what: "the old ones' end" });
  await sleep(600);
  assert.equal(await count(), before + 700, "the younger ones stay");
  assert.ok(countOf(log(), "outcomes_pruned") >= 1);
});
