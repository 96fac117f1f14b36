// SPDX-License-Identifier: MIT
// Connections lost around the commit (guarantees 1, 2 and 5): a commit in doubt is found out by the retake, which waits
// for what is still in flight and fences off what somebody holds back.
import { test, after } from "node:test";
import { PgProxy } from "../../support/pg_proxy.mjs";
import { generate, randomOf } from "./script.mjs";
import { Stage, assert, long } from "./stage.mjs";

const stage = await Stage.start({ after }, { name: "transaction-proxy" });
const cuts = ["cut-before", "cut-after", "cut-with"];
const size = long ? 6000 : 700;

async function through(t, { seed, decide, split, pause, count = size, env = {} }) {
  await stage.begin(generate({ seed, partitions: 4, users: 24, count }));
  const proxy = await PgProxy.start(t, { port: stage.rig.postgres.port, decide, split, pause });
  const driver = await stage.apply({ url: proxy.via(stage.rig.postgres.url), env, timeout: 120_000 });
  await stage.check();
  assert.deepEqual(proxy.failures, []);
  return { proxy, driver };
}

/** On batches, one of `actions` each `nth` time. */
function onBatches(seed, actions, share) {
  const random = randomOf(seed);
  return ({ first }) => (first === "FENCE" && random.chance(share) ? random.pick(actions) : "pass");
}

test("cuts before, with and after the Sync: both ends of the doubt", async (t) => {
  const { proxy, driver } = await through(t, { seed: 31, decide: onBatches(1, cuts, 0.5) });
  for (const action of cuts) assert.ok(proxy.count(action) >= 10, `${action}: ${proxy.count(action)}`);
  assert.ok(proxy.log.length >= 50, `${proxy.log.length} cuts`);
  assert.ok(driver.said("commit=happened") >= 10, "commits that had happened");
  assert.ok(driver.said('commit="did not happen"') >= 10, "commits that had not happened");
});

test("a Sync that arrives after its client is gone: the retake waits for it", async (t) => {
  const pause = () => 150;
  const { proxy, driver } = await through(t, { seed: 32, count: 700, pause, decide: onBatches(2, ["hold-sync"], 0.3) });
  const answers = proxy.log.map(({ answer }) => answer?.sqlstate);
  const committed = answers.filter((sqlstate) => sqlstate === "").length; // the others met a conflict
  assert.ok(committed >= 10, `commits after the client was gone: ${answers}`);
  assert.equal(driver.said("commit=happened"), committed, "and the lane found each of them");
});

test("a batch held back until after the retake is fenced off", async (t) => {
  const { proxy, driver } = await through(t, { seed: 33, decide: onBatches(3, ["hold-all"], 0.2) });
  const answers = proxy.log.map(({ answer }) => answer?.sqlstate);
  assert.ok(answers.length >= 10, `${answers.length} batches were held back`);
  assert.ok(answers.every((sqlstate) => sqlstate === "LU001"), `each was told that it is not the owner: ${answers}`);
  assert.equal(driver.said('commit="did not happen"'), answers.length);
});

test("slow Syncs, and messages in pieces of seven bytes", async (t) => {
  const decide = onBatches(4, ["delay"], 0.3);
  const { proxy } = await through(t, { seed: 34, count: 300, split: 7, pause: () => 60, decide });
  assert.ok(proxy.count("delay") >= 5);
});

test("a take whose answer is lost: the partitions are not orphaned", async (t) => {
  let takes = 0; // how much to give up is asked in front of each
  const decide = ({ first }) => (first === "SURPLUS" && ++takes === 1 ? "cut-after" : "pass");
  const { proxy } = await through(t, { seed: 36, decide, count: 100 });
  assert.equal(proxy.log[0].answer.sqlstate, "", "the take had happened");
});

test("cuts at every kind of pipeline: loads, takes and retakes too", async (t) => {
  const random = randomOf(5);
  const decide = () => (random.chance(0.25) ? random.pick(cuts) : "pass");
  const { proxy } = await through(t, { seed: 35, decide, count: size / 2 });
  const cut = new Set(proxy.log.map(({ statements }) => statements[0]));
  const kinds = ["SURPLUS", "RETAKE", "FENCE", "USERS_LOAD"];
  assert.deepEqual(kinds.filter((kind) => !cut.has(kind)), [], "each kind of pipeline was cut");
});
