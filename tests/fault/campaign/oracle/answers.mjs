// SPDX-License-Identifier: MIT
// What the history of the load must say of tables and streams:
//   I1 an answered command is in the table as answered; I2 one that was certainly never sent has left nothing
//   I8 the same id gets the same answer, byte by byte, and other content under it is refused
//   I9 what was answered before another command was sent stands before it; queries: reads.mjs
import { eventOf } from "../population.mjs";
import { readsAreTrue } from "./reads.mjs";
import { anotherStoodThere } from "./replicas.mjs";
import { grouped } from "./snapshot.mjs";

const isReused = ({ answer }) => answer.reason === "COMMAND_ID_REUSED";
const isAnswered = ({ answer }) => answer.kind === "outcome";

function answersAreTrue(state, report, attempts) {
  const commands = attempts.filter(({ door }) => door !== "read");
  for (const [id, group] of grouped(commands, (attempt) => attempt.id)) {
    const row = state.outcomeOf.get(id);
    if (row?.seq === 0) sameButForItsPlace(state, report, row, group.filter(isAnswered));
    else sameAnswers(report, id, group.filter(isAnswered));
    for (const attempt of group.filter(isAnswered)) if (!isReused(attempt)) answerIsTrue(state, report, row, attempt);
    if (row) outcomeIsWanted(state, report, row, group);
    nothingWasSkipped(state, report, id, row, group);
  }
}

// What was answered with other than "reused" has the one content that counts; whatever has it is never refused for it.
function sameAnswers(report, id, answered) {
  const kept = answered.filter((attempt) => !isReused(attempt) && attempt.answer.status !== "DEAD");
  if (new Set(kept.map(({ answer }) => answer.bytes)).size > 1) report("I8", `${id} got different answers`);
  const contents = new Set(kept.filter(({ door }) => door !== "ask").map(({ content }) => content));
  if (contents.size > 1) report("I8", `${id} was answered for different contents`);
  for (const attempt of answered.filter(isReused)) {
    if (contents.has(attempt.content)) report("I8", `${id} was called reused for its own content`);
  }
}

// After a restore: of an expired command only its events are left, which tell neither its sequence nor its content.
function sameButForItsPlace({ harm }, report, { command: id, status }, answered) {
  const mayBe = status === "APPLIED" && harm.restores.some(({ before }) => before > 0);
  if (!mayBe) report("I1", `the outcome of ${id} has no sequence`);
  const kept = answered.filter((attempt) => !isReused(attempt) && attempt.answer.status !== "DEAD");
  for (const known of [true, false]) {
    const told = kept.filter(({ answer }) => answer.seq > 0 === known);
    if (new Set(told.map(({ answer }) => answer.bytes)).size > 1) report("I8", `${id} got different answers`);
  }
}

function answerIsTrue({ eventsOf, streamOf, tally }, report, row, { id, answer, door }) {
  if (row === undefined) {
    tally.lost++;
    report("I1", `${id} was answered ${answer.status} through ${door} and has no outcome`);
    return;
  }
  if (answer.status === "DEAD") return; // may have been replaced by a later decision
  if (answer.status !== row.status || answer.version !== row.version || answer.user !== row.user) {
    const said = `${answer.status} at ${answer.version}`;
    report("I1", `${id} was answered ${said}, its outcome is ${row.status} at ${row.version}`);
  }
  const events = eventsOf.get(id)?.length ?? 0;
  const relayed = streamOf.get(id)?.length ?? 0;
  if ((answer.status === "APPLIED") !== events > 0 || relayed !== events) {
    if (events === 0) tally.lost++;
    report("I1", `${answer.status} ${id} has ${events} events and ${relayed} on the stream`);
  }
}

/** The event of an applied command says what one of its senders wanted, and there is one of it. */
function outcomeIsWanted({ eventsOf, tally }, report, row, group) {
  const known = group.filter(({ method }) => eventOf[method]);
  if (row.status !== "APPLIED" || known.length < group.length) return;
  const [event, ...more] = eventsOf.get(row.command) ?? [];
  if (more.length > 0) {
    tally.doubled++;
    report("I1", `${row.command} has ${more.length + 1} events`);
  }
  if (event && !group.some((attempt) => event.type === eventOf[attempt.method] && saysWanted(event, attempt))) {
    report("I1", `event ${event.user}:${event.version} is not what ${row.command} asked for`);
  }
}

const same = (a, b) => a === b || (a ?? "").toLowerCase() === b.toLowerCase(); // a domain's case is folded

function saysWanted({ fields }, { want = {} }) {
  return Object.entries(want).every(([name, value]) => same(fields[name], value));
}

/** Never sent: nothing is there. Accepted by the stream: decided, unless the stream itself was taken away. */
function nothingWasSkipped(state, report, id, row, group) {
  const { messagesOf, harm, tally } = state;
  const mayBe = group.some(({ answer, door }) => door !== "ask" && answer.kind !== "never");
  if (!mayBe && (row || messagesOf.has(id))) report("I2", `${id} was certainly not on the stream, and yet it is there`);
  if (row || !group.some(({ answer }) => answer.kind === "stored")) return;
  if (messagesOf.get(id)?.some((message) => anotherStoodThere(state, message))) return;
  tally.gone++;
  if (harm.commands.length === 0) report("G9", `${id} was accepted by the stream and has no outcome`);
}

// A command that was answered before another of its user was sent has the lower version.
function timeIsKept(_state, report, attempts) {
  const applied = (attempt) => isAnswered(attempt) && attempt.answer.status === "APPLIED";
  const commands = [...grouped(attempts.filter(({ door }) => door !== "read"), (attempt) => attempt.id).values()]
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

export const historyRules = [answersAreTrue, timeIsKept, readsAreTrue];
