// SPDX-License-Identifier: MIT
// Faults that only some set-ups have: workers cut off by the network (F12), power cuts (F6, F8) and full disks (F10),
// jumping clocks (F14), and a cluster whose leaders are killed, stopped and cut off.
import { eventually, sleep, streams } from "../../../support/servers.mjs";
import { lease } from "../stage.mjs";
import { addresses } from "../setups/network.mjs";
import { keepConfigs } from "./streams.mjs";

// ---- network

const ways = ["isolate", "mute-nats", "mute-postgres", "mute-both", "deafen"];

const cutOff = {
  id: "F12",
  name: "worker-cut-off",
  wants: ["network"],
  needs: ["worker"],
  weight: 6,
  async run({ stage, slot, random }) {
    const place = stage.setting.places.get(slot.name);
    const way = random.pick(ways);
    const ms = random.chance(0.3) ? random.between(100, lease) : random.between(lease, 6 * lease);
    if (way === "isolate") place.isolate();
    if (way === "deafen") place.deafen();
    if (way === "mute-nats" || way === "mute-both") place.mute(addresses.nats);
    if (way === "mute-postgres" || way === "mute-both") place.mute(addresses.postgres);
    await sleep(ms);
    place.heal();
    return `${way} for ${ms} ms`;
  },
};

// ---- disks

const natsPower = {
  id: "F6",
  name: "nats-power-cut",
  wants: ["disk"],
  needs: ["nats", "streams"],
  weight: 3,
  async run({ stage, harm, random }) {
    await sleep(random.below(1500));
    harm.commands.push("power cut");
    harm.dead.push("power cut");
    const restore = await keepConfigs(stage); // a fault before may have changed one for a while, and the cut bring that back
    await stage.setting.cutPower(stage, "nats");
    await stage.rig.nats.begin();
    await sleep(random.below(300));
    const mend = () => restore().then(() => stage.setup()); // a young stream is gone
    await eventually(mend, { timeout: 30_000, every: 500, what: "setup" });
  },
};

const postgresPower = {
  id: "F8",
  name: "postgres-power-cut",
  wants: ["disk"],
  needs: ["postgres"],
  weight: 3,
  async run({ stage, random }) {
    await sleep(random.below(1500));
    await stage.setting.cutPower(stage, "postgres");
    await sleep(random.below(300));
    await stage.rig.postgres.begin();
  },
};

const room = [0, 4096, 40_000, 400_000];

const natsFull = {
  id: "F10",
  name: "nats-disk-full",
  wants: ["disk"],
  needs: ["nats", "streams"],
  weight: 2,
  async run({ stage, harm, random }) {
    const image = stage.setting.images.nats;
    harm.commands.push("disk full");
    harm.dead.push("disk full");
    image.fill(random.pick(room));
    await sleep(random.between(1000, 4000));
    image.empty();
    await stage.rig.nats.restart({ hard: random.chance(0.5) }); // it takes nothing before
    await eventually(() => stage.setup(), { timeout: 30_000, every: 500, what: "setup" });
  },
};

const postgresFull = {
  id: "F10",
  name: "postgres-disk-full",
  wants: ["disk"],
  needs: ["postgres"],
  weight: 2,
  async run({ stage, random }) {
    const { postgres } = stage.rig;
    const image = stage.setting.images.postgres;
    image.fill(random.pick(room));
    await sleep(random.between(1000, 4000));
    image.empty();
    const answers = async () => (await postgres.once("SELECT 1")).length > 0;
    const well = await eventually(answers, { timeout: 5000, every: 200 }).catch(() => false);
    if (!well) await postgres.restart({ hard: true }); // it gave up
    return well ? "" : "it had to be started again";
  },
};

// ---- clocks

const hour = 3600;

const clockJumps = {
  id: "F14",
  name: "worker-clocks-jump",
  wants: ["clock"],
  needs: ["worker clocks"],
  weight: 4,
  async run({ stage, random }) {
    const jumps = Array.from({ length: random.between(1, 4) }, () => random.between(-hour, hour));
    for (const seconds of jumps) {
      stage.setting.set("worker", seconds);
      await sleep(random.between(300, 2000));
    }
    stage.setting.set("worker", 0);
    return jumps.join(", ");
  },
};

const databaseClockJumps = {
  id: "F14",
  name: "database-clock-jumps",
  wants: ["clock"],
  needs: ["postgres", "worker", "workers"],
  weight: 3,
  async run({ stage, random }) {
    const seconds = random.between(-hour, hour);
    stage.setting.set("postgres", seconds);
    await sleep(random.between(1500, 4000));
    stage.setting.set("postgres", 0);
    await sleep(2000); // leases are renewed by the clock as it is now
    return `${seconds} s and back`;
  },
};

// ---- a cluster

const leaderFault = (name, wants, hurt) => ({
  id: "F5",
  name,
  wants,
  needs: ["nats"],
  weight: 3,
  async run({ stage, random }) {
    const stream = random.pick(Object.values(streams));
    const node = await stage.rig.nats.leaderOf(stream).catch(() => undefined);
    if (!node) return "there was no leader";
    node.away = true;
    const ms = random.between(500, 5000);
    await hurt(node, ms);
    node.away = false;
    return `${node.serverName}, of ${stream}, for ${ms} ms`;
  },
});

const leaderKilled = leaderFault("leader-killed", ["cluster"], async (node, ms) => {
  await node.kill();
  await sleep(ms);
  await node.begin();
});

const leaderStopped = leaderFault("leader-stopped", ["cluster"], async (node, ms) => {
  await node.pause();
  await sleep(ms);
  node.resume();
});

const leaderCutOff = leaderFault("leader-cut-off", ["cluster network"], async (node, ms) => {
  node.network.isolate();
  await sleep(ms);
  node.network.heal();
});

export const setupFaults = [
  cutOff, natsPower, postgresPower, natsFull, postgresFull, clockJumps, databaseClockJumps, leaderKilled, leaderStopped,
  leaderCutOff,
];
