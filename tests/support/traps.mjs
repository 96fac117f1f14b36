// SPDX-License-Identifier: MIT
// For tests that take streams away, bring them back older, or make them anew: what was sent, in its order, compared
// with what the table and the event stream hold.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import {
  commandSubject,
  encode,
  eventually,
  headersOf,
  jetstreamApi,
  messageName,
  prefix,
  runOnce,
  streams,
} from "./servers.mjs";

/** LUMIN_TEST_LONG=1: the long form. */
export const long = process.env.LUMIN_TEST_LONG === "1";

/** A worker that notices everything sooner than the defaults would. */
export const quick = {
  LUMIN_WORKER_LEASE: "1s",
  LUMIN_CURSOR_HEARTBEAT: "200ms",
  LUMIN_CURSOR_ADVANCE_INTERVAL: "300ms",
  LUMIN_JANITOR_INTERVAL: "1h", // no purge between a test's own hands
};

export const partitions = 32;

/** The server's partition() of a user id: FNV-1a, modulo the partitions. */
export function partitionOf(userId) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(userId)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % partitions;
}

/** A new user id, of a partition where one is named. */
export function newUser(partition) {
  for (;;) {
    const id = crypto.randomUUID();
    if (partition === undefined || partitionOf(id) === partition) return id;
  }
}

export const times = (count, make) => Array.from({ length: count }, (_none, index) => make(index));

/** How often a word stands in a text. */
export const countOf = (text, word) => text.split(word).length - 1;

/** What a worker logs from now on. */
export function logFrom(worker) {
  const begin = worker.logText().length;
  return () => worker.logText().slice(begin);
}

/** Waits until a process stands still by SIGSTOP. */
export async function stopped(daemon) {
  const state = () => fs.readFileSync(`/proc/${daemon.pid}/stat`, "utf8").replace(/^.*\) /s, "")[0];
  await eventually(() => state() === "T", { every: 5, what: `${daemon.name} standing still` });
}

/** Commands that were sent, each under its own id, and the users they were meant for. */
export class Book {
  constructor(rig, publisher) {
    Object.assign(this, { rig, publisher, users: new Map(), commands: [] });
  }

  /** The user's next command: create, then changes of name. Sends leave in the order of the calls. */
  send(user = newUser()) {
    const sent = this.users.get(user) ?? [];
    this.users.set(user, sent);
    const id = crypto.randomUUID();
    const method = sent.length === 0 ? "create" : "change_username";
    const address = method === "create" ? { email: `${user}@example.com` } : {};
    const fields = { userId: user, firstName: `N${sent.length}`, ...address };
    const command = { id, user, method, payload: encode(messageName(method), fields) };
    sent.push(command);
    this.commands.push(command);
    return this.publish(command);
  }

  /** Puts a command on the stream; returns it with its sequence. */
  async publish(command) {
    const headers = headersOf({ "Lumin-Command-Id": command.id });
    const subject = commandSubject(command.method, command.user);
    const answer = (await this.publisher.request(subject, command.payload, { timeout: 5000, headers })).json();
    if (answer.error) throw Object.assign(new Error(answer.error.description), answer.error);
    return Object.assign(command, { seq: answer.seq });
  }

  /** Some commands for each of some users, mixed. */
  async fill(count, users = times(Math.ceil(count / 4), () => newUser())) {
    return Promise.all(times(count, (index) => this.send(users[index % users.length])));
  }

  /** These commands are lost, and are expected nowhere. */
  forget(commands) {
    const gone = new Set(commands);
    this.commands = this.commands.filter((command) => !gone.has(command));
    for (const [user, sent] of this.users) {
      const left = sent.filter((command) => !gone.has(command));
      if (left.length > 0) this.users.set(user, left);
      else this.users.delete(user);
    }
  }

  /** Waits until every command has an outcome. */
  async decided(options = {}) {
    const ids = this.commands.map(({ id }) => id);
    const text = "SELECT count(*)::int AS count FROM lumin.outcomes WHERE command_id = ANY($1)";
    const all = async () => (await this.rig.sql(text, [ids]))[0].count === ids.length;
    await eventually(all, { what: `outcomes of ${ids.length} commands`, timeout: 20_000, ...options });
  }

  /** Every command has taken effect exactly once, each user's in the order of sending. */
  async checkTable() {
    const rows = await this.rig.sql(
      "SELECT user_id, version::int, command_id FROM lumin.events WHERE user_id = ANY($1) ORDER BY user_id, version",
      [[...this.users.keys()]],
    );
    const found = groupBy(rows, (row) => row.user_id);
    for (const [user, sent] of this.users) {
      const events = found.get(user) ?? [];
      assert.deepEqual(events.map((event) => event.command_id), sent.map(({ id }) => id), `the events of ${user}`);
      assert.deepEqual(events.map((event) => event.version), times(sent.length, (index) => index + 1));
    }
  }

  async check(options) {
    await this.decided(options);
    await this.checkTable();
  }
}

function groupBy(rows, keyOf) {
  const groups = new Map();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return groups;
}

