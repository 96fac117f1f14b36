// SPDX-License-Identifier: MIT
// What an integration test stands on: a private nats-server, PostgreSQL and worker processes, each of which it can
// kill, stop, continue and restart. Logs stay in build/test/<name>/; data goes when the test is over, unless
// LUMIN_TEST_KEEP=1.
//
//   const rig = await Rig.start(t, { name: "create" });
//   await rig.setup();
//   const worker = await rig.worker();
//   const gateway = await rig.connect("gateway");
//   const answer = await request(gateway, "create", { firstName: "Ada", email: "ada@example.com" });
//   assert.equal(answer.as("Outcome").status, "OUTCOME_STATUS_APPLIED");
//   await worker.kill();
//
// Environment: LUMIN_BUILD (folder of the programs, build/debug), LUMIN_TEST_NATS_SERVER, LUMIN_TEST_POSTGRES_BIN.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { NatsServer } from "./nats.mjs";
import { PostgresServer } from "./postgres.mjs";
import { Daemon, eventually, reachable, repository, serviceUser } from "./processes.mjs";

export * from "./nats.mjs";
export * from "./postgres.mjs";
export * from "./processes.mjs";
export * from "./wire.mjs";

export const build = path.resolve(repository, process.env.LUMIN_BUILD ?? "build/debug");

/** Where a test keeps logs and data, and the user that owns the data. */
export class Place {
  constructor(name) {
    if (!/^[a-z0-9-]+$/.test(name)) throw new Error(`a rig's name is a folder of lower-case letters and -: ${name}`);
    this.user = serviceUser();
    this.logs = path.join(repository, "build/test", name);
    fs.rmSync(this.logs, { recursive: true, force: true });
    fs.mkdirSync(this.logs, { recursive: true });
    // Where the servers' user cannot enter the repository, its data lives outside.
    const inside = reachable(this.logs, this.user);
    this.sharedRoot = inside ? path.dirname(this.logs) : path.join(os.tmpdir(), `lumin-test-${process.getuid()}`);
    this.data = inside ? path.join(this.logs, "data") : fs.mkdtempSync(path.join(os.tmpdir(), "lumin-test-"));
    fs.mkdirSync(this.data, { recursive: true });
    fs.chmodSync(this.data, 0o755);
  }

  log(name) {
    return path.join(this.logs, `${name}.log`);
  }

  /** A folder of the test's own that the servers may write to. */
  folder(name) {
    const folder = path.join(this.data, name);
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.give(folder);
    return folder;
  }

  /** A folder that all tests share. */
  shared(name) {
    const folder = path.join(this.sharedRoot, name);
    fs.mkdirSync(folder, { recursive: true });
    this.give(folder);
    return folder;
  }

  give(folder) {
    if (!this.user) return;
    fs.chownSync(folder, this.user.uid, this.user.gid);
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      if (entry.isFile()) fs.chownSync(path.join(folder, entry.name), this.user.uid, this.user.gid);
    }
  }

  clear() {
    if (!process.env.LUMIN_TEST_KEEP) fs.rmSync(this.data, { recursive: true, force: true });
  }
}

/** A `lumin-user worker`. */
export class Worker extends Daemon {
  async begin() {
    this.spawn();
    await this.ready(() => this.healthy(), 20_000);
  }

  async restart({ hard = false, env } = {}) {
    if (hard) await this.kill();
    else await this.stop();
    if (env) this.env = { ...this.env, ...env };
    await this.begin();
  }
}

export class Rig {
  /**
   * Starts the servers (`false` leaves one out), and stops everything when `t` is over: a test's context, or or
   * `{ after }` of node:test at a file's top level (not in a `before` hook, where `after` means the hook's end).
   */
  static async start(t, { name, nats = {}, postgres = {} }) {
    const rig = new Rig(new Place(name));
    t.after(() => rig.stop());
    await settle([
      nats && NatsServer.start(rig.place, nats).then((server) => (rig.nats = server)),
      postgres && PostgresServer.start(rig.place, postgres).then((server) => (rig.postgres = server)),
    ]);
    return rig;
  }

  constructor(place) {
    this.place = place;
    this.workers = [];
    this.connections = [];
  }

  /** What a program of the service reads from its environment, in that role. */
  environment(role) {
    const nats = this.nats && {
      NATS_URL: this.nats.url,
      NATS_USER: role,
      NATS_PASSWORD: this.nats.passwords[role],
      ...(this.nats.tls && { NATS_CA: this.nats.tls.ca, NATS_CERT: this.nats.tls.cert, NATS_KEY: this.nats.tls.key }),
    };
    const partitions = this.partitions && { LUMIN_PARTITIONS: String(this.partitions) }; // where they are not 32
    return { ...nats, ...partitions, ...(this.postgres && { DATABASE_URL: this.postgres.url }) };
  }

  /** Runs a program of the build, or of another, to its end: { code, stdout, stderr }. */
  async run(program, args, { role = "operator", env = {}, timeout = 30_000, from = build } = {}) {
    const child = spawn(path.join(from, program), args, {
      env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8", ...this.environment(role), ...env },
      cwd: from === build ? undefined : this.place.logs, // where no config.yaml of ours is
      stdio: ["ignore", "pipe", "pipe"],
      timeout,
      killSignal: "SIGKILL",
    });
    const text = (stream) => {
      let all = "";
      stream.setEncoding("utf8").on("data", (part) => (all += part));
      return () => all;
    };
    const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    return { code, stdout: stdout(), stderr: stderr() };
  }

  /** As `run`, but a failure throws with what the program said. */
  async must(program, args, options) {
    const done = await this.run(program, args, options);
    if (done.code === 0) return done;
    throw new Error(`${program} ${args.join(" ")} ended with ${done.code}:\n${done.stdout}${done.stderr}`);
  }

  async setup(options = {}) {
    return this.must("lumin-user", ["setup"], { role: "setup", ...options });
  }

  async health() {
    return (await this.run("lumin-user", ["health"], { role: "setup", timeout: 5000 })).code === 0;
  }

  /** A worker; `wait: false` returns at once, for one that is expected not to become healthy. */
  async worker({ name = `worker-${this.workers.length + 1}`, args = [], env = {}, wait = true, from = build } = {}) {
    const worker = new Worker({
      name,
      command: path.join(from, "lumin-user"),
      args: ["worker", ...args],
      env: { ...this.environment("worker"), ...env },
      cwd: this.place.logs,
      log: this.place.log(name),
    });
    worker.healthy = () => this.health();
    this.workers.push(worker);
    if (wait) await worker.begin();
    else worker.spawn();
    return worker;
  }

  /** A NATS client in a role, closed when the rig stops. */
  async connect(role, options) {
    const connection = await this.nats.connect(role, options);
    this.connections.push(connection);
    return connection;
  }

  sql(text, values) {
    return this.postgres.sql(text, values);
  }

  /** Waits until a query's first row passes; returns it. */
  async sqlUntil(text, test, options) {
    return eventually(async () => {
      const [row] = await this.sql(text);
      return row !== undefined && test(row) && row;
    }, { what: text, ...options });
  }

  async stop() {
    await Promise.all(this.connections.map((connection) => connection.close().catch(() => {})));
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await Promise.all([this.nats?.stop(), this.postgres?.stop()]);
    this.place.clear();
  }
}

/** Waits for all, and throws the first failure only then, so that nothing is left starting. */
async function settle(promises) {
  const results = await Promise.allSettled(promises);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
