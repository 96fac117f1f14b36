// SPDX-License-Identifier: MIT
// What tables and streams must say of each other, whatever happened:
//   I1 a command's outcome has its events, once in the table and once on the stream; I2 a refused one has none
//   I3 a user's versions have no gap and no duplicate, in the table and on the stream
//   I4 the users row is the fold of the user's events, field by field
//   I5 the event stream says what the table says, event by event, in each user's order
//   I7 no e-mail or phone belonged to two users at any moment, by the order of commits
//   I10 each write was fenced, by the owner of its partition
//   G4 a user's events follow the order of their commands; G9 every command that the stream holds has an outcome
//   POS positions are dense, and all is relayed
// `harm` says what faults have taken away for good, which nobody can ask for.
import { prefix } from "../../../support/servers.mjs";
import { partitionOf } from "../../../support/oracle.mjs";
import { fold, keysOf, rowOf, states } from "./fold.mjs";
import { anotherStoodThere, disagreement } from "./replicas.mjs";
import { grouped } from "./snapshot.mjs";

const severalEvents = new Set(["update", "upsert"]);

function commandsHaveOutcomes(state, report) {
  const { commands, outcomeOf, outcomeAt, lost, harm, tally } = state;
  for (const { command, seq, ns, subject, ambiguous } of commands) {
    if (ambiguous || outcomeOf.has(command) || outcomeAt.has(`${seq} ${ns}`)) continue;
    if (anotherStoodThere(state, { seq, ns })) tally.overlooked++;
    else report("G9", `command ${command} at ${seq}, ${subject}, has no outcome`);
  }
  // What a fault took away before anybody had read it is missed there, and told.
  const unforeseen = lost.filter(({ last_seq: last }) => !harm.restores.some(({ before }) => last < before));
  for (const row of unforeseen) report("G9", `commands are said to be lost: ${JSON.stringify(row)}`);
}

// An outcome names the message it was made for; where that message still stands, it must be the one.
function outcomesNameTheirCommand({ outcomes, messageAt }, report) {
  for (const { command, seq, ns, user } of outcomes) {
    const message = messageAt.get(seq);
    if (message?.ns !== ns) continue; // of a stream that is gone
    const nobody = user === "00000000-0000-0000-0000-000000000000";
    if (nobody || message.subject.endsWith(`.${user}`)) continue;
    report("I1", `the outcome of ${command} names ${message.subject}`);
  }
}

function outcomesHaveTheirEvents({ outcomes, eventsOf, events, outcomeOf }, report) {
  for (const [command, rows] of grouped(outcomes, (row) => row.command)) {
    if (rows.length > 1) report("I1", `command ${command} has ${rows.length} outcomes`);
  }
  for (const { command, user, status, version } of outcomes) {
    const own = eventsOf.get(command) ?? [];
    if (status !== "APPLIED" && own.length > 0) report("I2", `${status} ${command} has ${own.length} events`);
    if (status === "APPLIED" && own.length === 0) report("I1", `APPLIED ${command} has no event`);
    // Its events stand together and end at its version.
    own.forEach((event, i) => {
      if (event.user !== user || event.version !== version - own.length + 1 + i) {
        const id = `${event.user}:${event.version}`;
        report("I1", `event ${id} of ${command} is not that of its outcome, ${user} at ${version}`);
      }
    });
  }
  for (const { command } of events) if (!outcomeOf.has(command)) report("I1", `the event of ${command} has no outcome`);
}

function versionsAreDense({ eventsOfUser }, report) {
  for (const [user, events] of eventsOfUser) {
    events.forEach(({ version }, i) => {
      if (version !== i + 1) report("I3", `user ${user} has version ${version} where ${i + 1} belongs`);
    });
  }
}

const notice = 30_000_000_000n; // by then every publisher has seen that the stream is another one

// Where the stream was made anew under a publisher's eyes, what was on its way stands before what is published again,
// however long that takes. All but those early ones must be in order.
function streamIsInOrder({ stream, harm, tally }, report) {
  const isEarly = (ns) => harm.disorder.some((at) => ns < at + notice);
  const progress = new Map();
  for (const { user, version, seq, ns } of stream) {
    const told = progress.get(user) ?? { version: 0, early: new Set() };
    progress.set(user, told);
    if (version !== told.version + 1 && isEarly(ns)) {
      tally.disordered++;
      told.early.add(version);
      continue;
    }
    if (version !== told.version + 1) report("I5", `on the stream ${user} goes from ${told.version} to ${version} at ${seq}`);
    told.version = Math.max(version, told.version);
    while (told.early.delete(told.version + 1)) told.version++;
  }
}

function streamSaysWhatTheTableSays({ events, stream, tally }, report) {
  const id = ({ user, version }) => `${user}:${version}`;
  const told = grouped(stream, id);
  for (const event of events) {
    const copies = told.get(id(event)) ?? [];
    if (copies.length === 0) tally.missing++;
    if (copies.length > 1) tally.doubled++;
    if (copies.length !== 1) report("I5", `event ${id(event)} is ${copies.length} times on the stream`);
    const wrong = copies.flatMap((copy) => differences(event, copy));
    if (wrong.length > 0) report("I5", `${id(event)} differs in ${wrong}`);
    told.delete(id(event));
  }
  for (const [key, copies] of told) report("I5", `${key} is on the stream at ${copies[0].seq} and not in the table`);
}

