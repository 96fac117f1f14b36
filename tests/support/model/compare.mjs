// SPDX-License-Identifier: MIT
// Judges what the machine made of a sequence by what the model makes of the same commands in the same order: outcomes,
// events with their bytes, users at the end, dead commands; no more and no less.
import { errorOf, eventBytes, eventLine, isJson, outcomeLine, outcomeOf, userLine, userOf } from "./messages.mjs";
import { Model, userAt } from "./model.mjs";

/** What went wrong in a run of the machine: [play, findings] of each play where something did. */
export function judged({ plays, story }) {
  const comparison = new Comparison(story);
  const known = new Set(plays.flatMap(({ users }) => users));
  const stranger = story.events.find(({ user }) => !known.has(user));
  if (stranger) throw new Error(`an event of a user that nobody has sent a command for: ${stranger.user}`);
  return plays.map((play) => [play, comparison.findings(play)]).filter(([, findings]) => findings.length > 0);
}

class Comparison {
  constructor(story) {
    this.commandsOf = grouped(story.commands, ({ sent }) => sent.play);
    this.eventsOf = grouped(story.events, ({ user }) => user);
    this.deadOf = grouped(story.dead, (id) => id);
  }

  /** What differs in a play, as texts; empty: nothing. */
  findings(play) {
    const found = [];
    const compare = (what, expected, actual) => {
      if (expected !== actual)
        found.push(`${what}\n    expected ${part(expected, actual)}\n    but was  ${part(actual, expected)}`);
    };
    const model = new Model();
    const messages = this.commandsOf.get(play) ?? [];
    for (const message of messages) this.compareOutcome(model, message, compare);
    this.compareRefused(play, new Set(messages.map(({ sent }) => sent)), compare);
    this.compareEvents(play, model, compare);
    this.compareUsers(play, model, compare);
    const dead = [...new Set(model.dead.map(({ id }) => id))];
    for (const id of dead) compare(`messages of dead command ${id}`, true, this.deadOf.has(id));
    for (const { id } of messages)
      if (this.deadOf.has(id)) compare(`command ${id} is on the dead stream`, dead.includes(id), true);
    return found;
  }

  compareOutcome(model, { sent, id, seq, ns }, compare) {
    const outcome = model.apply({ ...sent.command, id, seq, ns });
    const name = nameOf(sent);
    compare(`${name}: outcome`, outcomeLine(outcome), sent.answers.map(outcomeOf).join("; "));
    compare(`${name}: in JSON`, sent.payload[0] === "{".charCodeAt(0), sent.answers.some(isJson));
  }

  // What never was on the stream was a request, and wrong in itself.
  compareRefused(play, stored, compare) {
    for (const sent of play.sent) {
      if (stored.has(sent)) continue;
      const { fault } = sent.command;
      const expected =
        sent.step.door === "request" && fault ? `INVALID_ARGUMENT ${fault.field}` : "to be on the stream";
      compare(`${nameOf(sent)}: refused at the door`, expected, sent.answers.map(errorOf).join("; "));
    }
  }

  compareEvents(play, model, compare) {
    const expected = grouped(model.events, ({ user }) => user);
    for (const user of play.users) {
      const wanted = (expected.get(user) ?? []).map((event) => {
        const { id, actor } = event.command;
        return eventLine({ ...event, ns: event.at, command: id, actor, data: eventBytes(event) });
      });
      const told = (this.eventsOf.get(user) ?? []).map(eventLine);
      for (let i = 0; i < Math.max(wanted.length, told.length); i++) compare(`event of ${user}`, wanted[i], told[i]);
    }
  }

  compareUsers(play, model, compare) {
    const now = BigInt(Date.now()) * 1_000_000n;
    for (const [id, answer] of play.user) {
      const user = userAt(model.user(id), now);
      const gone = { NONE: "NOT_FOUND", DELETED: "DELETED" }[user.status];
      compare(`user ${id}`, gone ?? userLine({ ...user, userId: id }), userOf(answer));
    }
  }
}

// A line around the place where it begins to differ from another.
function part(line, other) {
  const [one, two] = [`${line}`, `${other}`];
  let same = 0;
  while (same < one.length && one[same] === two[same]) same++;
  const from = same > 120 ? same - 60 : 0;
  return `${from > 0 ? "... " : ""}${one.slice(from, same + 160)}${one.length > same + 160 ? " ..." : ""}`;
}

const nameOf = ({ play, step }) => `step ${play.sequence.steps.indexOf(step)}, ${step.method}`;

function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group) group.push(row);
    else groups.set(key(row), [row]);
  }
  return groups;
}

/** What commands there were and what came of them, added to `counts`: "create APPLIED", "create EMAIL_TAKEN", ... */
export function count(counts, { plays }) {
  for (const { step, answers } of plays.flatMap((play) => play.sent.filter(({ answers }) => answers.length > 0))) {
    const [status, reason] = outcomeOf(answers[0]).split(/[ ,]/);
    const name = `${step.method} ${status === "REJECTED" ? reason : status}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
}
