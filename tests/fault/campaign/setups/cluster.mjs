// SPDX-License-Identifier: MIT
// Three nats-servers as a JetStream cluster, with three copies of each stream; where the machine allows it each in a
// network of its own, so that it can be cut off from the others.
import { connect } from "nats";
import { Rig, eventually, freePort, inboxPrefix, jetstreamApi } from "../../../support/servers.mjs";
import { NatsServer, newPasswords } from "../../../support/nats.mjs";
import { PgProxy } from "../../../support/pg_proxy.mjs";
import { PlainSetup, natsSettings, postgresSettings } from "./plain.mjs";
import { Place, whyNoNetwork } from "./network.mjs";

const count = 3;

/** What a single server is to a rig: clients, and the addresses for programs. */
class Cluster {
  constructor(nodes) {
    Object.assign(this, { nodes, passwords: nodes[0].passwords });
  }

  get url() {
    return this.nodes.map(({ url }) => url).join(",");
  }

  get port() {
    return this.alive.port;
  }

  get host() {
    return this.alive.host;
  }

  get alive() {
    return this.nodes.find((node) => node.alive && !node.away) ?? this.nodes[0];
  }

  connect(role, options = {}) {
    return connect({
      servers: this.nodes.map(({ url }) => url),
      user: role,
      pass: this.passwords[role],
      name: `test-${role}`,
      inboxPrefix: inboxPrefix(role),
      timeout: 5000,
      reconnectTimeWait: 100,
      maxReconnectAttempts: -1,
      ...options,
    });
  }

  /** The node that leads a stream now; undefined while there is none. */
  async leaderOf(stream) {
    const operator = await this.connect("operator", { timeout: 3000 });
    try {
      const { cluster } = await jetstreamApi(operator, `STREAM.INFO.${stream}`, undefined, { timeout: 2000 });
      return this.nodes.find(({ serverName }) => serverName === cluster?.leader);
    } finally {
      await operator.close();
    }
  }

  async stop() {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

export class ClusterSetup extends PlainSetup {
  static title = "cluster";
  static share = 0.2;

  constructor() {
    super();
    this.has = new Set(["proxy", "cluster"]);
    this.apart = whyNoNetwork() === null;
    if (this.apart) this.has.add("cluster network");
  }

  async begin(stage, t) {
    const settings = { settings: postgresSettings };
    stage.rig = await Rig.start(t, { name: "faults-cluster", nats: false, postgres: settings });
    stage.proxy = await PgProxy.start(t, { port: stage.rig.postgres.port });
    stage.rig.nats = new Cluster(await this.nodes(stage.rig.place, t));
    await Promise.all(stage.rig.nats.nodes.map((node) => node.begin()));
    stage.setupMore = { LUMIN_STREAMS_REPLICAS: `${count}` };
    await eventually(() => stage.setup(), { timeout: 60_000, every: 500, what: "a cluster with streams" });
  }

  async nodes(rigPlace, t) {
    const passwords = newPasswords();
    const nodes = [];
    for (let number = 1; number <= count; number++) {
      const name = `n${number}`;
      const place = this.apart ? await Place.open(t, rigPlace.logs, 100 + number) : undefined;
      const options = { name, passwords, spy: true, host: place?.address, enter: place?.enter };
      const node = await NatsServer.create(rigPlace, options);
      Object.assign(node, { serverName: name, network: place, routePort: await freePort() });
      nodes.push(node);
    }
    const routes = nodes.map((node) => `"nats://${node.host}:${node.routePort}"`).join(", ");
    for (const node of nodes) {
      const listen = `"${node.host}:${node.routePort}"`;
      const cluster = `{ name: lumin, listen: ${listen}, routes: [${routes}], no_advertise: true }`;
      node.configure({ ...natsSettings, server_name: node.serverName, cluster });
    }
    return nodes;
  }

  async heal(stage) {
    for (const node of stage.rig.nats.nodes) {
      node.network?.heal();
      node.resume();
      node.away = false;
      if (!node.alive) await node.begin();
    }
    await super.heal(stage);
  }
}