/** Waits until these clients are connected again; what a client sends before may be gone without a word. */
export async function online(...connections) {
  for (const connection of connections) await eventually(() => connection.rtt(), { what: "a client's connection" });
}

export const streamState = async (nc, stream) => (await jetstreamApi(nc, `STREAM.INFO.${stream}`)).state;

/** Deletes a stream and makes it anew under the same configuration; `between` runs while there is none. */
export async function remakeStream(operator, stream, between = () => {}) {
  const { config } = await jetstreamApi(operator, `STREAM.INFO.${stream}`);
  await jetstreamApi(operator, `STREAM.DELETE.${stream}`);
  await between();
  await jetstreamApi(operator, `STREAM.CREATE.${stream}`, config);
}

/**
 * Stops the server, keeps a copy of a stream as it is then, and starts it again. The function that it returns stops the
 * server once more and brings the copy back, as if all that came since had never reached the disk.
 */
export async function keepStream(rig, stream) {
  const store = path.join(rig.nats.folder, "store/jetstream/LUMIN/streams", stream);
  const copy = path.join(rig.nats.folder, `copy-${crypto.randomUUID()}`);
  await rig.nats.stop();
  runOnce("cp", ["-a", store, copy]);
  await rig.nats.begin();
  return async ({ between = () => {} } = {}) => {
    await rig.nats.stop();
    fs.rmSync(store, { recursive: true });
    runOnce("cp", ["-a", copy, store]);
    await between();
    await rig.nats.begin();
  };
}

/** Waits until no partition's input position is below a sequence. */
export async function inputAt(rig, seq, options = {}) {
  const lowest = "SELECT min(input_seq)::int AS low FROM lumin.partitions";
  await rig.sqlUntil(lowest, ({ low }) => low >= seq, { timeout: 15_000, ...options });
}

/** Waits until every event of the table is known to be on the event stream. */
export async function relayed(rig, options = {}) {
  const behind = "SELECT count(*)::int AS count FROM lumin.partitions WHERE relayed_position <> event_position";
  await rig.sqlUntil(behind, ({ count }) => count === 0, { timeout: 20_000, ...options });
}

/** [{ seq, subject, header: Map }] of all that a stream holds, oldest first. */
export async function readAll(nc, stream, { from = 1 } = {}) {
  const state = await streamState(nc, stream);
  const first = Math.max(from, state.first_seq);
  const messages = [];
  const get = (seq) => jetstreamApi(nc, `STREAM.MSG.GET.${stream}`, { seq }).catch((error) => ignoreMissing(error));
  for (let seq = first; seq <= state.last_seq; seq += 128) {
    const asked = times(Math.min(128, state.last_seq - seq + 1), (index) => get(seq + index));
    for (const answer of await Promise.all(asked)) if (answer) messages.push(storedMessage(answer.message));
  }
  return messages;
}

function ignoreMissing(error) {
  if (error.err_code !== 10037) throw error;
  return null;
}

function storedMessage({ seq, subject, hdrs = "", data = "" }) {
  const lines = Buffer.from(hdrs, "base64").toString().split("\r\n").slice(1);
  const header = new Map();
  for (const line of lines.filter(Boolean)) {
    const colon = line.indexOf(":");
    header.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return { seq, subject, header, data: Buffer.from(data, "base64") };
}

/**
 * The event stream against the table, read by nobody who shares code with the relay: every event exactly once (those
 * of `users`, or all), each user's in the order of its versions (unless that is not asked for).
 */
export async function checkEventStream(rig, operator, { users, from, ordered = true } = {}) {
  const text = "SELECT user_id, version::int, partition, position::int FROM lumin.events";
  const rows = await (users ? rig.sql(`${text} WHERE user_id = ANY($1)`, [users]) : rig.sql(text));
  const expected = new Map(rows.map((row) => [`${row.user_id}:${row.version}`, row]));
  const seen = new Map();
  const last = new Map();
  const faults = [];
  for (const { seq, subject, header } of await readAll(operator, streams.events, { from })) {
    const [user, version] = [header.get("ce-subject"), Number(header.get("ce-sequence"))];
    const id = `${user}:${version}`;
    if (users && !users.includes(user)) continue;
    const row = expected.get(id);
    if (!row) faults.push(`${seq}: ${id} is not in the table`);
    if (seen.has(id)) faults.push(`${seq}: ${id} once more, after ${seen.get(id)}`);
    if (ordered && version <= (last.get(user) ?? 0)) faults.push(`${seq}: ${id} after version ${last.get(user)}`);
    if (row && Number(header.get("ce-position")) !== row.position) faults.push(`${seq}: ${id} under another position`);
    if (!subject.startsWith(`${prefix}.event.`) || !subject.endsWith(`.${user}`)) {
      faults.push(`${seq}: ${id} under ${subject}`);
    }
    seen.set(id, seq);
    last.set(user, version);
  }
  for (const id of expected.keys()) if (!seen.has(id)) faults.push(`${id} is missing`);
  const summary = `${faults.length} faults in ${seen.size} events, ${expected.size} expected`;
  assert.deepEqual(faults.slice(0, 12), [], summary);
  return seen.size;
}
