// SPDX-License-Identifier: MIT
// Faults of nats-server and PostgreSQL: killed, their store gone, single connections ended, cut exactly at the commit,
// commits that take longer than the lease.
import { eventually, sleep } from "../../../support/servers.mjs";
import { lease } from "../stage.mjs";

const natsKill = {
  id: "F5",
  name: "nats-kill",
  wants: ["one server"],
  needs: ["nats"],
  weight: 2,
  short: true,
  async run({ stage, random }) {
    await sleep(random.below(300));
    if (random.chance(0.8)) await stage.rig.nats.kill();
    else await stage.rig.nats.stop();
    await sleep(random.below(600));
    await stage.rig.nats.begin();
  },
};

const natsWipe = {
  id: "F5",
  name: "nats-store-wiped",
  wants: ["one server"],
  needs: ["nats", "streams"],
  weight: 1,
  short: true,
  async run({ stage, random, harm }) {
    await stage.rig.nats.kill();
    harm.commands.push("wiped");
    harm.dead.push("wiped");
    harm.disorder.length = 0; // what comes now comes in order
    stage.rig.nats.wipe();
    await sleep(random.below(300));
    await stage.rig.nats.begin();
    await sleep(random.below(300)); // workers meet a server without streams
    await eventually(() => stage.setup(), { timeout: 30_000, every: 500, what: "setup" }); // PostgreSQL may be away
  },
};

const postgresKill = {
  id: "F7",
  name: "postgres-kill",
  needs: ["postgres"],
  weight: 2,
  short: true,
  async run({ stage, random }) {
    await sleep(random.below(300));
    if (random.chance(0.5)) await stage.rig.postgres.kill();
    else await stage.rig.postgres.stop({ signal: "SIGQUIT" }); // immediate shutdown
    await sleep(random.below(600));
    await stage.rig.postgres.begin();
  },
};

const backendsEnded = {
  id: "F7",
  name: "backends-ended",
  needs: ["postgres"],
  weight: 2,
  short: true,
  async run({ stage, random }) {
    let ended = 0;
    for (let i = random.between(1, 8); i > 0; i--) {
      const role = random.chance(0.8) ? "lane" : random.pick(["lease", "door"]);
      const rows = await stage.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1
          ORDER BY random() LIMIT 1`,
        [`lumin-user ${role}%`],
      );
      ended += rows.length;
      await sleep(random.below(150));
    }
    return `${ended} connections`;
  },
};

const cuts = ["cut-before", "cut-after", "cut-with", "hold-sync", "hold-all"];

const cutAtCommit = {
  id: "F11",
  name: "cut-at-commit",
  wants: ["proxy"],
  needs: ["proxy", "postgres"],
  weight: 3,
  short: true,
  async run({ stage, random, reach, short }) {
    const planned = [...cuts, ...Array.from({ length: short ? 0 : random.below(12) }, () => random.pick(cuts))];
    const before = stage.proxy.log.length;
    stage.proxy.pause = () => random.between(20, 200);
    stage.proxy.decide = ({ first }) => (first === "FENCE" && random.chance(0.3) && planned.pop()) || "pass";
    await eventually(() => planned.length === 0, { timeout: 8000 }).catch(() => {});
    stage.proxy.decide = () => "pass";
    const done = stage.proxy.log.slice(before);
    for (const { action } of done) reach.pass(`cut: ${action}`);
    return `${done.length} cuts`;
  },
};

// A deferred trigger sleeps once a transaction, when it commits.
const sleepInCommit = `
  CREATE OR REPLACE FUNCTION watch.slow() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF current_setting('watch.slept', true) IS DISTINCT FROM txid_current()::text THEN
      PERFORM set_config('watch.slept', txid_current()::text, true), pg_sleep(SECONDS);
    END IF;
    RETURN NULL;
  END $$;
  CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON lumin.outcomes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch.slow()`;

const slow = (name, choices, weight) => ({
  id: "F13",
  name,
  needs: ["postgres"],
  weight,
  async run({ stage, random }) {
    const seconds = random.pick(choices);
    await stage.asService(sleepInCommit.replace("SECONDS", seconds));
    await sleep(Math.max(3000, 1800 * seconds));
    const end = () => stage.asService("DROP TRIGGER slow ON lumin.outcomes").then(() => true);
    await eventually(end, { timeout: 30_000 });
    return `commits of ${seconds} s`;
  },
});

const slowCommits = slow("slow-commits", [0.1, 0.3, (0.8 * lease) / 1000], 1);
const verySlowCommits = slow("commits-of-4-s", [4], 1); // longer than any lease

export const serverFaults = [
  natsKill, natsWipe, postgresKill, backendsEnded, cutAtCommit, slowCommits, verySlowCommits,
];
