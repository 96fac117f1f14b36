// SPDX-License-Identifier: MIT
// Asynchronous commands, from the command stream to the event stream, beside PostgreSQL given the same rows alone.
import { eventually } from "../tests/support/servers.mjs";
import { clocks, perCommand } from "./machine.mjs";
import { lastSequence, load, rows, storedAt, streams } from "./programs.mjs";

const window = 512;

export async function asyncRound(rig, state) {
  const operator = await rig.connect("operator");
  const service = async () => {
    const create = await drain(rig, operator, state, "create");
    const mixed = await drain(rig, operator, state, "mixed");
    return { create, mixed, live: await live(rig, operator, state) };
  };
  // By turns, so that neither side always has the warmer or the fuller machine.
  if (state.number % 2 === 0) return { limit: await limit(rig, state), ...(await service()) };
  const found = await service();
  return { ...found, limit: await limit(rig, state) };
}

/** Commands that wait when the worker starts: from its first to its last event. */
async function drain(rig, operator, state, work) {
  const from = await positions(operator);
  const published = await load(rig, state, "command_publisher", "publish", { work, count: state.commands, window });
  const worker = await rig.worker({ wait: false });
  const first = await reached(rig, operator, worker, from.events + 1);
  const last = await reached(rig, operator, worker, from.events + state.commands);
  const seconds =
    (await storedAt(operator, streams.events, from.events + state.commands)) -
    (await storedAt(operator, streams.events, from.events + 1));
  await worker.stop();
  await checkApplied(rig, from, state.commands);
  return {
    rate: (state.commands - 1) / seconds,
    published: published.rate,
    cpu: perCommand(first.clocks, last.clocks, last.events - first.events),
    batches: await batches(rig, from),
  };
}

/** Commands that come while the worker works: from the first command to the last event. */
async function live(rig, operator, state) {
  const worker = await rig.worker();
  const from = await positions(operator);
  const before = clocks(rig, worker);
  const published = await load(rig, state, "command_publisher", "publish", {
    work: "mixed",
    count: state.commands,
    window,
  });
  const last = await reached(rig, operator, worker, from.events + state.commands);
  const seconds =
    (await storedAt(operator, streams.events, from.events + state.commands)) -
    (await storedAt(operator, streams.commands, from.commands + 1));
  const cpu = perCommand(before, last.clocks, state.commands);
  await worker.stop();
  await checkApplied(rig, from, state.commands);
  return { rate: state.commands / seconds, published: published.rate, cpu, batches: await batches(rig, from) };
}

async function positions(operator) {
  return {
    commands: await lastSequence(operator, streams.commands),
    events: await lastSequence(operator, streams.events),
  };
}

async function reached(rig, operator, worker, seq) {
  const attempt = async () => {
    if (!worker.alive) throw new Error(`the worker has ended; its log:\n${worker.logTail()}`);
    const events = await lastSequence(operator, streams.events);
    return events >= seq && { events, clocks: clocks(rig, worker) };
  };
  return eventually(attempt, { timeout: 120_000, every: 40, what: `event ${seq}` });
}

/** A number is worth nothing where the commands were refused. */
async function checkApplied(rig, from, commands) {
  const [row] = await rig.sql(
    `SELECT count(*) FILTER (WHERE status = 1)::int AS applied, count(*)::int AS decided
       FROM lumin.outcomes WHERE stream_seq > $1 AND stream_seq <= $1 + $2`,
    [from.commands, commands],
  );
  if (row.applied !== commands) throw new Error(`${row.applied} of ${commands} commands were applied: ${row.decided}`);
}

/** Commands in one transaction: a transaction's outcomes carry its number. */
export async function batches(rig, from) {
  const [row] = await rig.sql(
    `SELECT count(*)::int AS transactions, avg(n)::float AS mean, max(n)::int AS largest,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY n)::int AS median
       FROM (SELECT count(*) AS n FROM lumin.outcomes WHERE stream_seq > $1 GROUP BY xmin::text) AS batch`,
    [from.commands],
  );
  return row;
}

/** The same rows by a loop that does nothing else, in a database of its own on the same server. */
async function limit(rig, state) {
  await rig.sql("CREATE DATABASE rows OWNER lumin");
  const url = rig.postgres.url.replace(/\/lumin$/, "/rows");
  await rig.setup({ env: { DATABASE_URL: url } });
  const writer = rows(url, { count: state.commands, active: state.active });
  const phase = async () => {
    const before = clocks(rig);
    const found = await writer.next();
    const cpu = perCommand(before, clocks(rig), state.commands);
    return { rate: found.rate, cpu: { postgres: cpu.postgres, writer: (found.cpu_seconds * 1e6) / state.commands } };
  };
  const found = { create: await phase(), mixed: await phase() };
  await writer.end();
  return found;
}
