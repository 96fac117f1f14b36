// SPDX-License-Identifier: MIT
// What must hold after every run, whatever happened in it, judged from outside: the tables by SQL, the streams by a
// reader of its own, the users by a fold of its own, the answers by a load's history. It shares no code with the
// service. A finding begins with its rule:
//   I1 an answered command has one outcome, as answered, and its event once in the table and once on the stream
//   I2 a refused command has no event; one that was never on the stream has left nothing; an open one at most one event
//   I3 a user's versions have no gap and no duplicate, in the table and on the stream, where they stand in order
//   I4 the users row is the fold of the user's events, field by field
//   I5 the event stream says what the table says, event by event
//   I7 the identifiers are the keys of the users who are not deleted
//   I8 the same command id gets the same outcome, byte by byte; other content under it is refused
//   I9 what was answered before another command was sent stands before it
//   G4 a user's events follow the order of their commands in the stream
//   G9 every command that the stream holds has an outcome
//   POS positions are dense, and all is relayed
import { createHash } from "node:crypto";
import { createInbox } from "nats";
import { contentOf } from "./load.mjs";
import { decode, eventually, inboxPrefix, jetstreamApi, prefix, streams } from "./servers.mjs";

const eventTypes = { 1: "user_created", 2: "username_changed", 3: "email_changed", 4: "user_deleted" };
const statuses = { 1: "APPLIED", 2: "UNCHANGED", 3: "REJECTED", 4: "DEAD" };
const partitionCount = 32;

// ---- waiting for quiet

const openPartitions = `SELECT partition, input_seq::int AS input FROM lumin.partitions
  WHERE relayed_position <> event_position OR dead_relayed <> dead_position`;

/** Waits until every command of the stream is decided and every event is out, and stays so. */
export async function settle(rig, { timeout = 60_000 } = {}) {
  const operator = await rig.connect("operator", { timeout: 10_000 });
  let before;
  const quiet = async () => {
    const now = JSON.stringify(await standing(rig, operator));
    const same = now === before;
    before = now;
    return same;
  };
  await eventually(quiet, { timeout, every: 300, what: "quiet" });
  await operator.close();
}

// Where both streams and all positions stand; throws while something is under way.
async function standing(rig, operator) {
  const [commands, events] = await Promise.all(
    [streams.commands, streams.events].map((stream) => jetstreamApi(operator, `STREAM.INFO.${stream}`)),
  );
  const open = await rig.sql(openPartitions);
  if (open.length > 0) throw new Error(`not relayed: ${JSON.stringify(open)}`);
  const inputs = await rig.sql("SELECT partition, input_seq::int AS input FROM lumin.partitions ORDER BY partition");
  const lasts = await Promise.all(inputs.map(({ partition }) => lastCommand(operator, partition)));
  const behind = inputs.filter(({ input }, i) => input < lasts[i]);
  if (behind.length > 0) throw new Error(`not decided: ${JSON.stringify(behind)}`);
  return [commands.state.last_seq, events.state.last_seq];
}

async function lastCommand(operator, partition) {
  const body = { last_by_subj: `${prefix}.command.${partition}.*.*` };
  const got = await jetstreamApi(operator, `STREAM.MSG.GET.${streams.commands}`, body).catch((error) => {
    if (error.code !== 404) throw error;
  });
  return got?.message.seq ?? 0;
}

// ---- reading

