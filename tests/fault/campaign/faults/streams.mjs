// SPDX-License-Identifier: MIT
// Faults of the streams themselves: changed, away for a moment, full, shortened and grown again so that sequences are
// used once more, deleted and made anew under everybody's eyes.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { eventually, jetstreamApi, runOnce, sleep, streams, updateStream } from "../../../support/servers.mjs";

const infoOf = (nc, stream) => jetstreamApi(nc, `STREAM.INFO.${stream}`);

const updated = {
  id: "F5",
  name: "streams-updated",
  wants: ["one server"],
  needs: ["streams", "nats"],
  weight: 1,
  // An update and a restart each change `created` on nats-server 2.9 and 2.10.
  async run({ stage, random }) {
    await stage.withOperator(async (operator) => {
      for (const stream of Object.values(streams)) {
        const { config } = await infoOf(operator, stream);
        await updateStream(operator, stream, { max_msg_size: config.max_msg_size === -1 ? 1 << 20 : -1 });
      }
    });
    if (random.chance(0.5)) await stage.rig.nats.restart({ hard: random.chance(0.5) });
  },
};

/** A cluster that is finding a leader does not answer: what may be asked again is. */
const patiently = (ask) => eventually(ask, { timeout: 30_000, every: 200, what: "the JetStream API" });

/** Takes down how the streams are made; returns what makes those that are there so again. */
export async function keepConfigs(stage) {
  const names = Object.values(streams);
  const infos = await stage.withOperator((operator) =>
    Promise.all(names.map((name) => patiently(() => infoOf(operator, name)))),
  );
  return () =>
    stage.withOperator(async (operator) => {
      for (const { config } of infos) await updateStream(operator, config.name, config).catch(() => {});
    });
}

/** Nobody captures the stream's subjects while `work` runs: publishes are refused. */
export async function withoutSubjects(stage, stream, work) {
  await stage.withOperator(async (operator) => {
    const { config } = await patiently(() => infoOf(operator, stream));
    const capture = (subjects) => patiently(() => updateStream(operator, stream, { subjects }));
    await capture([`away.${stream}`]);
    await work().finally(() => capture(config.subjects));
  });
}

const away = {
  id: "F5",
  name: "stream-without-its-subjects",
  needs: ["streams", "nats"],
  weight: 2,
  short: true,
  async run({ stage, random }) {
    let times = 0;
    const stream = random.chance(0.3) ? streams.commands : streams.events;
    for (let i = random.between(3, 8); i > 0; i--) {
      await withoutSubjects(stage, stream, () => sleep(random.below(40)));
      await sleep(random.below(100));
      times++;
    }
    return `${stream}, ${times} times`;
  },
};

const full = {
  id: "F10",
  name: "command-stream-full",
  wants: ["one server"], // in a cluster of 2.9.10 a node that is down meanwhile keeps the lower limit
  needs: ["streams", "nats"],
  weight: 1,
  async run({ stage, random }) {
    await stage.withOperator(async (operator) => {
      const { config, state } = await infoOf(operator, streams.commands);
      await updateStream(operator, streams.commands, { max_msgs: state.messages + random.between(1, 50) });
      await sleep(random.between(500, 2500));
      await updateStream(operator, streams.commands, { max_msgs: config.max_msgs });
    });
  },
};

const deleted = (operator, stream) =>
  jetstreamApi(operator, `STREAM.DELETE.${stream}`).catch((error) => {
    if (error.code !== 404) throw error;
    return true; // it was, though no answer had come
  });

/** Deleted and made anew while workers and load go on. */
const anew = {
  id: "F5",
  name: "stream-made-anew",
  needs: ["streams", "nats"],
  weight: 1,
  async run({ stage, random, harm }) {
    const stream = random.pick([streams.commands, streams.events]);
    if (stream === streams.commands) harm.commands.push("made anew");
    await stage.withOperator(async (operator) => {
      const { config } = await patiently(() => infoOf(operator, stream));
      await patiently(() => deleted(operator, stream));
      await sleep(random.below(200));
      await patiently(() => jetstreamApi(operator, `STREAM.CREATE.${stream}`, config));
    });
    if (stream === streams.events) harm.disorder = [BigInt(Date.now()) * 1_000_000n];
    return stream;
  },
};

const store = (stage) => path.join(stage.rig.nats.folder, "store");
const storeOf = (stage, stream) => path.join(store(stage), "jetstream/LUMIN/streams", stream);

/** Stops the server, keeps a copy of the stream as it is then, and starts it again. */
async function keep(stage, stream) {
  const copy = path.join(store(stage), `copy-${crypto.randomUUID()}`); // on the same disk
  await stage.rig.nats.stop();
  runOnce("cp", ["-a", storeOf(stage, stream), copy]);
  await stage.rig.nats.begin();
  return copy;
}

async function bringBack(stage, stream, copy) {
  await stage.rig.nats.kill();
  fs.rmSync(storeOf(stage, stream), { recursive: true });
  fs.renameSync(copy, storeOf(stage, stream));
  await stage.rig.nats.begin();
}

const lastSeq = (stage, stream) =>
  eventually(() => stage.withOperator(async (operator) => (await infoOf(operator, stream)).state.last_seq + 1), {
    what: "the stream's state",
  });

/** As after a power cut: the last second is gone, and other messages get its sequences before any worker looks. */
const sequencesAgain = {
  id: "F6",
  name: "sequences-used-again",
  wants: ["one server"],
  needs: ["streams", "nats", "workers"],
  weight: 1,
  short: true,
  async run({ stage, random, load, harm }) {
    const copy = await keep(stage, streams.commands);
    await load.progress();
    await sleep(random.between(300, 1000));
    const idle = stage.slots.filter((slot) => slot.alive);
    const away = random.chance(0.8);
    if (away) await Promise.all(idle.map((slot) => slot.kill()));
    const before = await lastSeq(stage, streams.commands);
    harm.commands.push("tail lost");
    await bringBack(stage, streams.commands, copy);
    const lost = before - (await lastSeq(stage, streams.commands));
    if (away) await load.burst(lost + random.between(10, 60));
    for (const slot of idle) if (!slot.alive) slot.start();
    return `${lost} commands lost`;
  },
};

const eventTail = {
  id: "F6",
  name: "event-tail-lost",
  wants: ["one server"],
  needs: ["streams", "nats"],
  weight: 1,
  async run({ stage, random, load }) {
    const copy = await keep(stage, streams.events);
    await load.progress();
    await sleep(random.between(300, 1500));
    await bringBack(stage, streams.events, copy);
  },
};

export const streamFaults = [updated, away, full, anew, sequencesAgain, eventTail];
