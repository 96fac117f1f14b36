// SPDX-License-Identifier: MIT
// The NATS Services API of real workers, seen by official clients: verify_micro.mjs holds the rules.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import { Rig, eventually, inboxPrefix, prefix, repository, request, rpcSubject } from "../support/servers.mjs";

const name = "lumin-user";
const rig = await Rig.start({ after }, { name: "contract-micro" });
await rig.setup();
const workers = [await rig.worker({ wait: false }), await rig.worker({ wait: false })];
const gateway = await rig.connect("gateway");

/** The answers of so many instances to one question. */
async function ask(subject, count = 2) {
  const answers = await gateway.services.client({ strategy: "count", maxMessages: count, maxWait: 10_000 });
  const found = [];
  for await (const answer of await answers[subject](name)) found.push(answer);
  return found;
}

await eventually(async () => (await ask("ping")).length === 2, { timeout: 20_000, what: "two workers" });
await eventually(async () => (await request(gateway, "probe")).code === 0, { timeout: 20_000, what: "a probe" });

/** The methods, from the catalog itself. */
function catalog() {
  const text = fs.readFileSync(path.join(repository, "include/lumin/application/catalog.def"), "utf8");
  return [...text.matchAll(/^(COMMAND|QUERY)\((\w+), (\w+),/gm)].map(([, kind, method, message]) => ({
    kind: kind.toLowerCase(),
    method,
    message,
  }));
}

async function verify(...more) {
  const script = path.join(repository, "tests/contract/verify_micro.mjs");
  const args = [script, "--server", rig.nats.url, "--name", name, "--queue", name, "--instances", "2"];
  const login = ["--user", "gateway", "--password", rig.nats.passwords.gateway];
  const child = spawn(process.execPath, [...args, ...login, "--inbox-prefix", inboxPrefix("gateway"), ...more]);
  let said = "";
  child.stdout.on("data", (part) => (said += part));
  child.stderr.on("data", (part) => (said += part));
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, said };
}

test("two workers follow the Services API by the official client and the CLI's schema", async () => {
  const endpoints = catalog().flatMap(({ method }) => ["--endpoint", `${method}=${rpcSubject(method)}`]);
  const failing = ["--error-subject", rpcSubject("get"), "--error-payload-hex", "ff", "--error-code", "400"];
  const { code, said } = await verify(...endpoints, ...failing);
  assert.equal(code, 0, said);
  assert.match(said, /^\d{2,} passed, 0 failed$/m);
});

test("the verification can fail: it finds a wrong version, queue and endpoint", async () => {
  const { code, said } = await verify("--version", "99.0.0", "--endpoint", `nothing=${prefix}.rpc.nothing`);
  assert.equal(code, 1);
  assert.match(said, /version is 99\.0\.0/);
  assert.match(said, /endpoint nothing=/);
});

test("endpoints say what they take and give", async () => {
  const [info] = await ask("info");
  assert.deepEqual(
    info.endpoints.map(({ name, metadata }) => ({ kind: metadata.kind, method: name, message: metadata.request })),
    catalog().map(({ message, ...row }) => ({ ...row, message: `${prefix}.${message}` })),
  );
  for (const { metadata } of info.endpoints) {
    assert.match(metadata.response, /^lumin\.user\.v1\.\w+$/);
    assert.equal(metadata["content-type"], "application/protobuf");
  }
});

const total = (stats, method) =>
  stats
    .flatMap(({ endpoints }) => endpoints.filter((endpoint) => endpoint.name === method))
    .reduce((sum, { num_requests, num_errors }) => [sum[0] + num_requests, sum[1] + num_errors], [0, 0]);

test("every answer is counted, those that refuse as errors, and the last error is named", async () => {
  const before = total(await ask("stats"), "change_email");
  const id = "0b0e7a3c-2f65-4a7e-9a60-0c6c1f1f2a11";
  const refused = await request(gateway, "change_email", { userId: id, email: "secret@example.com" });
  assert.equal(refused.code, 404); // by a lane
  assert.equal((await request(gateway, "change_email", {})).code, 400); // by a door
  const stats = await ask("stats");
  assert.deepEqual(total(stats, "change_email"), [before[0] + 2, before[1] + 2]);
  const errors = stats.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.last_error));
  assert.ok(errors.some((error) => /^(NOT_FOUND|INVALID_ARGUMENT): /.test(error)));
  assert.ok(!JSON.stringify(stats).includes("secret@"), "statistics hold nothing that a caller sent");
});

test("the statistics show the lanes, the door and the cache", async () => {
  const data = await eventually(async () => {
    const stats = await ask("stats");
    const all = stats.map(({ endpoints }) => endpoints.find((endpoint) => endpoint.name === "probe").data);
    const shared = ({ partitions, lanes }) =>
      partitions.length === 16 && lanes.reduce((sum, lane) => sum + lane.partitions, 0) === 16;
    return all.every(shared) && all;
  }, { what: "both workers with half of the partitions" });
  const lanes = data.flatMap((one) => one.lanes);
  assert.ok(lanes.reduce((sum, lane) => sum + lane.commands, 0) > 0);
  const owned = data.flatMap((one) => one.partitions);
  assert.deepEqual(owned.map(({ partition }) => partition).sort((a, b) => a - b), [...Array(32).keys()]);
  assert.ok(data.every((one) => one.partition_count === 32));
  assert.ok(owned.every(({ state, epoch, since }) => state === "open" && epoch > 0 && Date.parse(since) <= Date.now()));
  assert.ok(owned.some(({ position, time }) => position > 0 && Date.parse(time) > 0));
  assert.ok(data.every(({ door }) => Number.isInteger(door.dropped) && Number.isInteger(door.lost)));
  for (const { cache } of data) {
    for (const count of ["hits", "misses", "changes", "outrun", "evictions", "suspicions", "entries", "bytes"])
      assert.ok(Number.isInteger(cache[count]), count);
    assert.ok(typeof cache.trusted === "boolean" && typeof cache.resting === "boolean");
    assert.ok(!(cache.trusted && cache.resting));
    assert.ok(cache.bytes > 0 && cache.bytes < cache.max_bytes);
  }
});

test("after a restart of the NATS server both workers answer again, under the same ids", async () => {
  const ids = (answers) => answers.map(({ id }) => id).sort().join();
  const before = ids(await ask("ping"));
  await rig.nats.restart({ hard: true });
  await eventually(async () => ids(await ask("ping")) === before, { timeout: 20_000, what: "both workers" });
});

test("a worker that stops is no longer found, and the other one answers", async () => {
  assert.equal(await workers[0].stop(), 0);
  const timer = gateway.services.client({ strategy: "timer", maxWait: 500 });
  const found = async () => {
    let count = 0;
    for await (const _answer of await timer.ping(name)) count++;
    return count;
  };
  await eventually(async () => (await found()) === 1, { what: "one worker" });
  const answer = await eventually(() => request(gateway, "probe"), { timeout: 20_000, what: "a probe" });
  assert.equal(answer.code, 0);
});