/** All messages of a stream in order, from a sequence on, by a consumer of its own: { seq, ns, subject, headers, data }. */
export async function readAll(nc, stream, { from = 1 } = {}) {
  const { state } = await jetstreamApi(nc, `STREAM.INFO.${stream}`);
  if (state.messages === 0 || state.last_seq < from) return [];
  const start = from === 1 ? { deliver_policy: "all" } : { deliver_policy: "by_start_sequence", opt_start_seq: from };
  const config = { ack_policy: "none", replay_policy: "instant", ...start };
  const made = await jetstreamApi(nc, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config });
  const inbox = createInbox(inboxPrefix("operator"));
  // Some at a time, so that the server holds no more than this process can take.
  const pull = () => nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${made.name}`, JSON.stringify({ batch: pulled }), { reply: inbox });
  const messages = [];
  let late, subscription;
  const all = new Promise((resolve, reject) => {
    late = setTimeout(() => reject(new Error(`${stream} could not be read`)), 60_000);
    const callback = (error, message) => {
      if (error || message.headers?.code) return reject(error ?? new Error(`${stream}: ${message.headers.code}`));
      const [, , , , , seq, delivered, ns, pending] = message.reply.split(".");
      const { subject, headers, data } = message;
      messages.push({ seq: Number(seq), ns: BigInt(ns), subject, headers, data });
      if (Number(delivered) !== messages.length) return reject(new Error(`${stream} was not read whole`));
      if (Number(pending) === 0) return resolve();
      return messages.length % pulled === 0 && pull();
    };
    subscription = nc.subscribe(inbox, { callback });
    pull();
  });
  await all.finally(() => clearTimeout(late));
  subscription.unsubscribe();
  await jetstreamApi(nc, `CONSUMER.DELETE.${stream}.${made.name}`);
  return messages;
}

const pulled = 4000;

const tables = {
  events: `SELECT user_id AS user, version::int, partition, position::int, type, time_ns, command_id AS command, body
    FROM lumin.events ORDER BY user_id, version`,
  users: `SELECT user_id AS user, version::int, status, first_name, last_name, email, email_key, phone, email_verified,
    phone_verified, created_ns, updated_ns FROM lumin.users`,
  identifiers: "SELECT kind, key, user_id AS user FROM lumin.identifiers",
  outcomes: `SELECT command_id AS command, user_id AS user, status, version::int, stream_seq::int AS seq,
    stream_ts AS ns, error FROM lumin.outcomes`,
  partitions: `SELECT partition, event_position::int, relayed_position::int, dead_position::int, dead_relayed::int
    FROM lumin.partitions ORDER BY partition`,
  dead: "SELECT partition, dead_position::int, stream_seq::int AS seq, command_id AS command FROM lumin.dead_commands",
  lost: "SELECT * FROM lumin.lost_ranges",
};

/** What tables and streams say, with the indexes that the rules look things up in. */
export async function snapshot(rig) {
  const operator = await rig.connect("operator");
  const state = {};
  for (const [name, sql] of Object.entries(tables)) state[name] = await rig.sql(sql);
  state.commands = await readAll(operator, streams.commands);
  state.stream = (await readAll(operator, streams.events)).map(streamEvent);
  state.deadStream = await readAll(operator, streams.dead);
  await operator.close();
  for (const message of state.commands) message.command = commandIdOf(message);
  return indexed(state);
}

export function indexed(state) {
  return {
    ...state,
    outcomeOf: new Map(state.outcomes.map((row) => [row.command, row])),
    eventsOf: grouped(state.events, (event) => event.command),
    eventsOfUser: grouped(state.events, (event) => event.user),
    streamOf: grouped(state.stream, (event) => event.command),
    messagesOf: grouped(state.commands, (message) => message.command),
    messageAt: new Map(state.commands.map((message) => [message.seq, message])),
  };
}

function streamEvent({ seq, subject, headers, data }) {
  const header = (name) => headers?.get(name) ?? "";
  const tokens = subject.split(".");
  return {
    seq,
    data,
    header,
    type: tokens.at(-2),
    user: tokens.at(-1),
    version: Number(header("ce-sequence")),
    partition: Number(header("ce-partition")),
    position: Number(header("ce-position")),
    command: header("Lumin-Command-Id"),
  };
}

function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group) group.push(row);
    else groups.set(key(row), [row]);
  }
  return groups;
}

// The contract's name space for command ids that callers do not choose.
const commandSpace = Buffer.from("6b1f8d0e522c4f0b9a631c5ed7408821", "hex");

function uuidV5(...parts) {
  const bytes = createHash("sha1").update(Buffer.concat([commandSpace, ...parts])).digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x50;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The id of a message of the command stream: its header's, or what follows from its message id or its place. */
export function commandIdOf({ seq, ns, subject, headers, data }) {
  const id = headers?.get("Lumin-Command-Id");
  if (id) return id.toLowerCase();
  const messageId = headers?.get("Nats-Msg-Id");
  if (messageId) return uuidV5(Buffer.from(messageId));
  const place = Buffer.alloc(16);
  place.writeBigUInt64BE(BigInt(seq), 0);
  place.writeBigUInt64BE(ns, 8);
  return uuidV5(place, Buffer.from(subject), data);
}

/** FNV-1a, as the server's mapping has it. */
export function partitionOf(user) {
  let hash = 2166136261;
  for (const byte of Buffer.from(user)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return hash % partitionCount;
}

// ---- judging

/** Reads everything and judges it; throws with the findings where there are any, else returns what there was. */
export async function audit(rig, history = { attempts: [] }) {
  const state = await snapshot(rig);
  const findings = judge(state, history.attempts);
  if (findings.length > 0) {
    const shown = findings.slice(0, 25).join("\n  ");
    throw new Error(`${findings.length} findings, the first of them:\n  ${shown}`);
  }
  return summary(state, history.attempts);
}

/** All findings about a snapshot and the attempts of a history. */
export function judge(state, attempts) {
  const findings = [];
  const report = (rule, text) => findings.push(`${rule} ${text}`);
  for (const rule of rules) rule(state, report, attempts);
  return findings;
}

function summary(state, attempts) {
  const kinds = {};
  for (const { answer } of attempts) {
    const kind = answer.kind === "outcome" ? answer.reason || answer.status : answer.kind;
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  const { commands, events, outcomes, users } = state;
  const counts = { commands: commands.length, outcomes: outcomes.length, events: events.length, users: users.length };
  return Object.entries({ ...counts, ...kinds })
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}

function commandsHaveOutcomes({ commands, outcomeOf, lost }, report) {
  for (const message of commands) {
    if (!outcomeOf.has(message.command)) report("G9", `command ${message.command} at ${message.seq} has no outcome`);
  }
  for (const row of lost) report("G9", `commands are said to be lost: ${JSON.stringify(row)}`);
}

// The outcome names the message it was made for, at that very time: the first of its id in the partition, but that a
// dead command may be decided anew.
function outcomesNameTheirCommand({ outcomes, messageAt, messagesOf }, report) {
  const partition = (message) => message.subject.split(".").at(-3);
  for (const { command, user, seq, ns, status } of outcomes) {
    const message = messageAt.get(seq);
    if (message?.command !== command || String(message.ns) !== ns || !message.subject.endsWith(`.${user}`)) {
      report("I1", `the outcome of ${command} names message ${seq}, which is not it`);
      continue;
    }
    const first = messagesOf.get(command).find((each) => partition(each) === partition(message));
    const anew = statuses[status] === "DEAD";
    if (first.seq !== seq && !anew) report("G4", `command ${command} was decided at ${seq}, not first at ${first.seq}`);
  }
}

function outcomesHaveTheirEvents({ outcomes, eventsOf, events, outcomeOf }, report) {
  for (const [command, rows] of grouped(outcomes, (row) => row.command)) {
    if (rows.length > 1) report("I1", `command ${command} has ${rows.length} outcomes`);
  }
  for (const { command, user, status, version } of outcomes) {
    const own = eventsOf.get(command) ?? [];
    const expected = statuses[status] === "APPLIED" ? 1 : 0;
    const rule = expected === 1 ? "I1" : "I2";
    if (own.length !== expected) report(rule, `${statuses[status]} ${command} has ${own.length} events`);
    if (own.some((event) => event.user !== user || event.version !== version)) {
      report("I1", `the event of ${command} is not that of its outcome, ${user} at ${version}`);
    }
  }
  for (const { command } of events) if (!outcomeOf.has(command)) report("I1", `the event of ${command} has no outcome`);
}

function versionsAreDense({ eventsOfUser, stream }, report) {
  for (const [user, events] of eventsOfUser) {
    events.forEach(({ version }, i) => {
      if (version !== i + 1) report("I3", `user ${user} has version ${version} where ${i + 1} belongs`);
    });
  }
  const seen = new Map();
  for (const { user, version, seq } of stream) {
    const before = seen.get(user) ?? 0;
    if (version !== before + 1) report("I3", `on the stream ${user} goes from ${before} to ${version} at ${seq}`);
    seen.set(user, Math.max(before, version));
  }
}

function streamSaysWhatTheTableSays({ events, stream }, report) {
  const id = ({ user, version }) => `${user}:${version}`;
  const told = grouped(stream, id);
  for (const event of events) {
    const copies = told.get(id(event)) ?? [];
    if (copies.length !== 1) report("I5", `event ${id(event)} is ${copies.length} times on the stream`);
    const wrong = copies.flatMap((copy) => differences(event, copy));
    if (wrong.length > 0) report("I5", `${id(event)} differs in ${wrong}`);
    told.delete(id(event));
  }
  for (const [key, copies] of told) report("I5", `${key} is on the stream at ${copies[0].seq} and not in the table`);
}

function differences(event, copy) {
  const type = eventTypes[event.type];
  const expected = {
    "Nats-Msg-Id": `${event.user}:${event.version}`,
    "ce-id": `${event.user}:${event.version}`,
    "ce-type": `${prefix}.${type}`,
    "ce-subject": event.user,
    "ce-sequence": String(event.version),
    "ce-partition": String(event.partition),
    "ce-position": String(event.position),
    "Lumin-Command-Id": event.command,
  };
  const wrong = Object.keys(expected).filter((name) => copy.header(name) !== expected[name]);
  if (copy.type !== type) wrong.push("its subject");
  if (Buffer.compare(event.body, copy.data) !== 0) wrong.push("its body");
  return wrong;
}

// ---- the fold

const folds = {
  user_created: (user, body, ns) => ({
    ...user,
    status: 1,
    firstName: body.firstName,
    lastName: body.lastName,
    email: body.email,
    phone: body.phone,
    created: ns,
  }),
  username_changed: (user, body) => ({ ...user, firstName: body.firstName, lastName: body.lastName }),
  email_changed: (user, body) => ({ ...user, email: body.email }),
  user_deleted: (user) => ({ ...user, status: 5, firstName: "", lastName: "", email: "", phone: "" }),
};

/** A user as its events make it; the load's addresses are compared in lower case, and it confirms none. */
export function foldOf(events) {
  let user = {};
  for (const { type, body, time_ns: ns, version } of events) {
    const name = eventTypes[type];
    const message = name.replace(/(^|_)([a-z])/g, (_all, _bar, letter) => letter.toUpperCase());
    user = { ...folds[name](user, decode(message, body), ns), version, updated: ns };
  }
  return user;
}

function usersAreTheirFold({ users, eventsOfUser }, report) {
  for (const row of users) {
    const fold = foldOf(eventsOfUser.get(row.user) ?? []);
    const expected = {
      version: fold.version,
      status: fold.status,
      first_name: fold.firstName,
      last_name: fold.lastName,
      email: fold.email,
      email_key: fold.email?.toLowerCase(),
      phone: fold.phone,
      email_verified: false,
      phone_verified: false,
      created_ns: fold.created,
      updated_ns: fold.updated,
    };
    for (const [field, value] of Object.entries(expected)) {
      if (row[field] !== value) report("I4", `${field} of ${row.user} is ${row[field]}, its events say ${value}`);
    }
  }
  const known = new Set(users.map((row) => row.user));
  for (const user of eventsOfUser.keys()) if (!known.has(user)) report("I4", `user ${user} has events and no row`);
}

function identifiersAreTheUsers({ users, identifiers }, report) {
  const wanted = new Map();
  for (const { user, status, email_key: email, phone } of users) {
    const keys = status === 5 ? [] : [email && `1 ${email}`, phone && `2 ${phone}`].filter(Boolean);
    for (const key of keys) {
      if (wanted.has(key)) report("I7", `${key} belongs to ${wanted.get(key)} and to ${user}`);
      wanted.set(key, user);
    }
  }
  for (const { kind, key, user } of identifiers) {
    const holder = wanted.get(`${kind} ${key}`);
    if (holder !== user) report("I7", `identifier ${kind} ${key} is of ${user}, the users say ${holder}`);
    wanted.delete(`${kind} ${key}`);
  }
  for (const [key, user] of wanted) report("I7", `${key} of ${user} has no identifier`);
}

// ---- order and positions

function eventsFollowTheirCommands({ eventsOfUser, outcomeOf }, report) {
  for (const [user, events] of eventsOfUser) {
    let before = { seq: 0, ns: 0n };
    for (const { version, command, time_ns: time } of events) {
      const { seq, ns } = outcomeOf.get(command) ?? { seq: 0, ns: "0" };
      if (seq <= before.seq) report("G4", `version ${version} of ${user} is from ${seq}, behind ${before.seq}`);
      const expected = BigInt(ns) > before.ns ? BigInt(ns) : before.ns; // an event's time never goes back
      if (String(expected) !== time) report("I4", `version ${version} of ${user} is at ${time}, not at ${expected}`);
      before = { seq, ns: expected };
    }
  }
}

function isDense(numbers, count) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length === count && sorted.every((number, i) => number === i + 1);
}

function positionsAreDense({ events, dead, partitions, deadStream }, report) {
  const positions = grouped(events, (event) => event.partition);
  const graves = grouped(dead, (row) => row.partition);
  for (const row of partitions) {
    const own = (positions.get(row.partition) ?? []).map((event) => event.position);
    if (!isDense(own, row.event_position)) report("POS", `positions of partition ${row.partition} are not dense`);
    if (row.relayed_position !== row.event_position) report("POS", `partition ${row.partition} is not relayed`);
    const buried = (graves.get(row.partition) ?? []).map((each) => each.dead_position);
    if (!isDense(buried, row.dead_position)) report("POS", `dead positions of ${row.partition} are not dense`);
    if (row.dead_relayed !== row.dead_position) report("POS", `dead commands of ${row.partition} are not relayed`);
  }
  for (const { user, partition } of events) {
    if (partition !== partitionOf(user)) report("POS", `user ${user} has an event in partition ${partition}`);
  }
  const sent = new Set(deadStream.map((message) => message.headers.get("Lumin-Command-Id")));
  for (const { command } of dead) if (!sent.has(command)) report("POS", `dead ${command} is not on the dead stream`);
}

// ---- the history

function answersAreTrue(state, report, attempts) {
  for (const [id, group] of grouped(attempts, (attempt) => attempt.id)) {
    const row = state.outcomeOf.get(id);
    const winner = row && state.messageAt.get(row.seq);
    const content = winner && contentOf(winner.subject.split(".").at(-2), row.user, winner.data);
    const answered = group.filter(({ answer }) => answer.kind === "outcome");
    const messages = state.messagesOf.get(id) ?? [];
    const sure = group.filter(({ answer }) => answer.kind === "never").length;
    const stored = group.filter(({ answer }) => answer.kind === "stored");
    if (messages.length > group.length - sure) {
      report("I2", `${id} is ${messages.length} times on the stream; ${sure} of ${group.length} were refused`);
    }
    if (messages.length < answered.length + stored.length) {
      report("G9", `${id} is ${messages.length} times on the stream, and more were answered`);
    }
    for (const { answer } of stored) {
      if (state.messageAt.get(answer.seq)?.command !== id) report("G9", `${id} is not at ${answer.seq}, as was said`);
    }
    for (const attempt of answered) answerIsTrue(state, report, { id, row, content, attempt });
    sameAnswers(report, id, answered);
  }
}

function answerIsTrue({ eventsOf, streamOf }, report, { id, row, content, attempt: { answer, content: sent } }) {
  if (row === undefined) return report("I1", `${id} was answered ${answer.status} and has no outcome`);
  const reused = answer.reason === "COMMAND_ID_REUSED";
  if (reused !== (sent !== content)) report("I8", `${id} got ${answer.status} ${answer.reason} for the wrong content`);
  if (reused) return undefined;
  const same = answer.status === statuses[row.status] && answer.version === row.version && answer.seq === row.seq;
  if (!same || answer.user !== row.user) {
    report("I1", `${id} was answered ${answer.status} at ${answer.version}, its outcome is ${statuses[row.status]}`);
  }
  const events = eventsOf.get(id)?.length ?? 0;
  const relayed = streamOf.get(id)?.length ?? 0;
  const expected = answer.status === "APPLIED" ? 1 : 0;
  if (events !== expected || relayed !== expected) {
    report(expected ? "I1" : "I2", `${answer.status} ${id} has ${events} events and ${relayed} on the stream`);
  }
  return undefined;
}

function sameAnswers(report, id, answered) {
  const kept = answered.filter(({ answer }) => answer.reason !== "COMMAND_ID_REUSED");
  const different = new Set(kept.map(({ answer }) => answer.bytes));
  if (different.size > 1) report("I8", `${id} got ${different.size} different answers`);
}

// A command that was answered before another of its user was sent has the lower version.
function timeIsKept(_state, report, attempts) {
  const applied = ({ answer }) => answer.kind === "outcome" && answer.status === "APPLIED";
  const commands = [...grouped(attempts, (attempt) => attempt.id).values()]
    .filter((group) => group.some(applied))
    .map((group) => {
      const { user, version } = group.find(applied).answer;
      const own = group.filter((attempt) => attempt.user === user);
      const completed = Math.min(...group.filter(applied).map((attempt) => attempt.completed));
      return { user, version, completed, invoked: Math.min(...own.map((attempt) => attempt.invoked)) };
    });
  for (const [user, list] of grouped(commands, (command) => command.user)) {
    let latest = -Infinity;
    for (const { version, invoked, completed } of list.sort((a, b) => a.version - b.version)) {
      if (completed < latest) report("I9", `version ${version} of ${user} was answered before an earlier one was sent`);
      latest = Math.max(latest, invoked);
    }
  }
}

const rules = [
  commandsHaveOutcomes,
  outcomesNameTheirCommand,
  outcomesHaveTheirEvents,
  versionsAreDense,
  streamSaysWhatTheTableSays,
  usersAreTheirFold,
  identifiersAreTheUsers,
  eventsFollowTheirCommands,
  positionsAreDense,
  answersAreTrue,
  timeIsKept,
];
