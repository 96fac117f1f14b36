// SPDX-License-Identifier: MIT
// Child processes that cannot outlive the test that started them: each gets a signal from the kernel when its parent
// dies, is killed by its pid when this process exits, and writes to a log of its own.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const running = new Set();

process.on("exit", () => running.forEach((daemon) => daemon.signal("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/** Calls `attempt` until it returns something true, and throws what went wrong last when the time is over. */
export async function eventually(attempt, { timeout = 20_000, every = 25, what = "the condition" } = {}) {
  const end = performance.now() + timeout;
  for (let failure; ; await sleep(every)) {
    try {
      const result = await attempt();
      if (result) return result;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > end) throw new Error(`${what} did not come about in ${timeout} ms`, { cause: failure });
  }
}

/** Who runs the servers: PostgreSQL refuses root, so root hands them to "postgres" or "nobody". */
export function serviceUser() {
  if (process.getuid() !== 0) return null;
  const users = fs.readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"));
  const row = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody");
  return { name: row[0], uid: Number(row[2]), gid: Number(row[3]) };
}

function asUser(user) {
  return user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"] : [];
}

/** Whether that user may enter the folder: a repository under root's home is closed to it. */
export function reachable(folder, user) {
  return !user || spawnSync("setpriv", [...asUser(user), "--", "test", "-x", folder]).status === 0;
}

/** Runs a command of the servers to its end, as the service user; throws with its output where it fails. */
export function runOnce(command, args, { user = null, input = "", cwd = "/" } = {}) {
  const done = spawnSync("setpriv", [...asUser(user), "--", command, ...args], { cwd, input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.error ?? done.stdout + done.stderr}`);
  return done.stdout;
}

// The kernel's letter for a process: R, S, T (stopped), Z (ended, not yet reaped) ...; undefined where there is none.
function processState(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "")[0];
  } catch {
    return undefined;
  }
}

/** Whether a process that is not our child has ended; an orphan may stay a zombie where nobody reaps it. */
export const ended = (pid) => [undefined, "Z", "X"].includes(processState(pid));

let ports = Math.floor(Math.random() * 40);

/**
 * A port of the loopback that is free now, below those that the kernel hands out for outgoing connections. Each process
 * draws from a range of its own, since a port is not taken before a server listens, and free while that starts again.
 */
export async function freePort() {
  for (;;) {
    const port = 15_000 + (process.pid % 425) * 40 + (ports++ % 40);
    const probe = net.createServer();
    const free = await new Promise((resolve) => {
      probe.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => probe.close(resolve));
    if (free) return port;
  }
}

/** A process that runs until it is stopped, and can be started again under the same name. */
export class Daemon {
  /** `deathSignal` is what the kernel sends it when this process dies; `enter` a command that starts it elsewhere. */
  constructor({ name, command, args, env = {}, cwd, log, user = null, deathSignal = "KILL", enter = [] }) {
    Object.assign(this, { name, command, args, env, cwd, log, user, deathSignal, enter });
    this.child = null;
  }

  get pid() {
    return this.child?.pid;
  }

  get alive() {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  spawn() {
    if (this.alive) throw new Error(`${this.name} is running already`);
    fs.mkdirSync(path.dirname(this.log), { recursive: true });
    const log = fs.openSync(this.log, "a");
    const setpriv = ["setpriv", `--pdeathsig=${this.deathSignal}`, ...asUser(this.user), "--"];
    const [program, ...args] = [...this.enter, ...setpriv, this.command, ...this.args];
    const env = { PATH: process.env.PATH, HOME: "/nonexistent", LC_ALL: "C.UTF-8", ...this.env };
    this.child = spawn(program, args, { cwd: this.cwd, env, stdio: ["ignore", log, log] });
    fs.closeSync(log);
    this.exited = once(this.child, "exit");
    running.add(this);
    this.exited.then(() => running.delete(this), () => running.delete(this));
  }

  signal(name) {
    return this.alive && this.child.kill(name);
  }

  /** kill -9, and waits until it is gone. */
  async kill() {
    this.signal("SIGKILL");
    if (this.child) await this.exited;
  }

  /** SIGSTOP, and waits until it has taken effect. */
  async pause() {
    this.signal("SIGSTOP");
    await eventually(() => processState(this.pid) === "T", { every: 1, what: `${this.name} being stopped` });
  }

  resume() {
    this.signal("SIGCONT");
  }

  /** Asks it to end, and kills it where it does not; returns its exit code, null after a signal. */
  async stop({ signal = "SIGTERM", timeout = 30_000 } = {}) {
    if (!this.alive) return this.child?.exitCode ?? null;
    this.signal("SIGCONT");
    this.signal(signal);
    const timer = setTimeout(() => this.signal("SIGKILL"), timeout);
    await this.exited;
    clearTimeout(timer);
    return this.child.exitCode;
  }

  /** Waits until `attempt` succeeds, or kills it and throws, with the end of its log; at once where it has ended. */
  async ready(attempt, timeout = 15_000) {
    let gone = false;
    const check = async () => {
      gone = !this.alive;
      return gone || (await attempt());
    };
    try {
      await eventually(check, { timeout, what: `${this.name} being ready` });
    } catch (error) {
      await this.kill();
      throw new Error(`${error.message} (${error.cause?.message ?? "no answer"}); its log:\n${this.logTail()}`);
    }
    const end = this.child.exitCode ?? this.child.signalCode;
    if (gone) throw new Error(`${this.name} ended with ${end}; its log:\n${this.logTail()}`);
  }

  logText() {
    return fs.existsSync(this.log) ? fs.readFileSync(this.log, "utf8") : "";
  }

  logTail(lines = 20) {
    return this.logText().trimEnd().split("\n").slice(-lines).join("\n");
  }
}
