// SPDX-License-Identifier: MIT
// Every rule of the campaign's oracle can fail: a state that is right is judged right, and each of many small damages
// to it is called by its rule. Queries: reads.test.mjs.
import assert from "node:assert/strict";
import test from "node:test";
import { broken, users } from "./oracle/right.mjs";

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

// ---- a restore

const restored = { since: -1, until: 1000, before: 100, repair: [-2, -1] };

/** The outcome and the message of a command are gone. */
function forget(state, index) {
  state.harm.restores.push(restored);
  state.harm.commands.push("expired");
  state.outcomes.splice(index, 1);
  state.commands.splice(index, 1);
}

test("a restore may take what a refused command that has expired was answered", () => {
  assert.deepEqual(broken((state) => forget(state, 4)), []);
});

test("what a restore has taken was on the stream all the same", () => {
  const found = broken((state, attempts) => {
    state.harm.restores.push(restored);
    attempts.unshift({ ...attempts[4], invoked: 1, completed: 2, answer: { kind: "never", why: "503" } });
  });
  assert.deepEqual(found, []);
});

test("a restore may not take what an applied command was answered, nor what has not expired", () => {
  for (const damage of [
    (state) => forget(state, 2),
    (state) => {
      forget(state, 4);
      state.harm.restores = [{ ...restored, before: 5 }];
    },
    (state) => {
      forget(state, 4);
      state.harm.restores = [{ ...restored, since: 500 }];
    },
  ]) {
    const found = broken(damage);
    assert.ok(found.some((text) => text.startsWith("I1 ")), `found: ${found.join("; ")}`);
  }
});

/** Ada's wish for Eve's address was applied once; the restore let Eve's command come first. */
function displace(state, attempts, { seq = 7, ...restore } = {}) {
  const id = "70000000-0000-4000-8000-000000000000";
  const [user] = users;
  const row = { command: id, user, version: 3, seq, ns: 1006n };
  state.harm.restores.push({ ...restored, ...restore });
  state.outcomes.push({ ...row, status: "REJECTED", reason: "EMAIL_TAKEN" });
  state.commands.push({ ...row, subject: `x.change_email.${user}` });
  const answer = { kind: "outcome", status: "APPLIED", reason: "", version: 4, user, seq, bytes: "d" };
  const times = { invoked: 60, completed: 65 };
  attempts.push({ id, user, method: "change_email", door: "rpc", content: "d", want: { email: "A@example.com" }, ...times, answer });
  attempts.push({ ...attempts.at(-1), invoked: 2000, completed: 2001, answer: { ...answer, status: "REJECTED", version: 3, bytes: "e" } });
}

test("what was applied and not published may lose its address to a command that came first, and to no other", () => {
  const with_ = (more) => (state, attempts) => displace(state, attempts, more);
  assert.deepEqual(broken(with_()), []);
  for (const more of [{ seq: 3.5 }, { until: 50 }]) {
    const found = broken(with_(more));
    assert.ok(found.some((text) => text.startsWith("I1 ")), `found: ${found.join("; ")}`);
  }
});

test("what nobody was told of may have moved the versions that came after it", () => {
  const later = (until, version = 3) => (state, attempts) => {
    displace(state, attempts, { until, before: 0 }); // nothing has expired
    const first = attempts.at(-2);
    first.answer = { kind: "stored", seq: 7 }; // by the stream
    first.door = "stream";
    const command = "80000000-0000-4000-8000-000000000000";
    const answer = { kind: "outcome", status: "UNCHANGED", reason: "", version: 4, user: users[0], seq: 8, bytes: "f" };
    attempts.push({ ...first, id: command, door: "rpc", method: "change_bio", want: undefined, answer });
    state.outcomes.push({ command, user: users[0], status: "UNCHANGED", version, seq: 8, ns: 1007n });
    state.commands.push({ command, seq: 8, ns: 1007n, subject: `x.change_bio.${users[0]}` });
  };
  assert.deepEqual(broken(later(1000)), []);
  for (const damage of [later(50), later(1000, 5)]) {
    assert.ok(broken(damage).some((text) => text.startsWith("I1 ")));
  }
});

