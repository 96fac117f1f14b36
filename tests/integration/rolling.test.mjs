// SPDX-License-Identifier: MIT
// Three workers under requests of every method, each restarted in turn: no request fails or times out, and no command
// is applied twice. The same from one build to another: LUMIN_BUILD_OTHER names the folder of the older one's programs
// (else build/clang or build/release, where one is there and not older than the schema), LUMIN_BUILD that of the newer.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { Lives } from "../support/lives.mjs";
import { settle } from "../support/oracle.mjs";
import { Rig, build, eventually, repository, sleep } from "../support/servers.mjs";

const count = 3;

const takesRequests = "nats_connected thread=door";
const hasShare = "partitions_taken";

/** A worker that takes requests and, where it is told to wait for that too, has its share of the partitions. */
async function join(rig, name, { from = build, signs = [takesRequests, hasShare] } = {}) {
  const worker = await rig.worker({ name, from, env: { LUMIN_WORKER_NAME: name }, wait: false });
  await ready(worker, { signs });
  return worker;
}

function ready(worker, { signs = [takesRequests, hasShare], said = 0 } = {}) {
  const shown = () => signs.every((sign) => worker.logText().slice(said).includes(sign));
  return eventually(shown, { timeout: 20_000, what: `${worker.name} being ready` });
}

async function finished(t, rig, lives) {
  await lives.stop();
  assert.deepEqual(lives.failures.slice(0, 5), [], `${lives.failures.length} of ${lives.requests} requests failed`);
  t.diagnostic(`${lives.requests} requests, the longest took ${Math.round(lives.longest)} ms`);
  const unused = [...lives.methods].filter((method) => !lives.counts.has(method));
  assert.deepEqual(unused, [], "every method was called");
  await settle(rig);
  await onceEach(rig, lives.history.attempts);
  const { code, stdout } = await rig.run("lumin-user", ["verify"]);
  assert.equal(code, 0, stdout);
}

/** Every command has one outcome, the one that was told, and no event of it is there twice. */
async function onceEach(rig, attempts) {
  const outcomes = new Map();
  for (const row of await rig.sql("SELECT command_id, version::int, status FROM lumin.outcomes")) {
    outcomes.set(row.command_id, row);
  }
  assert.deepEqual(attempts.filter(({ id }) => !outcomes.has(id)), []);
  const told = attempts.filter(({ answer }) => answer.kind === "outcome");
  const wrong = told.filter(({ id, answer }) => outcomes.get(id)?.version !== answer.version);
  assert.deepEqual(wrong, []);
  const twice = await rig.sql("SELECT command_id, type FROM lumin.events GROUP BY 1, 2 HAVING count(*) > 1");
  assert.deepEqual(twice, []);
  const [{ count }] = await rig.sql("SELECT count(DISTINCT command_id)::int FROM lumin.events");
  assert.equal(count, told.filter(({ answer }) => answer.status === "APPLIED").length);
}

test("three workers, each restarted in turn under requests: none fails", async (t) => {
  const rig = await Rig.start(t, { name: "rolling" });
  await rig.setup();
  const workers = [];
  for (let i = 0; i < count; i++) workers.push(await join(rig, `worker-${i}`));
  const lives = await Lives.start(rig);
  await sleep(300);
  for (const worker of workers) {
    const begun = performance.now();
    assert.equal(await worker.stop(), 0);
    t.diagnostic(`${worker.name} stopped in ${Math.round(performance.now() - begun)} ms`);
    const said = worker.logText().length;
    worker.spawn();
    await ready(worker, { said });
  }
  await sleep(300);
  await finished(t, rig, lives);
});

/** The older build: the one that is named, or another of this tree that knows its schema. */
function olderBuild() {
  if (process.env.LUMIN_BUILD_OTHER) return path.resolve(repository, process.env.LUMIN_BUILD_OTHER);
  const written = (file) => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const schema = path.join(repository, "schemas/sql");
  const latest = Math.max(...fs.readdirSync(schema).map((file) => written(path.join(schema, file))));
  const folders = ["build/clang", "build/release"].map((folder) => path.join(repository, folder));
  return folders.find((folder) => folder !== build && written(path.join(folder, "lumin-user")) > latest);
}

const other = olderBuild();

test("an upgrade from one build to another, worker by worker, under requests", { skip: !other && "there is no other build" }, async (t) => {
  const rig = await Rig.start(t, { name: "upgrade" });
  await rig.setup({ from: other });
  const olds = [];
  const signs = [takesRequests]; // an old one may not share
  for (let i = 0; i < count; i++) olds.push(await join(rig, `old-${i}`, { from: other, signs }));
  const lives = await Lives.start(rig);
  t.diagnostic(`from ${path.relative(repository, other)} to ${path.relative(repository, build)}`);
  await sleep(300);
  await rig.setup(); // the new one's migrations, while the old workers go on
  for (const [i, old] of olds.entries()) {
    const next = join(rig, `new-${i}`, { signs });
    if (i === 0) await next; // a surplus of one at first; then one goes and one comes at the same time
    assert.equal(await old.stop(), 0);
    await next;
  }
  await sleep(300);
  await finished(t, rig, lives);
});
