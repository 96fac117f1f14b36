// SPDX-License-Identifier: MIT
// Two processes that take over from each other every second under load (guarantees 3, 4 and 5), by a lease that runs
// out, by SIGSTOP in whatever they are doing, and by kill -9.
import crypto from "node:crypto";
import { test, after } from "node:test";
import { sleep } from "../../support/servers.mjs";
import { generate, randomOf } from "./script.mjs";
import { Stage, assert, eventually, long } from "./stage.mjs";

const stage = await Stage.start({ after }, { name: "transaction-takeover" });
const seconds = long ? 300 : 30;
const rate = 800; // commands a second

async function owners() {
  const rows = await stage.sql("SELECT owner, count(*)::int AS n FROM lumin.partitions GROUP BY owner");
  return new Map(rows.map((row) => [row.owner, row.n]));
}

test(`two processes take over from each other every second for ${seconds} s`, async () => {
  const random = randomOf(41);
  await stage.begin(generate({ seed: 41, partitions: 4, users: 64, count: seconds * rate }));
  const args = ["--rate", `${rate}`, "--since", `${Date.now() + 500}`, "--stay"];
  const start = (worker, lease) => stage.driver({ worker, lease, args, env: { LUMIN_LANE_BATCH: "64" } });
  const workers = [crypto.randomUUID(), crypto.randomUUID()];
  const drivers = [await start(workers[0]), await start(workers[1], "-1 second")];
  const begin = Date.now();
  let turns = 0;
  let kills = 0;
  const taken = [0, 0];
  for (let current = 0; Date.now() - begin < seconds * 1000 || turns < seconds / 2; turns++) {
    await sleep(900 + random.below(200));
    const next = 1 - current;
    const violence = random.pick(["none", "stop", "kill"]);
    if (violence === "stop") drivers[current].signal("SIGSTOP");
    if (violence === "kill") await drivers[current].kill();
    await stage.register(workers[next]);
    await stage.expire(workers[current]);
    const took = async () => {
      await stage.endStuckBackends();
      return (await owners()).get(workers[next]) ?? 0;
    };
    // All, or what it can get while one that was stopped holds its rows.
    await eventually(async () => (await took()) === stage.partitions, { every: 20, timeout: 2000 }).catch(() => {});
    taken[next] += (await owners()).get(workers[next]) ?? 0;
    if (violence === "stop") drivers[current].signal("SIGCONT");
    if (violence === "kill") {
      kills++;
      workers[current] = crypto.randomUUID();
      drivers[current] = await start(workers[current], "-1 second");
    }
    current = next;
  }
  for (const worker of workers) await stage.register(worker);
  await stage.applied({ timeout: 60_000 });
  for (const driver of drivers) {
    await driver.says("postgres_connected"); // it heeds SIGTERM
    assert.equal(await driver.stop(), 0, driver.logTail());
  }
  await stage.check();
  assert.ok(turns >= seconds / 2 && kills >= 3, `${turns} turns, ${kills} kills`);
  for (const count of taken) assert.ok(count > turns, `partitions taken in ${turns} turns: ${taken}`);
  const epochs = "SELECT count(DISTINCT epoch) FROM watch.writes WHERE what = 'fence' AND partition = 0";
  const n = await stage.number(epochs);
  assert.ok(n >= turns / 2, `commits in ${n} epochs of one partition`);
});