test("an outcome that was taken back from events alone has no sequence, where commands have expired", () => {
  const taken = (restore) => (state, attempts) => {
    state.harm.restores.push({ ...restored, ...restore });
    state.outcomes[0].seq = 0;
    Object.assign(attempts[6].answer, { seq: 0, bytes: "y" });
  };
  assert.deepEqual(broken(taken()), []);
  assert.ok(broken(taken({ before: 0 })).some((text) => text.startsWith("I1 ")));
  const differs = (state, attempts) => {
    taken()(state, attempts);
    attempts[6].answer.seq = 1;
  };
  assert.ok(broken(differs).some((text) => text.startsWith("I8 ")));
});

test("other content under an id whose refusal has expired is not called reused any more", () => {
  const again = (before) => (state, attempts) => {
    state.harm.restores.push({ ...restored, before });
    const reused = { ...attempts[4].answer, reason: "COMMAND_ID_REUSED", bytes: "x" };
    attempts.push({ ...attempts[4], content: "other", invoked: 60, completed: 61, answer: reused });
    attempts.push({ ...attempts[4], content: "other", invoked: 2000, completed: 2001 });
  };
  assert.deepEqual(broken(again(100)), []);
  assert.ok(broken(again(0)).some((text) => text.startsWith("I8 ")));
});

test("order is not asked of a stream whose replicas disagreed, from there on", () => {
  const reversed = (since, replicated) => (state) => {
    state.harm.replicated = replicated;
    state.outcomes[2].ns = 1000n; // before that of the version before
    state.outcomes[4].seq = state.outcomes[5].seq;
    state.outcomes[4].ns = since;
  };
  const order = (damage) => broken(damage).filter((text) => text.startsWith("G4 ")).length;
  assert.equal(order(reversed(999n, true)), 0);
  assert.equal(order(reversed(1002n, true)), 1);
  assert.equal(order(reversed(999n, false)), 1);
  assert.equal(order(reversed(-9_000_000_000n, true)), 1); // another stream's
});

test("a command is missed, unless another replica had another one in its place when it was read", () => {
  const replaced = (ns, replicated) => (state) => {
    state.harm.replicated = replicated;
    const [refused] = state.outcomes.splice(4, 1);
    state.outcomes.push({ ...refused, command: "90000000-0000-4000-8000-000000000000", ns });
  };
  const missed = (damage) => broken(damage).filter((text) => text.startsWith("G9 ")).length;
  assert.equal(missed(replaced(999n, true)), 0);
  assert.equal(missed(replaced(999n, false)), 1);
  assert.equal(missed(replaced(-9_000_000_000n, true)), 1); // another stream's
  const besides = (far) => (state) => {
    state.harm.replicated = true;
    state.outcomes.splice(4, 1);
    state.outcomes.push({ ...state.outcomes[1], command: "90000000-0000-4000-8000-000000000000", ns: 998n });
    if (far) state.commands[4].ns = 9_000_000_000n;
  };
  assert.equal(missed(besides(false)), 0);
  assert.equal(missed(besides(true)), 1);
});

test("what came early to a stream that was made anew is excused, and nothing else", () => {
  const later = 40_000_000_000n;
  const arranged = (order, disorder) => (state) => {
    const own = state.stream.filter(({ user }) => user === users[0]);
    const others = state.stream.filter(({ user }) => user !== users[0]);
    const moved = order.map((version, i) => ({ ...own[version - 1], seq: 10 + i, ns: i === 0 ? 1n : later + BigInt(i) }));
    state.stream = [...others, ...moved];
    state.harm.disorder = disorder;
  };
  const complaints = (...damage) => broken(arranged(...damage)).filter((text) => text.startsWith("I5 ")).length;
  assert.equal(complaints([3, 1, 2], [0n]), 0);
  assert.equal(complaints([3, 1, 2], []), 3);
  assert.ok(complaints([3, 2, 1], [0n]) > 0);
  assert.ok(complaints([1, 3, 2], [0n]) > 0); // too late to be early
});

test("two holders are excused while a repair commits, and not later", () => {
  const twice = (repair) => (state) => {
    state.harm.restores.push({ ...restored, repair });
    state.events[3].committed = 1.5;
  };
  assert.deepEqual(broken(twice([1.4, 1.6])), []);
  assert.ok(broken(twice([0, 1])).some((text) => text.startsWith("I7 ")));
});
