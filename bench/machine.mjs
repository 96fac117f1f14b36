// SPDX-License-Identifier: MIT
// CPU clocks of processes, and what the numbers were measured on.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import { natsProgram, postgresBin } from "../tests/support/servers.mjs";

const ticks = 100; // USER_HZ, which is 100 on every Linux that Debian builds

function times(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ").map(Number);
  const [utime, stime, cutime, cstime] = fields.slice(11, 15);
  return { own: utime + stime, reaped: cutime + cstime };
}

function postgresSeconds(server) {
  const postmaster = times(server.pid);
  let sum = postmaster.own + postmaster.reaped;
  for (const pid of server.children()) {
    try {
      sum += times(pid).own;
    } catch {
      // ended just now, and counts as reaped from here on
    }
  }
  return sum / ticks;
}

/** CPU seconds so far: { worker, postgres, nats }. */
export function clocks(rig, worker) {
  return {
    worker: worker?.alive ? times(worker.pid).own / ticks : 0,
    postgres: postgresSeconds(rig.postgres),
    nats: times(rig.nats.pid).own / ticks,
  };
}

/** Microseconds of each for one of `count`, between two clocks. */
export function perCommand(before, after, count) {
  return Object.fromEntries(Object.keys(before).map((key) => [key, ((after[key] - before[key]) * 1e6) / count]));
}

const version = (program) => spawnSync(program, ["--version"], { encoding: "utf8" }).stdout?.trim() ?? "";

export function machine() {
  return {
    cpu: os.cpus()[0]?.model ?? "unknown",
    cores: os.cpus().length,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    kernel: os.release(),
    nats: version(natsProgram),
    postgres: version(`${postgresBin()}/postgres`),
    node: process.version,
  };
}
