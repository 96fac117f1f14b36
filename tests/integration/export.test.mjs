// SPDX-License-Identifier: MIT
// A consumer that begins with an export, while users are written, and reads the events from there on, has every user as
// the service has it; also when the events from before have left the stream.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import { pathToFileURL } from "node:url";
import { Rig, build, decode, eventually, jetstreamApi, repository, request, streams } from "../support/servers.mjs";
import { Book, newUser, quick, times } from "../support/traps.mjs";

const rig = await Rig.start({ after }, { name: "export" });
await rig.setup();
const operator = await rig.connect("operator");
const publisher = await rig.connect("command_publisher");
const gateway = await rig.connect("gateway");
await rig.worker({ env: quick });

/** The example, where it finds the modules of the tests. */
async function example() {
  const folder = path.join(rig.place.logs, "example");
  fs.mkdirSync(folder, { recursive: true });
  fs.rmSync(path.join(folder, "node_modules"), { force: true });
  fs.symlinkSync(path.join(repository, "tests/node_modules"), path.join(folder, "node_modules"));
  fs.copyFileSync(path.join(repository, "examples/node/bootstrap.mjs"), path.join(folder, "bootstrap.mjs"));
  return import(pathToFileURL(path.join(folder, "bootstrap.mjs")));
}
const { bootstrap, follow } = await example();

const run = (...args) => rig.run("luminctl", ["export", ...args], { role: "operator", timeout: 60_000 });

/** What the service has: user id to version. */
async function truth() {
  const rows = await rig.sql("SELECT user_id, version::int FROM lumin.users ORDER BY user_id");
  return new Map(rows.map((row) => [row.user_id, row.version]));
}

test("nobody yet: a start, an end, nothing between", async () => {
  const { code, stdout } = await run();
  assert.equal(code, 0);
  const records = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(records.length, 2);
  assert.match(records[0].start.eventStreamCreated, /^20\d\d-/);
  assert.equal(records[1].end.users, "0");
});

test("an export while users are written, and the events behind it, are all there is; old events may be gone", async () => {
  const book = new Book(rig, publisher);
  await book.fill(1500, times(700, () => newUser())); // more than a page
  await book.check();
  const [deleted] = book.users.keys();
  assert.equal((await request(gateway, "delete", { userId: deleted })).code, 0);

  let writing = true;
  const more = (async () => {
    while (writing) await book.fill(40);
  })();
  const { code, stdout, stderr } = await run();
  writing = false;
  await more;
  assert.equal(code, 0, stderr);
  const state = bootstrap(stdout);
  assert.ok(state.users.size >= 700);
  assert.equal(state.users.get(deleted).status, "USER_STATUS_DELETED");
  assert.equal(state.users.get(deleted).email, "");

  await book.decided();
  const wanted = await truth();
  await jetstreamApi(operator, `STREAM.PURGE.${streams.events}`, { seq: state.sequence + 1 });
  const consumer = await rig.connect("event_consumer");
  let applied = 0;
  const upToDate = () => [...wanted].every(([id, version]) => state.users.get(id)?.version === version);
  const stop = await follow(consumer, state, { onEvent: () => applied++ });
  await eventually(upToDate, { what: "the consumer's users", timeout: 20_000 });
  await stop();
  assert.equal(state.users.size, wanted.size);
  assert.deepEqual(state.gaps, []);
  assert.ok(applied > 0, "something came behind the export");
});

test("protobuf records are the same users", async () => {
  const lines = await run();
  const env = { PATH: process.env.PATH, ...rig.environment("operator") };
  const { status, stdout: bytes, stderr } = spawnSync(path.join(build, "luminctl"), ["export", "--protobuf"], { env });
  assert.equal(status, 0, String(stderr));
  const records = [];
  for (let at = 0; at < bytes.length;) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    records.push(decode("ExportRecord", bytes.subarray(at, at + length)));
    at += length;
  }
  const ids = lines.stdout.trim().split("\n").map((line) => JSON.parse(line).user?.userId);
  assert.deepEqual(records.map(({ user }) => user?.userId || undefined), ids);
  assert.equal(Number(records.at(-1).end.users), records.length - 2);
});

test("without a service it ends without an end, and says so", async () => {
  await Promise.all(rig.workers.map((worker) => worker.stop()));
  const { code, stdout, stderr } = await run("--timeout", "500ms");
  assert.equal(code, 4);
  assert.match(stderr, /not whole/);
  assert.ok(!stdout.includes('"end"'));
});
