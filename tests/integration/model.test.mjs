// SPDX-License-Identifier: MIT
// Ten thousand random sequences of commands, valid and not, through both doors of a real machine, against the model of
// tests/support/model/: the same outcomes, the same events to the byte, the same users at the end, and nothing more.
// Small batches first, then large ones; what a sequence comes to must not depend on that.
//
//   LUMIN_TEST_SEED=N            the sequences of a run that said "seed N"
//   LUMIN_MODEL_SEQUENCES=N      so many
//   LUMIN_MODEL_SCRIPT=FILE      one sequence, as a run that failed has left it: shrunk, and to be edited
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import { count, judged } from "../support/model/compare.mjs";
import { Machine } from "../support/model/machine.mjs";
import { methods } from "../support/model/model.mjs";
import { sequenceOf } from "../support/model/sequences.mjs";
import { shrunk } from "../support/model/shrink.mjs";
import { Random } from "../support/load.mjs";
import { Rig, repository } from "../support/servers.mjs";

const total = Number(process.env.LUMIN_MODEL_SEQUENCES ?? 10_000);
const script = process.env.LUMIN_MODEL_SCRIPT && JSON.parse(fs.readFileSync(process.env.LUMIN_MODEL_SCRIPT, "utf8"));
const random = new Random();
const rig = await Rig.start({ after }, { name: "model" });
await rig.setup();
const machine = await Machine.start(rig);

// Nothing runs out on a slow machine.
const patient = { LUMIN_RPC_TIMEOUT: "30s", LUMIN_WORKER_LEASE: "30s" };
const small = { ...patient, LUMIN_LANE_BATCH: "3", LUMIN_LANE_MEMORY: "1MiB" };
const atOnce = 2500;
const endsWanted = [
  ...["APPLIED", "UNCHANGED", "DEAD", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "EMAIL_TAKEN", "PHONE_TAKEN"],
  ...["INVALID_STATE", "DELETED", "VERSION_MISMATCH", "COMMAND_ID_REUSED"],
];
const machines = script
  ? [[1, small]]
  : [
      [Math.floor(total / 16), small],
      [Math.ceil(total - total / 16), patient],
    ];

/** The first sequence that went otherwise than the model says, as small as it can be made, for a person to read. */
async function report(play, findings) {
  const { sequence, findings: least } = await shrunk(machine, play.sequence, findings);
  const file = path.join(repository, "build/test", "model-failed.json");
  fs.writeFileSync(file, JSON.stringify(sequence, null, 1));
  const steps = sequence.steps.map((step, i) => `  ${i} ${JSON.stringify(step)}`).join("\n");
  return `${least.join("\n")}\n${steps}\nagain: LUMIN_MODEL_SCRIPT=${path.relative(repository, file)}`;
}

/** Some at a time, so that memory does not hold all of them, and until something goes wrong. */
async function run(sequences, counts) {
  let wrong = [];
  for (let done = 0; done < sequences.length && wrong.length === 0; done += atOnce) {
    const round = await machine.run(sequences.slice(done, done + atOnce));
    wrong = judged(round);
    count(counts, round);
  }
  return wrong;
}

/** The sequences have met what there is to meet. */
function assertVaried(counts) {
  for (const method of methods) {
    assert.ok(counts.has(`${method} ${method === "probe" ? "UNCHANGED" : "APPLIED"}`), `no ${method} went well`);
    assert.ok(counts.has(`${method} DEAD`) && counts.has(`${method} COMMAND_ID_REUSED`), `no ${method} went badly`);
  }
  const ends = new Set([...counts.keys()].map((name) => name.split(" ")[1]));
  for (const end of endsWanted) assert.ok(ends.has(end), `no command ended in ${end}`);
}

function summary(counts) {
  const sums = {};
  for (const [name, times] of counts) for (const part of name.split(" ")) sums[part] = (sums[part] ?? 0) + times;
  return Object.entries(sums)
    .map((pair) => pair.join(" "))
    .join(", ");
}

let failed = false;
for (const [length, env] of machines) {
  const batch = env.LUMIN_LANE_BATCH ?? "256";
  test(`${length} sequences in batches of at most ${batch}; seed ${random.seed}`, async (t) => {
    if (failed) return t.skip("the one before has failed");
    const worker = await rig.worker({ env });
    const counts = new Map();
    const wrong = await run(
      script ? [script] : Array.from({ length }, () => sequenceOf(random.below(2 ** 31))),
      counts,
    );
    t.diagnostic(summary(counts));
    failed = wrong.length > 0;
    if (failed)
      assert.fail(
        `seed ${random.seed}: ${wrong.length} sequences went wrong, the first of them:\n${await report(...wrong[0])}`,
      );
    if (length >= 5000) assertVaried(counts);
    await rig.must("lumin-user", ["verify"], { role: "operator", timeout: 120_000 });
    await worker.stop();
  });
}
