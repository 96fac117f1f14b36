// SPDX-License-Identifier: MIT
// Every worker in a network namespace of its own, behind a bridge, so that it can be cut off from one server or from
// all, in one direction or in both. All of it is within the campaign's own namespace and goes with it.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Daemon, eventually } from "../../../support/servers.mjs";
import { PlainSetup, postgresSettings } from "./plain.mjs";

const ip = (args, enter = []) => {
  const [program, ...rest] = [...enter, "ip", ...args.split(" ")];
  const done = spawnSync(program, rest, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`ip ${args}: ${done.error ?? done.stderr}`);
  return done.stdout;
};

/** Why there can be no networks here, or null. */
export function whyNoNetwork() {
  if (process.env.LUMIN_FAULTS_ALONE !== "1") return "it needs root, and unshare(1) for a network namespace";
  if (spawnSync("ip", ["-V"]).error) return "there is no ip(8)";
  try {
    if (!fs.existsSync("/sys/class/net/lumin0") && !/lumin0/.test(ip("-o link"))) ip("link add lumin0 type bridge");
    ip("addr replace 10.96.0.1/16 dev lumin0");
    ip("link set lumin0 up");
    return null;
  } catch (error) {
    return error.message.trim();
  }
}

export const addresses = { here: "10.96.0.1", nats: "10.96.0.2", postgres: "10.96.0.3" };

/** A place in the network, with one address, that things can be started in. */
export class Place {
  static async open(t, logs, number) {
    const place = new Place();
    Object.assign(place, { number, name: `lumin${number}`, address: `10.96.1.${number}` });
    place.holder = new Daemon({
      name: place.name,
      command: "unshare",
      args: ["--net", "sleep", "infinity"],
      log: path.join(logs, `${place.name}.log`),
    });
    place.holder.spawn();
    t.after(() => place.holder.kill());
    await eventually(() => place.isApart(), { what: `the namespace of ${place.name}` });
    place.connect();
    return place;
  }

  get enter() {
    return ["nsenter", "-t", `${this.holder.pid}`, "-n", "--"];
  }

  isApart() {
    const namespace = (pid) => fs.readlinkSync(`/proc/${pid}/ns/net`);
    return namespace(this.holder.pid) !== namespace("self");
  }

  connect() {
    ip(`link add ${this.name} type veth peer name eth0 netns ${this.holder.pid}`);
    ip(`link set ${this.name} master lumin0 up`);
    for (const command of [`addr add ${this.address}/16 dev eth0`, "link set eth0 up", "link set lo up"]) {
      ip(command, this.enter);
    }
  }

  /** Nothing comes in or goes out. */
  isolate() {
    ip("link set eth0 down", this.enter);
  }

  /** What it sends to an address is gone; what comes from there comes. */
  mute(address) {
    ip(`route replace blackhole ${address}/32`, this.enter);
  }

  /** Nothing from here reaches it; what it sends comes. */
  deafen() {
    ip(`route replace blackhole ${this.address}/32`);
  }

  heal() {
    ip("link set eth0 up", this.enter);
    const quietly = (args, enter) => spawnSync([...enter, "ip"][0], [...enter, "ip"].slice(1).concat(args.split(" ")));
    for (const address of Object.values(addresses)) quietly(`route del blackhole ${address}/32`, this.enter);
    quietly(`route del blackhole ${this.address}/32`, []);
  }
}

export class NetworkSetup extends PlainSetup {
  static title = "network";
  static share = 0.15;
  static why = whyNoNetwork;

  constructor() {
    super();
    this.has = new Set(["one server", "network", "copies"]);
    this.places = new Map();
  }

  async begin(stage, t) {
    for (const address of [addresses.nats, addresses.postgres]) ip(`addr replace ${address}/16 dev lumin0`);
    await super.begin(stage, t);
    this.t = t;
    const { nats, postgres } = stage.rig;
    nats.env.NATS_LISTEN = `0.0.0.0:${nats.port}`;
    await nats.restart();
    fs.appendFileSync(path.join(postgres.folder, "pg_hba.conf"), "host all all 10.96.0.0/16 scram-sha-256\n");
    await postgres.restart({ settings: { ...postgresSettings, listen_addresses: "*" } });
    this.urls = {
      NATS_URL: nats.url.replace("127.0.0.1", addresses.nats),
      DATABASE_URL: postgres.url.replace("127.0.0.1", addresses.postgres),
    };
  }

  async command(stage, number) {
    const place = await Place.open(this.t, stage.rig.place.logs, number);
    this.places.set(`w${number}`, place);
    return { ...(await super.command()), enter: place.enter };
  }

  environment() {
    return this.urls;
  }

  async heal(stage) {
    for (const place of this.places.values()) place.heal();
    await super.heal(stage);
  }
}
