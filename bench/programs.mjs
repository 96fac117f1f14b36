// SPDX-License-Identifier: MIT
// The C programs of this folder, run in a role on a rig's servers.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import readline from "node:readline";
import { Daemon, build, jetstreamApi, rpcSubject, streams } from "../tests/support/servers.mjs";

const program = (name) => path.join(build, "bench", name);

const flags = (values) => Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);

/** bench_load in a mode; moves the state's users and commands on. */
export async function load(rig, state, role, mode, values) {
  const place = { active: state.active, "next-user": state.users, "next-op": state.ops };
  const args = [mode, ...flags({ ...place, ...values })];
  const done = await rig.must("bench/bench_load", args, { role, timeout: 120_000 });
  const found = JSON.parse(done.stdout);
  state.users = found.next_user;
  state.ops = found.next_op;
  return found;
}

/** bench_reads: the service's reads by libpq alone. */
export async function reads(rig, values) {
  return JSON.parse((await rig.must("bench/bench_reads", flags(values), { timeout: 120_000 })).stdout);
}

/** The bare responder; stopped by its caller. */
export async function echo(rig, bytes) {
  const daemon = new Daemon({
    name: "echo",
    command: program("bench_echo"),
    args: [String(bytes)],
    env: rig.environment("worker"),
    cwd: rig.place.logs,
    log: rig.place.log("echo"),
  });
  daemon.spawn();
  const gateway = await rig.connect("gateway");
  await daemon.ready(() => gateway.request(rpcSubject("echo"), "", { timeout: 500 }));
  return daemon;
}

/** bench_rows: `next()` runs its next phase and returns what it found. */
export function rows(url, values) {
  const child = spawn(program("bench_rows"), flags(values), {
    env: { PATH: process.env.PATH, DATABASE_URL: url },
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 300_000,
    killSignal: "SIGKILL",
  });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "close");
  return {
    async next() {
      child.stdin.write("\n");
      const line = await lines.next();
      if (line.done) throw new Error(`bench_rows ended with ${(await ended)[0]}`);
      return JSON.parse(line.value);
    },
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}

export async function lastSequence(operator, stream) {
  return (await jetstreamApi(operator, `STREAM.INFO.${stream}`)).state.last_seq;
}

/** When the stream stored a message, in seconds since 1970. */
export async function storedAt(operator, stream, seq) {
  const { message } = await jetstreamApi(operator, `STREAM.MSG.GET.${stream}`, { seq });
  const [, whole, fraction = "0"] = /^(.*?)(?:\.(\d+))?Z$/.exec(message.time);
  return Date.parse(`${whole}Z`) / 1000 + Number(`0.${fraction}`);
}

export { streams };
