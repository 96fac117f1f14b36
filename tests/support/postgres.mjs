// SPDX-License-Identifier: MIT
// A private PostgreSQL for one test. The cluster is made once as a template, with role and database, and copied.
import fs from "node:fs";
import path from "node:path";
import pg from "pg";
import { Daemon, ended, eventually, freePort, runOnce } from "./processes.mjs";

const name = "lumin";
const password = "lumin-test";

// As in ./dev, but without fsync: kill -9 of a process loses nothing that the kernel holds.
const defaults = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  fsync: "off",
  shared_buffers: "128MB",
  max_wal_size: "2GB",
  max_connections: "60",
  log_error_verbosity: "terse",
  log_parameter_max_length: "0",
  log_parameter_max_length_on_error: "0",
  log_min_error_statement: "panic",
  log_line_prefix: "%m [%p] %q%a ",
  log_lock_waits: "on",
  deadlock_timeout: "200ms",
  client_connection_check_interval: "1s",
  tcp_keepalives_idle: "5",
  tcp_keepalives_interval: "2",
  tcp_keepalives_count: "3",
};

/** The folder of the server programs: LUMIN_TEST_POSTGRES_BIN, or the newest that Debian has installed. */
export function postgresBin() {
  if (process.env.LUMIN_TEST_POSTGRES_BIN) return process.env.LUMIN_TEST_POSTGRES_BIN;
  const root = "/usr/lib/postgresql";
  const versions = fs.existsSync(root) ? fs.readdirSync(root) : [];
  const bins = versions.sort((a, b) => b - a).map((version) => path.join(root, version, "bin"));
  const found = bins.find((bin) => fs.existsSync(path.join(bin, "postgres")));
  if (!found) throw new Error("no PostgreSQL server found: install postgresql or set LUMIN_TEST_POSTGRES_BIN");
  return found;
}

function makeCluster(folder, user) {
  const bin = postgresBin();
  const options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"];
  runOnce(`${bin}/initdb`, ["-D", folder, ...options], { user });
  const statements = [
    `CREATE ROLE ${name} LOGIN PASSWORD '${password}'`,
    `CREATE DATABASE ${name} OWNER ${name}`,
  ];
  // In single-user mode a statement ends with the line.
  runOnce(`${bin}/postgres`, ["--single", "-D", folder, "postgres"], { user, input: `${statements.join("\n")}\n` });
  // Only the superuser is trusted; the service logs in as it does in a deployment.
  const rules = `host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n`;
  fs.writeFileSync(path.join(folder, "pg_hba.conf"), rules);
}

/** The template's folder; the first process to finish it wins, others use that one. */
function template(place) {
  const version = runOnce(`${postgresBin()}/postgres`, ["--version"]).match(/\d+(\.\d+)?/)[0];
  const folder = path.join(place.shared("postgres-template"), `${version}-${place.user?.uid ?? process.getuid()}`);
  if (fs.existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  fs.rmSync(fresh, { recursive: true, force: true });
  makeCluster(fresh, place.user);
  try {
    fs.renameSync(fresh, folder);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(error.code)) throw error;
    fs.rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
}

export class PostgresServer extends Daemon {
  /** `settings` override those above. */
  static async start(place, { settings = {} } = {}) {
    const folder = path.join(place.folder("postgres"), "data");
    runOnce("cp", ["-a", "--reflink=auto", template(place), folder]);
    const server = new PostgresServer({
      name: "postgres",
      command: `${postgresBin()}/postgres`,
      args: ["-D", folder],
      cwd: folder,
      log: place.log("postgres"),
      user: place.user,
      deathSignal: "QUIT",
    });
    server.folder = folder;
    server.port = await freePort();
    server.configure(settings);
    await server.begin();
    return server;
  }

  /** The connection string of the service's role. */
  get url() {
    return `postgresql://${name}:${password}@127.0.0.1:${this.port}/${name}`;
  }

  get superuserUrl() {
    return `postgresql://postgres@127.0.0.1:${this.port}/${name}`;
  }

  configure(settings) {
    const lines = Object.entries({ ...defaults, port: this.port, ...settings });
    const text = lines.map(([key, value]) => `${key} = '${value}'\n`).join("");
    fs.writeFileSync(path.join(this.folder, "postgresql.auto.conf"), text);
  }

  async begin() {
    this.spawn();
    await this.ready(() => this.once("SELECT 1"));
  }

  async restart({ hard = false, settings } = {}) {
    if (hard) await this.kill();
    else await this.stop();
    if (settings) this.configure(settings);
    await this.begin();
  }

  /** Fast shutdown: it does not wait for its clients. */
  async stop(options = {}) {
    await this.closePool();
    return super.stop({ signal: "SIGINT", ...options });
  }

  /** kill -9 of the postmaster and of its children, as a power cut would do; waits until all are gone. */
  async kill() {
    const children = this.children();
    await super.kill();
    for (const pid of children) if (!ended(pid)) killIfThere(pid);
    await eventually(() => children.every(ended), { what: "the end of PostgreSQL's processes" });
    await this.closePool();
  }

  children() {
    if (!this.alive) return [];
    const file = `/proc/${this.pid}/task/${this.pid}/children`;
    return fs.readFileSync(file, "utf8").trim().split(" ").filter(Boolean).map(Number);
  }

  /** Rows of a statement, as the superuser, so that a test sees everything. */
  async sql(text, values) {
    if (!this.pool) {
      this.pool = new pg.Pool({ connectionString: this.superuserUrl, max: 4 });
      this.pool.on("error", () => {}); // an idle connection dies with its server; the next query makes a new one
    }
    return (await this.pool.query(text, values)).rows;
  }

  /** A connection of its own, in the service's role, that the caller ends. */
  async client(options = {}) {
    const client = new pg.Client({ connectionString: this.url, ...options });
    client.on("error", () => {}); // ends with the server, which the next query says
    await client.connect();
    return client;
  }

  async once(text) {
    const client = await this.client({ connectionTimeoutMillis: 15_000 });
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  async closePool() {
    const pool = this.pool;
    this.pool = null;
    await pool?.end().catch(() => {});
  }
}

// A child follows its postmaster, and may be gone before the signal comes.
function killIfThere(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}
