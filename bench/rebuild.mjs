// SPDX-License-Identifier: MIT
// `lumin-user rebuild` over many users, beside a bare binary COPY of the same events in the same order.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Rig } from "../tests/support/servers.mjs";
import { eventsEach, fill, settle } from "./population.mjs";

const events = "SELECT user_id, version, type, time_ns, body FROM lumin.events ORDER BY user_id, version";

/** Runs a program to its end: { seconds, peakMiB, stdout }. */
async function timed(program, args, env) {
  const begin = process.hrtime.bigint();
  const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let peak = 0;
  let said = "";
  const look = setInterval(() => {
    try {
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0));
    } catch {
      // it has ended
    }
  }, 50);
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (said += bytes.subarray(0, 2000)));
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearInterval(look);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${said}`);
  return { seconds: Number(process.hrtime.bigint() - begin) / 1e9, peakMiB: peak / 1024 };
}

export async function rebuildBench({ users, rounds, settings }) {
  const hooks = [];
  const rig = await Rig.start({ after: (hook) => hooks.push(hook) }, { name: "bench", postgres: { settings } });
  try {
    await rig.setup();
    await rig.sql(fill(users));
    await rig.sql(settle);
    const service = path.join(process.env.LUMIN_BUILD, "lumin-user");
    const env = rig.environment("operator");
    const copy = ["-X", "-q", "-c", `\\copy (${events}) TO '/dev/null' (FORMAT binary)`, env.DATABASE_URL];
    const result = [];
    for (let round = 0; round < rounds; round++) {
      const bare = await timed("psql", copy, {});
      const check = await timed(service, ["rebuild", "--check"], env);
      const whole = await timed(service, ["rebuild"], env);
      result.push({ bare, check, whole });
      process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
    return { users, events: users * eventsEach, rounds: result };
  } finally {
    for (const hook of hooks) await hook();
  }
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

export function printRebuild({ users, events, rounds }) {
  const rate = (kind) => median(rounds.map((round) => events / round[kind].seconds));
  const line = (name, kind) => {
    const peak = Math.max(...rounds.map((round) => round[kind].peakMiB)).toFixed(0);
    const ratio = median(rounds.map((round) => round.bare.seconds / round[kind].seconds)).toFixed(2);
    process.stdout.write(`| ${name} | ${Math.round(rate(kind)).toLocaleString("en")} | ${ratio} | ${peak} |\n`);
  };
  process.stdout.write(`\n${users.toLocaleString("en")} users, ${events.toLocaleString("en")} events\n\n`);
  process.stdout.write("| | events/s | ratio to COPY | most memory, MiB |\n|---|---|---|---|\n");
  line("bare binary COPY, ordered", "bare");
  line("rebuild --check", "check");
  line("rebuild", "whole");
}
