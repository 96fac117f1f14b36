// SPDX-License-Identifier: MIT
// ./dev bench: the service and its limits, measured in interleaved rounds on private servers; docs/performance.md says
// what the numbers mean. Each round has servers of its own, so that none pays for the data of those before.
import fs from "node:fs";
import { Rig } from "../tests/support/servers.mjs";
import { asyncRound } from "./async.mjs";
import { machine } from "./machine.mjs";
import { pagesBench, printPages } from "./pages.mjs";
import { print } from "./report.mjs";
import { printRebuild, rebuildBench } from "./rebuild.mjs";
import { readsRound } from "./reads.mjs";
import { requestRound } from "./request.mjs";
import { workersRound } from "./workers.mjs";

const usage = `./dev bench [--rounds N] [--seconds N] [--commands N] [--only async|request|reads|workers|rebuild|pages]
            [--users N[,N...]] [--json FILE]
  --rounds    rounds, each with all measurements (5)
  --seconds   seconds of each request/reply measurement (2)
  --commands  asynchronous commands of each drain (60000)
  --only      one part of the measurements; or, instead of them, lumin-user rebuild, or queries over few users and many
  --users     of which rebuild and pages make their tables, with three events each (rebuild: 1000000; pages:
              10000,100000,1000000)
  --json      where to write every number of every round`;

/** Users that changes go to: a prime, so that bench/work.c spreads them evenly. */
const active = 10_007;

/** As ./dev up sets PostgreSQL, with fsync; checkpoints are kept out of the rounds, which last a minute. */
const postgres = { fsync: "on", shared_buffers: "512MB", max_wal_size: "8GB", checkpoint_timeout: "1h" };

function options(words) {
  const found = { rounds: 5, seconds: 2, commands: 60_000, only: "", users: "", json: "" };
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i].replace(/^--/, "");
    const value = words[i + 1];
    if (!words[i].startsWith("--") || !(name in found) || value === undefined) throw new Error(usage);
    found[name] = typeof found[name] === "number" ? Number(value) : value;
    if (typeof found[name] === "number" && !(found[name] > 0)) throw new Error(usage);
  }
  if (!["", "async", "request", "reads", "workers", "rebuild", "pages"].includes(found.only)) throw new Error(usage);
  if (found.commands <= active) throw new Error(`--commands: more than ${active}, the users that are changed`);
  const users = found.users || (found.only === "pages" ? "10000,100000,1000000" : "1000000");
  found.users = users.split(",").map(Number);
  const least = found.only === "pages" ? 10_000 : 1; // some pages of each status
  if (!found.users.every((count) => Number.isInteger(count) && count >= least)) throw new Error(usage);
  return found;
}

async function round(number, wanted) {
  const hooks = [];
  const rig = await Rig.start({ after: (hook) => hooks.push(hook) }, { name: "bench", postgres: { settings: postgres } });
  try {
    await rig.setup();
    const state = { ...wanted, users: 0, ops: 0, active, number };
    const result = {};
    const part = (name, measure) => (["", name].includes(wanted.only) ? measure(rig, state) : null);
    result.async = await part("async", asyncRound);
    result.request = await part("request", requestRound);
    result.reads = await part("reads", readsRound);
    result.workers = await part("workers", workersRound);
    return result;
  } finally {
    for (const hook of hooks) await hook();
  }
}

async function main() {
  const wanted = options(process.argv.slice(2));
  if (wanted.only === "rebuild") {
    printRebuild(await rebuildBench({ ...wanted, users: wanted.users[0], settings: postgres }));
    return;
  }
  if (wanted.only === "pages") {
    const sizes = await pagesBench({ ...wanted, settings: postgres });
    if (wanted.json) fs.writeFileSync(wanted.json, `${JSON.stringify({ machine: machine(), sizes }, null, 1)}\n`);
    printPages(sizes);
    return;
  }
  const rounds = [];
  for (let number = 1; number <= wanted.rounds; number++) {
    const begin = Date.now();
    rounds.push(await round(number, wanted));
    process.stderr.write(`round ${number} of ${wanted.rounds}: ${Math.round((Date.now() - begin) / 1000)} s\n`);
  }
  const result = { machine: machine(), options: wanted, active, postgres, rounds };
  if (wanted.json) fs.writeFileSync(wanted.json, `${JSON.stringify(result, null, 1)}\n`);
  print(result);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`bench: ${error.message === usage ? usage : error.stack}\n`);
  process.exit(error.message === usage ? 2 : 1);
}
