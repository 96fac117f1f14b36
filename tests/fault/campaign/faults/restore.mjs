// SPDX-License-Identifier: MIT
// PostgreSQL restored to an earlier point while the event stream is ahead, and repaired as docs/operations.md says; with
// and without commands that have expired since.
import fs from "node:fs";
import path from "node:path";
import { eventually, jetstreamApi, runOnce, sleep, streams } from "../../../support/servers.mjs";
import { decided } from "../oracle/quiet.mjs";

/** A cold copy of the database; the workers run into a PostgreSQL that is away for a moment. */
async function keep({ postgres, place }) {
  const copy = path.join(place.data, "restore");
  fs.rmSync(copy, { recursive: true, force: true });
  await postgres.stop();
  runOnce("cp", ["-a", postgres.folder, copy]);
  await postgres.begin();
  return copy;
}

async function bringBack({ postgres }, copy) {
  fs.rmSync(postgres.folder, { recursive: true });
  fs.renameSync(copy, postgres.folder);
  await postgres.begin();
}

const patience = { timeout: 20_000 };

const lastCommand = (operator) =>
  jetstreamApi(operator, `STREAM.INFO.${streams.commands}`, undefined, patience).then(({ state }) => state.last_seq);

// A server that has just been started may not answer at once.
const askOperator = (stage, question) =>
  eventually(() => stage.withOperator(question), { ...patience, what: "an answer of nats-server" });

/** Waits until no event is missing on the stream; only what is there can be taken back from there. */
const allIsOut = (stage) => {
  const text = "SELECT sum(event_position - relayed_position)::int AS count FROM lumin.partitions";
  return eventually(async () => (await stage.sql(text))[0].count === 0, { timeout: 30_000, what: "every event out" });
};

/** Some of the commands since the copy are gone, as by their age; all that they led to is on the event stream. */
async function expire({ stage, random, harm }, from) {
  await decided(stage, { timeout: 40_000 });
  await allIsOut(stage);
  harm.commands.push("expired");
  const last = await askOperator(stage, lastCommand);
  const seq = from + random.between(1, Math.max(1, last - from));
  const purge = (operator) => jetstreamApi(operator, `STREAM.PURGE.${streams.commands}`, { seq }, patience);
  await askOperator(stage, purge);
  return seq;
}

/** Repairs, at times killed on the way and begun again. */
async function repair({ stage, random, journal }) {
  const env = stage.environment();
  const run = (timeout) => stage.rig.run("lumin-user", ["repair", "--adopt"], { env: { ...env, ...operator(stage) }, timeout });
  for (let tries = random.below(3); tries > 0; tries--) await run(random.between(30, 600));
  // PostgreSQL may not have noticed yet that the one before is dead.
  const through = async () => {
    const done = await run(60_000);
    return !/is at work already/.test(done.stderr) && done;
  };
  const { code, stdout, stderr } = await eventually(through, { timeout: 80_000, every: 200, what: "a turn to repair" });
  if (code !== 0) journal.finding("R1", `repair ended with ${code}: ${stdout}${stderr}`);
  return /adopted (\d+) of/.exec(stdout)?.[1] ?? "0";
}

/** A mark among the writes that the triggers note; the time by PostgreSQL's clock. */
const mark = async (stage, what) => {
  const text = "INSERT INTO watch.writes (what) VALUES ($1) RETURNING extract(epoch FROM at)::float8 AS at";
  return (await stage.sql(text, [what]))[0].at;
};

const operator = (stage) => {
  const { NATS_USER, NATS_PASSWORD } = stage.rig.environment("operator");
  return { NATS_USER, NATS_PASSWORD };
};

const restore = (name, expired) => ({
  id: "F30",
  name,
  wants: ["copies"],
  needs: ["streams", "nats", "postgres", "workers", "load"],
  weight: 1,
  async run(context) {
    const { stage, random, load, harm } = context;
    const since = performance.now();
    const copy = await keep(stage.rig);
    const from = await askOperator(stage, lastCommand);
    await load.progress();
    await sleep(random.between(300, 3000));
    const running = stage.slots.filter((slot) => slot.alive);
    if (expired) await load.hold();
    const before = expired ? await expire(context, from).finally(() => load.release()) : 0;
    await Promise.all([stage.rig.postgres.kill(), ...running.map((slot) => slot.kill())]);
    const restored = { since, until: performance.now(), before, repair: [Infinity, Infinity] };
    harm.restores.push(restored); // whatever becomes of the rest
    await bringBack(stage.rig, copy);
    restored.repair[0] = await mark(stage, "repair");
    const events = await repair(context).finally(async () => {
      restored.repair[1] = await mark(stage, "repaired");
    });
    await stage.sql("UPDATE lumin.lost_ranges SET acknowledged_at = clock_timestamp() WHERE acknowledged_at IS NULL");
    for (const slot of running) slot.start();
    return `${events} events adopted`;
  },
});

export const restoreFaults = [restore("restored", false), restore("restored-with-expired-commands", true)];
