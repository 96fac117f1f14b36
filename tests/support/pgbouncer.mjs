// SPDX-License-Identifier: MIT
// A pgbouncer in session mode, as Debian has it, in front of a test's PostgreSQL: nothing is set that a deployment
// would not have to set.
import fs from "node:fs";
import path from "node:path";
import pg from "pg";
import { Daemon, freePort } from "./processes.mjs";

export class PgBouncer extends Daemon {
  static async start(t, rig) {
    const folder = rig.place.folder("pgbouncer");
    const file = path.join(folder, "pgbouncer.ini");
    const server = new URL(rig.postgres.url);
    const port = await freePort();
    const settings = {
      listen_addr: "127.0.0.1",
      listen_port: port,
      unix_socket_dir: "",
      auth_type: "scram-sha-256",
      auth_file: path.join(folder, "users.txt"),
      pool_mode: "session",
      default_pool_size: 40, // each lane, lease, door and reader of each worker keeps a connection
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
    const database = `lumin = host=127.0.0.1 port=${server.port} dbname=lumin\n`;
    fs.writeFileSync(file, `[databases]\n${database}[pgbouncer]\n${lines.join("")}`);
    fs.writeFileSync(settings.auth_file, `"${server.username}" "${server.password}"\n`);
    rig.place.give(folder);
    const command = fs.existsSync("/usr/sbin/pgbouncer") ? "/usr/sbin/pgbouncer" : "pgbouncer";
    const bouncer = new PgBouncer({
      name: "pgbouncer",
      command,
      args: [file],
      cwd: folder,
      log: rig.place.log("pgbouncer"),
      user: rig.place.user,
    });
    bouncer.url = `postgresql://${server.username}:${server.password}@127.0.0.1:${port}/lumin`;
    t.after(() => bouncer.stop());
    bouncer.spawn();
    await bouncer.ready(async () => (await bouncer.client()).end().then(() => true));
    return bouncer;
  }

  /** A connection through it, that the caller ends. */
  async client() {
    const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: 2000 });
    client.on("error", () => {}); // ends with the server, which the next query says
    await client.connect();
    return client;
  }
}
