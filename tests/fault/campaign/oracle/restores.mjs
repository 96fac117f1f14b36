// SPDX-License-Identifier: MIT
// What callers may have been told that holds no more since PostgreSQL was restored to an earlier point: the exceptions
// of docs/operations.md, "Restore", and nothing else. What an answer says that may be gone counts as unknown.
import { grouped } from "./snapshot.mjs";

const takenFor = { EMAIL_TAKEN: "email", PHONE_TAKEN: "phone" };
const isApplied = ({ answer }) => answer.kind === "outcome" && answer.status === "APPLIED";
const within = ({ invoked, completed }, { since, until }) => completed > since && invoked < until;

// Another user's command that comes before this one in the stream, and took what this one wanted.
function otherWasFirst({ outcomeOf, events }, row, field, address) {
  const wanted = `${address}`.toLowerCase();
  return events.some(
    ({ user, command, fields }) =>
      user !== row.user && fields[field]?.toLowerCase() === wanted && outcomeOf.get(command)?.seq < row.seq,
  );
}

// Applied, and its event not published: then the address belongs to whoever comes first in the stream. Returns the
// version that it had led to, or may have led to where nobody was told.
function lostVersion(state, { id, door, answer, want = {} }) {
  const row = state.outcomeOf.get(id);
  const field = takenFor[row?.reason];
  const applied = answer.kind !== "outcome" || answer.status === "APPLIED";
  if (door === "read" || !applied || row?.status !== "REJECTED" || field === undefined) return undefined;
  if (state.streamOf.has(id) || !otherWasFirst(state, row, field, want[field])) return undefined;
  return { user: row.user, version: answer.version ?? row.version + 1 };
}

/** The users who lost an address, by restore; what they did after that, and was not published, has other versions now. */
function displacedUsers(state, attempts) {
  return state.harm.restores.map((restore) => {
    const versions = new Map();
    for (const attempt of attempts) {
      const lost = within(attempt, restore) && lostVersion(state, attempt);
      if (lost) versions.set(lost.user, Math.min(lost.version, versions.get(lost.user) ?? Infinity));
    }
    return versions;
  });
}

function mayBeGone({ outcomeOf }, { id, answer }, group, restore, displaced) {
  // It has an outcome all the same, at a lower version.
  if (answer.version >= displaced.get(answer.user) && outcomeOf.get(id)?.version < answer.version) return true;
  if (answer.status === "APPLIED") return false;
  if (answer.reason === "COMMAND_ID_REUSED") return restore.before > 0 && !group.some(isApplied);
  return answer.seq < restore.before || answer.reason in takenFor;
}

// A query that saw what is no more.
const sees = (attempt, users) => {
  const told = JSON.stringify([attempt.ask, attempt.answer]);
  return [...users.keys()].some((user) => told.includes(user));
};

function isGone(state, attempt, group, displaced) {
  return state.harm.restores.some((restore, i) => {
    if (!within(attempt, restore)) return false;
    if (attempt.answer.kind === "outcome") return mayBeGone(state, attempt, group, restore, displaced[i]);
    return attempt.door === "read" && sees(attempt, displaced[i]);
  });
}

/** The attempts; those answers are unknown that a restore may have taken. */
export function remembered(state, attempts) {
  if (state.harm.restores.length === 0) return attempts;
  const displaced = displacedUsers(state, attempts);
  const groups = grouped(attempts, ({ id }) => id);
  const forgotten = { kind: "unknown", why: "a restore" };
  return attempts.map((attempt) => {
    const gone = isGone(state, attempt, groups.get(attempt.id), displaced);
    return gone ? { ...attempt, answer: forgotten } : attempt;
  });
}
