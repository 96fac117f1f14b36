// SPDX-License-Identifier: MIT
// Every rule of the campaign's oracle can fail: a state that is right is judged right, and each of many small damages
// to it is called by its rule.
import assert from "node:assert/strict";
import test from "node:test";
import { encode, decode } from "../../support/servers.mjs";
import { partitionOf } from "../../support/oracle.mjs";
import { rowOf, fold } from "./oracle/fold.mjs";
import { judge, noTally } from "./oracle/judge.mjs";
import { indexed } from "./oracle/snapshot.mjs";

const users = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];
const commandIds = Array.from({ length: 6 }, (_none, i) => `${i}0000000-0000-4000-8000-000000000000`);

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

function rightState() {
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
    lost: [], views: [], fenceFaults: [],
    harm: { commands: [], disorder: [], dead: [], clock: false },
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
    answer: { kind: "user", user: { ...readOf(events[3]), status: "USER_STATUS_PENDING" } },
  };
  return [...attempts, again, other, stored, read];
}

const readOf = ({ version, fields }) => ({
  version, firstName: fields.firstName, lastName: "", email: fields.email, phone: "", emailVerified: false,
  phoneVerified: false, languageCode: "", bio: "", birthDate: "", avatarUrl: "", profileViews: 0,
});

/** The rules that a damage breaks. */
function broken(damage) {
  const state = rightState();
  const attempts = rightAttempts(state);
  damage(state, attempts);
  const found = [];
  judge(indexed(state), attempts, (rule, text) => found.push(`${rule} ${text}`));
  return found;
}

test("a right state is judged right", () => assert.deepEqual(broken(() => {}), []));

const damages = [
  ["G9", "a command without an outcome", (state) => state.outcomes.splice(4, 1)],
  ["G9", "commands lost by age", (state) => state.lost.push({ partition: 1, first_seq: 1, last_seq: 2 })],
  ["G9", "an accepted command without an outcome", (state, attempts) => {
    state.commands.splice(4, 1);
    state.outcomes.splice(4, 1);
    attempts.splice(4, 1, { ...attempts[4], door: "stream", answer: { kind: "stored", seq: 5 } });
  }],
  ["I1", "an answered command without an outcome", (state) => {
    state.outcomes.splice(4, 1);
    state.commands.splice(4, 1);
  }],
  ["I1", "an event that is gone", (state) => state.events.splice(1, 1)],
  ["I1", "two outcomes of a command", (state) => state.outcomes.push(state.outcomes[0])],
  ["I1", "two events of a command", (state) => {
    state.events.push({ ...state.events[1], version: 4, position: 4, committed: 9 });
  }],
  ["I1", "an event that nobody asked for", (state) => { state.events[1].fields.firstName = "Babbage"; }],
  ["I1", "another answer than the outcome", (_state, attempts) => { attempts[2].answer.version = 7; }],
  ["I1", "an outcome of another user's message", (state) => { state.commands[0].subject = "x.create.nobody"; }],
  ["I2", "a refused command with an event", (state) => { state.outcomes[1].status = "REJECTED"; }],
  ["I2", "a command that was never sent, and is there", (_state, attempts) => {
    attempts[4].answer = { kind: "never", why: "503" };
  }],
  ["I3", "a gap in the versions", (state) => { state.events[2].version = 4; }],
  ["I4", "a row that is not the fold", (state) => { state.users[0].first_name = "Ada"; }],
  ["I4", "a row that is missing", (state) => state.users.pop()],
  ["I4", "views that do not add up", (state) => state.views.push({ user: users[0], count: 1 })],
  ["I4", "an event's time that is not its command's", (state) => { state.events[1].ns = 5n; }],
  ["I5", "an event that is not on the stream", (state) => state.stream.pop()],
  ["I5", "an event twice on the stream", (state) => state.stream.push({ ...state.stream[0], seq: 9 })],
  ["I5", "an event on the stream alone", (state) => state.stream.push({ ...state.stream[3], version: 2, seq: 9 })],
  ["I5", "another order on the stream", (state) => state.stream.reverse()],
  ["I5", "another body on the stream", (state) => { state.stream[0].data = Buffer.from("x"); }],
  ["I5", "another header on the stream", (state) => { state.stream[0].said["ce-position"] = "9"; }],
  ["I7", "an identifier that is gone", (state) => state.identifiers.pop()],
  ["I7", "an identifier of somebody else", (state) => { state.identifiers[0].user = users[1]; }],
  ["I7", "two holders for a moment", (state) => { state.events[3].committed = 1.5; }],
  ["I8", "different answers", (_state, attempts) => { attempts[6].answer.bytes = "y"; }],
  ["I8", "an answer for other content", (_state, attempts) => { attempts[6].content = "z"; }],
  ["I8", "its own content called other", (_state, attempts) => { attempts[7].content = "c0"; }],
  ["I9", "an answer before the one before was asked for", (_state, attempts) => {
    attempts[1].invoked = 40;
    attempts[8].invoked = 40;
  }],
  ["I9", "a query of a version that never was", (_state, attempts) => { attempts[9].answer.user.version = 9; }],
  ["I9", "a query older than asked for", (_state, attempts) => { attempts[9].min = 2; }],
  ["I9", "a query of another name", (_state, attempts) => { attempts[9].answer.user.firstName = "Mallory"; }],
  ["I9", "a query of what was not sent yet", (_state, attempts) => { attempts[9].completed = 3; }],
  ["I10", "a write without a fence", (state) => state.fenceFaults.push("events without a fence")],
  ["G4", "events against the order of their commands", (state) => { state.outcomes[2].ns = 1n; }],
  ["POS", "positions with a gap", (state) => { state.events[1].position = 9; }],
  ["POS", "events that are not relayed", (state) => { state.partitions[0].relayed_position = 0; }],
  ["POS", "a dead command that is not on its stream", (state) => state.deadStream.pop()],
];

for (const [rule, what, damage] of damages) {
  test(`${rule} calls ${what}`, () => {
    const found = broken(damage);
    assert.ok(found.some((text) => text.startsWith(`${rule} `)), `found: ${found.join("; ")}`);
  });
}
