// SPDX-License-Identifier: MIT
// The same commands with one, two and four workers on one machine. The workers have their shares and stand still while
// the commands are published, so that nobody's start is measured.
import { eventually } from "../tests/support/servers.mjs";
import { batches } from "./async.mjs";
import { clocks, perCommand } from "./machine.mjs";
import { lastSequence, load, storedAt, streams } from "./programs.mjs";

export const workerCounts = [1, 2, 4];

export async function workersRound(rig, state) {
  const operator = await rig.connect("operator");
  await drain(rig, operator, state, 2, "create"); // the users that are changed
  const turns = workerCounts.map((_count, i) => workerCounts[(i + state.number) % workerCounts.length]);
  const found = {};
  for (const count of turns) found[count] = await drain(rig, operator, state, count, "mixed");
  return found;
}

async function drain(rig, operator, state, count, work) {
  const env = { LUMIN_WORKER_LEASE: "60s" };
  const workers = [];
  for (let i = 0; i < count; i++) workers.push(await rig.worker({ wait: false, env }));
  const owners = "SELECT count(DISTINCT owner)::int AS owners, count(*) FILTER (WHERE owner IS NULL)::int AS free FROM lumin.partitions";
  await rig.sqlUntil(owners, (row) => row.owners === count && row.free === 0, { timeout: 30_000 });
  await rig.health(); // a command has gone the whole way
  for (const worker of workers) await worker.pause();
  const from = await lastSequence(operator, streams.events);
  const commands = await lastSequence(operator, streams.commands);
  await load(rig, state, "command_publisher", "publish", { work, count: state.commands, window: 512 });
  const before = all(rig, workers);
  for (const worker of workers) worker.resume();
  const to = from + state.commands;
  const done = async () => (await lastSequence(operator, streams.events)) >= to;
  await eventually(done, { timeout: 120_000, every: 40, what: `event ${to}` });
  const cpu = perCommand(before, all(rig, workers), state.commands);
  const seconds = (await storedAt(operator, streams.events, to)) - (await storedAt(operator, streams.events, from + 1));
  for (const worker of workers) await worker.stop();
  return { rate: (state.commands - 1) / seconds, cpu, batches: await batches(rig, { commands }) };
}

/** The clocks of all workers together. */
function all(rig, workers) {
  const each = workers.map((worker) => clocks(rig, worker));
  return { ...each[0], worker: each.reduce((sum, { worker }) => sum + worker, 0) };
}
