// SPDX-License-Identifier: MIT
// A small state that is right, with the history of its load, and what the oracle says when it is damaged.
import { encode, decode } from "../../../support/servers.mjs";
import { partitionOf } from "../../../support/oracle.mjs";
import { rowOf, fold } from "./fold.mjs";
import { judge, noTally } from "./judge.mjs";
import { indexed } from "./snapshot.mjs";

export const users = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];
export const commandIds = Array.from({ length: 6 }, (_none, i) => `${i}0000000-0000-4000-8000-000000000000`);

function messageName(type) {
  return type.replace(/(^|_)([a-z])/g, (_all, _bar, letter) => letter.toUpperCase());
}

/** Two users: one is created, renamed and gives its address to the other; a command is refused, one is dead. */
function story() {
  const [ada, eve] = users;
  const steps = [
    [0, ada, "user_created", { firstName: "Ada", email: "a@example.com" }],
    [1, ada, "username_changed", { firstName: "Lovelace" }],
    [2, ada, "email_changed", { email: "b@example.com" }],
    [3, eve, "user_created", { firstName: "Eve", email: "a@example.com" }],
  ];
  const versions = new Map();
  const positions = new Map();
  return steps.map(([number, user, type, fields]) => {
    const version = (versions.get(user) ?? 0) + 1;
    const partition = partitionOf(user);
    const position = (positions.get(partition) ?? 0) + 1;
    versions.set(user, version);
    positions.set(partition, position);
    const body = Buffer.from(encode(messageName(type), fields));
    const known = decode(messageName(type), body);
    const ns = BigInt(1000 + number);
    const command = commandIds[number];
    return { user, version, partition, position, type, fields: known, body, ns, command, committed: number };
  });
}

const methods = ["create", "change_username", "change_email", "create"];

export function rightState() {
  const events = story();
  const status = "APPLIED";
  const outcomes = events.map(({ command, user, version, ns }, i) => ({ command, user, status, version, seq: i + 1, ns }));
  outcomes.push({ command: commandIds[4], user: users[1], status: "REJECTED", version: 1, seq: 5, ns: 1004n });
  outcomes.push({ command: commandIds[5], user: users[1], status: "DEAD", version: 0, seq: 6, ns: 1005n });
  const commands = outcomes.map(({ command, user, seq, ns }, i) => ({
    command, seq, ns, subject: `lumin.user.v1.command.${partitionOf(user)}.${methods[i] ?? "delete"}.${user}`,
  }));
  const rows = users.map((user) => fold(events.filter((event) => event.user === user)));
  const count = (partition) => events.filter((event) => event.partition === partition).length;
  const grave = partitionOf(users[1]);
  return {
    events, outcomes, commands,
    stream: events.map((event, i) => onStream(event, i + 1)),
    users: rows.map((user, i) => ({ user_id: users[i], ...rowOf(user) })),
    identifiers: [
      { kind: 1, key: "b@example.com", user: users[0] },
      { kind: 1, key: "a@example.com", user: users[1] },
    ],
    partitions: [...new Set(users.map(partitionOf))].map((partition) => ({
      partition, event_position: count(partition), relayed_position: count(partition),
      dead_position: partition === grave ? 1 : 0, dead_relayed: partition === grave ? 1 : 0,
    })),
    dead: [{ partition: grave, dead_position: 1, seq: 6, command: commandIds[5] }],
    deadStream: [{ ns: 1n, command: commandIds[5] }],
    lost: [], views: [], voids: [], fenceFaults: [],
    harm: { commands: [], disorder: [], dead: [], clock: false, restores: [] },
    tally: noTally(),
  };
}

function onStream({ user, version, type, partition, position, command, body }, seq) {
  const said = {
    "Nats-Msg-Id": `${user}:${version}`, "ce-id": `${user}:${version}`, "ce-type": `lumin.user.v1.${type}`,
    "ce-subject": user, "ce-sequence": `${version}`, "ce-partition": `${partition}`, "ce-position": `${position}`,
    "Lumin-Command-Id": command,
  };
  return { seq, ns: BigInt(seq), data: body, said, known: true, type, user, version, command };
}

/** Each command asked for once, one after the other; two of them again. */
function rightAttempts({ outcomes, events }) {
  const attempts = outcomes.map((row, i) => ({
    id: row.command, user: row.user, method: methods[i] ?? "delete", door: "rpc", content: `c${i}`,
    want: i < 4 ? { ...events[i].fields } : undefined, invoked: 10 * i, completed: 10 * i + 5,
    answer: {
      kind: "outcome", status: row.status, reason: "", version: row.version, user: row.user, seq: row.seq,
      bytes: `b${i}`,
    },
  }));
  const again = { ...attempts[0], answer: { ...attempts[0].answer }, invoked: 70, completed: 75 };
  const reused = { ...again.answer, status: "REJECTED", reason: "COMMAND_ID_REUSED", bytes: "x" };
  const other = { ...again, content: "other", answer: reused };
  const stored = { ...attempts[1], door: "stream", invoked: 80, completed: 81, answer: { kind: "stored", seq: 2 } };
  const read = {
    id: "", user: users[1], method: "get", door: "read", min: 1, invoked: 90, completed: 91,
    ask: { userId: users[1] }, answer: { kind: "seen", seen: readOf(events[3]) },
  };
  return [...attempts, again, other, stored, read];
}

const timestamp = (ns) => ({ seconds: 0, nanos: Number(ns) });

/** The User that a query saw right after its user was created. */
export const readOf = ({ user, version, fields, ns }) => ({
  userId: user, version, status: "USER_STATUS_PENDING", firstName: fields.firstName, lastName: "", email: fields.email,
  phone: "", emailVerified: false, phoneVerified: false, languageCode: "", bio: "", birthDate: "", avatarUrl: "",
  profileViews: 0, blockReason: "", privacySettings: null, createdAt: timestamp(ns), updatedAt: timestamp(ns),
});

/** The rules that a damage breaks. */
export function broken(damage) {
  const state = rightState();
  const attempts = rightAttempts(state);
  damage(state, attempts);
  const found = [];
  judge(indexed(state), attempts, (rule, text) => found.push(`${rule} ${text}`));
  return found;
}
