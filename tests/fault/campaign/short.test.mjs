// SPDX-License-Identifier: MIT
// The short form of the campaign (./dev faults): two workers, every fast fault once, the whole oracle. LUMIN_TEST_SEED
// repeats its choices; LUMIN_TEST_LONG=1 goes on for ten minutes, with every fault.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import test from "node:test";
import { Campaign } from "./campaign.mjs";
import { report } from "./report.mjs";

const long = process.env.LUMIN_TEST_LONG === "1";
const seed = Number(process.env.LUMIN_TEST_SEED ?? randomInt(2 ** 31));

test("a short campaign of faults leaves every guarantee whole", async (t) => {
  const campaign = new Campaign({ seed, seconds: 600, workers: 2, short: !long, silent: true });
  t.diagnostic(`LUMIN_TEST_SEED=${seed}`);
  const green = await campaign.run();
  if (!green) for (const line of campaign.journal.lines) t.diagnostic(line.trimEnd());
  for (const line of report(campaign).split("\n")) t.diagnostic(line);
  assert.deepEqual(campaign.journal.findings.map(({ rule, text }) => `${rule} ${text}`).slice(0, 20), []);
  assert.ok(campaign.totals.outcomes > 500, `only ${campaign.totals.outcomes} commands`);
});
