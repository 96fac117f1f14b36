// SPDX-License-Identifier: MIT
// The oracle that the fault tests rest on finds each kind of lie: a true record of a run is falsified in one place, and
// the rule that forbids it must say so.
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { Load } from "../support/load.mjs";
import { indexed, judge, settle, snapshot } from "../support/oracle.mjs";
import { Rig, eventually } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "oracle" });
await rig.setup();
await rig.worker();
const load = await Load.start(rig, { users: 40 });
const decided = () => load.history.count(({ answer }) => answer.status === "APPLIED");
await eventually(() => decided() > 400, { timeout: 60_000, what: "a load" });
await load.stop();
await settle(rig);
const truth = await snapshot(rig);

const copied = (value) => (Array.isArray(value) ? value.map((row) => ({ ...row })) : value);
const stateCopy = () => Object.fromEntries(Object.entries(truth).map(([name, value]) => [name, copied(value)]));
const attemptsCopy = () => load.history.attempts.map((attempt) => ({ ...attempt, answer: { ...attempt.answer } }));

const applied = ({ answer }) => answer.status === "APPLIED";
const later = ({ version }) => version > 1;
const removeFirst = (list, test) => list.splice(list.findIndex(test), 1);

/** Two versions of one user, the second behind the first. */
function pair(list) {
  const second = list.find(later);
  return [list.find((event) => event.user === second.user && event.version === second.version - 1), second];
}

function swap(a, b, name) {
  [a[name], b[name]] = [b[name], a[name]];
}

const lies = {
  "an event is lost": ["I1", ({ events }) => removeFirst(events, later)],
  "an answer says another version": ["I1", (_state, attempts) => (attempts.find(applied).answer.version += 1)],
  "an outcome is there twice": ["I1", ({ outcomes }) => outcomes.push({ ...outcomes[0] })],
  "an outcome is gone": ["G9", ({ outcomes }) => outcomes.shift()],
  "a refused command has an event": ["I2", ({ outcomes }) => (outcomes.find((row) => row.status === 1).status = 3)],
  "a command that was refused at the door is on the stream": [
    "I2",
    (_state, attempts) => (attempts.find(applied).answer = { kind: "never" }),
  ],
  "a version is skipped": ["I3", ({ events }) => (events.find(later).version += 1000)],
  "events of a user stand in another order": ["I3", ({ stream }) => swap(...pair(stream), "version")],
  "a name is another": ["I4", ({ users }) => (users[0].first_name += "x")],
  "a time goes its own way": ["I4", ({ users }) => (users[0].updated_ns += "0")],
  "a user is gone": ["I4", ({ users }) => users.shift()],
  "an event is not published": ["I5", ({ stream }) => stream.pop()],
  "an event is published twice": ["I5", ({ stream }) => stream.push({ ...stream[0] })],
  "a published body differs": ["I5", ({ stream }) => (stream[0].data = Buffer.from([10, 1, 65]))],
  "an identifier is another's": [
    "I7",
    ({ identifiers: [first, ...others] }) => swap(first, others.find(({ user }) => user !== first.user), "user"),
  ],
  "an identifier is left over": ["I7", ({ identifiers }) => identifiers.push({ ...identifiers[0], key: "other" })],
  "an identifier is missing": ["I7", ({ identifiers }) => identifiers.pop()],
  "a repeated command is answered otherwise": [
    "I8",
    (_state, attempts) => {
      const first = attempts.find(applied);
      attempts.push({ ...first, answer: { ...first.answer, bytes: "" } });
    },
  ],
  "other content passes under a used id": ["I8", (_state, attempts) => (attempts.find(applied).content = "other")],
  "a later command was answered first": [
    "I9",
    (_state, attempts) => {
      const version = attempts.find((attempt) => applied(attempt) && later(attempt.answer));
      version.answer.version = 1;
      attempts.push({ ...version, id: "earlier", invoked: 0, completed: 0, answer: { ...version.answer, version: 2 } });
    },
  ],
  "commands took effect in another order": [
    "G4",
    ({ events }) => {
      const [first, second] = pair(events);
      swap(first, second, "command");
    },
  ],
  "a stored command is not there": ["G9", ({ commands }) => commands.pop()],
  "a position is skipped": ["POS", ({ events }) => (events[0].position += 1000)],
  "an event is not relayed": [
    "POS",
    ({ partitions }) => (partitions.find((row) => row.event_position > 0).relayed_position -= 1),
  ],
};

test("the truth is found to be true", () => {
  assert.deepEqual(judge(truth, load.history.attempts), []);
  assert.ok(truth.events.length > 200 && truth.dead.length + truth.outcomes.length > 200);
});

for (const [lie, [rule, tell]] of Object.entries(lies)) {
  test(`found out: ${lie}`, () => {
    const [state, attempts] = [stateCopy(), attemptsCopy()];
    tell(state, attempts);
    const findings = judge(indexed(state), attempts);
    assert.ok(
      findings.some((finding) => finding.startsWith(`${rule} `)),
      `no finding of ${rule} among ${findings.slice(0, 5)}`,
    );
  });
}
