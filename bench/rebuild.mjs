// SPDX-License-Identifier: MIT
// `lumin-user rebuild` over many users, beside a bare binary COPY of the same events in the same order.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Rig } from "../tests/support/servers.mjs";

const eventsEach = 3;

// Bodies as protobuf writes them: texts of less than 128 bytes, each behind its tag and its length.
const text = (field, value) =>
  `decode(lpad(to_hex(${field * 8 + 2}), 2, '0') || lpad(to_hex(octet_length(${value})), 2, '0'), 'hex') || ${value}::bytea`;

/** Each user is created, renamed and given a bio; everything as the service would have written it. */
const fill = (users) => `
  CREATE TEMP TABLE drawn AS
    SELECT i, md5(i::text)::uuid AS user_id, (i % 32)::int AS partition, 'user' || i || '@example.com' AS email,
           'First' || i AS first_name, 'A few words about number ' || i AS bio
      FROM generate_series(1, ${users}) i;
  INSERT INTO lumin.events (user_id, version, partition, position, type, time_ns, command_id, body)
    SELECT d.user_id, v, partition, row_number() OVER (PARTITION BY partition ORDER BY v, i),
           CASE v WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 9 END, 1700000000000000000 + i * 1000 + v, gen_random_uuid(),
           CASE v WHEN 1 THEN ${text(1, "'Ada'")} || ${text(3, "email")}
                  WHEN 2 THEN ${text(1, "first_name")}
                  ELSE ${text(1, "bio")} END
      FROM drawn d, generate_series(1, ${eventsEach}) v;
  INSERT INTO lumin.users (user_id, version, status, first_name, last_name, email, email_key, phone, email_verified,
                           phone_verified, bio, created_ns, updated_ns)
    SELECT user_id, ${eventsEach}, 1, first_name, '', email, email, '', false, false, bio,
           1700000000000000000 + i * 1000 + 1, 1700000000000000000 + i * 1000 + ${eventsEach} FROM drawn;
  INSERT INTO lumin.identifiers SELECT 1, email, user_id FROM drawn;
  UPDATE lumin.partitions p SET event_position = e.last FROM (
    SELECT partition, max(position) AS last FROM lumin.events GROUP BY 1) e WHERE e.partition = p.partition;
  DROP TABLE drawn;`;

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
    await rig.sql("VACUUM ANALYZE lumin.events, lumin.users, lumin.identifiers");
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
