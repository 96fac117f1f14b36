// SPDX-License-Identifier: MIT
// Faults of a worker's process: killed, killed at every step, stopped for longer than its lease, asleep in the midst
// of a publish, coming and going.
import fs from "node:fs";
import path from "node:path";
import { eventually, repository, sleep } from "../../../support/servers.mjs";
import { duplicateWindow, lease } from "../stage.mjs";

/** The failpoints that the sources name. */
export function failpoints() {
  const sources = path.join(repository, "src");
  const files = fs.readdirSync(sources, { recursive: true }).filter((file) => file.endsWith(".c"));
  const text = files.map((file) => fs.readFileSync(path.join(sources, file), "utf8")).join("");
  return [...new Set([...text.matchAll(/FAILPOINT\("([^"]+)"\)/g)].map(([, name]) => name))];
}

const points = failpoints();
let nextPoint = 0; // each in its turn

/** Whether others are there to take over, so that the time of that says something. */
const hasHeirs = (stage, slot) => stage.slots.some((other) => other !== slot && other.alive && !other.reserved);

const kill = {
  id: "F1",
  name: "worker-kill",
  needs: ["worker"],
  weight: 3,
  short: true,
  async run({ stage, slot, random, takeOvers }) {
    await sleep(random.below(400));
    const heirs = hasHeirs(stage, slot);
    const id = heirs && random.chance(0.6) ? await slot.id() : undefined;
    await slot.kill();
    if (!id) return slot.start();
    const ms = await stage.takenFrom(id, { timeout: 30_000 });
    takeOvers?.push(ms);
    slot.start();
    return `taken over after ${Math.round(ms)} ms`;
  },
};

/** Starts the worker anew with a failpoint, and lets it act once the worker works. */
async function arm({ slot, random }, failpoint) {
  await slot.kill();
  slot.start(failpoint);
  await slot.registered();
  await sleep(random.below(200));
  slot.pullTrigger();
}

// Nobody needs to pass the point in time: the worker may own nothing just now.
async function dies(slot, timeout) {
  slot.mayEnd = true;
  const dead = await eventually(() => !slot.alive, { timeout, every: 10 }).catch(() => false);
  if (!dead) await slot.kill();
  return dead;
}

const failpoint = {
  id: "F2",
  name: "failpoint",
  needs: ["worker"],
  weight: 3,
  short: true,
  unavailable: (stage) => (stage.hasFailpoints ? null : "this build has no failpoints"),
  async run(context) {
    const { slot, random, stage, reach } = context;
    const point = points[nextPoint++ % points.length];
    // The others stop, so that this one has work.
    const others = stage.slots.filter((other) => other !== slot && other.alive && !other.reserved);
    const alone = random.chance(0.5);
    if (alone) for (const other of others) await other.kill();
    await arm(context, { at: `${point}:${random.between(1, 4)}`, action: "exit" });
    const dead = await dies(slot, 5000);
    for (const other of others) if (!other.alive) other.start();
    if (dead) reach.pass(`failpoint ${point}`);
    return dead ? `dead at ${point}` : `${point} not passed`;
  },
};

const stopped = (slot) => /\) T /.test(fs.readFileSync(`/proc/${slot.daemon.pid}/stat`, "utf8"));

const pause = {
  id: "F3",
  name: "worker-stopped",
  needs: ["worker"],
  weight: 3,
  short: true,
  async run({ slot, random, short }) {
    const within = !short && random.chance(0.25);
    const ms = within ? random.between(50, lease) : random.between(1.5 * lease, 3 * lease);
    await slot.pause();
    await sleep(ms);
    slot.resume();
    return `for ${ms} ms`;
  },
};

/** Stops the worker at a failpoint, for longer than its lease, and lets it go on. */
async function stopAt(context, at, ms) {
  const { slot } = context;
  await arm(context, { at, action: "stop" });
  const there = await eventually(() => !slot.alive || stopped(slot), { timeout: 5000, every: 10 }).catch(() => false);
  if (!there) return "not passed";
  await sleep(ms);
  slot.resume();
  return `at ${at} for ${ms} ms`;
}

const pauseInside = {
  id: "F3",
  name: "worker-stopped-in-transaction",
  needs: ["worker"],
  weight: 2,
  short: true,
  unavailable: (stage) => (stage.hasFailpoints ? null : "this build has no failpoints"),
  run(context) {
    const { random } = context;
    const point = random.pick(["pg.sent", "pg.synced", "pg.flushed", "pg.finished"]);
    return stopAt(context, `${point}:${random.between(1, 30)}`, random.between(lease, 3 * lease));
  },
};

const publisherAsleep = {
  id: "F4",
  name: "publisher-asleep",
  needs: ["worker"],
  weight: 1,
  unavailable: (stage) => (stage.hasFailpoints ? null : "this build has no failpoints"),
  run(context) {
    const { random } = context;
    const point = random.pick(["relay.push", "relay.publish", "relay.acknowledged"]);
    return stopAt(context, `${point}:${random.between(1, 6)}`, duplicateWindow + random.between(500, 2000));
  },
};

/** It publishes with an expectation, sleeps before the write, and another publishes meanwhile: 10071. */
const publisherOvertaken = {
  id: "F4",
  name: "publisher-overtaken",
  needs: ["worker"],
  weight: 1,
  unavailable: (stage) => (stage.hasFailpoints ? null : "this build has no failpoints"),
  run(context) {
    const { random } = context;
    return stopAt(context, `relay.publish:${random.between(1, 3)}`, random.between(1500, 2000));
  },
};

const storm = {
  id: "F26",
  name: "workers-come-and-go",
  needs: ["workers"],
  weight: 1,
  short: true,
  async run({ stage, random, short }) {
    const free = stage.slots.filter((slot) => !slot.reserved);
    let moves = 0;
    for (let round = 0; round < (short ? 3 : 8); round++) {
      await Promise.all(
        free.map(async (slot) => {
          if (!random.chance(0.5)) return;
          moves++;
          if (!slot.alive) slot.start();
          else if (random.chance(0.6)) await slot.stop();
          else await slot.kill();
        }),
      );
      await sleep(random.between(300, 1000));
    }
    for (const slot of free) if (!slot.alive) slot.start();
    return `${moves} starts and ends`;
  },
};

export const workerFaults = [kill, failpoint, pause, pauseInside, publisherAsleep, publisherOvertaken, storm];
