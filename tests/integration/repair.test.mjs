// SPDX-License-Identifier: MIT
// The drill of docs/operations.md, "Restore", on a real PostgreSQL with base backup and WAL archive: back to an earlier
// point while the event stream is ahead, and what was lost is taken back from it, or given up. An oracle that shares no
// code with the service judges what comes of it, with every answer that was given before.
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { Backup } from "../support/backup.mjs";
import { Load, Random, call } from "../support/load.mjs";
import { audit, readAll, settle } from "../support/oracle.mjs";
import { Rig, eventually, jetstreamApi, sleep, streams } from "../support/servers.mjs";

const env = { LUMIN_STREAMS_EVENTS_DUPLICATE_WINDOW: "1s", LUMIN_CURSOR_ADVANCE_INTERVAL: "300ms" };

const rig = await Rig.start({ after }, { name: "repair" });
const backup = await Backup.take(rig);
await rig.setup({ env });
const operator = await rig.connect("operator");
const worker = await rig.worker({ env });

const repair = (args, options = {}) => rig.run("lumin-user", ["repair", ...args], { env: { ...env, ...options.env } });

/** Repairs, dying on the way at each of these failpoints. */
async function repairWithDeaths(args, points) {
  for (const point of points) {
    const died = await repair(args, { env: { LUMIN_FAIL_AT: point, LUMIN_FAIL_ACTION: "exit" } });
    assert.equal(died.code, 86, `${point}: ${died.stdout}${died.stderr}`);
  }
  const done = await repair(args);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  return done.stdout;
}

async function verified() {
  const done = await rig.run("lumin-user", ["verify"]);
  assert.equal(done.code, 0, done.stdout + done.stderr);
}

/** What is on the event stream: sequence to content. */
async function published() {
  const messages = await readAll(operator, streams.events);
  const said = ({ subject, headers, data }) =>
    JSON.stringify([subject, [...headers.keys()].sort().map((key) => [key, headers.get(key)]), Buffer.from(data).toString("hex")]);
  return new Map(messages.map((message) => [message.seq, said(message)]));
}

function keptIn(before, now) {
  for (const [seq, content] of before) assert.equal(now.get(seq), content, `message ${seq}`);
}

/** Commands that were answered, once more under their ids: the answers are the same, byte for byte. */
async function answersAgain(load, count = 60) {
  const gateway = await rig.connect("gateway");
  const random = new Random();
  const answered = load.commands.filter(({ answer }) => answer?.kind === "outcome" && answer.reason !== "COMMAND_ID_REUSED");
  assert.ok(answered.length > count);
  for (let i = 0; i < count; i++) {
    const { command, answer } = random.pick(answered);
    const again = await call(load.history, gateway, command);
    assert.equal(again.answer.bytes, answer.bytes, command.id);
  }
}

test("restored to an earlier point under load: adopted, and every answer holds", async () => {
  const load = await Load.start(rig, { users: 60, rate: 120 });
  await load.progress();
  await sleep(800);
  await backup.mark("before");
  await sleep(2000);
  await worker.kill(); // with events on their way
  await rig.postgres.kill();
  await load.stop();
  const before = await published();
  await backup.restore("before");

  const plan = await repair(["--adopt", "--dry-run"]);
  assert.equal(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /^the event stream is ahead of the table in \d+ of 32 partitions: \d+ events$/m);
  console.log(plan.stdout);
  console.log(await repairWithDeaths(["--adopt"], ["repair.commit:1", "repair.committed:2"]));
  await worker.begin();
  await settle(rig);
  await verified();
  keptIn(before, await published());
  console.log(await audit(rig, load.history));
});
