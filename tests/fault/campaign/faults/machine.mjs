// SPDX-License-Identifier: MIT
// Faults of the machine around a worker: memory runs out (F22), the configuration is wrong (F24), the wall clock jumps
// (F14); and a failover of the database that lost a take-over.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { build, eventually, sleep } from "../../../support/servers.mjs";

// ---- memory

const controller = "/sys/fs/cgroup/memory"; // version 1
const unified = "/sys/fs/cgroup";

/** A memory control group of this process's own, and how its limit is called; or the reason why there is none. */
function memoryGroup(name) {
  const [root, file] = fs.existsSync(`${controller}/memory.limit_in_bytes`)
    ? [controller, "memory.limit_in_bytes"]
    : [unified, "memory.max"];
  const folder = path.join(root, `lumin-faults-${process.pid}-${name}`);
  try {
    fs.mkdirSync(folder);
  } catch (error) {
    return { why: `no memory control group can be made: ${error.code}` };
  }
  if (!fs.existsSync(path.join(folder, file))) {
    fs.rmdirSync(folder);
    return { why: "the machine has no memory control groups" };
  }
  const write = (key, value) => fs.writeFileSync(path.join(folder, key), `${value}`);
  return {
    add: (pid) => write("cgroup.procs", pid),
    limit: (bytes) => write(file, bytes),
    drop: () => eventually(() => (fs.rmdirSync(folder), true), { timeout: 5000 }).catch(() => {}),
  };
}

/** Why a worker cannot be short of memory here, or null. */
export function whyNoMemoryGroup() {
  const group = memoryGroup("probe");
  void group.drop?.();
  return group.why ?? null;
}

const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;

const outOfMemory = {
  id: "F22",
  name: "out-of-memory",
  needs: ["worker"],
  weight: 2,
  wants: ["memory groups"],
  // What the worker has is not counted for the group, so that little more is enough to die of.
  async run({ slot, load }) {
    const group = memoryGroup(slot.name);
    const killed = () => !slot.alive;
    slot.mayEnd = true;
    group.limit(16 * 1024);
    group.add(slot.daemon.pid);
    const before = rss(slot.daemon.pid);
    await load.burst(300);
    await eventually(killed, { timeout: 4000 }).catch(() => {});
    const died = killed() && slot.lastEnd === "SIGKILL";
    if (!killed()) await slot.kill();
    await group.drop();
    return died ? `killed at ${Math.round(before / 2 ** 20)} MiB` : "survived";
  },
};

// ---- configuration

const secret = "a-secret-that-no-log-may-show";

/** [what is wrong, the word that the message must have] */
const mistakes = [
  ["worker.lease=1h", "worker.lease"], ["worker.lease=soon", "worker.lease"], ["worker.lanes=0", "worker.lanes"],
  ["worker.lanes=two", "worker.lanes"], ["lane.batch=-1", "lane.batch"], ["partitions=0", "partitions"],
  ["no.such.key=1", "no.such.key"], ["nats.timeout=", "nats.timeout"], ["log.level=loud", "log.level"],
  ["service.prefix=a b", "service.prefix"], ["service.name=ä", "service.name"], ["rpc.timeout=9d", "rpc.timeout"],
  ["streams.storage=paper", "streams.storage"], ["relay.window=99999999999999999999", "relay.window"],
];
const files = [
  "{", "worker: [1, 2]", "worker:\n  lease: {a: b}\n", "worker:\n  lease: 3s\n  lease: 4s\n", "\xff\xfe",
  "nats: *none\n",
];

const configuration = {
  id: "F24",
  name: "configuration",
  needs: [],
  weight: 1,
  short: true,
  async run({ stage, random, journal }) {
    const file = path.join(stage.rig.place.logs, "wrong.yaml");
    const broken = random.chance(0.4);
    const [mistake, word] = broken ? [undefined, "wrong.yaml"] : random.pick(mistakes);
    fs.writeFileSync(file, Buffer.from(broken ? random.pick(files) : "", "latin1"));
    const args = broken ? ["--config", file] : ["--set", mistake];
    const env = { ...stage.environment(), NATS_PASSWORD: secret };
    const program = path.join(build, "lumin-user");
    const done = spawnSync(program, ["worker", ...args], { env, encoding: "utf8", timeout: 10_000 });
    const said = done.stdout + done.stderr;
    if (done.status !== 78) journal.finding("F24", `${args.join(" ")} ended with ${done.status ?? done.signal}`);
    if (!said.includes(word)) journal.finding("F24", `${args.join(" ")} does not name ${word}: ${said.slice(0, 200)}`);
    if (said.includes(secret)) journal.finding("F24", `${args.join(" ")} shows a secret`);
    return mistake ?? "a broken file";
  },
};

// ---- a failover that lost a take-over

const ownership = "partition, owner, lane, epoch, owned_since, backend_pid, backend_start";

/**
 * The standby had not heard of the take-over: workers and owners are as they were before it, and every connection is
 * lost. What was committed since would be lost too; here it stands, which the positions tell.
 */
const takeOverLost = {
  id: "F7",
  name: "failover-without-take-over",
  needs: ["worker", "postgres"],
  weight: 2,
  async run({ stage, slot, random }) {
    const owners = await stage.sql(`SELECT ${ownership} FROM lumin.partitions`);
    const all = (await stage.sql("SELECT to_jsonb(w) AS row FROM lumin.workers w")).map(({ row }) => row);
    const workers = all.filter(() => random.chance(0.7)); // of the others it had not even heard
    await slot.pause();
    await sleep(random.between(1200, 2500));
    await goBack(stage, owners, workers);
    slot.resume();
    return `${owners.length} partitions`;
  },
};

/** Two tables are locked under the workers' hands, which may come to a deadlock. */
async function goBack(stage, owners, workers) {
  for (let tries = 1; ; tries++) {
    try {
      return await goBackAtOnce(stage, owners, workers);
    } catch (error) {
      if (error.code !== "40P01" || tries === 10) throw error;
    }
  }
}

async function goBackAtOnce(stage, owners, workers) {
  const client = await stage.rig.postgres.client({ connectionString: stage.rig.postgres.superuserUrl });
  try {
    await client.query("BEGIN; SET LOCAL session_replication_role = replica; LOCK lumin.partitions, lumin.workers");
    await client.query("DELETE FROM lumin.workers");
    await client.query(
      `INSERT INTO lumin.workers
         SELECT w.* FROM jsonb_array_elements($1) AS was,
           jsonb_populate_record(NULL::lumin.workers, was || jsonb_build_object(
             'lease_until', clock_timestamp() + interval '200 ms')) AS w`,
      [JSON.stringify(workers)],
    );
    await client.query(
      `UPDATE lumin.partitions p SET owner = b.owner, lane = b.lane, epoch = b.epoch, owned_since = b.owned_since,
         backend_pid = b.backend_pid, backend_start = b.backend_start
         FROM jsonb_populate_recordset(NULL::lumin.partitions, $1) b WHERE b.partition = p.partition`,
      [JSON.stringify(owners)],
    );
    await client.query("INSERT INTO watch.writes (what) VALUES ('failover')");
    await client.query("COMMIT");
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lumin-user %'",
    );
  } finally {
    await client.end();
  }
}

export const machineFaults = [outOfMemory, configuration, takeOverLost];