function differences(event, copy) {
  const expected = {
    "Nats-Msg-Id": `${event.user}:${event.version}`,
    "ce-id": `${event.user}:${event.version}`,
    "ce-type": `${prefix}.${event.type}`,
    "ce-subject": event.user,
    "ce-sequence": `${event.version}`,
    "ce-partition": `${event.partition}`,
    "ce-position": `${event.position}`,
    "Lumin-Command-Id": event.command,
  };
  const wrong = Object.keys(expected).filter((name) => copy.said[name] !== expected[name]);
  if (!copy.known || copy.type !== event.type) wrong.push("its subject");
  if (!event.body.equals(copy.data)) wrong.push("its body");
  return wrong;
}

function usersAreTheirFold({ users, eventsOfUser, views }, report) {
  const seen = new Set();
  const viewed = new Map(views.map(({ user, count }) => [user, count]));
  for (const row of users) {
    seen.add(row.user_id);
    const expected = rowOf(fold(eventsOfUser.get(row.user_id) ?? []));
    for (const [field, value] of Object.entries(expected)) {
      if (row[field] !== value) report("I4", `${field} of ${row.user_id} is ${row[field]}, its events say ${value}`);
    }
    const views = viewed.get(row.user_id) ?? 0;
    if (views !== Number(row.profile_views)) report("I4", `the views of ${row.user_id} do not add up`);
  }
  for (const user of eventsOfUser.keys()) if (!seen.has(user)) report("I4", `user ${user} has events and no row`);
}

function identifiersAreTheUsers({ eventsOfUser, identifiers }, report) {
  const wanted = new Map();
  for (const [user, events] of eventsOfUser) {
    for (const key of keysOf(fold(events))) {
      if (wanted.has(key)) report("I7", `${key} belongs to ${wanted.get(key)} and to ${user}`);
      wanted.set(key, user);
    }
  }
  for (const { kind, key, user } of identifiers) {
    const holder = wanted.get(`${kind} ${key}`);
    if (holder !== user) report("I7", `identifier ${kind} ${key} is of ${user}, the events say ${holder}`);
    wanted.delete(`${kind} ${key}`);
  }
  for (const [key, user] of wanted) report("I7", `${key} of ${user} has no identifier`);
}

// A transaction is one moment: what it frees is free for what it takes.
function neverTwoHolders({ eventsOfUser, harm }, report) {
  if (harm.clock) return;
  const moves = [];
  for (const [user, events] of eventsOfUser) {
    let held = [];
    let i = 0;
    for (const state of states(events)) {
      const keys = keysOf(state);
      const at = events[i++].committed;
      for (const key of held) if (!keys.includes(key)) moves.push({ at, key, user, frees: true });
      for (const key of keys) if (!held.includes(key)) moves.push({ at, key, user, frees: false });
      held = keys;
    }
  }
  for (const [key, list] of grouped(moves, (move) => move.key)) checkHolders(key, list, harm, report);
}

// What a repair adopts it commits in another order than before; when it is over all is as it was.
const isRepairing = ({ restores }, at) => restores.some(({ repair: [from, to] }) => at >= from && at <= to);

function checkHolders(key, moves, harm, report) {
  const holders = new Set();
  const moments = [...grouped(moves, ({ at }) => at)].sort(([a], [b]) => a - b);
  for (const [at, together] of moments) {
    // Within a user the order of its events counts, also within one moment.
    for (const { user, frees } of together) {
      if (frees) holders.delete(user);
      else holders.add(user);
    }
    if (holders.size > 1 && !isRepairing(harm, at)) report("I7", `${key} belonged to ${[...holders]} at ${at}`);
  }
}

// ---- order, positions, fences

function eventsFollowTheirCommands(state, report) {
  const { eventsOfUser, outcomeOf } = state;
  const since = disagreement(state);
  for (const [user, events] of eventsOfUser) {
    let before = { ns: 0n, time: 0n };
    for (const { version, command, ns: time } of events) {
      const ns = outcomeOf.get(command)?.ns ?? 0n;
      const excused = since !== undefined && ns >= since;
      if (ns < before.ns && !excused) report("G4", `version ${version} of ${user} is from a command before that of the one before`);
      const expected = ns > before.time ? ns : before.time; // an event's time never goes back
      if (expected !== time) report("I4", `version ${version} of ${user} is at ${time}, not at ${expected}`);
      before = { ns, time: expected };
    }
  }
}

function isDense(numbers, count) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length === count && sorted.every((number, i) => number === i + 1);
}

function positionsAreDense({ events, dead, partitions, deadStream, voids, harm }, report) {
  const none = voids.flatMap(({ partition, first, last }) =>
    Array.from({ length: last - first + 1 }, (_none, i) => ({ partition, position: first + i })),
  );
  const positions = grouped([...events, ...none], (event) => event.partition);
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
  if (harm.dead.length > 0) return;
  const sent = new Set(deadStream.map(({ command }) => command));
  for (const { command } of dead) if (!sent.has(command)) report("POS", `dead ${command} is not on the dead stream`);
}

function writesAreFenced({ fenceFaults }, report) {
  for (const fault of fenceFaults) report("I10", fault);
}

export const rules = [
  commandsHaveOutcomes, outcomesNameTheirCommand, outcomesHaveTheirEvents, versionsAreDense, streamIsInOrder,
  streamSaysWhatTheTableSays, usersAreTheirFold, identifiersAreTheUsers, neverTwoHolders, eventsFollowTheirCommands,
  positionsAreDense, writesAreFenced,
];
export { severalEvents };
