// SPDX-License-Identifier: MIT
// Faults of a worker's process: killed, killed at every step, stopped for longer than its lease, asleep in the midst
// of a publish, coming and going.
import fs from "node:fs";
import path from "node:path";
import { eventually, repository, sleep, streams, updateStream } from "../../../support/servers.mjs";
import { decided } from "../oracle/quiet.mjs";
import { duplicateWindow, lease } from "../stage.mjs";
import { withoutSubjects } from "./streams.mjs";

/** The failpoints of a worker that the sources name. */
export function failpoints() {
  const sources = path.join(repository, "src");
  const files = fs.readdirSync(sources, { recursive: true }).filter((file) => file.endsWith(".c"));
  const text = files.map((file) => fs.readFileSync(path.join(sources, file), "utf8")).join("");
  const names = [...text.matchAll(/FAILPOINT\("([^"]+)"\)/g)].map(([, name]) => name);
  return [...new Set(names)].filter((name) => !/^(repair|republish|repartition)\./.test(name));
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
    const id = heirs && random.chance(0.6) ? slot.id : undefined;
    await slot.kill();
    if (!id) return slot.start();
    const ms = await stage.takenFrom(id, { timeout: 30_000 });
    takeOvers?.push(ms);
    slot.start();
    return `taken over after ${Math.round(ms)} ms`;
  },
};

/** Starts the worker anew with a failpoint, sees to it that it has partitions, and lets the failpoint act. */
async function arm({ stage, slot, random }, failpoint) {
  await slot.kill();
  slot.start(failpoint);
  if (!(await slot.owns(1500))) {
    const others = stage.slots.filter((other) => other !== slot && other.alive);
    await Promise.all(others.map((other) => other.stop()));
    await slot.owns(15_000);
    for (const other of others) other.start();
    await Promise.all(others.map((other) => other.registered()));
  }
  await sleep(random.below(200));
  slot.pullTrigger();
}

// Nobody needs to pass the point in time.
async function dies(slot, timeout) {
  slot.mayEnd = true;
  const dead = await eventually(() => !slot.alive, { timeout, every: 10 }).catch(() => false);
  if (!dead) await slot.kill();
  return dead;
}

const failpoint = {
  id: "F2",
  name: "failpoint",
  needs: ["worker", "workers"],
  weight: 3,
  short: true,
  wants: ["failpoints"],
  async run(context) {
    const { slot, random, reach } = context;
    const point = points[nextPoint++ % points.length];
    await arm(context, { at: `${point}:${random.between(1, 4)}`, action: "exit" });
    const dead = await dies(slot, 5000);
    if (dead) reach.pass(`dead at failpoint ${point}`);
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

const comesToRest = (slot) =>
  eventually(() => !slot.alive || stopped(slot), { timeout: 5000, every: 10 }).catch(() => false);

/** Stops the worker at a failpoint, for longer than its lease, and lets it go on. */
async function stopAt(context, at, ms) {
  const { slot } = context;
  await arm(context, { at, action: "stop" });
  if (!(await comesToRest(slot))) {
    await slot.kill(); // or it stands still later, when nobody looks
    return `${at} not passed`;
  }
  await sleep(ms);
  slot.resume();
  return `at ${at} for ${ms} ms`;
}

const pauseInside = {
  id: "F3",
  name: "worker-stopped-in-transaction",
  needs: ["worker", "workers"],
  weight: 2,
  short: true,
  wants: ["failpoints"],
  run(context) {
    const { random } = context;
    const point = random.pick(["pg.sent", "pg.synced", "pg.flushed", "pg.finished"]);
    return stopAt(context, `${point}:${random.between(1, 30)}`, random.between(lease, 3 * lease));
  },
};

const publisherAsleep = {
  id: "F4",
  name: "publisher-asleep",
  needs: ["worker", "workers"],
  weight: 1,
  wants: ["failpoints"],
  run(context) {
    const { random } = context;
    const point = random.pick(["relay.push", "relay.publish", "relay.acknowledged"]);
    return stopAt(context, `${point}:${random.between(1, 6)}`, duplicateWindow + random.between(500, 2000));
  },
};

const unrelayed = `SELECT sum(event_position - relayed_position)::int AS count FROM lumin.partitions`;

/**
 * A publisher sleeps between looking at the stream and publishing, on a connection that stands, while an heir publishes
 * the same event, and the server has forgotten its id: 10071. Here the server forgets soon, so nothing may be published
 * on the message id alone: the load pauses, every command is decided while the stream takes no event, and so every
 * event that is left comes from the table.
 */
const publisherOvertaken = {
  id: "F4",
  name: "publisher-overtaken",
  needs: ["worker", "workers", "streams", "nats", "postgres", "load"],
  weight: 1,
  wants: ["failpoints", "one server"],
  run: ({ stage, slot, load }) => overtake(stage, slot, load).finally(() => load.release()),
};

async function overtake(stage, slot, load) {
  const others = stage.slots.filter((other) => other !== slot && other.alive);
  await withoutSubjects(stage, streams.events, async () => {
    await sleep(300);
    await load.hold();
    await decided(stage);
    await Promise.all([slot, ...others].map((each) => each.kill()));
  });
  await forgetSoon(stage, true);
  slot.start({ at: "relay.publish:1", action: "stop" });
  slot.pullTrigger();
  const there = await comesToRest(slot);
  const asleep = slot.id;
  for (const other of others) other.start();
  if (there) {
    await stage.takenFrom(asleep);
    const none = async () => (await stage.sql(unrelayed))[0].count === 0;
    await eventually(none, { timeout: 10_000 }).catch(() => {});
  } else {
    await slot.kill(); // or it stands still later, when nobody looks
  }
  slot.resume();
  await sleep(1000);
  await forgetSoon(stage, false);
  return there ? "" : "there was nothing to publish";
}

/** The event stream's duplicate window; a restart, so that the server really forgets. */
async function forgetSoon(stage, soon) {
  await stage.withOperator((operator) =>
    updateStream(operator, streams.events, { duplicate_window: (soon ? 100 : duplicateWindow) * 1e6 }),
  );
  await stage.rig.nats.restart({ hard: true });
}

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
