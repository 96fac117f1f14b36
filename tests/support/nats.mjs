// SPDX-License-Identifier: MIT
// A private nats-server under the configuration of deploy/nats, so that the tests meet the roles and limits that a
// deployment has.
import { spawnSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { connect } from "nats";
import { Daemon, freePort, repository } from "./processes.mjs";

export const roles = ["gateway", "command_publisher", "event_consumer", "worker", "setup", "operator"];

/** What a role's inboxes begin with: it may listen to no others. */
export const inboxPrefix = (role) => `_INBOX_lumin_${role}`;

/** The program, by LUMIN_TEST_NATS_SERVER or from the usual places. */
export const natsProgram = process.env.LUMIN_TEST_NATS_SERVER ?? "nats-server";

/** [major, minor, patch] of the server in use. */
export function natsVersion() {
  const said = spawnSync(natsProgram, ["--version"], { encoding: "utf8", env: withSbin() }).stdout ?? "";
  const found = /v?(\d+)\.(\d+)\.(\d+)/.exec(said);
  if (!found) throw new Error(`${natsProgram} --version says no version: install nats-server or set LUMIN_TEST_NATS_SERVER`);
  return found.slice(1).map(Number);
}

const withSbin = () => ({ ...process.env, PATH: `${process.env.PATH}:/usr/sbin` });

/** The greeting that the server sends first; the client protocol speaks before it is asked. */
function greeted(host, port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host);
    socket.setTimeout(1000, () => socket.destroy(new Error("no greeting")));
    socket.once("data", (bytes) => {
      socket.destroy();
      resolve(bytes.toString().startsWith("INFO "));
    });
    socket.once("error", reject);
  });
}

export const newPasswords = () =>
  Object.fromEntries(roles.map((role) => [role, `p${crypto.randomBytes(12).toString("hex")}`]));

export class NatsServer extends Daemon {
  /**
   * `settings` override lines of server.conf, written as there: { ping_interval: '"1s"', ping_max: 1 }.
   * `place` is a Place of servers.mjs. `spy`: a user who may listen to everything, which no deployment has.
   * `tls`: files that its clients need: { ca, cert, key }.
   */
  static async start(place, options = {}) {
    const server = await NatsServer.create(place, options);
    await server.begin();
    return server;
  }

  /** One that is not started yet; `name` tells it from others of the place, `enter` is a command that it runs under. */
  static async create(place, options) {
    const { settings = {}, env = {}, name = "nats", host = "127.0.0.1", enter = [], spy = false, tls = null } = options;
    const folder = place.folder(name);
    const server = new NatsServer({
      name: `${name}-server`,
      command: natsProgram,
      args: ["-c", path.join(folder, "nats.conf")],
      cwd: folder,
      log: place.log(`${name}-server`),
      user: place.user,
      enter,
    });
    Object.assign(server, { place, folder, host, spy, tls, passwords: options.passwords ?? newPasswords() });
    server.port = await freePort();
    server.env = { ...server.environment(), ...env };
    server.configure(settings);
    return server;
  }

  get url() {
    return `nats://${this.host}:${this.port}`;
  }

  environment() {
    const passwords = roles.map((role) => [`NATS_PASSWORD_${role.toUpperCase()}`, this.passwords[role]]);
    return {
      PATH: withSbin().PATH,
      NATS_LISTEN: `${this.host}:${this.port}`,
      NATS_STORE: JSON.stringify(path.join(this.folder, "store")),
      ...Object.fromEntries(passwords),
    };
  }

  /** Writes the configuration with these overrides; what was overridden before is not kept. */
  configure(settings) {
    const source = path.join(repository, "deploy/nats");
    for (const file of fs.readdirSync(source)) fs.copyFileSync(path.join(source, file), path.join(this.folder, file));
    if (this.spy) this.admitSpy();
    const [major, minor] = natsVersion();
    const base = major > 2 || minor >= 10 ? "server-2.10.conf" : "server.conf";
    const lines = Object.entries(settings).map(([key, value]) => `${key}: ${value}\n`);
    fs.writeFileSync(path.join(this.folder, "nats.conf"), `include "${base}"\n${lines.join("")}`);
    this.place.give(this.folder);
  }

  /** Maps commands to so many partitions from now on, or no more (0): the configuration is changed and reloaded. */
  map(partitions) {
    const source = fs.readFileSync(path.join(repository, "deploy/nats/accounts.conf"), "utf8");
    const mapped = /^ {4}mappings \{$.*?^ {4}\}$/ms;
    const line = source.match(mapped)[0].replace("partition(32,2)", `partition(${partitions},2)`);
    fs.writeFileSync(path.join(this.folder, "accounts.conf"), source.replace(mapped, () => (partitions > 0 ? line : "")));
    this.signal("SIGHUP");
  }

  admitSpy() {
    const file = path.join(this.folder, "accounts.conf");
    const user = '{ user: spy, password: spy, permissions { publish { deny: [">"] }, subscribe { allow: [">"] } } }';
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("users: [", `users: [\n${user}`));
    this.passwords.spy = "spy";
  }

  /** Starts it, on its port and its files, and waits until it takes clients. */
  async begin() {
    this.spawn();
    await this.ready(() => greeted(this.host, this.port));
  }

  /** Stops it (kill -9 with `hard`), and starts it again on the same port and files. */
  async restart({ hard = false, settings } = {}) {
    if (hard) await this.kill();
    else await this.stop();
    if (settings) this.configure(settings);
    await this.begin();
  }

  /** Removes what JetStream has stored; the server must be stopped. */
  wipe() {
    const store = path.join(this.folder, "store"); // may be a mount
    for (const entry of fs.readdirSync(store)) fs.rmSync(path.join(store, entry), { recursive: true });
  }

  /** A client in one of the roles, with the private inbox that the role may listen to. */
  async connect(role, options = {}) {
    return connect({
      servers: this.url,
      user: role,
      pass: this.passwords[role],
      name: `test-${role}`,
      inboxPrefix: inboxPrefix(role),
      timeout: 5000,
      reconnectTimeWait: 100,
      maxReconnectAttempts: -1,
      ...(this.tls && { tls: { caFile: this.tls.ca, certFile: this.tls.cert, keyFile: this.tls.key } }),
      ...options,
    });
  }
}
