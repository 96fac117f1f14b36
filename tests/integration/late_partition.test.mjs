// SPDX-License-Identifier: MIT
// A partition that opens later than its lane's others, while the lane's reader goes on and is attached anew: none of its
// commands is passed over (guarantee 9). Its look at the event stream is held up by taking that stream away.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { Rig, eventually, jetstreamApi, sleep, streams } from "../support/servers.mjs";
import { Book, newUser, quick, relayed, times } from "../support/traps.mjs";

const late = 5;
const rig = await Rig.start({ after }, { name: "late-partition" });
await rig.setup();
const operator = await rig.connect("operator");
const publisher = await rig.connect("command_publisher");
await rig.worker({ env: { ...quick, LUMIN_WORKER_LANES: "1" } });

const owner = async () => (await rig.sql("SELECT owner FROM lumin.partitions WHERE partition = $1", [late]))[0].owner;

/** Somebody else owns the partition, until that somebody's lease is over. */
async function giveAway() {
  const other = crypto.randomUUID();
  await rig.sql("INSERT INTO lumin.workers (worker_id, name, lease_until) VALUES ($1, 'other', 'infinity')", [other]);
  await rig.sql("UPDATE lumin.partitions SET owner = $1, epoch = epoch + 1 WHERE partition = $2", [other, late]);
  return () => rig.sql("DELETE FROM lumin.workers WHERE worker_id = $1", [other]);
}

/** Throws the lane's consumer away, so that its reader attaches anew. */
async function disturb() {
  const { consumers } = await jetstreamApi(operator, `CONSUMER.NAMES.${streams.commands}`);
  for (const name of consumers) await jetstreamApi(operator, `CONSUMER.DELETE.${streams.commands}.${name}`);
  const attached = async () => {
    const { consumers: now } = await jetstreamApi(operator, `CONSUMER.NAMES.${streams.commands}`);
    return now.some((name) => !consumers.includes(name));
  };
  await eventually(attached, { timeout: 20_000, what: "a reader attached anew" });
}

test("a partition that opens late has all its commands applied", async () => {
  const book = new Book(rig, publisher);
  const hers = times(4, () => newUser(late));
  const others = times(8, (index) => newUser(index + 8));
  await book.fill(24, [...hers, ...others]);
  await book.check();
  await relayed(rig);

  const mine = await owner();
  const giveBack = await giveAway();
  const others2 = new Book(rig, publisher);
  await eventually(async () => {
    await others2.send(newUser(9)); // a batch or a look shows the worker that the partition is gone
    return rig.workers[0].logText().includes(`partition_lost lane=0 partition=${late}`);
  }, { timeout: 20_000, every: 200, what: "the partition being given up" });

  const { config } = await jetstreamApi(operator, `STREAM.INFO.${streams.events}`);
  await jetstreamApi(operator, `STREAM.DELETE.${streams.events}`);
  await giveBack();
  await eventually(async () => (await owner()) === mine, { timeout: 20_000, what: "the partition being taken back" });
  await book.fill(24, [...hers, ...others]);
  await others2.decided();
  for (let round = 0; round < 2; round++) {
    await disturb();
    await book.fill(24, [...hers, ...others]);
    await sleep(300);
  }
  await jetstreamApi(operator, `STREAM.CREATE.${streams.events}`, config);
  await book.check({ timeout: 30_000 });
  await relayed(rig);
  assert.deepEqual(await rig.sql("SELECT * FROM lumin.lost_ranges"), []);
});
