// SPDX-License-Identifier: MIT
// The usual set-up: one nats-server, one PostgreSQL behind a proxy that knows where a transaction ends, workers.
import path from "node:path";
import { PgProxy } from "../../../support/pg_proxy.mjs";
import { Rig, build } from "../../../support/servers.mjs";

// A silent client is dropped after three seconds, at most four and a half: well within half the duplicate window, as
// guarantee 8 wants.
export const natsSettings = { ping_interval: '"1500ms"', ping_max: 2 };
export const postgresSettings = { track_commit_timestamp: "on", max_connections: "120" };

export class PlainSetup {
  static title = "plain";
  static share = 0.4; // of a long campaign's time

  /** Why this machine does not allow it, or null. */
  static why() {
    return null;
  }

  constructor() {
    this.has = new Set(["one server", "proxy", "copies"]);
  }

  /** Starts the servers: stage.rig, and stage.proxy where there is one. */
  async begin(stage, t) {
    stage.rig = await Rig.start(t, {
      name: `faults-${this.constructor.title}`,
      nats: { settings: natsSettings, spy: true },
      postgres: { settings: { ...postgresSettings, ...this.postgresSettings() } },
    });
    if (this.has.has("proxy")) stage.proxy = await PgProxy.start(t, { port: stage.rig.postgres.port });
  }

  postgresSettings() {
    return {};
  }

  /** How a worker is started, by its number. */
  async command() {
    return { command: path.join(build, "lumin-user"), enter: [] };
  }

  /** What a worker's environment has beside the usual. */
  environment(stage) {
    const { DATABASE_URL: url } = stage.rig.environment("worker");
    return stage.proxy ? { DATABASE_URL: stage.proxy.via(url) } : {};
  }

  /** Ends what faults have done to the servers and the machine. */
  async heal(stage) {
    const { nats, postgres } = stage.rig;
    for (const server of [nats, postgres]) if (server.begin && !server.alive) await server.begin();
  }
}
