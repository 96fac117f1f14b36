// SPDX-License-Identifier: MIT
// Whatever is killed, whenever: the worker at random moments and at every single step, nats-server, PostgreSQL, single
// database connections; always under load, and always with the whole truth checked afterwards (guarantees 1 to 4 and
// 6 to 9). LUMIN_TEST_LONG=1 kills ten times as often.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { History, Load, Random, call, commandOf, long, publish } from "../support/load.mjs";
import { audit, settle } from "../support/oracle.mjs";
import { Rig, eventually, repository, sleep } from "../support/servers.mjs";

const times = (count) => (long ? 10 * count : count);

/** Servers, one worker and a load; when `havoc` is done, quiet and the oracle. */
async function underLoad(t, name, { env = {}, load: wanted = {} }, havoc) {
  const rig = await Rig.start(t, { name });
  await rig.setup();
  const worker = await rig.worker({ env });
  const load = await Load.start(rig, wanted);
  t.diagnostic(`LUMIN_TEST_SEED=${load.random.seed}`);
  await load.progress();
  await havoc({ rig, worker, load, random: load.random });
  await load.progress();
  await load.stop();
  await settle(rig);
  t.diagnostic(await audit(rig, load.history));
  const answered = load.history.count(({ answer }) => answer.kind === "outcome");
  assert.ok(answered > times(100), `only ${answered} commands were answered`);
}

test("kill -9 of the worker at any moment under load", async (t) => {
  // With a short lease, or it would be dead most of the time.
  const env = { LUMIN_WORKER_LEASE: "500ms" };
  await underLoad(t, "kill-worker", { env }, async ({ worker, load, random }) => {
    for (let kill = 0; kill < times(20); kill++) {
      if (random.chance(0.8)) await load.progress(); // else before it has come to anything
      await sleep(random.below(600));
      await worker.kill();
      worker.spawn();
    }
  });
});

test("kill -9 of nats-server under load", async (t) => {
  await underLoad(t, "kill-nats", {}, async ({ rig, load, random }) => {
    for (let kill = 0; kill < times(5); kill++) {
      await sleep(random.between(200, 1000));
      await rig.nats.kill();
      await sleep(random.below(400));
      await rig.nats.begin();
      await load.progress();
    }
  });
});

test("kill -9 of PostgreSQL under load", async (t) => {
  await underLoad(t, "kill-postgres", {}, async ({ rig, load, random }) => {
    for (let kill = 0; kill < times(3); kill++) {
      await sleep(random.between(200, 1000));
      if (random.chance(0.5)) await rig.postgres.kill();
      else await rig.postgres.stop({ signal: "SIGQUIT" }); // immediate shutdown
      await sleep(random.below(400));
      await rig.postgres.begin();
      await load.progress();
    }
  });
});

