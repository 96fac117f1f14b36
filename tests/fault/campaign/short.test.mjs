// SPDX-License-Identifier: MIT
// The short form of the campaign (./dev faults): two workers, every fast fault once, the whole oracle, in a process of
// its own. LUMIN_TEST_SEED repeats its choices; LUMIN_TEST_LONG=1 goes on for ten minutes, with every fault.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import path from "node:path";
import test from "node:test";
import { build, repository } from "../../support/servers.mjs";

const long = process.env.LUMIN_TEST_LONG === "1";
const seed = process.env.LUMIN_TEST_SEED ?? String(randomInt(2 ** 31));

test("a short campaign of faults leaves every guarantee whole", (t) => {
  const main = path.join(repository, "tests/fault/campaign/main.mjs");
  const form = long ? ["--seconds", "600"] : ["--short"];
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const args = [main, "--seed", seed, "--workers", "2", "--build", build, ...form];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env, timeout: long ? 2_400_000 : 600_000 });
  for (const line of (stdout + stderr).trimEnd().split("\n")) t.diagnostic(line);
  assert.equal(status, 0, `LUMIN_TEST_SEED=${seed} repeats it`);
  const commands = Number(/in (\d+) commands/.exec(stdout)?.[1]);
  assert.ok(commands > 500, `only ${commands} commands`);
});
