// SPDX-License-Identifier: MIT
// ./dev faults: a campaign of faults against private servers and workers; see docs/reliability.md.
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

const options = {
  build: { type: "string", default: process.env.LUMIN_BUILD ?? "build/debug" },
  seconds: { type: "string", default: "120" },
  seed: { type: "string", default: `${randomInt(2 ** 31)}` },
  only: { type: "string", default: "" },
  workers: { type: "string", default: "4" },
  short: { type: "boolean", default: false },
};

function numberOf(values, name, least) {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < least) throw new Error(`--${name} takes a number from ${least} on`);
  return number;
}

/**
 * In namespaces of its own, where networks and mounts can be made that vanish with it; false where the machine does not
 * allow that.
 */
function alone() {
  if (process.env.LUMIN_FAULTS_ALONE || process.getuid() !== 0) return false;
  const apart = ["--net", "--mount", "--propagation", "private", "--"];
  if (spawnSync("unshare", [...apart, "ip", "link", "set", "lo", "up"]).status !== 0) return false;
  const self = [process.execPath, ...process.argv.slice(1)];
  const shell = 'ip link set lo up && exec "$@"';
  const env = { ...process.env, LUMIN_FAULTS_ALONE: "1" };
  const done = spawnSync("unshare", [...apart, "sh", "-c", shell, "sh", ...self], { stdio: "inherit", env });
  process.exitCode = done.status ?? 2;
  return true;
}

async function main() {
  const { values } = parseArgs({ options });
  if (!values.short && alone()) return process.exitCode;
  process.env.LUMIN_BUILD = values.build; // read where the modules below are loaded
  const { Campaign, folder } = await import("./campaign.mjs");
  const { report } = await import("./report.mjs");
  const campaign = new Campaign({
    seconds: numberOf(values, "seconds", 1),
    seed: numberOf(values, "seed", 0),
    workers: numberOf(values, "workers", 1),
    only: values.only,
    short: values.short,
  });
  const green = await campaign.run();
  const text = report(campaign);
  const file = path.join(folder, `report-${campaign.seed}.md`);
  fs.writeFileSync(file, text);
  fs.writeFileSync(path.join(folder, `journal-${campaign.seed}.txt`), campaign.journal.lines.join(""));
  process.stdout.write(`\n${text}\n`);
  console.log(`the report is ${path.relative(process.cwd(), file)}; --seed ${campaign.seed} repeats the choices`);
  return green ? 0 : 1;
}

// What a fault left hanging, such as a connection that still tries, does not keep the program.
const code = await main().catch((error) => {
  console.error(error);
  return 2;
});
process.exit(code ?? 0);
