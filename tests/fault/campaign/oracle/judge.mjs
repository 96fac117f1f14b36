// SPDX-License-Identifier: MIT
// The verdict about a round: everything is read when all is quiet, and judged by rules that share no code with the
// service.
import { readHistory } from "../history.mjs";
import { historyRules } from "./answers.mjs";
import { remembered } from "./restores.mjs";
import { rules } from "./rules.mjs";
import { snapshot } from "./snapshot.mjs";

const shown = 12; // of each rule

/** Judges a snapshot and attempts; `report(rule, text)` hears of all that is wrong. Returns what was counted. */
export function judge(state, attempts, report) {
  for (const rule of rules) rule(state, report);
  const known = remembered(state, attempts);
  for (const rule of historyRules) rule(state, report, known);
  return state.tally;
}

export const noTally = () => ({ lost: 0, doubled: 0, disordered: 0, missing: 0, gone: 0, split: 0, overlooked: 0 });

/** Reads everything of a stage and judges it. */
export async function verdict(stage, historyFile, journal) {
  const state = await snapshot(stage);
  const attempts = await readHistory(historyFile);
  Object.assign(state, { harm: stage.losses, tally: noTally() });
  const counts = new Map();
  judge(state, attempts, (rule, text) => {
    const count = (counts.get(rule) ?? 0) + 1;
    counts.set(rule, count);
    if (count <= shown) journal.finding(rule, text);
  });
  for (const [rule, count] of counts) if (count > shown) journal.finding(rule, `and ${count - shown} more of these`);
  const { outcomes, events, users, dead } = state;
  const sizes = { outcomes: outcomes.length, events: events.length, users: users.length, dead: dead.length };
  const queries = attempts.filter(({ door, answer }) => door === "read" && answer.kind === "seen").length;
  return { ...state.tally, ...sizes, queries, attempts: attempts.length };
}