test("database connections of lanes, lease and door ended under load", async (t) => {
  await underLoad(t, "kill-backends", {}, async ({ rig, load, random }) => {
    let ended = 0;
    while (ended < times(24)) {
      await sleep(random.below(250));
      const role = random.chance(0.8) ? "lane" : random.pick(["lease", "door"]);
      const rows = await rig.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1
          ORDER BY random() LIMIT 1`,
        [`lumin-user ${role}%`],
      );
      ended += rows.length; // there may be none for a moment
      if (random.chance(0.3)) await load.progress();
    }
  });
});

// ---- every step

const deathCode = 86; // of a failpoint

/** One worker that is killed by a failpoint again and again, and the commands that it meets. */
class Steps {
  static async start(t, name, env) {
    const steps = new Steps();
    steps.rig = await Rig.start(t, { name });
    await steps.rig.setup();
    steps.file = path.join(steps.rig.place.logs, "fail");
    steps.env = { LUMIN_WORKER_LANES: "1", LUMIN_FAIL_FILE: steps.file, ...env };
    steps.worker = await steps.rig.worker({ env: steps.env });
    steps.gateway = await steps.rig.connect("gateway");
    steps.publisher = await steps.rig.connect("command_publisher");
    steps.random = new Random();
    steps.history = new History();
    steps.earlier = [["rpc", commandOf(steps.random.uuid(), "probe", steps.random.uuid(), {})]];
    return steps;
  }

  /** The next worker, at once: what the dead one leaves behind ends first, and its lease is made to be over. */
  async restart(failAt) {
    const { rig, worker } = this;
    await worker.kill();
    fs.rmSync(this.file, { force: true });
    const others = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name LIKE 'lumin-user lane%'`;
    await rig.sqlUntil(others, ({ count }) => count === 0);
    await rig.sql("UPDATE lumin.workers SET lease_until = clock_timestamp() - interval '1 day'");
    worker.env = { ...rig.environment("worker"), ...this.env, LUMIN_FAIL_AT: String(failAt) };
    worker.spawn();
  }

  /** Sends what was sent to the last worker again: all of it must be decided now. */
  async repeat() {
    for (const [door, command] of this.earlier) {
      const decided = async () => ["outcome", "stored"].includes((await this.send(door, command)).kind);
      await eventually(decided, { what: `an answer to ${command.method}` });
    }
  }

  async send(door, command) {
    const { gateway, publisher, history } = this;
    return (await (door === "rpc" ? call(history, gateway, command) : publish(history, publisher, command))).answer;
  }

  /** A fixed set: applied ones, a refused one, one that cannot be decoded. */
  commands() {
    const { random } = this;
    const user = random.uuid();
    const email = `${user}@example.com`;
    const of = (method, fields, owner = user) => commandOf(random.uuid(), method, owner, fields);
    const undecodable = { ...of("delete", {}), payload: Buffer.from("\xff", "latin1") };
    return [
      ["rpc", of("create", { firstName: "A", email })],
      ["rpc", of("create", { firstName: "B", email }, random.uuid())],
      ["stream", of("change_email", { email: `new.${email}` })],
      ["stream", undecodable],
      ["rpc", of("change_username", { firstName: "C" })],
    ];
  }

  /** Arms the failpoint and sends the commands; true where the worker lived through all of it. */
  async survive() {
    const { worker, rig } = this;
    this.earlier = this.commands();
    fs.writeFileSync(this.file, "");
    let dead = false;
    const died = worker.exited.then(() => (dead = true));
    if ((await Promise.race([this.sendAll(() => dead), died])) === true) return false;
    const relayed = rig.sqlUntil(
      `SELECT bool_and(event_position = relayed_position AND dead_position = dead_relayed)
          AND (SELECT count(*) FROM lumin.outcomes WHERE command_id = ANY ('{${this.ids()}}')) = ${this.earlier.length}
          AS all_out FROM lumin.partitions`,
      (row) => row.all_out,
    );
    relayed.catch(() => {}); // nobody waits for it where the worker dies first
    return (await Promise.race([relayed, died])) !== true;
  }

  async sendAll(isDead) {
    const sent = [];
    for (const [door, command] of this.earlier) {
      if (isDead()) return;
      sent.push(this.send(door, command));
      if (!this.together) await sent.at(-1);
    }
    await Promise.all(sent);
  }

  ids() {
    return this.earlier.map(([, command]) => command.id).join(",");
  }

  async round(failAt) {
    await this.restart(failAt);
    await this.repeat();
    const survived = await this.survive();
    if (!survived) assert.equal(this.worker.child.exitCode, deathCode, this.worker.logTail());
    return survived;
  }

  async finish(t) {
    await this.restart("");
    await this.repeat();
    await settle(this.rig);
    t.diagnostic(await audit(this.rig, this.history));
  }
}

// In a batch each, and all in a batch or two.
for (const [how, fewest] of [
  ["in-turn", 40],
  ["together", 15],
]) {
  test(`a worker that dies at every step of its work, one later each time; commands ${how}`, async (t) => {
    const steps = await Steps.start(t, `kill-steps-${how}`, { LUMIN_WORKER_LEASE: "1m" });
    steps.together = how === "together";
    const begun = Date.now();
    let failAt = 1;
    while (failAt < 300 && !(await steps.round(failAt))) failAt++;
    t.diagnostic(`it died at ${failAt - 1} steps, in ${Math.round((Date.now() - begun) / 1000)} s`);
    assert.ok(failAt > fewest && failAt < 300, `there are ${failAt - 1} steps`);
    await steps.finish(t);
  });
}

/** The failpoints of a worker that the sources name; those of other programs are for their own tests. */
function failpoints() {
  const sources = path.join(repository, "src");
  const files = fs.readdirSync(sources, { recursive: true }).filter((file) => file.endsWith(".c"));
  const text = files.map((file) => fs.readFileSync(path.join(sources, file), "utf8")).join("");
  return [...new Set([...text.matchAll(/FAILPOINT\("([^"]+)"\)/g)].map(([, name]) => name))].filter(
    (name) => !/^(repair|republish|repartition)\./.test(name),
  );
}

test("a worker that dies at each failpoint by name", async (t) => {
  const names = failpoints();
  assert.ok(names.length > 5);
  const steps = await Steps.start(t, "kill-names", { LUMIN_WORKER_LEASE: "600ms" });
  for (const name of names) {
    assert.equal(await steps.round(`${name}:${steps.random.between(1, 2)}`), false, `${name} was not passed`);
  }
  await steps.finish(t);
});
